/* A backend plugin can be loaded by path, is listed, and computes what the built-in backends compute.
 * Arguments: plugin, model. */
#include "check.h"

#include <math.h>

static void run(pellucid_runtime *runtime, const char *path, const char *backend, float *scores) {
    pellucid_options *options = NULL;
    pellucid_model *model = NULL;
    pellucid_tensor *input = make_input(1), *output = NULL;
    pellucid_feed feed = { NULL, NULL };
    pellucid_view view;
    feed.tensor = input;
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_text(options, "passes", "none"));
    if (backend != NULL) CHECK_OK(pellucid_options_set_text(options, "backend", backend));
    CHECK_OK(pellucid_model_load(&model, runtime, path, options));
    CHECK_OK(pellucid_model_run(model, &feed, 1, NULL, 0, &output, NULL));
    CHECK_OK(pellucid_tensor_view(output, &view));
    memcpy(scores, view.data, CLASSES * sizeof *scores);
    if (backend != NULL) CHECK(strcmp(pellucid_model_metadata(model, "backend"), backend) == 0);
    pellucid_tensor_release(output);
    pellucid_tensor_release(input);
    pellucid_model_release(model);
    pellucid_options_release(options);
}

/* How often a backend of that name is listed. */
static int listed(const pellucid_runtime *runtime, const char *name) {
    int found = 0;
    for (int32_t i = 0; i < pellucid_runtime_backend_count(runtime); i++) {
        pellucid_backend_info info = PELLUCID_BACKEND_INFO_INIT;
        CHECK_OK(pellucid_runtime_backend_at(runtime, i, &info));
        if (strcmp(info.name, name) == 0) found++;
    }
    return found;
}

int main(int argc, char **argv) {
    pellucid_runtime *runtime = NULL;
    float plain[CLASSES], plugged[CLASSES];
    CHECK(argc == 3);
    CHECK_OK(pellucid_runtime_create(&runtime, NULL));
    CHECK(listed(runtime, "relu") == 0);
    CHECK(pellucid_runtime_load_backend(runtime, argv[2]) < 0);
    CHECK_OK(pellucid_runtime_load_backend(runtime, argv[1]));
    CHECK(listed(runtime, "relu") == 1);
    run(runtime, argv[2], NULL, plain);
    run(runtime, argv[2], "relu", plugged);
    for (int i = 0; i < CLASSES; i++) CHECK(fabsf(plain[i] - plugged[i]) <= 1e-4f * (1 + fabsf(plain[i])));
    pellucid_runtime_release(runtime);
    return 0;
}
