/* Structs grow at the end: callers built for an older and for a newer header are served alike. For each transparent struct the
 * library writes no byte beyond struct_size, and leaves members alone that it does not know. Argument: model. */
#include "check.h"

#include <stddef.h>

enum { ROOM = 512, CANARY = 0x5a };

/* Memory that holds any struct, and more. */
typedef union space {
    size_t struct_size;
    unsigned char bytes[ROOM];
    double aligned;
} space;

typedef pellucid_status fill_fn(void *out, const pellucid_model *model);

static pellucid_status fill_backend(void *out, const pellucid_model *model) {
    static pellucid_runtime *runtime;
    (void)model;
    if (out == NULL) {
        pellucid_runtime_release(runtime);
        return PELLUCID_OK;
    }
    if (runtime == NULL) CHECK_OK(pellucid_runtime_create(&runtime, NULL));
    return pellucid_runtime_backend_at(runtime, 0, out);
}
static pellucid_status fill_value(void *out, const pellucid_model *model) { return pellucid_model_value_at(model, PELLUCID_LAYER, 0, out); }
static pellucid_status fill_module(void *out, const pellucid_model *model) { return pellucid_model_module_at(model, 1, out); }
static pellucid_status fill_cost(void *out, const pellucid_model *model) { return pellucid_model_cost(out, (pellucid_model *)model, NULL, 0); }
/* The last one is a metric: every member says something. */
static pellucid_status fill_method(void *out, const pellucid_model *model) {
    return (void)model, pellucid_method_at(pellucid_method_count() - 1, out);
}
static pellucid_status fill_parameter(void *out, const pellucid_model *model) {
    return (void)model, pellucid_method_parameter_at("saliency", 0, out);
}

static void fill_with(space *space, size_t struct_size) {
    memset(space->bytes, CANARY, sizeof space->bytes);
    space->struct_size = struct_size;
}

/* `first` is where the second member begins; from `gap` to `end` lie bytes between members, which mean nothing. */
static void check_out(fill_fn *fill, const pellucid_model *model, size_t size, size_t first, size_t gap, size_t end) {
    space whole, part;
    fill_with(&whole, size);
    CHECK_OK(fill(&whole, model));
    CHECK(whole.struct_size == size);
    for (size_t i = size; i < ROOM; i++) CHECK(whole.bytes[i] == CANARY);
    /* Every size from one that covers one member to one that no header has yet. */
    for (size_t known = first; known <= size + 64; known += 4) {
        const size_t covered = known < size ? known : size;
        fill_with(&part, known);
        CHECK_OK(fill(&part, model));
        CHECK(part.struct_size == known);
        for (size_t i = sizeof known; i < covered; i++) CHECK((i >= gap && i < end) || part.bytes[i] == whole.bytes[i]);
        for (size_t i = covered; i < ROOM; i++) CHECK(part.bytes[i] == CANARY);
    }
    static const size_t wrong[] = { 0, 1, 8, 65537, SIZE_MAX };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fill_with(&part, wrong[i]);
        CHECK(fill(&part, model) == PELLUCID_E_INVALID);
        for (size_t k = sizeof(size_t); k < ROOM; k++) CHECK(part.bytes[k] == CANARY);
    }
}

/* Class 3 by a target of so many bytes; what lies behind them is noise. */
static float scored(pellucid_model *model, size_t struct_size) {
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(3);
    pellucid_feed feed = { NULL, make_input(1) };
    pellucid_result *result = NULL;
    double score = 0;
    space space;
    fill_with(&space, struct_size);
    memcpy(space.bytes + sizeof(size_t), (char *)&target + sizeof(size_t),
           (struct_size < sizeof target ? struct_size : sizeof target) - sizeof(size_t));
    CHECK_OK(pellucid_explain(&result, model, "saliency", &feed, 1, (const pellucid_target *)&space, NULL, NULL));
    CHECK_OK(pellucid_result_number(result, "score", &score));
    pellucid_result_release(result);
    pellucid_tensor_release((pellucid_tensor *)feed.tensor);
    return (float)score;
}

static int32_t cancel(double fraction, const char *stage, void *payload) {
    (void)fraction, (void)stage, (void)payload;
    return 1;
}

/* An old caller's control ends behind `progress` and its payload; members that it does not have are defaults. */
static void check_control(pellucid_model *model) {
    pellucid_feed feed = { NULL, make_input(1) };
    pellucid_control control = PELLUCID_CONTROL_INIT;
    control.progress = cancel;
    for (size_t size = offsetof(pellucid_control, cancel); size <= sizeof control + 64; size += 8) {
        pellucid_result *result = NULL;
        space space;
        fill_with(&space, size);
        memcpy(space.bytes + sizeof size, (char *)&control + sizeof size, (size < sizeof control ? size : sizeof control) - sizeof size);
        CHECK(pellucid_explain(&result, model, "saliency", &feed, 1, NULL, NULL, (const pellucid_control *)&space) == PELLUCID_E_CANCELLED);
        CHECK(result == NULL);
    }
    pellucid_tensor_release((pellucid_tensor *)feed.tensor);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    check_out(fill_backend, model, sizeof(pellucid_backend_info), offsetof(pellucid_backend_info, version),
              offsetof(pellucid_backend_info, score) + 4, sizeof(pellucid_backend_info));
    check_out(fill_value, model, sizeof(pellucid_value_info), offsetof(pellucid_value_info, node),
              offsetof(pellucid_value_info, differentiable) + 4, offsetof(pellucid_value_info, backend));
    check_out(fill_module, model, sizeof(pellucid_module_info), offsetof(pellucid_module_info, kind),
              offsetof(pellucid_module_info, differentiable) + 4, sizeof(pellucid_module_info));
    check_out(fill_cost, model, sizeof(pellucid_cost), offsetof(pellucid_cost, backwards), 0, 0);
    check_out(fill_method, model, sizeof(pellucid_method_info), offsetof(pellucid_method_info, family), 0, 0);
    check_out(fill_parameter, model, sizeof(pellucid_parameter_info), offsetof(pellucid_parameter_info, type), 0, 0);
    fill_backend(NULL, NULL);
    const float expected = scored(model, sizeof(pellucid_target));
    CHECK(scored(model, offsetof(pellucid_target, indices)) == expected);
    CHECK(scored(model, sizeof(pellucid_target) + 64) == expected);
    check_control(model);
    pellucid_model_release(model);
    return 0;
}
