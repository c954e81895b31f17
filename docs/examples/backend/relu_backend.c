/* A compute backend in one file: it runs Relu on float32, and leaves everything else to the other backends. */
#include <stdlib.h>
#include <string.h>

#include <pellucid/backend.h>

struct pellucid_device {
    const pellucid_host *host;
};

struct pellucid_kernel {
    pellucid_device *device;
};

/* The elements of one call, which the host's threads share. */
typedef struct span {
    const float *input;
    float *output;
} span;

static int32_t score(void) {
    return 50; /* any machine; below the built-in backends, so it is used where it is asked for by name */
}

static pellucid_status open_device(const pellucid_host *host, const char *config, pellucid_device **out) {
    (void)config;
    *out = malloc(sizeof **out);
    if (*out == NULL) return PELLUCID_E_MEMORY;
    (*out)->host = host;
    return PELLUCID_OK;
}

static void close_device(pellucid_device *device) {
    free(device);
}

static int32_t supports(pellucid_device *device, const pellucid_program *program) {
    (void)device;
    if (program->node_count != 1 || program->input_count != 1 || program->output_count != 1) return 0;
    if (strcmp(program->nodes[0].op, "Relu") != 0) return 0;
    return program->values[program->inputs[0]].dtype == PELLUCID_FLOAT32 ? 200 : 0;
}

static pellucid_status compile(pellucid_device *device, const pellucid_program *program, pellucid_kernel **out) {
    (void)program;
    *out = malloc(sizeof **out);
    if (*out == NULL) return PELLUCID_E_MEMORY;
    (*out)->device = device;
    return PELLUCID_OK;
}

static void release(pellucid_kernel *kernel) {
    free(kernel);
}

/* Whether the elements lie in row-major order without gaps. */
static int is_dense(const pellucid_view *view) {
    int64_t expected = 1;
    if (view->strides == NULL) return 1;
    for (int32_t axis = view->rank - 1; axis >= 0; axis--) {
        if (view->shape[axis] != 1 && view->strides[axis] != expected) return 0;
        expected *= view->shape[axis];
    }
    return 1;
}

/* NaN stays NaN, as ONNX wants it. */
static void relu(int64_t begin, int64_t end, void *payload) {
    const span *all = payload;
    for (int64_t i = begin; i < end; i++) all->output[i] = all->input[i] < 0 ? 0 : all->input[i];
}

static pellucid_status run(pellucid_kernel *kernel, const pellucid_view *inputs, const pellucid_view *outputs) {
    const pellucid_host *host = kernel->device->host;
    span all = { inputs[0].data, outputs[0].data };
    int64_t count = 1;
    if (!is_dense(&inputs[0]) || !is_dense(&outputs[0])) {
        host->fail(host, "Relu: this backend wants row-major tensors without gaps");
        return PELLUCID_E_UNSUPPORTED;
    }
    for (int32_t axis = 0; axis < inputs[0].rank; axis++) count *= inputs[0].shape[axis];
    host->parallel(host, count, 16384, relu, &all);
    return PELLUCID_OK;
}

static const pellucid_backend backend = {
    sizeof(pellucid_backend),
    PELLUCID_BACKEND_ABI,
    "relu",
    "1.0",
    "Example: runs Relu and nothing else",
    score,
    open_device,
    close_device,
    supports,
    compile,
    run,
    release,
};

const pellucid_backend *pellucid_backend_entry(int32_t host_abi) {
    return host_abi == PELLUCID_BACKEND_ABI ? &backend : NULL;
}
