/* Explaining over and over takes no more memory. Arguments: model, rounds. Prints the growth in bytes. */
#include "check.h"

#include <unistd.h>

/* Resident memory of this process, in bytes. */
static long resident(void) {
    long pages = 0, unused = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld", &unused, &pages) == 2);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* One explanation with everything a caller does around it. */
static void once(pellucid_model *model, int round) {
    static const char *methods[] = { "grad-cam", "saliency", "smoothgrad", "integrated-gradients", "guided-backprop" };
    pellucid_feed feed = { NULL, make_input((float)(1 + round % 7)) };
    pellucid_options *options = NULL;
    pellucid_result *result = NULL;
    pellucid_tensor *map = NULL;
    pellucid_cost cost = PELLUCID_COST_INIT;
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_int(options, "batch_size", 4));
    CHECK_OK(pellucid_explain_cost(&cost, model, methods[round % 5], &feed, 1, NULL, options));
    CHECK_OK(pellucid_explain(&result, model, methods[round % 5], &feed, 1, NULL, options, NULL));
    CHECK(pellucid_result_json(result)[0] == '{');
    CHECK_FAILS(pellucid_result_tensor(result, "no such tensor", &map));
    CHECK(map == NULL);
    CHECK_OK(pellucid_result_tensor(result, "map", &map));
    pellucid_tensor_release(map);
    pellucid_result_release(result);
    pellucid_options_release(options);
    pellucid_tensor_release((pellucid_tensor *)feed.tensor);
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    const int rounds = atoi(argv[2]);
    pellucid_model *model = load_model(argv[1]);
    /* Plans, tables and the allocator's arenas settle. */
    for (int i = 0; i < 200; i++) once(model, i);
    const long before = resident();
    for (int i = 0; i < rounds; i++) once(model, i);
    printf("%ld\n", resident() - before);
    pellucid_model_release(model);
    return 0;
}
