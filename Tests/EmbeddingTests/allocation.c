/* Memory that cannot be had: every aligned allocation of the library fails in turn, the first, the second, … Each call ends with
 * PELLUCID_E_MEMORY or does without; what is lost on the way LeakSanitizer tells (make sanitize). Arguments: model, most failures. The executable's posix_memalign is the
 * one that the library finds. */
#define _GNU_SOURCE
#include "check.h"

#include <dlfcn.h>
#include <stdatomic.h>

static atomic_long countdown = -1; /* allocations until the one that fails; negative: none does */
static atomic_long failures;

typedef int allocate_fn(void **, size_t, size_t);

#ifdef SANITIZED
extern allocate_fn __interceptor_posix_memalign; /* the sanitizer's, whose name this program takes */
#endif

__attribute__((visibility("default"))) int posix_memalign(void **memory, size_t alignment, size_t size) {
#ifdef SANITIZED
    static allocate_fn *real = __interceptor_posix_memalign;
#else
    static allocate_fn *real;
#endif
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "posix_memalign");
        memcpy(&real, &symbol, sizeof real);
    }
    /* The library asks for 64 bytes; the Swift runtime, which cannot go on without memory, for 16. */
    if (alignment == 64 && atomic_load(&countdown) >= 0 && atomic_fetch_sub(&countdown, 1) == 0) {
        atomic_fetch_add(&failures, 1);
        return 12; /* ENOMEM */
    }
    return real(memory, alignment, size);
}

/* Everything from loading to the map; releases what it got. */
static pellucid_status once(const char *path, const char *method) {
    static const int64_t shape[4] = { 1, 1, SIDE, SIDE };
    static float pixels[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = (float)i / (SIDE * SIDE);
    pellucid_runtime *runtime = NULL;
    pellucid_options *options = NULL;
    pellucid_model *model = NULL;
    pellucid_tensor *input = NULL, *map = NULL, *picture = NULL;
    pellucid_result *result = NULL;
    pellucid_feed feed = { NULL, NULL };
    pellucid_status status = pellucid_options_create(&options);
    if (status == PELLUCID_OK) status = pellucid_options_set_int(options, "threads", 1);
    if (status == PELLUCID_OK) status = pellucid_runtime_create(&runtime, options);
    if (status == PELLUCID_OK) status = pellucid_model_load(&model, runtime, path, NULL);
    if (status == PELLUCID_OK) status = pellucid_tensor_create(&input, PELLUCID_FLOAT32, 4, shape, pixels);
    feed.tensor = input;
    if (status == PELLUCID_OK) status = pellucid_explain(&result, model, method, &feed, 1, NULL, NULL, NULL);
    if (status == PELLUCID_OK) status = pellucid_result_tensor(result, "map", &map);
    if (status == PELLUCID_OK) status = pellucid_image_overlay(&picture, NULL, map, NULL);
    CHECK(status == PELLUCID_OK || pellucid_error_message()[0] != '\0');
    pellucid_tensor_release(picture);
    pellucid_tensor_release(map);
    pellucid_result_release(result);
    pellucid_tensor_release(input);
    pellucid_model_release(model);
    pellucid_runtime_release(runtime);
    pellucid_options_release(options);
    return status;
}

int main(int argc, char **argv) {
    static const char *methods[] = { "saliency", "grad-cam", "smoothgrad" };
    CHECK(argc == 3);
    const long most = atol(argv[2]);
    for (int i = 0; i < 3; i++) {
        int finished = 0;
        CHECK_OK(once(argv[1], methods[i]));
        for (long n = 0; n < most && !finished; n++) {
            const long before = atomic_load(&failures);
            atomic_store(&countdown, n);
            const pellucid_status status = once(argv[1], methods[i]);
            atomic_store(&countdown, -1);
            CHECK(status == PELLUCID_OK || status == PELLUCID_E_MEMORY);
            finished = atomic_load(&failures) == before;
            CHECK(!finished || status == PELLUCID_OK);
        }
        CHECK(most < 100000 || finished);
        CHECK_OK(once(argv[1], methods[i]));
    }
    CHECK(atomic_load(&failures) > 0);
    return 0;
}
