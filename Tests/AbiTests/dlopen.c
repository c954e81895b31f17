/* The library can be opened, used, closed and opened again. Arguments: library, model. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pellucid/pellucid.h>

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)
/* Looks a function up; ISO C has no cast from an object pointer to a function pointer, so the bits are copied. */
#define LOOK_UP(handle, function)                            \
    do {                                                     \
        void *symbol = dlsym(handle, "pellucid_" #function); \
        CHECK(symbol != NULL);                               \
        memcpy(&function, &symbol, sizeof symbol);           \
    } while (0)

static void use(void *handle, const char *path) {
    pellucid_status (*runtime_create)(pellucid_runtime **, const pellucid_options *);
    void (*runtime_release)(pellucid_runtime *);
    pellucid_status (*model_load)(pellucid_model **, pellucid_runtime *, const char *, const pellucid_options *);
    void (*model_release)(pellucid_model *);
    pellucid_runtime *runtime = NULL;
    pellucid_model *model = NULL;
    LOOK_UP(handle, runtime_create);
    LOOK_UP(handle, runtime_release);
    LOOK_UP(handle, model_load);
    LOOK_UP(handle, model_release);
    CHECK(runtime_create(&runtime, NULL) == PELLUCID_OK);
    CHECK(model_load(&model, runtime, path, NULL) == PELLUCID_OK);
    model_release(model);
    CHECK(model_load(&model, runtime, "/nowhere", NULL) < 0 && model == NULL);
    runtime_release(runtime);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    for (int round = 0; round < 6; round++) {
        void *handle = dlopen(argv[1], RTLD_NOW | (round % 2 ? RTLD_GLOBAL : RTLD_LOCAL));
        if (handle == NULL) fprintf(stderr, "%s\n", dlerror());
        CHECK(handle != NULL);
        use(handle, argv[2]);
        CHECK(dlclose(handle) == 0);
    }
    return 0;
}
