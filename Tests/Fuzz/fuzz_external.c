/* A model beside its external data: the file model.onnx is made of the input's first part, data.bin of the rest. The first two
 * bytes say where the one ends. Both lie in a folder of the process's own; nothing outside it may be read. */
#include <unistd.h>

#include "fuzz.h"

static char folder[] = "/tmp/pellucid-fuzz-XXXXXX";

static void remove_folder(void) {
    char path[sizeof folder + 16];
    const char *names[] = { "model.onnx", "data.bin" };
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static const char *write_file(const char *name, const uint8_t *bytes, size_t size) {
    static char path[sizeof folder + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static int is_ready;
    pellucid_model *model = NULL;
    if (size < 2) return 0;
    if (!is_ready) {
        REQUIRE(mkdtemp(folder) != NULL);
        atexit(remove_folder);
        is_ready = 1;
    }
    size_t split = (size_t)bytes[0] | (size_t)bytes[1] << 8;
    bytes += 2;
    size -= 2;
    if (split > size) split = size;
    write_file("data.bin", bytes + split, size - split);
    pellucid_status status = pellucid_model_load(&model, fuzz_runtime(), write_file("model.onnx", bytes, split), NULL);
    REQUIRE_OUTCOME(status, model);
    if (model != NULL) fuzz_use(model);
    pellucid_model_release(model);
    return 0;
}
