/* What the programs of this folder share. Each exits with 0 and prints nothing when all is well. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/pellucid.h>

#define CHECK(condition)                                                                                                \
    do {                                                                                                                \
        if (!(condition)) {                                                                                             \
            fprintf(stderr, "%s:%d: %s (message: \"%s\")\n", __FILE__, __LINE__, #condition, pellucid_error_message()); \
            exit(1);                                                                                                    \
        }                                                                                                               \
    } while (0)
#define CHECK_OK(call) CHECK((call) == PELLUCID_OK)
/* The call fails, and says why. */
#define CHECK_FAILS(call) CHECK((call) < 0 && pellucid_error_message()[0] != '\0')

/* Side of the small model's input, and its classes: float32 [N, 1, SIDE, SIDE] to [N, CLASSES]. */
enum { SIDE = 28, CLASSES = 10 };

static inline pellucid_tensor *make_input(float scale) {
    static const int64_t shape[4] = { 1, 1, SIDE, SIDE };
    pellucid_tensor *tensor = NULL;
    float pixels[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = scale * (float)((i * 37) % 101) / 101.0f;
    CHECK_OK(pellucid_tensor_create(&tensor, PELLUCID_FLOAT32, 4, shape, pixels));
    return tensor;
}

static inline pellucid_model *load_model(const char *path) {
    pellucid_runtime *runtime = NULL;
    pellucid_model *model = NULL;
    CHECK_OK(pellucid_runtime_create(&runtime, NULL));
    CHECK_OK(pellucid_model_load(&model, runtime, path, NULL));
    pellucid_runtime_release(runtime);
    return model;
}

/* The map that Grad-CAM makes for an input; freed by the caller. */
static inline float *explain(pellucid_model *model, float scale, size_t *count) {
    pellucid_tensor *input = make_input(scale), *map = NULL;
    pellucid_feed feed = { NULL, NULL };
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(3);
    pellucid_result *result = NULL;
    pellucid_view view;
    float *copy;
    feed.tensor = input;
    CHECK_OK(pellucid_explain(&result, model, "grad-cam", &feed, 1, &target, NULL, NULL));
    CHECK_OK(pellucid_result_tensor(result, "map", &map));
    CHECK_OK(pellucid_tensor_view(map, &view));
    CHECK(view.dtype == PELLUCID_FLOAT32);
    *count = 1;
    for (int32_t axis = 0; axis < view.rank; axis++) *count *= (size_t)view.shape[axis];
    copy = (float *)malloc(*count * sizeof *copy);
    CHECK(copy != NULL);
    memcpy(copy, view.data, *count * sizeof *copy);
    pellucid_tensor_release(map);
    pellucid_result_release(result);
    pellucid_tensor_release(input);
    return copy;
}

#endif
