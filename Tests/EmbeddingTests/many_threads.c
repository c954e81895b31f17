/* Sixty-four threads on one model find what one thread finds, while others load, use and release models of their own.
 * Arguments: model, rounds. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { EXPLAINERS = 64, LOADERS = 4, SCALES = 4 };

typedef struct shared {
    pellucid_model *model;
    const char *path;
    int rounds;
    float *expected[SCALES];
    size_t count;
    atomic_int next;
    atomic_int explaining;
} shared;

static void *explain_often(void *argument) {
    shared *all = argument;
    const int first = atomic_fetch_add(&all->next, 1);
    pellucid_model_retain(all->model);
    for (int round = 0; round < all->rounds; round++) {
        const int scale = (first + round) % SCALES;
        size_t count = 0;
        float *map = explain(all->model, (float)(scale + 1), &count);
        CHECK(count == all->count && memcmp(map, all->expected[scale], count * sizeof *map) == 0);
        free(map);
        /* Each thread has a message of its own. */
        CHECK(pellucid_model_value_count(all->model, 99) < 0 && pellucid_error_message()[0] != '\0');
        CHECK(pellucid_model_module_count(all->model) > 0 && pellucid_error_message()[0] == '\0');
    }
    pellucid_model_release(all->model);
    atomic_fetch_sub(&all->explaining, 1);
    return NULL;
}

static void *load_often(void *argument) {
    shared *all = argument;
    do {
        size_t count = 0;
        pellucid_model *own = load_model(all->path);
        float *map = explain(own, 1, &count);
        CHECK(count == all->count && memcmp(map, all->expected[0], count * sizeof *map) == 0);
        free(map);
        pellucid_model_release(own);
    } while (atomic_load(&all->explaining) > 0);
    return NULL;
}

int main(int argc, char **argv) {
    static shared all;
    pthread_t threads[EXPLAINERS + LOADERS];
    CHECK(argc == 3);
    all.path = argv[1];
    all.rounds = atoi(argv[2]);
    all.model = load_model(argv[1]);
    atomic_store(&all.explaining, EXPLAINERS);
    for (int i = 0; i < SCALES; i++) all.expected[i] = explain(all.model, (float)(i + 1), &all.count);
    for (int i = 0; i < EXPLAINERS + LOADERS; i++)
        CHECK(pthread_create(&threads[i], NULL, i < EXPLAINERS ? explain_often : load_often, &all) == 0);
    /* The threads have references of their own. */
    for (int i = 0; i < EXPLAINERS + LOADERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pellucid_model_release(all.model);
    for (int i = 0; i < SCALES; i++) free(all.expected[i]);
    return 0;
}
