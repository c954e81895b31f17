/* A child forked after the library was used can use it too, the inherited model included. */
#define _GNU_SOURCE
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static void child(pellucid_model *inherited, const char *path, const float *expected, size_t expected_count) {
    pellucid_model *models[2];
    alarm(60);
    models[0] = inherited;
    models[1] = load_model(path);
    for (int i = 0; i < 2; i++) {
        size_t count = 0;
        float *map = explain(models[i], 1, &count);
        CHECK(count == expected_count && memcmp(map, expected, count * sizeof *map) == 0);
        free(map);
        pellucid_model_release(models[i]);
    }
#ifdef SANITIZED
    _exit(0); /* a sanitizer looks for threads at the end, which are the parent's */
#else
    exit(0);
#endif
}

int main(int argc, char **argv) {
    size_t count = 0;
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    float *expected = explain(model, 1, &count);
    for (int i = 0; i < 3; i++) {
        int status = -1;
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) child(model, argv[1], expected, count);
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    free(explain(model, 1, &count));
    free(expected);
    pellucid_model_release(model);
    return 0;
}
