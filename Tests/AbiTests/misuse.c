/* Values that make no sense, where the pointers are good: extreme sizes and strides, every type as an input, every
 * option of every method, hooks and progress that misbehave. What fails must say why; nothing may crash. */
#include "check.h"

#include <math.h>

/* Either it works, or it fails and says why. */
#define SURVIVES(call) CHECK((call) == PELLUCID_OK || pellucid_error_message()[0] != '\0')

static void check_strides(void) {
    static const int64_t steps[] = { 0, 1, -1, 7, INT64_MAX, INT64_MIN, INT64_MIN + 1, INT64_C(1) << 61, INT64_C(1) << 47, -(INT64_C(1) << 47) };
    static const int64_t sizes[] = { 0, 1, 2, 3, INT64_MAX, INT64_MIN, INT64_C(1) << 62, INT64_C(1) << 31 };
    enum { STEPS = sizeof steps / sizeof *steps, SIZES = sizeof sizes / sizeof *sizes };
    char data[64] = { 0 };
    for (int32_t dtype = -1; dtype < 30; dtype++) {
        for (int i = 0; i < STEPS * STEPS; i++) {
            int64_t shape[3] = { 0, 2, 1 }, strides[3] = { steps[i % STEPS], steps[i / STEPS], 1 };
            pellucid_view view = { data, dtype, 3, shape, strides };
            pellucid_tensor *tensor = NULL;
            SURVIVES(pellucid_tensor_wrap(&tensor, &view, NULL, NULL));
            pellucid_tensor_release(tensor);
            /* Many elements are only claimed, never read. */
            for (int k = 0; k < SIZES; k++) {
                shape[0] = sizes[k];
                tensor = NULL;
                SURVIVES(pellucid_tensor_wrap(&tensor, &view, NULL, NULL));
                pellucid_tensor_release(tensor);
            }
        }
        for (int i = 0; i < SIZES * SIZES; i++) {
            int64_t shape[2] = { sizes[i % SIZES], sizes[i / SIZES] };
            pellucid_tensor *tensor = NULL;
            if (shape[0] == INT64_C(1) << 31 || shape[1] == INT64_C(1) << 31) continue; /* that much memory there may be */
            SURVIVES(pellucid_tensor_create(&tensor, dtype, 2, shape, NULL));
            pellucid_tensor_release(tensor);
        }
    }
}

/* Sequences, optionals, maps and strings where the model and the methods expect an image. */
static void check_containers(pellucid_model *model) {
    static const int64_t one = 1;
    static const char *text = "x";
    pellucid_tensor *image = make_input(1), *key = NULL, *odd[5] = { NULL };
    CHECK_OK(pellucid_tensor_create_text(&key, 1, &one, &text, NULL));
    const pellucid_tensor *items[2] = { image, image }, *pair[2] = { key, key };
    CHECK_OK(pellucid_tensor_create_container(&odd[0], PELLUCID_SEQUENCE, items, 2));
    CHECK_OK(pellucid_tensor_create_container(&odd[1], PELLUCID_OPTIONAL, items, 1));
    CHECK_OK(pellucid_tensor_create_container(&odd[2], PELLUCID_OPTIONAL, NULL, 0));
    CHECK_OK(pellucid_tensor_create_container(&odd[3], PELLUCID_MAP, pair, 2));
    odd[4] = key;
    for (int k = 0; k < 5; k++) {
        pellucid_feed feed = { NULL, odd[k] };
        pellucid_tensor *output = NULL;
        CHECK_FAILS(pellucid_model_run(model, &feed, 1, NULL, 0, &output, NULL));
        for (int32_t i = 0; i < pellucid_method_count(); i++) {
            pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
            pellucid_result *result = NULL;
            CHECK_OK(pellucid_method_at(i, &method));
            CHECK_FAILS(pellucid_explain(&result, model, method.name, &feed, 1, NULL, NULL, NULL));
        }
        pellucid_tensor_release(odd[k]);
    }
    pellucid_tensor_release(image);
}

/* Explains by a method, or judges the feed itself as a map by a metric. */
static pellucid_status ask(pellucid_result **out, pellucid_model *model, const pellucid_method_info *method, const pellucid_feed *feed,
                           pellucid_options *options, const pellucid_control *control) {
    if (strcmp(method->kind, "metric") != 0) return pellucid_explain(out, model, method->name, feed, 1, NULL, options, control);
    pellucid_options *own = options;
    if (own == NULL && pellucid_options_create(&own) != PELLUCID_OK) return PELLUCID_E_MEMORY;
    const pellucid_status set = options == NULL ? pellucid_options_set_tensor(own, "map", feed->tensor) : PELLUCID_OK;
    const pellucid_status status = set != PELLUCID_OK ? set : pellucid_evaluate(out, model, method->name, feed, 1, NULL, NULL, own, control);
    if (options == NULL) pellucid_options_release(own);
    return status;
}

/* Tensors of every type and of odd shapes, fed to the model and to every method. */
static void check_feeds(pellucid_model *model) {
    static const int64_t shapes[][4] = { { 1, 1, SIDE, SIDE }, { 0, 1, SIDE, SIDE }, { 3, 1, SIDE, SIDE }, { 1, 1, 0, SIDE }, { 1, 1, 1, 1 } };
    for (int32_t dtype = 1; dtype <= PELLUCID_INT2; dtype++) {
        for (int k = 0; k < 6; k++) {
            pellucid_tensor *tensor = NULL, *output = NULL;
            if (pellucid_tensor_create(&tensor, dtype, k < 5 ? 4 : 0, k < 5 ? shapes[k] : NULL, NULL) != PELLUCID_OK) continue;
            pellucid_feed feed = { NULL, tensor };
            SURVIVES(pellucid_model_run(model, &feed, 1, NULL, 0, &output, NULL));
            pellucid_tensor_release(output);
            for (int32_t i = 0; i < pellucid_method_count() && (dtype == PELLUCID_FLOAT32 || k == 0); i++) {
                pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
                pellucid_control control = PELLUCID_CONTROL_INIT;
                pellucid_result *result = NULL;
                control.deadline = 0.2;
                CHECK_OK(pellucid_method_at(i, &method));
                SURVIVES(ask(&result, model, &method, &feed, NULL, &control));
                pellucid_result_release(result);
            }
            pellucid_tensor_release(tensor);
        }
    }
}

static void try_option(pellucid_model *model, pellucid_feed feed, const pellucid_method_info *method, const char *name, int kind, pellucid_tensor *odd) {
    static const char *texts[] = { "", "-1", "nan", "inf", "99999999999999999999", "-9223372036854775808", "1e400", "0x10", ",", "0,0", "1,2,3,4,5", "input", "none", "\xff\xfe" };
    static const double reals[] = { NAN, INFINITY, -INFINITY, 1e300, -0.0, 0.5, 9.3e18 };
    static const int64_t integers[] = { 0, -1, 1, 2, INT64_MAX, INT64_MIN };
    enum { TEXTS = sizeof texts / sizeof *texts, REALS = sizeof reals / sizeof *reals, INTEGERS = sizeof integers / sizeof *integers };
    pellucid_options *options = NULL;
    pellucid_result *result = NULL;
    pellucid_control control = PELLUCID_CONTROL_INIT;
    control.deadline = 0.02;
    CHECK_OK(pellucid_options_create(&options));
    if (strcmp(method->kind, "metric") == 0) CHECK_OK(pellucid_options_set_tensor(options, "map", feed.tensor));
    if (kind < TEXTS)
        SURVIVES(pellucid_options_set_text(options, name, texts[kind]));
    else if (kind < TEXTS + REALS)
        SURVIVES(pellucid_options_set_real(options, name, reals[kind - TEXTS]));
    else if (kind < TEXTS + REALS + INTEGERS)
        SURVIVES(pellucid_options_set_int(options, name, integers[kind - TEXTS - REALS]));
    else
        SURVIVES(pellucid_options_set_tensor(options, name, odd));
    SURVIVES(ask(&result, model, method, &feed, options, &control));
    pellucid_result_release(result);
    pellucid_options_release(options);
}

static void check_options(pellucid_model *model, pellucid_feed feed) {
    static const int64_t shape[2] = { 0, 5 };
    pellucid_tensor *odd = NULL;
    CHECK_OK(pellucid_tensor_create(&odd, PELLUCID_INT8, 2, shape, NULL));
    for (int32_t i = 0; i < pellucid_method_count(); i++) {
        pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
        pellucid_parameter_info parameter = PELLUCID_PARAMETER_INFO_INIT;
        CHECK_OK(pellucid_method_at(i, &method));
        for (int32_t k = 0; pellucid_method_parameter_at(method.name, k, &parameter) == PELLUCID_OK; k++) {
            for (int kind = 0; kind < 28; kind++) try_option(model, feed, &method, parameter.name, kind, odd);
        }
    }
    pellucid_tensor_release(odd);
}

/* What a hook puts in a value's place: itself, another shape, a handle of another kind, nothing. */
static int32_t replace(const char *name, const pellucid_tensor *value, pellucid_tensor **replacement, void *payload) {
    static const int64_t shape[1] = { 2 };
    int *kind = payload;
    (void)name;
    if (*kind == 0) pellucid_tensor_retain((pellucid_tensor *)value), *replacement = (pellucid_tensor *)value;
    if (*kind == 1) CHECK_OK(pellucid_tensor_create(replacement, PELLUCID_FLOAT32, 1, shape, NULL));
    if (*kind == 2) CHECK_OK(pellucid_tensor_create(replacement, PELLUCID_UINT2, 1, shape, NULL));
    return *kind == 3 ? INT32_MIN : 0;
}

static int32_t count_down(double fraction, const char *stage, void *payload) {
    CHECK(fraction >= 0 && fraction <= 1 && stage != NULL);
    return --*(int *)payload < 0;
}

static void check_callbacks(pellucid_model *model, pellucid_feed feed) {
    for (int kind = 0; kind < 5; kind++) {
        for (int32_t phase = -1; phase <= 2; phase++) {
            pellucid_hook hook = { "logits", phase, replace, &kind };
            pellucid_control control = PELLUCID_CONTROL_INIT;
            pellucid_result *result = NULL;
            control.hooks = &hook, control.hook_count = 1;
            SURVIVES(pellucid_explain(&result, model, "saliency", &feed, 1, NULL, NULL, &control));
            pellucid_result_release(result);
        }
    }
    for (int ticks = 0; ticks < 12; ticks++) {
        int left = ticks;
        pellucid_control control = PELLUCID_CONTROL_INIT;
        pellucid_result *result = NULL;
        control.progress = count_down, control.payload = &left;
        SURVIVES(pellucid_explain(&result, model, "integrated-gradients", &feed, 1, NULL, NULL, &control));
        pellucid_result_release(result);
    }
    static const double deadlines[] = { NAN, -1, 1e-12, INFINITY, 1e300 };
    for (int i = 0; i < 5; i++) {
        pellucid_control control = PELLUCID_CONTROL_INIT;
        pellucid_result *result = NULL;
        control.deadline = deadlines[i];
        SURVIVES(pellucid_explain(&result, model, "grad-cam", &feed, 1, NULL, NULL, &control));
        pellucid_result_release(result);
    }
}

static void check_images(void) {
    static const int64_t shapes[][3] = { { 0, 0, 3 }, { 0, 5, 3 }, { 5, 0, 3 }, { 1, 1, 3 }, { 1, 9, 1 }, { 2, 3, 4 }, { 1 << 20, 1, 1 }, { 7, 5, 3 } };
    static const char *sizes[] = { "0", "-1", "1", "1,1", "1048577", "9223372036854775807", "9223372036854775808", "1,2,3", "", "1048576,1", "3,900" };
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 33; k++) {
            pellucid_tensor *image = NULL, *out = NULL;
            pellucid_options *options = NULL;
            CHECK_OK(pellucid_tensor_create(&image, k % 2 ? PELLUCID_UINT8 : k % 3 ? PELLUCID_FLOAT32 : PELLUCID_BOOL, 3, shapes[i], NULL));
            CHECK_OK(pellucid_options_create(&options));
            CHECK_OK(pellucid_options_set_text(options, "size", sizes[k / 3]));
            if (k % 3 == 1) CHECK_OK(pellucid_options_set_int(options, "resize", k % 2 ? INT64_MAX : 1));
            if (k % 3 == 2) CHECK_OK(pellucid_options_set_text(options, "filter", k % 2 ? "nearest" : "lanczos"));
            if (i != 6) SURVIVES(pellucid_image_preprocess(&out, image, options));
            pellucid_tensor_release(out);
            SURVIVES(pellucid_image_overlay(&out, k % 2 ? image : NULL, image, NULL));
            pellucid_tensor_release(out);
            pellucid_options_release(options);
            pellucid_tensor_release(image);
        }
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    pellucid_feed feed = { NULL, make_input(1) };
    check_strides();
    check_images();
    check_feeds(model);
    check_containers(model);
    check_callbacks(model, feed);
    check_options(model, feed);
    pellucid_tensor_release((pellucid_tensor *)feed.tensor);
    pellucid_model_release(model);
    return 0;
}
