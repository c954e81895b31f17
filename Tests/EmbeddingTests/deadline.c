/* A sampling method that meets its deadline gives what it has, with its error; cancelling is an error, at every tick; a deadline
 * that comes before anything is ready too. Argument: model. */
#include "check.h"

#include <math.h>

typedef struct ticks {
    int seen, limit;
} ticks;

static int32_t count_ticks(double fraction, const char *stage, void *payload) {
    ticks *counter = payload;
    CHECK(fraction >= 0 && fraction <= 1 && stage != NULL);
    return counter->seen++ == counter->limit;
}

static pellucid_options *options_of(const char *name, int64_t value) {
    pellucid_options *options = NULL;
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_int(options, name, value));
    return options;
}

static pellucid_status explain_until(pellucid_result **result, pellucid_model *model, const char *method, const pellucid_options *options,
                                     double deadline) {
    pellucid_feed feed = { NULL, make_input(1) };
    pellucid_control control = PELLUCID_CONTROL_INIT;
    control.deadline = deadline;
    const pellucid_status status = pellucid_explain(result, model, method, &feed, 1, NULL, options, &control);
    CHECK((status == PELLUCID_OK) == (*result != NULL));
    pellucid_tensor_release((pellucid_tensor *)feed.tensor);
    return status;
}

/* More samples than time: the mean of those taken. */
static void check_sampling(pellucid_model *model) {
    pellucid_options *options = options_of("n_samples", 1000000);
    pellucid_result *result = NULL;
    pellucid_tensor *error = NULL;
    pellucid_view view;
    double samples = 0, size = 0;
    CHECK_OK(explain_until(&result, model, "smoothgrad", options, 0.5));
    CHECK_OK(pellucid_result_number(result, "samples", &samples));
    CHECK(samples > 1 && samples < 1000000);
    CHECK_OK(pellucid_result_number(result, "standard_error", &size));
    CHECK(isfinite(size) && size > 0);
    CHECK_OK(pellucid_result_tensor(result, "standard_error", &error));
    CHECK_OK(pellucid_tensor_view(error, &view));
    for (int64_t i = 0; i < SIDE * SIDE; i++) CHECK(isfinite(((const float *)view.data)[i]));
    CHECK(strstr(pellucid_result_json(result), "\"stopped\": \"deadline\"") != NULL);
    CHECK(strstr(pellucid_result_json(result), "the deadline ended the method") != NULL);
    pellucid_tensor_release(error);
    pellucid_result_release(result);
    pellucid_options_release(options);
    /* Enough time: nothing was stopped. */
    options = options_of("n_samples", 4);
    CHECK_OK(explain_until(&result, model, "smoothgrad", options, 60));
    CHECK_OK(pellucid_result_number(result, "samples", &samples));
    CHECK(samples == 4 && strstr(pellucid_result_json(result), "\"stopped\": null") != NULL);
    pellucid_result_release(result);
    pellucid_options_release(options);
}

/* No method gives anything at once, and a quadrature of a hundred thousand points is given up while it is made. */
static void check_too_early(pellucid_model *model) {
    pellucid_options *options = options_of("n_steps", 100000);
    pellucid_result *result = NULL;
    for (int32_t i = 0; i < pellucid_method_count(); i++) {
        pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
        CHECK_OK(pellucid_method_at(i, &method));
        /* The network is convolutional. */
        if (strcmp(method.kind, "explainer") != 0 || strstr(method.needs, "attention")) continue;
        CHECK(explain_until(&result, model, method.name, NULL, 1e-9) == PELLUCID_E_CANCELLED);
        CHECK(strstr(pellucid_error_message(), "deadline") != NULL);
    }
    CHECK(explain_until(&result, model, "integrated-gradients", options, 0.3) == PELLUCID_E_CANCELLED);
    pellucid_options_release(options);
}

/* Cancelled at the first tick, the second, …, then at ever larger steps until the call is faster. */
static void check_every_tick(pellucid_model *model, const char *method) {
    pellucid_feed feed = { NULL, make_input(1) };
    pellucid_status status = PELLUCID_E_CANCELLED;
    for (int limit = 0; status != PELLUCID_OK; limit += 1 + limit / 4) {
        ticks counter = { 0, 0 };
        pellucid_control control = PELLUCID_CONTROL_INIT;
        pellucid_result *result = NULL;
        counter.limit = limit;
        control.progress = count_ticks;
        control.payload = &counter;
        control.deadline = 3600;
        status = pellucid_explain(&result, model, method, &feed, 1, NULL, NULL, &control);
        CHECK(status == (counter.seen > limit ? PELLUCID_E_CANCELLED : PELLUCID_OK));
        CHECK((result == NULL) == (status != PELLUCID_OK));
        CHECK(limit > 0 || status == PELLUCID_E_CANCELLED);
        pellucid_result_release(result);
    }
    pellucid_tensor_release((pellucid_tensor *)feed.tensor);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    check_sampling(model);
    check_too_early(model);
    for (int32_t i = 0; i < pellucid_method_count(); i++) {
        pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
        CHECK_OK(pellucid_method_at(i, &method));
        if (strcmp(method.kind, "explainer") == 0 && !strstr(method.needs, "attention")) check_every_tick(model, method.name);
    }
    pellucid_model_release(model);
    return 0;
}
