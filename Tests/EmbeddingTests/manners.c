/* The library leaves the process as it finds it: signals, floating-point environment, locale, threads, files, folder, mask,
 * environment. Argument: model. */
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

extern char **environ;

/* Entries of a folder, itself and its parent left out. */
static int entries(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count - 2;
}

static void handler(int signal) { (void)signal; }

/* Everything that can be asked for about the process. */
typedef struct state {
    struct sigaction actions[NSIG];
    sigset_t blocked;
    fenv_t environment;
    int rounding, threads, files;
    unsigned flags;
    mode_t mask;
    char locale[256], folder[4096];
    char **variables;
    size_t variable_count;
} state;

static void look(state *now) {
    memset(now, 0, sizeof *now);
    for (int i = 1; i < NSIG; i++) sigaction(i, NULL, &now->actions[i]);
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now->blocked) == 0);
    now->rounding = fegetround();
#if defined(__x86_64__)
    now->flags = _mm_getcsr() & ~(unsigned)_MM_EXCEPT_MASK; /* rounding, masks, flush-to-zero; not the sticky flags */
#endif
    now->threads = entries("/proc/self/task");
    now->files = entries("/proc/self/fd");
    now->mask = umask(0);
    umask(now->mask);
    snprintf(now->locale, sizeof now->locale, "%s", setlocale(LC_ALL, NULL));
    CHECK(getcwd(now->folder, sizeof now->folder) != NULL);
    now->variables = environ;
    while (environ[now->variable_count] != NULL) now->variable_count++;
}

static void compare(const state *before, const state *after) {
    for (int i = 1; i < NSIG; i++) {
        CHECK(before->actions[i].sa_handler == after->actions[i].sa_handler);
        CHECK(before->actions[i].sa_flags == after->actions[i].sa_flags);
    }
    CHECK(memcmp(&before->blocked, &after->blocked, sizeof before->blocked) == 0);
    CHECK(before->rounding == after->rounding && before->flags == after->flags);
    CHECK(before->threads == after->threads && before->files == after->files);
    CHECK(before->mask == after->mask && before->variables == after->variables && before->variable_count == after->variable_count);
    CHECK(strcmp(before->locale, after->locale) == 0 && strcmp(before->folder, after->folder) == 0);
}

/* One of everything, failures included. */
static void use(const char *path) {
    static const char *methods[] = { "grad-cam", "integrated-gradients", "smoothgrad" };
    pellucid_runtime *runtime = NULL;
    pellucid_options *options = NULL;
    pellucid_model *model = NULL, *missing = NULL;
    pellucid_tensor *input = make_input(1), *output = NULL;
    pellucid_feed feed = { NULL, NULL };
    feed.tensor = input;
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_int(options, "threads", 4));
    CHECK_OK(pellucid_runtime_create(&runtime, options));
    pellucid_options_release(options);
    CHECK_OK(pellucid_model_load(&model, runtime, path, NULL));
    CHECK_FAILS(pellucid_model_load(&missing, runtime, "/nowhere", NULL));
    CHECK_FAILS(pellucid_runtime_load_backend(runtime, path));
    CHECK_OK(pellucid_model_run(model, &feed, 1, NULL, 0, &output, NULL));
    pellucid_tensor_release(output);
    for (int i = 0; i < 3; i++) {
        pellucid_result *result = NULL;
        CHECK_OK(pellucid_explain(&result, model, methods[i], &feed, 1, NULL, NULL, NULL));
        pellucid_result_release(result);
    }
    CHECK_FAILS(pellucid_image_decode(&output, "\x89PNG\r\n\x1a\n", 8, NULL));
    pellucid_tensor_release(input);
    pellucid_model_release(model);
    pellucid_runtime_release(runtime);
}

int main(int argc, char **argv) {
    static const int roundings[] = { FE_TONEAREST, FE_UPWARD, FE_TOWARDZERO };
    static state before, after;
    struct sigaction action = { 0 };
    sigset_t set;
    CHECK(argc == 2);
    use(argv[1]); /* what is made once for the process */
    action.sa_handler = handler;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGFPE, &action, NULL) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(fesetround(roundings[i]) == 0);
#if defined(__x86_64__)
        _mm_setcsr(_mm_getcsr() | (i == 1 ? 0x8040u : 0)); /* flush to zero, denormals are zero */
#endif
        look(&before);
        use(argv[1]);
        look(&after);
        compare(&before, &after);
    }
    return 0;
}
