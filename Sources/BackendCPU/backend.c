#include "backend_cpu.h"
#include "gemm.h"
#include "simd.h"
#include "util.h"

static const cpu_op *const families[] = {
    cpu_conv_ops, cpu_conv_grad_ops, cpu_matmul_ops, cpu_pointwise_ops, cpu_binary_ops,
    cpu_normalization_ops, cpu_reduce_ops, cpu_pooling_ops, cpu_movement_ops, cpu_joining_ops,
    cpu_clip_grad_ops, cpu_compare_ops, cpu_quantize_ops, cpu_patch_ops,
};

enum { MOST_PARAMS = 4096 };

const cpu_op *cpu_op_find(const char *name) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const cpu_op *op = families[i]; op->name; op++)
            if (strcmp(op->name, name) == 0) return op;
    return NULL;
}

static int32_t plan(const pellucid_program *program, cpu_node *node, void *params) {
    if (program->input_count < 0 || program->input_count > CPU_SLOTS) return 0;
    if (program->output_count < 1 || program->output_count > CPU_SLOTS) return 0;
    if (!cpu_node_read(node, program) || node->op->params_size > MOST_PARAMS) return 0;
    memset(params, 0, node->op->params_size);
    int32_t speed = node->op->plan(node, params);
    return node->bad ? 0 : speed;
}

static int32_t cpu_score(void) { return 1000; }

static pellucid_status cpu_open(const pellucid_host *host, const char *config, pellucid_device **out) {
    *out = NULL;
    pellucid_device *device = host->allocate(host, sizeof *device);
    if (!device) {
        host->fail(host, "default backend: out of memory");
        return PELLUCID_E_MEMORY;
    }
    memset(device, 0, sizeof *device);
    device->host = host;
    device->simd = cpu_simd_select(config);
    device->columns = config && strstr(config, "conv=openblas");
    cpu_product_open();
    *out = device;
    return PELLUCID_OK;
}

static void cpu_close(pellucid_device *device) {
    if (!device) return;
    cpu_scratch_close(device);
    cpu_product_close();
    device->host->deallocate(device->host, device);
}

static int32_t cpu_supports(pellucid_device *device, const pellucid_program *program) {
    (void)device;
    cpu_node node;
    _Alignas(16) char params[MOST_PARAMS];
    return plan(program, &node, params);
}

static void cpu_release(pellucid_kernel *kernel) {
    if (!kernel) return;
    kernel->host->deallocate(kernel->host, kernel->packed);
    kernel->host->deallocate(kernel->host, kernel);
}

/* One block holds the kernel and all its tables. */
static pellucid_kernel *new_kernel(pellucid_device *device, const cpu_node *node, const pellucid_program *program) {
    const pellucid_host *host = device->host;
    size_t ins = (size_t)node->ins, values = (size_t)program->input_count + (size_t)program->output_count;
    const char *name = node->node->name ? node->node->name : "";
    size_t params = cpu_round_up((int64_t)node->op->params_size, 16), head = cpu_round_up(sizeof(pellucid_kernel), 16);
    size_t bytes = head + params + ins * (sizeof(void *) + sizeof(int32_t)) + values * (sizeof(int64_t) + sizeof(pellucid_dtype)) + strlen(name) + 1;
    char *at = host->allocate(host, bytes);
    if (!at) return NULL;
    memset(at, 0, bytes);
    pellucid_kernel *kernel = (pellucid_kernel *)at;
    *kernel = (pellucid_kernel){ .device = device, .host = host, .simd = device->simd, .op = node->op, .ins = node->ins,
                                .outs = program->output_count, .runtime_ins = program->input_count };
    kernel->params = at += head;
    kernel->constants = (const void **)(at += params);
    kernel->counts = (int64_t *)(at += ins * sizeof(void *));
    kernel->dtypes = (pellucid_dtype *)(at += values * sizeof(int64_t));
    kernel->sources = (int32_t *)(at += values * sizeof(pellucid_dtype));
    kernel->name = at + ins * sizeof(int32_t);
    memcpy(kernel->name, name, strlen(name) + 1);
    return kernel;
}

static int32_t position(const int32_t *list, int32_t count, int32_t value) {
    for (int32_t i = 0; i < count; i++)
        if (list[i] == value) return i;
    return -1;
}

static int64_t count_of(const pellucid_view *view) { return cpu_count(view, 0, view->rank); }

/* Finds each input among the constants or run()'s inputs, and each output in its place. */
static bool connect(pellucid_kernel *kernel, const cpu_node *node, const pellucid_program *program) {
    for (int32_t i = 0; i < program->input_count + program->output_count; i++) {
        bool input = i < program->input_count;
        int32_t value = input ? program->inputs[i] : program->outputs[i - program->input_count];
        if (value < 0 || value >= program->value_count) return false;
        kernel->dtypes[i] = program->values[value].dtype;
        kernel->counts[i] = -1; /* a value that no slot of the node names */
        for (int32_t j = 0; j < node->ins + node->outs; j++) {
            const pellucid_view *view = j < node->ins ? node->in[j] : node->out[j - node->ins];
            if (view == &program->values[value]) kernel->counts[i] = count_of(view);
        }
    }
    for (int32_t i = 0; i < node->ins; i++) {
        kernel->sources[i] = -1;
        if (!node->in[i]) continue;
        kernel->constants[i] = node->in[i]->data;
        if (kernel->constants[i]) continue;
        kernel->sources[i] = position(program->inputs, program->input_count, node->node->inputs[i]);
        if (kernel->sources[i] < 0) return false;
    }
    int32_t given = 0;
    for (int32_t i = 0; i < node->outs; i++)
        if (node->out[i] && (given >= program->output_count || program->outputs[given++] != node->node->outputs[i])) return false;
    return given == program->output_count;
}

static pellucid_status cpu_compile(pellucid_device *device, const pellucid_program *program, pellucid_kernel **out) {
    const pellucid_host *host = device->host;
    *out = NULL;
    cpu_node node;
    _Alignas(16) char params[MOST_PARAMS];
    if (plan(program, &node, params) == 0) {
        host->fail(host, "default backend: the node is not supported");
        return PELLUCID_E_UNSUPPORTED;
    }
    pellucid_kernel *kernel = new_kernel(device, &node, program);
    if (!kernel) {
        host->fail(host, "default backend: out of memory");
        return PELLUCID_E_MEMORY;
    }
    memcpy(kernel->params, params, node.op->params_size);
    if (!connect(kernel, &node, program)) {
        cpu_release(kernel);
        host->fail(host, "default backend: a value of the node is neither constant nor an input or output of the program");
        return PELLUCID_E_INVALID;
    }
    pellucid_status status = node.op->prepare ? node.op->prepare(kernel) : PELLUCID_OK;
    if (status != PELLUCID_OK) cpu_release(kernel);
    else *out = kernel;
    return status;
}

/* The shapes were checked at compile time; this only catches a caller's mistake. */
static bool as_compiled(const pellucid_kernel *kernel, int32_t slot, const pellucid_view *view) {
    if (kernel->counts[slot] < 0) return true;
    if (!view->data || view->dtype != kernel->dtypes[slot] || count_of(view) != kernel->counts[slot]) return false;
    int64_t expected = 1;
    for (int32_t i = view->rank - 1; i >= 0 && view->strides; i--) {
        if (view->shape[i] != 1 && view->strides[i] != expected) return false;
        expected *= view->shape[i];
    }
    return true;
}

static pellucid_status cpu_run(pellucid_kernel *kernel, const pellucid_view *inputs, const pellucid_view *outputs) {
    const void *in[CPU_SLOTS];
    void *out[CPU_SLOTS];
    for (int32_t i = 0; i < kernel->runtime_ins; i++)
        if (!as_compiled(kernel, i, &inputs[i])) goto mismatch;
    for (int32_t i = 0; i < kernel->ins; i++) {
        int32_t source = kernel->sources[i];
        in[i] = source >= 0 ? inputs[source].data : kernel->constants[i];
    }
    for (int32_t i = 0; i < kernel->outs; i++) {
        if (!as_compiled(kernel, kernel->runtime_ins + i, &outputs[i])) goto mismatch;
        out[i] = outputs[i].data;
    }
    return kernel->op->run(kernel, in, out);
mismatch:
    kernel->host->fail(kernel->host, "default backend: a tensor differs from the one the kernel was compiled for");
    return PELLUCID_E_INVALID;
}

const pellucid_backend *pellucid_cpu_backend(void) {
    static const pellucid_backend backend = {
        .struct_size = sizeof backend,
        .abi = PELLUCID_BACKEND_ABI,
        .name = "cpu",
        .version = "0.1.0",
        .description = "OpenBLAS products and vectorised C kernels",
        .score = cpu_score,
        .open = cpu_open,
        .close = cpu_close,
        .supports = cpu_supports,
        .compile = cpu_compile,
        .run = cpu_run,
        .release = cpu_release,
    };
    return &backend;
}
