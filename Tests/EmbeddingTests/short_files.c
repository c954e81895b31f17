/* Files that end too early: every truncation of a model, and of its external data, loads or is refused with words.
 * Arguments: model, data file beside it or "", step between lengths, folder to write to. */
#include "check.h"

#include <unistd.h>

static char *contents(const char *path, long *size) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    *size = ftell(file);
    CHECK(*size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    char *bytes = malloc((size_t)*size + 1);
    CHECK(bytes != NULL && fread(bytes, 1, (size_t)*size, file) == (size_t)*size);
    fclose(file);
    return bytes;
}

static void write_file(const char *path, const char *bytes, long size) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(bytes, 1, (size_t)size, file) == (size_t)size && fclose(file) == 0);
}

/* Loads and, where that works, runs what there is. */
static int works(pellucid_runtime *runtime, const char *path, const char *bytes, long size) {
    pellucid_model *model = NULL;
    const pellucid_status status =
        path != NULL ? pellucid_model_load(&model, runtime, path, NULL) : pellucid_model_load_memory(&model, runtime, bytes, (size_t)size, NULL);
    CHECK((status == PELLUCID_OK) == (model != NULL));
    if (status != PELLUCID_OK) {
        CHECK(pellucid_error_message()[0] != '\0');
        CHECK(status == PELLUCID_E_PARSE || status == PELLUCID_E_IO || status == PELLUCID_E_NOTFOUND || status == PELLUCID_E_UNSUPPORTED ||
              status == PELLUCID_E_SHAPE || status == PELLUCID_E_INVALID);
        return 0;
    }
    CHECK(pellucid_model_value_count(model, PELLUCID_LAYER) >= 0 && pellucid_model_module_count(model) >= 1);
    pellucid_model_release(model);
    return 1;
}

int main(int argc, char **argv) {
    char model[4096], data[4096];
    long size = 0, data_size = 0;
    CHECK(argc == 5);
    const long step = atol(argv[3]);
    const char *data_name = strrchr(argv[2], '/');
    pellucid_runtime *runtime = NULL;
    CHECK_OK(pellucid_runtime_create(&runtime, NULL));
    char *bytes = contents(argv[1], &size);
    snprintf(model, sizeof model, "%s/model.onnx", argv[4]);
    if (argv[2][0] == '\0') {
        for (long length = 0; length < size; length += step) CHECK(!works(runtime, NULL, bytes, length) || length > size / 2);
        CHECK(works(runtime, NULL, bytes, size));
    } else {
        char *weights = contents(argv[2], &data_size);
        snprintf(data, sizeof data, "%s%s", argv[4], data_name);
        write_file(model, bytes, size);
        int before = 0;
        for (long length = 0; length < data_size; length += step) {
            write_file(data, weights, length);
            const int now = works(runtime, model, NULL, 0);
            CHECK(now || !before); /* what is long enough stays so */
            CHECK(!now || length > 0);
            before = now;
        }
        write_file(data, weights, data_size);
        CHECK(works(runtime, model, NULL, 0));
        for (long length = 0; length < size; length += step) {
            write_file(model, bytes, length);
            (void)works(runtime, model, NULL, 0);
        }
        free(weights);
    }
    free(bytes);
    pellucid_runtime_release(runtime);
    return 0;
}
