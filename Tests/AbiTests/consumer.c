/* Every function of the library with missing and senseless arguments: an error each time, never a crash. */
#include "check.h"

static int32_t released;

static void count_release(void *payload) {
    (void)payload;
    released++;
}

static int32_t refuse_bytes(const void *bytes, size_t size, void *payload) {
    (void)bytes, (void)size, (void)payload;
    return 1;
}

static int32_t stop(double fraction, const char *stage, void *payload) {
    (void)fraction, (void)stage, (void)payload;
    return 1;
}

static int32_t fail_hook(const char *name, const pellucid_tensor *value, pellucid_tensor **replacement, void *payload) {
    (void)name, (void)value, (void)replacement, (void)payload;
    return 1;
}

/* What a failing call must overwrite. */
#define STALE(type) ((type *)&released)

static void check_status(void) {
    CHECK(strcmp(pellucid_version(), "") != 0);
    CHECK(pellucid_version_number() >= 100);
    CHECK(pellucid_error_message() != NULL);
    CHECK(strcmp(pellucid_status_name(PELLUCID_E_SHAPE), "PELLUCID_E_SHAPE") == 0);
    CHECK(pellucid_status_name(INT32_MIN) != NULL && pellucid_status_name(INT32_MAX) != NULL);
}

static void check_tensors(void) {
    int64_t shape[2] = { 2, 3 }, negative[2] = { 2, -3 }, huge[3] = { INT64_MAX, INT64_MAX, 2 };
    float data[6] = { 0, 1, 2, 3, 4, 5 };
    pellucid_view view = { NULL, 0, 0, NULL, NULL };
    pellucid_tensor *tensor = STALE(pellucid_tensor);
    struct DLManagedTensorVersioned *managed = NULL;

    CHECK_FAILS(pellucid_tensor_create(NULL, PELLUCID_FLOAT32, 2, shape, data));
    CHECK_FAILS(pellucid_tensor_create(&tensor, 0, 2, shape, data));
    CHECK(tensor == NULL);
    CHECK_FAILS(pellucid_tensor_create(&tensor, 1000, 2, shape, data));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_STRING, 2, shape, data));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_FLOAT32, -1, shape, data));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_FLOAT32, INT32_MAX, shape, data));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_FLOAT32, 2, NULL, data));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_FLOAT32, 2, negative, NULL));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_FLOAT32, 3, huge, NULL));
    CHECK(tensor == NULL);

    CHECK_FAILS(pellucid_tensor_wrap(NULL, &view, NULL, NULL));
    CHECK_FAILS(pellucid_tensor_wrap(&tensor, NULL, count_release, NULL));
    CHECK_FAILS(pellucid_tensor_wrap(&tensor, &view, count_release, NULL));
    view.dtype = PELLUCID_FLOAT32, view.rank = 2, view.shape = shape;
    CHECK_FAILS(pellucid_tensor_wrap(&tensor, &view, count_release, NULL));
    view.data = data, view.shape = negative;
    CHECK_FAILS(pellucid_tensor_wrap(&tensor, &view, count_release, NULL));
    CHECK(released == 0 && tensor == NULL);
    view.shape = shape;
    CHECK_OK(pellucid_tensor_wrap(&tensor, &view, count_release, NULL));
    CHECK_FAILS(pellucid_tensor_view(tensor, NULL));
    CHECK_FAILS(pellucid_tensor_view(NULL, &view));
    CHECK_OK(pellucid_tensor_view(tensor, &view));
    CHECK(view.data == data && view.rank == 2 && view.shape[1] == 3 && view.dtype == PELLUCID_FLOAT32);
    pellucid_tensor_retain(tensor);
    pellucid_tensor_release(tensor);
    CHECK(released == 0);
    pellucid_tensor_release(tensor);
    CHECK(released == 1);

    CHECK_FAILS(pellucid_tensor_from_dlpack(&tensor, NULL));
    CHECK_FAILS(pellucid_tensor_from_dlpack(NULL, NULL));
    CHECK_FAILS(pellucid_tensor_to_dlpack(&managed, NULL));
    CHECK_FAILS(pellucid_tensor_to_dlpack(NULL, NULL));
    pellucid_tensor_retain(NULL);
    pellucid_tensor_release(NULL);
}

static void check_text(void) {
    int64_t shape[2] = { 1, 2 }, negative = -2;
    const char *texts[2] = { "one", "t\0wo" }, *broken[2] = { "\xff\xfe", NULL }, *text = NULL;
    size_t lengths[2] = { 3, 4 }, length = 0;
    pellucid_tensor *tensor = STALE(pellucid_tensor);
    pellucid_view view;

    CHECK_FAILS(pellucid_tensor_create_text(NULL, 2, shape, texts, lengths));
    CHECK_FAILS(pellucid_tensor_create_text(&tensor, 2, shape, NULL, lengths));
    CHECK(tensor == NULL);
    CHECK_FAILS(pellucid_tensor_create_text(&tensor, 2, NULL, texts, lengths));
    CHECK_FAILS(pellucid_tensor_create_text(&tensor, 1, &negative, texts, lengths));
    CHECK_FAILS(pellucid_tensor_create_text(&tensor, 0, NULL, broken, NULL));
    CHECK_FAILS(pellucid_tensor_create_text(&tensor, 0, NULL, broken + 1, NULL));
    CHECK_OK(pellucid_tensor_create_text(&tensor, 2, shape, texts, lengths));
    CHECK_OK(pellucid_tensor_view(tensor, &view));
    CHECK(view.dtype == PELLUCID_STRING && view.rank == 2 && view.shape[1] == 2 && view.data == NULL);
    CHECK_OK(pellucid_tensor_text_at(tensor, 1, &text, &length));
    CHECK(length == 4 && memcmp(text, "t\0wo", 5) == 0);
    CHECK_OK(pellucid_tensor_text_at(tensor, 0, &text, NULL));
    CHECK(strcmp(text, "one") == 0);
    CHECK_FAILS(pellucid_tensor_text_at(tensor, 2, &text, NULL));
    CHECK_FAILS(pellucid_tensor_text_at(tensor, -1, &text, NULL));
    CHECK_FAILS(pellucid_tensor_text_at(tensor, 0, NULL, NULL));
    CHECK_FAILS(pellucid_tensor_text_at(NULL, 0, &text, NULL));
    CHECK(pellucid_tensor_item_count(tensor) == PELLUCID_E_INVALID);
    pellucid_tensor_release(tensor);
}

static void check_containers(void) {
    static const pellucid_dtype kinds[] = { PELLUCID_SEQUENCE, PELLUCID_OPTIONAL, PELLUCID_MAP };
    int64_t shape = 2, keys[2] = { 7, -1 };
    float values[2] = { 0.5f, 1.5f };
    pellucid_tensor *key = NULL, *value = NULL, *tensor = STALE(pellucid_tensor), *item = NULL;
    pellucid_view view;
    CHECK_OK(pellucid_tensor_create(&key, PELLUCID_INT64, 1, &shape, keys));
    CHECK_OK(pellucid_tensor_create(&value, PELLUCID_FLOAT32, 1, &shape, values));
    const pellucid_tensor *pair[2] = { key, value }, *same[2] = { value, value }, *missing[2] = { value, NULL };

    CHECK_FAILS(pellucid_tensor_create_container(NULL, PELLUCID_SEQUENCE, same, 2));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_FLOAT32, same, 2));
    CHECK(tensor == NULL);
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_SEQUENCE, NULL, 2));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_SEQUENCE, same, -1));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_SEQUENCE, missing, 2));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_SEQUENCE, pair, 2));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_OPTIONAL, same, 2));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_MAP, same, 2));
    CHECK_FAILS(pellucid_tensor_create_container(&tensor, PELLUCID_MAP, pair, 1));
    CHECK_FAILS(pellucid_tensor_create(&tensor, PELLUCID_SEQUENCE, 1, &shape, NULL));
    CHECK_FAILS(pellucid_tensor_item_count(value));
    CHECK_FAILS(pellucid_tensor_item_count(NULL));
    CHECK_FAILS(pellucid_tensor_item_at(value, 0, &item));
    for (int k = 0; k < 3; k++) {
        int64_t count = kinds[k] == PELLUCID_OPTIONAL ? 1 : 2;
        CHECK_OK(pellucid_tensor_create_container(&tensor, kinds[k], kinds[k] == PELLUCID_MAP ? pair : same, count));
        CHECK(pellucid_tensor_item_count(tensor) == count);
        CHECK_OK(pellucid_tensor_view(tensor, &view));
        CHECK(view.dtype == kinds[k] && view.rank == 1 && view.shape[0] == count && view.data == NULL);
        CHECK_FAILS(pellucid_tensor_item_at(tensor, count, &item));
        CHECK_FAILS(pellucid_tensor_item_at(tensor, -1, &item));
        CHECK_FAILS(pellucid_tensor_item_at(tensor, 0, NULL));
        CHECK_OK(pellucid_tensor_item_at(tensor, count - 1, &item));
        pellucid_tensor_release(tensor);
        /* The item outlives its container. */
        CHECK_OK(pellucid_tensor_view(item, &view));
        CHECK(view.dtype == PELLUCID_FLOAT32 && ((const float *)view.data)[1] == 1.5f);
        pellucid_tensor_release(item);
    }
    CHECK_OK(pellucid_tensor_create_container(&tensor, PELLUCID_OPTIONAL, NULL, 0));
    CHECK(pellucid_tensor_item_count(tensor) == 0);
    pellucid_tensor_release(tensor);
    pellucid_tensor_release(key);
    pellucid_tensor_release(value);
}

static void check_options(void) {
    pellucid_options *options = NULL;
    CHECK_FAILS(pellucid_options_create(NULL));
    CHECK_OK(pellucid_options_create(&options));
    CHECK_FAILS(pellucid_options_set_int(NULL, "threads", 1));
    CHECK_FAILS(pellucid_options_set_int(options, NULL, 1));
    CHECK_FAILS(pellucid_options_set_real(NULL, "noise", 1));
    CHECK_FAILS(pellucid_options_set_real(options, NULL, 1));
    CHECK_FAILS(pellucid_options_set_text(NULL, "layer", "x"));
    CHECK_FAILS(pellucid_options_set_text(options, NULL, "x"));
    CHECK_FAILS(pellucid_options_set_text(options, "layer", NULL));
    CHECK_FAILS(pellucid_options_set_tensor(NULL, "baseline", NULL));
    CHECK_FAILS(pellucid_options_set_tensor(options, "baseline", NULL));
    pellucid_options_release(options);
    pellucid_options_release(NULL);
}

static void check_runtimes(pellucid_runtime *runtime) {
    pellucid_runtime *made = STALE(pellucid_runtime);
    pellucid_backend_info info = PELLUCID_BACKEND_INFO_INIT;
    pellucid_options *options = NULL;
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_int(options, "no such option", 1));
    CHECK_FAILS(pellucid_runtime_create(NULL, NULL));
    CHECK_FAILS(pellucid_runtime_create(&made, options));
    CHECK(made == NULL);
    pellucid_options_release(options);
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_int(options, "threads", -7));
    CHECK_FAILS(pellucid_runtime_create(&made, options));
    pellucid_options_release(options);

    CHECK_FAILS(pellucid_runtime_load_backend(NULL, "backend.so"));
    CHECK_FAILS(pellucid_runtime_load_backend(runtime, NULL));
    CHECK_FAILS(pellucid_runtime_load_backend(runtime, "/nowhere/backend.so"));
    CHECK_FAILS(pellucid_runtime_backend_count(NULL));
    CHECK(pellucid_runtime_backend_count(runtime) >= 1);
    CHECK_FAILS(pellucid_runtime_backend_at(NULL, 0, &info));
    CHECK_FAILS(pellucid_runtime_backend_at(runtime, 0, NULL));
    CHECK(pellucid_runtime_backend_at(runtime, -1, &info) < 0);
    CHECK(pellucid_runtime_backend_at(runtime, INT32_MAX, &info) == PELLUCID_E_NOTFOUND);
    CHECK_OK(pellucid_runtime_backend_at(runtime, 0, &info));
    CHECK(info.name != NULL && info.version != NULL && info.description != NULL && info.path != NULL);
    CHECK_FAILS(pellucid_runtime_set_logger(NULL, NULL, NULL));
    CHECK_OK(pellucid_runtime_set_logger(runtime, NULL, NULL));
    pellucid_runtime_release(NULL);
}

static void check_loading(pellucid_runtime *runtime, const char *path) {
    pellucid_model *model = STALE(pellucid_model);
    CHECK_FAILS(pellucid_model_load(NULL, runtime, path, NULL));
    CHECK_FAILS(pellucid_model_load(&model, NULL, path, NULL));
    CHECK(model == NULL);
    CHECK_FAILS(pellucid_model_load(&model, runtime, NULL, NULL));
    CHECK_FAILS(pellucid_model_load(&model, runtime, "/nowhere/model.onnx", NULL));
    CHECK_FAILS(pellucid_model_load(&model, runtime, "\xff\xfe", NULL));
    CHECK_FAILS(pellucid_model_load_memory(&model, runtime, NULL, 10, NULL));
    CHECK_FAILS(pellucid_model_load_memory(&model, runtime, "junk", 4, NULL));
    CHECK_FAILS(pellucid_model_load_memory(&model, runtime, "", 0, NULL));
    CHECK_FAILS(pellucid_model_load_memory(&model, NULL, "junk", 4, NULL));
    CHECK_FAILS(pellucid_model_load_memory(NULL, runtime, "junk", 4, NULL));
    pellucid_model_retain(NULL);
    pellucid_model_release(NULL);
}

static void check_values(const pellucid_model *model) {
    pellucid_value_info info = PELLUCID_VALUE_INFO_INIT;
    CHECK_FAILS(pellucid_model_value_count(NULL, PELLUCID_INPUT));
    CHECK_FAILS(pellucid_model_value_count(model, 99));
    CHECK(pellucid_model_value_count(model, PELLUCID_INPUT) == 1);
    CHECK_FAILS(pellucid_model_value_at(NULL, PELLUCID_INPUT, 0, &info));
    CHECK_FAILS(pellucid_model_value_at(model, PELLUCID_INPUT, 0, NULL));
    CHECK_FAILS(pellucid_model_value_at(model, -1, 0, &info));
    CHECK(pellucid_model_value_at(model, PELLUCID_LAYER, -1, &info) < 0);
    CHECK(pellucid_model_value_at(model, PELLUCID_INPUT, 1, &info) == PELLUCID_E_NOTFOUND);
    CHECK_OK(pellucid_model_value_at(model, PELLUCID_INPUT, 0, &info));
    CHECK(info.rank == 4 && info.dims[0] == -1 && strcmp(info.dim_names[0], "N") == 0 && info.dims[3] == SIDE);
    CHECK(pellucid_model_metadata(NULL, "opset") == NULL);
    CHECK(pellucid_model_metadata(model, NULL) == NULL);
    CHECK(pellucid_model_metadata(model, "no such key") == NULL);
    CHECK(strlen(pellucid_model_metadata(model, "hash")) == 64);
}

static void check_run(pellucid_model *model, pellucid_feed feed) {
    pellucid_feed empty = { NULL, NULL }, unknown = { "no such value", feed.tensor };
    const char *wanted[1] = { "no such value" }, *none[1] = { NULL };
    pellucid_hook hook = { "logits", PELLUCID_FORWARD, fail_hook, NULL };
    pellucid_control control = PELLUCID_CONTROL_INIT;
    pellucid_tensor *output = STALE(pellucid_tensor);
    volatile int32_t cancel = 1;

    CHECK_FAILS(pellucid_model_run(NULL, &feed, 1, NULL, 0, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, NULL, 1, NULL, 0, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &feed, 0, NULL, 0, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &feed, -1, NULL, 0, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &empty, 1, NULL, 0, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &unknown, 1, NULL, 0, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &feed, 1, NULL, 1, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &feed, 1, NULL, -1, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &feed, 1, none, 1, &output, NULL));
    CHECK_FAILS(pellucid_model_run(model, &feed, 1, wanted, 1, &output, NULL));
    CHECK(output == NULL);
    CHECK_FAILS(pellucid_model_run(model, &feed, 1, NULL, 0, NULL, NULL));

    control.cancel = &cancel;
    CHECK(pellucid_model_run(model, &feed, 1, NULL, 0, &output, &control) == PELLUCID_E_CANCELLED);
    cancel = 0;
    control.progress = stop;
    CHECK(pellucid_model_run(model, &feed, 1, NULL, 0, &output, &control) == PELLUCID_E_CANCELLED);
    control.progress = NULL;
    control.hook_count = 1;
    CHECK_FAILS(pellucid_model_run(model, &feed, 1, NULL, 0, &output, &control));
    control.hooks = &hook;
    CHECK(pellucid_model_run(model, &feed, 1, NULL, 0, &output, &control) == PELLUCID_E_CALLBACK);
    CHECK(output == NULL);
    CHECK_OK(pellucid_model_run(model, &feed, 1, NULL, 0, &output, NULL));
    CHECK(pellucid_error_message()[0] == '\0');
    pellucid_tensor_release(output);
}

static void check_gradient(pellucid_model *model, pellucid_feed feed) {
    const char *wrt[1] = { "input" }, *unknown[1] = { "no such value" };
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(CLASSES);
    pellucid_tensor *gradient = STALE(pellucid_tensor);

    CHECK_FAILS(pellucid_model_gradient(NULL, &feed, 1, NULL, wrt, 1, NULL, &gradient, NULL));
    CHECK_FAILS(pellucid_model_gradient(model, NULL, 1, NULL, wrt, 1, NULL, &gradient, NULL));
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, NULL, NULL, 1, NULL, &gradient, NULL));
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, NULL, unknown, 1, NULL, &gradient, NULL));
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, NULL, wrt, -1, NULL, &gradient, NULL));
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, NULL, wrt, 1, "no such rules", &gradient, NULL));
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    target.kind = PELLUCID_TARGET_EACH;
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    target.index_count = 3;
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    target.kind = PELLUCID_TARGET_WEIGHTS;
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    target.kind = 99;
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    target.kind = PELLUCID_TARGET_ARGMAX, target.score = 99;
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    target.score = PELLUCID_SCORE_LOGIT, target.output = "no such value";
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, &target, wrt, 1, NULL, &gradient, NULL));
    CHECK(gradient == NULL);
    CHECK_FAILS(pellucid_model_gradient(model, &feed, 1, NULL, wrt, 1, NULL, NULL, NULL));
    CHECK_OK(pellucid_model_gradient(model, &feed, 1, NULL, wrt, 1, NULL, &gradient, NULL));
    pellucid_tensor_release(gradient);
}

static void check_methods(void) {
    pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
    pellucid_parameter_info parameter = PELLUCID_PARAMETER_INFO_INIT;
    CHECK(pellucid_method_count() > 0);
    CHECK_FAILS(pellucid_method_at(0, NULL));
    CHECK(pellucid_method_at(-1, &method) < 0);
    CHECK(pellucid_method_at(pellucid_method_count(), &method) == PELLUCID_E_NOTFOUND);
    CHECK_OK(pellucid_method_at(0, &method));
    CHECK(method.name != NULL && method.summary != NULL && method.needs != NULL);
    CHECK_FAILS(pellucid_method_parameter_at(NULL, 0, &parameter));
    CHECK_FAILS(pellucid_method_parameter_at(method.name, 0, NULL));
    CHECK(pellucid_method_parameter_at(method.name, -1, &parameter) < 0);
    CHECK(pellucid_method_parameter_at(method.name, INT32_MAX, &parameter) == PELLUCID_E_NOTFOUND);
    CHECK(pellucid_method_parameter_at("no such method", 0, &parameter) == PELLUCID_E_NOTFOUND);
    CHECK(strcmp(method.kind, "explainer") == 0 && method.direction[0] == '\0' && method.range[0] == '\0');
    CHECK_OK(pellucid_method_at(pellucid_method_count() - 1, &method));
    CHECK(strcmp(method.kind, "metric") == 0 && strstr("higher lower", method.direction) != NULL);
    CHECK(method.category[0] != '\0' && strstr(method.range, "...") != NULL);
}

/* A metric judges an explanation, or a map by itself; the explained class is the one that was explained. */
static void check_evaluate(pellucid_model *model, pellucid_feed feed) {
    pellucid_result *explanation = NULL, *judged = NULL, *direct = NULL;
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(2);
    pellucid_options *options = NULL;
    pellucid_tensor *map = NULL;
    pellucid_cost cost = PELLUCID_COST_INIT;
    double value = -1, same = -2, reference = -1;
    CHECK_OK(pellucid_explain(&explanation, model, "input-x-gradient", &feed, 1, &target, NULL, NULL));
    CHECK_FAILS(pellucid_evaluate(&judged, model, "deletion", &feed, 1, NULL, NULL, NULL, NULL));
    CHECK_FAILS(pellucid_evaluate(&judged, model, "saliency", &feed, 1, NULL, explanation, NULL, NULL));
    CHECK_FAILS(pellucid_explain(&judged, model, "deletion", &feed, 1, NULL, NULL, NULL));
    CHECK_OK(pellucid_evaluate(&judged, model, "deletion", &feed, 1, NULL, explanation, NULL, NULL));
    CHECK_OK(pellucid_result_number(judged, "value", &value));
    CHECK_OK(pellucid_result_number(judged, "reference_random", &reference));
    CHECK(value >= 0 && value <= 1 && reference >= 0 && reference <= 1);
    CHECK(strstr(pellucid_result_json(judged), "input-x-gradient") != NULL);

    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_result_tensor(explanation, "map", &map));
    CHECK_OK(pellucid_options_set_tensor(options, "map", map));
    CHECK_OK(pellucid_evaluate(&direct, model, "deletion", &feed, 1, &target, NULL, options, NULL));
    CHECK_OK(pellucid_result_number(direct, "value", &same));
    CHECK(same == value);
    CHECK_OK(pellucid_evaluate_cost(&cost, model, "deletion", &feed, 1, &target, NULL, options));
    CHECK(cost.forwards > 50 && cost.backwards == 0);
    pellucid_tensor_release(map);
    pellucid_options_release(options);
    pellucid_result_release(direct);
    pellucid_result_release(judged);
    pellucid_result_release(explanation);
}

static void check_explain(pellucid_model *model, pellucid_feed feed) {
    pellucid_result *result = STALE(pellucid_result);
    pellucid_tensor *map = STALE(pellucid_tensor);
    pellucid_options *options = NULL;
    double number = 0;
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_text(options, "no such option", "1"));

    CHECK_FAILS(pellucid_explain(NULL, model, "saliency", &feed, 1, NULL, NULL, NULL));
    CHECK_FAILS(pellucid_explain(&result, NULL, "saliency", &feed, 1, NULL, NULL, NULL));
    CHECK(result == NULL);
    CHECK_FAILS(pellucid_explain(&result, model, NULL, &feed, 1, NULL, NULL, NULL));
    CHECK_FAILS(pellucid_explain(&result, model, "no such method", &feed, 1, NULL, NULL, NULL));
    CHECK_FAILS(pellucid_explain(&result, model, "saliency", NULL, 1, NULL, NULL, NULL));
    CHECK_FAILS(pellucid_explain(&result, model, "saliency", &feed, -1, NULL, NULL, NULL));
    CHECK_FAILS(pellucid_explain(&result, model, "saliency", &feed, 1, NULL, options, NULL));
    pellucid_options_release(options);
    CHECK_OK(pellucid_explain(&result, model, "saliency", &feed, 1, NULL, NULL, NULL));

    CHECK_FAILS(pellucid_result_tensor(result, "map", NULL));
    CHECK_FAILS(pellucid_result_tensor(NULL, "map", &map));
    CHECK(map == NULL);
    CHECK_FAILS(pellucid_result_tensor(result, NULL, &map));
    CHECK(pellucid_result_tensor(result, "no such tensor", &map) == PELLUCID_E_NOTFOUND);
    CHECK_FAILS(pellucid_result_number(result, "score", NULL));
    CHECK_FAILS(pellucid_result_number(NULL, "score", &number));
    CHECK_FAILS(pellucid_result_number(result, NULL, &number));
    CHECK(pellucid_result_number(result, "no such number", &number) == PELLUCID_E_NOTFOUND);
    CHECK(pellucid_result_tensor_name(NULL, 0) == NULL && pellucid_result_number_name(NULL, 0) == NULL);
    CHECK(pellucid_result_tensor_name(result, -1) == NULL && pellucid_result_tensor_name(result, INT32_MAX) == NULL);
    CHECK(pellucid_result_number_name(result, -1) == NULL && pellucid_result_number_name(result, INT32_MAX) == NULL);
    CHECK(pellucid_result_tensor_name(result, 0) != NULL);
    CHECK(pellucid_result_json(NULL) == NULL && pellucid_result_json(result)[0] == '{');
    pellucid_result_release(result);
    pellucid_result_release(NULL);
}

static void check_images(const pellucid_tensor *not_an_image) {
    static const int64_t shape[3] = { 8, 8, 3 };
    pellucid_tensor *image = NULL, *out = STALE(pellucid_tensor);
    CHECK_OK(pellucid_tensor_create(&image, PELLUCID_UINT8, 3, shape, NULL));
    CHECK_FAILS(pellucid_image_decode(NULL, "junk", 4, NULL));
    CHECK_FAILS(pellucid_image_decode(&out, NULL, 4, NULL));
    CHECK(out == NULL);
    CHECK_FAILS(pellucid_image_decode(&out, "junk", 4, NULL));
    CHECK_FAILS(pellucid_image_decode(&out, "", 0, NULL));
    CHECK_FAILS(pellucid_image_fit(NULL, image, NULL));
    CHECK_FAILS(pellucid_image_fit(&out, NULL, NULL));
    CHECK_FAILS(pellucid_image_fit(&out, not_an_image, NULL));
    CHECK_FAILS(pellucid_image_preprocess(NULL, image, NULL));
    CHECK_FAILS(pellucid_image_preprocess(&out, NULL, NULL));
    CHECK_FAILS(pellucid_image_preprocess(&out, not_an_image, NULL));
    CHECK_FAILS(pellucid_image_overlay(NULL, image, not_an_image, NULL));
    CHECK_FAILS(pellucid_image_overlay(&out, image, NULL, NULL));
    CHECK_FAILS(pellucid_image_overlay(&out, not_an_image, not_an_image, NULL));
    CHECK(out == NULL);
    CHECK_FAILS(pellucid_image_encode(NULL, "png", refuse_bytes, NULL));
    CHECK_FAILS(pellucid_image_encode(image, NULL, refuse_bytes, NULL));
    CHECK_FAILS(pellucid_image_encode(image, "png", NULL, NULL));
    CHECK_FAILS(pellucid_image_encode(image, "no such format", refuse_bytes, NULL));
    CHECK_FAILS(pellucid_image_encode(not_an_image, "png", refuse_bytes, NULL));
    CHECK(pellucid_image_encode(image, "png", refuse_bytes, NULL) == PELLUCID_E_CALLBACK);
    CHECK_OK(pellucid_image_preprocess(&out, image, NULL));
    pellucid_tensor_release(out);
    pellucid_tensor_release(image);
}

int main(int argc, char **argv) {
    pellucid_runtime *runtime = NULL;
    pellucid_model *model = NULL;
    pellucid_feed feed = { NULL, NULL };
    pellucid_tensor *input = make_input(1);
    CHECK(argc == 2);
    check_status();
    check_tensors();
    check_text();
    check_containers();
    check_options();
    CHECK_OK(pellucid_runtime_create(&runtime, NULL));
    check_runtimes(runtime);
    check_loading(runtime, argv[1]);
    CHECK_OK(pellucid_model_load(&model, runtime, argv[1], NULL));
    pellucid_runtime_release(runtime);
    feed.tensor = input;
    check_values(model);
    check_run(model, feed);
    check_gradient(model, feed);
    check_methods();
    check_explain(model, feed);
    check_evaluate(model, feed);
    check_images(input);
    pellucid_tensor_release(input);
    pellucid_model_release(model);
    return 0;
}
