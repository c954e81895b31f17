/* Every function of the library, every argument of it, every kind of nonsense: what fails says why, leaves its output NULL, and
 * nothing crashes. Argument: model. */
#include "check.h"

#include <ctype.h>
#include <math.h>

/* Arguments are integers and pointers; the library's platforms pass both alike, so that one call fits every function. Those
 * that take a double are called by name below. */
typedef intptr_t word;
typedef word call_fn(word, word, word, word, word, word, word, word, word);
typedef void any_fn(void);

enum { MOST = 9 };

/* What an argument is; capital letters may be left out (NULL). */
typedef enum kind {
    END = 0,
    OUT = 'o',      /* where a handle goes */
    STRUCT = 's',   /* a struct that begins with struct_size, or is written */
    TEXT = 't', TEXT_OR_NULL = 'T',
    RUNTIME = 'r', MODEL = 'm', TENSOR = 'x', TENSOR_OR_NULL = 'X', RESULT = 'e', RESULT_OR_NULL = 'E', OPTIONS = 'p', OPTIONS_OR_NULL = 'P',
    FUNCTION = 'f', ARRAY = 'a', ARRAY_OR_NULL = 'A', COUNT = 'n', /* of the array before it */
    INDEX = 'i', NUMBER = 'd', PLAIN = 'v'         /* any value is acceptable */
} kind;

typedef struct entry {
    const char *name;
    any_fn *function;
    const char *kinds;
    word arguments[MOST];
    char returns; /* 's' a status, 'n' a number or a negative status, 'v' nothing, 'c' text or NULL */
} entry;

/* Handles of each kind, one that was released of each, and memory that is none. */
typedef struct world {
    pellucid_runtime *runtime, *released_runtime;
    pellucid_model *model, *released_model;
    pellucid_tensor *tensor, *released_tensor;
    pellucid_options *options, *released_options;
    pellucid_result *result, *released_result;
    pellucid_tensor *picture, *texts, *containers;
    word zeros[32];
} world;

/* Where calls that compute several tensors put them. */
static pellucid_tensor *room[1];

static char noise[256];

static int32_t refuse(const void *bytes, size_t size, void *payload) {
    (void)bytes, (void)size, (void)payload;
    return 1;
}

/* Releases what a call has made. */
static void give_back(const entry *e, word made) {
    if (strcmp(e->name, "pellucid_runtime_create") == 0) pellucid_runtime_release((pellucid_runtime *)made);
    else if (strcmp(e->name, "pellucid_options_create") == 0) pellucid_options_release((pellucid_options *)made);
    else if (strncmp(e->name, "pellucid_model_load", 19) == 0) pellucid_model_release((pellucid_model *)made);
    else if (strcmp(e->name, "pellucid_explain") == 0 || strcmp(e->name, "pellucid_evaluate") == 0) pellucid_result_release((pellucid_result *)made);
    else pellucid_tensor_release((pellucid_tensor *)made);
}

/* Calls an entry with its own arguments but one. */
static void call(const entry *e, int changed, word value, int must_fail) {
    word a[MOST], made[64] = { 0 };
    call_fn *function;
    memcpy(&function, &e->function, sizeof function);
    memcpy(a, e->arguments, sizeof a);
    const char *kinds = e->kinds;
    for (int i = 0; kinds[i] != END; i++) if (kinds[i] == OUT) a[i] = (word)made;
    made[0] = 1;
    if (changed >= 0) a[changed] = value;
    const word result = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8]);
    const char *message = pellucid_error_message();
    if (e->returns == 's' || e->returns == 'n') {
        const int32_t status = (int32_t)result;
        if ((must_fail && status >= 0) || (status < 0 && message[0] == '\0')) {
            fprintf(stderr, "%s, argument %d is %lld: status %d, \"%s\"\n", e->name, changed, (long long)value, (int)status, message);
            exit(1);
        }
        const char *out = strchr(kinds, OUT);
        const int has_out = out != NULL && a[out - kinds] == (word)made;
        if (has_out) CHECK((status == PELLUCID_OK) == (made[0] != 0) && made[0] != 1);
        if (has_out) give_back(e, made[0]);
    }
    pellucid_tensor_release(room[0]);
    room[0] = NULL;
    if (e->returns == 'c' && must_fail) CHECK(result == 0 && message[0] != '\0');
}

static void try_handle(const entry *e, int i, const world *w, int is_optional) {
    const word wrong[] = { (word)w->runtime, (word)w->model, (word)w->tensor, (word)w->options, (word)w->result, (word)w->zeros, (word)noise,
                           (word)noise + 1, 1, 8, 4095, -1, INTPTR_MIN, (word)stdin };
    const word released[] = { (word)w->released_runtime, (word)w->released_model, (word)w->released_tensor, (word)w->released_options,
                              (word)w->released_result };
    const int releases = e->returns == 'v';
    call(e, i, 0, !is_optional && !releases);
    const kind own = (kind)tolower(e->kinds[i]);
    const word right = (word)(own == RUNTIME  ? (void *)w->runtime
                              : own == MODEL  ? (void *)w->model
                              : own == TENSOR ? (void *)w->tensor
                              : own == RESULT ? (void *)w->result
                                              : (void *)w->options);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        if (wrong[k] != right) call(e, i, wrong[k], !releases);
#ifndef SANITIZED /* looking at memory that was given back is what a sanitizer reports */
    for (size_t k = 0; k < sizeof released / sizeof *released; k++) call(e, i, released[k], !releases);
#else
    (void)released;
#endif
}

static void try_text(const entry *e, int i, int is_optional) {
    static char longest[1 << 16];
    static const char *texts[] = { "", "\xff\xfe", "\xc3\x28", "\xed\xa0\x80", "no such thing", "%s%n%d", "../../..", "\n\t\r" };
    memset(longest, 'x', sizeof longest - 1);
    call(e, i, 0, !is_optional);
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) call(e, i, (word)texts[k], k >= 1 && k <= 3);
    call(e, i, (word)longest, 0);
}

static void try_struct(const entry *e, int i) {
    static const size_t sizes[] = { 0, 1, 7, 8, 65537, SIZE_MAX };
    static word copy[64];
    static const char *const may_be_null[] = { "pellucid_explain", "pellucid_model_run", "pellucid_model_gradient", "pellucid_explain_cost",
                                               "pellucid_evaluate", "pellucid_evaluate_cost" };
    int must_be_there = 1;
    for (size_t k = 0; k < sizeof may_be_null / sizeof *may_be_null; k++) must_be_there &= strcmp(e->name, may_be_null[k]) != 0;
    call(e, i, 0, must_be_there);
    if (strcmp(e->name, "pellucid_tensor_wrap") == 0 || strcmp(e->name, "pellucid_tensor_view") == 0) return; /* have no struct_size */
    if (strcmp(e->name, "pellucid_result_number") == 0) return;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        copy[0] = (word)sizes[k];
        call(e, i, (word)copy, 1);
    }
    memcpy((char *)copy + 1, (void *)e->arguments[i], *(const size_t *)e->arguments[i]);
    call(e, i, (word)copy + 1, 1);
}

static void try_argument(const entry *e, int i, const world *w) {
    static const int32_t integers[] = { -1, INT32_MIN, INT32_MAX };
    switch (e->kinds[i]) {
    case OUT: case FUNCTION: call(e, i, 0, 1); break;
    case STRUCT: try_struct(e, i); break;
    case TEXT: try_text(e, i, e->returns == 'v'); break;
    case TEXT_OR_NULL: try_text(e, i, 1); break;
    case RUNTIME: case MODEL: case TENSOR: case RESULT: case OPTIONS: try_handle(e, i, w, 0); break;
    case TENSOR_OR_NULL: case RESULT_OR_NULL: case OPTIONS_OR_NULL: try_handle(e, i, w, 1); break;
    case ARRAY: call(e, i, 0, 1); call(e, i, (word)noise + 1, 1); break;
    case ARRAY_OR_NULL: call(e, i, 0, 0); break;
    case COUNT: call(e, i, -1, 1); call(e, i, INT32_MIN, 1); break;
    case INDEX: for (int k = 0; k < 3; k++) call(e, i, integers[k], e->returns != 'c' && e->returns != 'v'); break;
    case NUMBER: for (int k = 0; k < 3; k++) call(e, i, integers[k], 0); break;
    default: break;
    }
}

#define ENTRY(name, kinds, returns, ...) { #name, (any_fn *)name, kinds, { __VA_ARGS__ }, returns }
#define W(value) ((word)(value))

static void try_all(const world *w, const char *path) {
    static const int64_t shape[4] = { 1, 1, SIDE, SIDE };
    static const char *outputs[] = { "logits" };
    static double number;
    pellucid_feed feeds[] = { { NULL, w->tensor } };
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(1);
    pellucid_control control = PELLUCID_CONTROL_INIT;
    pellucid_backend_info backend = PELLUCID_BACKEND_INFO_INIT;
    pellucid_value_info value = PELLUCID_VALUE_INFO_INIT;
    pellucid_module_info module = PELLUCID_MODULE_INFO_INIT;
    pellucid_cost cost = PELLUCID_COST_INIT;
    pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
    pellucid_parameter_info parameter = PELLUCID_PARAMETER_INFO_INIT;
    static float pixels[SIDE * SIDE];
    pellucid_view view = { pixels, PELLUCID_FLOAT32, 4, shape, NULL }, seen;
    static const char *texts[] = { "one", "two" }, *text;
    static const int64_t two[1] = { 2 };
    static size_t length;
    pellucid_tensor *picture = w->picture;
    /* Without it a metric has nothing to judge where the explanation is NULL. */
    pellucid_options *map = NULL;
    CHECK_OK(pellucid_options_create(&map));
    CHECK_OK(pellucid_options_set_tensor(map, "map", w->tensor));
    const entry entries[] = {
        ENTRY(pellucid_status_name, "d", 'v', -3),
        ENTRY(pellucid_tensor_create, "oinaA", 's', 0, PELLUCID_FLOAT32, 4, W(shape), W(pixels)),
        ENTRY(pellucid_tensor_wrap, "osvv", 's', 0, W(&view), 0, 0),
        ENTRY(pellucid_tensor_from_dlpack, "oa", 's', 0, 0),
        ENTRY(pellucid_tensor_from_dlpack_legacy, "oa", 's', 0, 0),
        ENTRY(pellucid_tensor_to_dlpack, "ox", 's', 0, W(w->tensor)),
        ENTRY(pellucid_tensor_to_dlpack_legacy, "ox", 's', 0, W(w->tensor)),
        ENTRY(pellucid_tensor_create_text, "onaaA", 's', 0, 1, W(two), W(texts), 0),
        ENTRY(pellucid_tensor_text_at, "xiaA", 's', W(w->texts), 0, W(&text), W(&length)),
        ENTRY(pellucid_tensor_create_container, "oian", 's', 0, PELLUCID_SEQUENCE, W(&w->tensor), 1),
        ENTRY(pellucid_tensor_item_count, "x", 'n', W(w->containers)),
        ENTRY(pellucid_tensor_item_at, "xio", 's', W(w->containers), 0, 0),
        ENTRY(pellucid_tensor_view, "xs", 's', W(w->tensor), W(&seen)),
        ENTRY(pellucid_options_create, "o", 's', 0),
        ENTRY(pellucid_options_set_int, "ptd", 's', W(w->options), W("n_samples"), 3),
        ENTRY(pellucid_options_set_text, "ptt", 's', W(w->options), W("input"), W("input")),
        ENTRY(pellucid_options_set_tensor, "ptx", 's', W(w->options), W("baseline"), W(w->tensor)),
        ENTRY(pellucid_runtime_create, "oP", 's', 0, 0),
        ENTRY(pellucid_runtime_load_backend, "rt", 's', W(w->runtime), W("/nowhere.so")),
        ENTRY(pellucid_runtime_backend_count, "r", 'n', W(w->runtime)),
        ENTRY(pellucid_runtime_backend_at, "ris", 's', W(w->runtime), 0, W(&backend)),
        ENTRY(pellucid_runtime_set_logger, "rvv", 's', W(w->runtime), 0, 0),
        ENTRY(pellucid_model_load, "ortP", 's', 0, W(w->runtime), W(path), 0),
        ENTRY(pellucid_model_load_memory, "oravP", 's', 0, W(w->runtime), W(noise), sizeof noise - 1, 0),
        ENTRY(pellucid_model_value_count, "mi", 'n', W(w->model), 0),
        ENTRY(pellucid_model_value_at, "miis", 's', W(w->model), PELLUCID_LAYER, 0, W(&value)),
        ENTRY(pellucid_model_module_count, "m", 'n', W(w->model)),
        ENTRY(pellucid_model_module_at, "mis", 's', W(w->model), 0, W(&module)),
        ENTRY(pellucid_model_cost, "smAn", 's', W(&cost), W(w->model), W(feeds), 1),
        ENTRY(pellucid_model_metadata, "mt", 'c', W(w->model), W("producer")),
        ENTRY(pellucid_model_run, "manAnas", 's', W(w->model), W(feeds), 1, W(outputs), 1, W(room), W(&control)),
        ENTRY(pellucid_model_gradient, "mansanTas", 's', W(w->model), W(feeds), 1, W(&target), W(outputs), 1, 0, W(room), W(&control)),
        ENTRY(pellucid_method_count, "", 'n', 0),
        ENTRY(pellucid_method_at, "is", 's', 0, W(&method)),
        ENTRY(pellucid_method_parameter_at, "tis", 's', W("smoothgrad"), 0, W(&parameter)),
        ENTRY(pellucid_explain, "omtansPs", 's', 0, W(w->model), W("saliency"), W(feeds), 1, W(&target), 0, W(&control)),
        ENTRY(pellucid_explain_cost, "smtansP", 's', W(&cost), W(w->model), W("smoothgrad"), W(feeds), 1, W(&target), 0),
        ENTRY(pellucid_evaluate, "omtansEPs", 's', 0, W(w->model), W("deletion"), W(feeds), 1, W(&target), W(w->result), W(map), W(&control)),
        ENTRY(pellucid_evaluate_cost, "smtansEP", 's', W(&cost), W(w->model), W("insertion"), W(feeds), 1, W(&target), W(w->result), W(map)),
        ENTRY(pellucid_result_tensor, "eto", 's', W(w->result), W("map"), 0),
        ENTRY(pellucid_result_number, "ets", 's', W(w->result), W("score"), W(&number)),
        ENTRY(pellucid_result_tensor_name, "ei", 'c', W(w->result), 0),
        ENTRY(pellucid_result_number_name, "ei", 'c', W(w->result), 0),
        ENTRY(pellucid_result_json, "e", 'c', W(w->result)),
        ENTRY(pellucid_image_decode, "oavP", 's', 0, W(noise), sizeof noise - 1, 0),
        ENTRY(pellucid_image_fit, "oxP", 's', 0, W(picture), 0),
        ENTRY(pellucid_image_preprocess, "oxP", 's', 0, W(picture), 0),
        ENTRY(pellucid_image_overlay, "oXxP", 's', 0, W(picture), W(w->tensor), 0),
        ENTRY(pellucid_image_upsample, "oxP", 's', 0, W(w->tensor), 0),
        ENTRY(pellucid_image_encode, "xtfv", 's', W(picture), W("png"), W(refuse), 0),
        /* Releasing and retaining anything but a living handle of the kind does nothing. */
        ENTRY(pellucid_tensor_retain, "x", 'v', 0),
        ENTRY(pellucid_tensor_release, "x", 'v', 0),
        ENTRY(pellucid_options_release, "p", 'v', 0),
        ENTRY(pellucid_runtime_release, "r", 'v', 0),
        ENTRY(pellucid_model_retain, "m", 'v', 0),
        ENTRY(pellucid_model_release, "m", 'v', 0),
        ENTRY(pellucid_result_release, "e", 'v', 0),
    };
    for (size_t k = 0; k < sizeof entries / sizeof *entries; k++) {
        const entry *e = &entries[k];
        world own = *w;
        /* A release must not get the living handle of its own kind. */
        if (e->returns == 'v' && e->kinds[0] == TENSOR) own.tensor = NULL;
        if (e->returns == 'v' && e->kinds[0] == OPTIONS) own.options = NULL;
        if (e->returns == 'v' && e->kinds[0] == RUNTIME) own.runtime = NULL;
        if (e->returns == 'v' && e->kinds[0] == MODEL) own.model = NULL;
        if (e->returns == 'v' && e->kinds[0] == RESULT) own.result = NULL;
        for (int i = 0; e->kinds[i] != END; i++) try_argument(e, i, &own);
    }
    pellucid_options_release(map);
}

/* What does not fit the table: doubles. */
static void try_numbers(const world *w) {
    static const double odd[] = { NAN, INFINITY, -INFINITY, 0, -1 };
    for (int i = 0; i < 5; i++) CHECK_OK(pellucid_options_set_real(w->options, "noise", odd[i]));
    CHECK_FAILS(pellucid_options_set_real(NULL, "noise", 1));
    CHECK_FAILS(pellucid_options_set_real(w->options, NULL, 1));
    CHECK_FAILS(pellucid_options_set_real((pellucid_options *)w->model, "noise", 1));
}

int main(int argc, char **argv) {
    static const int64_t picture_shape[3] = { 4, 4, 3 };
    static world w;
    CHECK(argc == 2);
    for (int i = 0; i < 2; i++) {
        pellucid_feed feed = { NULL, NULL };
        CHECK_OK(pellucid_runtime_create(&w.runtime, NULL));
        w.model = load_model(argv[1]);
        w.tensor = make_input(1);
        CHECK_OK(pellucid_options_create(&w.options));
        feed.tensor = w.tensor;
        CHECK_OK(pellucid_explain(&w.result, w.model, "saliency", &feed, 1, NULL, NULL, NULL));
        if (i == 1) break;
        w.released_runtime = w.runtime, w.released_model = w.model, w.released_tensor = w.tensor;
        w.released_options = w.options, w.released_result = w.result;
    }
    CHECK_OK(pellucid_tensor_create(&w.picture, PELLUCID_UINT8, 3, picture_shape, NULL));
    CHECK_OK(pellucid_tensor_create_text(&w.texts, 1, (const int64_t[]){ 1 }, (const char *const[]){ "text" }, NULL));
    CHECK_OK(pellucid_tensor_create_container(&w.containers, PELLUCID_SEQUENCE, (const pellucid_tensor *const *)&w.texts, 1));
    /* From here on nothing is kept that could take the place of what is released. */
    pellucid_result_release(w.released_result);
    pellucid_options_release(w.released_options);
    pellucid_tensor_release(w.released_tensor);
    pellucid_model_release(w.released_model);
    pellucid_runtime_release(w.released_runtime);
    try_all(&w, argv[1]);
    try_numbers(&w);
    pellucid_result_release(w.result);
    pellucid_options_release(w.options);
    pellucid_tensor_release(w.containers);
    pellucid_tensor_release(w.texts);
    pellucid_tensor_release(w.picture);
    pellucid_tensor_release(w.tensor);
    pellucid_model_release(w.model);
    pellucid_runtime_release(w.runtime);
    return 0;
}
