/* Eight threads that explain with one shared model find what one thread finds. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 6 };

typedef struct job {
    pellucid_model *model;
    float scale;
    float *expected;
    size_t count;
} job;

static void *work(void *argument) {
    const job *mine = argument;
    for (int round = 0; round < ROUNDS; round++) {
        size_t count = 0;
        float *map = explain(mine->model, mine->scale, &count);
        CHECK(count == mine->count);
        CHECK(memcmp(map, mine->expected, count * sizeof *map) == 0);
        free(map);
    }
    return NULL;
}

int main(int argc, char **argv) {
    job jobs[THREADS];
    pthread_t threads[THREADS];
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    for (int i = 0; i < THREADS; i++) {
        jobs[i].model = model;
        jobs[i].scale = (float)(i + 1);
        jobs[i].expected = explain(model, jobs[i].scale, &jobs[i].count);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, work, &jobs[i]) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++) free(jobs[i].expected);
    pellucid_model_release(model);
    return 0;
}
