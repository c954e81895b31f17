/* Bytes of a model file: loading, introspection, a run, a gradient and an explanation. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    pellucid_model *model = NULL;
    pellucid_options *options = NULL;
    REQUIRE(pellucid_options_create(&options) == PELLUCID_OK);
    REQUIRE(pellucid_options_set_int(options, "memory", 64 << 20) == PELLUCID_OK);
    pellucid_status status = pellucid_model_load_memory(&model, fuzz_runtime(), bytes, size, options);
    pellucid_options_release(options);
    REQUIRE_OUTCOME(status, model);
    if (model != NULL) fuzz_use(model);
    pellucid_model_release(model);
    return 0;
}
