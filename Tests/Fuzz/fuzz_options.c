/* Text of options: lines of `name=value`; the first line names a method. The same options go to the method, to an image and to
 * an overlay, all of which must take or refuse them in words. */
#include "fuzz.h"

/* FUZZ_NETWORK: path of a network of one convolution, small enough to be explained thousands of times a second. */
static pellucid_model *network(void) {
    static pellucid_model *model;
    if (model == NULL) REQUIRE(pellucid_model_load(&model, fuzz_runtime(), FUZZ_NETWORK, NULL) == PELLUCID_OK);
    return model;
}

/* Reads one line of the text into `line`; the rest of the text, or NULL at its end. */
static const char *next_line(const char *text, char *line, size_t room) {
    size_t length = strcspn(text, "\n");
    if (*text == '\0') return NULL;
    snprintf(line, room, "%.*s", (int)length, text);
    return text + length + (text[length] == '\n');
}

static void explain(const char *method, const pellucid_options *options) {
    pellucid_value_info info = PELLUCID_VALUE_INFO_INIT;
    pellucid_control control = PELLUCID_CONTROL_INIT;
    pellucid_result *result = NULL;
    control.deadline = 1;
    REQUIRE(pellucid_model_value_at(network(), PELLUCID_INPUT, 0, &info) == PELLUCID_OK);
    pellucid_tensor *zeros = fuzz_input(&info);
    pellucid_feed feed = { NULL, zeros };
    pellucid_status status = pellucid_explain(&result, network(), method, &feed, 1, NULL, options, &control);
    REQUIRE_OUTCOME(status, result);
    pellucid_result_release(result);
    pellucid_tensor_release(zeros);
}

static void draw(const pellucid_options *options) {
    static const int64_t sizes[3] = { 4, 5, 3 }, side[2] = { 2, 2 };
    static const float heat[4] = { 0.0f, 1.0f, -1.0f, 0.5f };
    pellucid_tensor *image = NULL, *map = NULL, *made = NULL;
    REQUIRE(pellucid_tensor_create(&image, PELLUCID_UINT8, 3, sizes, NULL) == PELLUCID_OK);
    REQUIRE(pellucid_tensor_create(&map, PELLUCID_FLOAT32, 2, side, heat) == PELLUCID_OK);
    pellucid_status status = pellucid_image_preprocess(&made, image, options);
    REQUIRE_OUTCOME(status, made);
    pellucid_tensor_release(made);
    status = pellucid_image_overlay(&made, image, map, options);
    REQUIRE_OUTCOME(status, made);
    pellucid_tensor_release(made);
    pellucid_tensor_release(map);
    pellucid_tensor_release(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char text[2048], method[128] = "", line[512];
    pellucid_options *options = NULL;
    if (size >= sizeof text) return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    const char *rest = next_line(text, method, sizeof method);
    REQUIRE(pellucid_options_create(&options) == PELLUCID_OK);
    while (rest != NULL && (rest = next_line(rest, line, sizeof line)) != NULL) {
        char *value = strchr(line, '=');
        if (value == NULL) continue;
        *value++ = '\0';
        (void)pellucid_options_set_text(options, line, value);
    }
    explain(method, options);
    draw(options);
    pellucid_options_release(options);
    return 0;
}
