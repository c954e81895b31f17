/* What the drivers of this folder share: one runtime for the process, bounded calls, and a check of every failure's message. */
#ifndef PELLUCID_FUZZ_H
#define PELLUCID_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/pellucid.h>

/* A finding that no sanitizer sees: a promise of the headers that is broken. */
#define REQUIRE(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Success gives the object; failure gives NULL and says why. */
#define REQUIRE_OUTCOME(status, object)                                     \
    do {                                                                    \
        REQUIRE((status) <= 0);                                             \
        REQUIRE(((status) == PELLUCID_OK) == ((object) != NULL));           \
        REQUIRE((status) == PELLUCID_OK || pellucid_error_message()[0] != 0); \
    } while (0)

static inline pellucid_runtime *fuzz_runtime(void) {
    static pellucid_runtime *runtime;
    if (runtime == NULL) {
        pellucid_options *options = NULL;
        REQUIRE(pellucid_options_create(&options) == PELLUCID_OK);
        REQUIRE(pellucid_options_set_int(options, "threads", 1) == PELLUCID_OK);
        REQUIRE(pellucid_options_set_int(options, "plugins", 0) == PELLUCID_OK);
        REQUIRE(pellucid_runtime_create(&runtime, options) == PELLUCID_OK);
        pellucid_options_release(options);
    }
    return runtime;
}

/* Zeros for an input, 1 where a size is open; NULL where that cannot be made. */
static inline pellucid_tensor *fuzz_input(const pellucid_value_info *info) {
    int64_t sizes[8], count = 1;
    pellucid_tensor *tensor = NULL;
    if (info->rank < 0 || info->rank > 8) return NULL;
    for (int32_t axis = 0; axis < info->rank; axis++) {
        sizes[axis] = info->dims[axis] < 0 ? 1 : info->dims[axis];
        if (sizes[axis] > 4096 || (count *= sizes[axis] > 0 ? sizes[axis] : 1) > 1 << 16) return NULL;
    }
    (void)pellucid_tensor_create(&tensor, info->dtype ? info->dtype : PELLUCID_FLOAT32, info->rank, sizes, NULL);
    return tensor;
}

/* Asks a model everything, and runs, differentiates and explains it on zeros, each for a second at most. */
static inline void fuzz_use(pellucid_model *model) {
    enum { MOST = 8 };
    pellucid_feed feeds[MOST];
    pellucid_tensor *outputs[MOST] = { NULL };
    pellucid_result *result = NULL;
    pellucid_control control = PELLUCID_CONTROL_INIT;
    pellucid_value_info info = PELLUCID_VALUE_INFO_INIT;
    int32_t input_count = pellucid_model_value_count(model, PELLUCID_INPUT);
    int32_t output_count = pellucid_model_value_count(model, PELLUCID_OUTPUT);
    control.deadline = 1;
    for (pellucid_value_kind kind = PELLUCID_INPUT; kind <= PELLUCID_WEIGHT; kind++) {
        for (int32_t i = 0; i < 64 && pellucid_model_value_at(model, kind, i, &info) == PELLUCID_OK; i++) {
            REQUIRE(info.name != NULL && strlen(info.name) + strlen(info.op) + strlen(info.module) < SIZE_MAX);
        }
    }
    (void)pellucid_model_metadata(model, "producer");
    if (input_count < 0 || input_count > MOST || output_count < 1 || output_count > MOST) return;

    int32_t fed = 0;
    for (; fed < input_count; fed++) {
        if (pellucid_model_value_at(model, PELLUCID_INPUT, fed, &info) != PELLUCID_OK) break;
        pellucid_tensor *zeros = fuzz_input(&info);
        if (zeros == NULL) break;
        feeds[fed] = (pellucid_feed) { info.name, zeros };
    }
    if (fed == input_count) {
        if (pellucid_model_run(model, feeds, fed, NULL, 0, outputs, &control) == PELLUCID_OK) {
            for (int32_t i = 0; i < output_count; i++) pellucid_tensor_release(outputs[i]);
        }
        const char *first = fed > 0 ? feeds[0].name : NULL;
        pellucid_tensor *gradient = NULL;
        if (first != NULL && pellucid_model_gradient(model, feeds, fed, NULL, &first, 1, NULL, &gradient, &control) == PELLUCID_OK) {
            pellucid_tensor_release(gradient);
        }
        pellucid_status status = pellucid_explain(&result, model, "grad-cam", feeds, fed, NULL, NULL, &control);
        REQUIRE_OUTCOME(status, result);
        pellucid_result_release(result);
    }
    for (int32_t i = 0; i < fed; i++) pellucid_tensor_release((pellucid_tensor *)feeds[i].tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
