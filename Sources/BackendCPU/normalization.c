/* Softmax, normalizations, and their gradients by the data. */
#include "simd.h"
#include "util.h"

#include <math.h>

typedef struct row_params {
    int64_t outer, length, inner; /* the normalized axis lies between the other two */
    float epsilon;
    int32_t kind;
} row_params;

enum { SOFTMAX, LOG_SOFTMAX, SOFTMAX_GRAD, LAYER_NORM, LAYER_NORM_GRAD };

typedef struct job {
    const pellucid_kernel *kernel;
    const row_params *p;
    const float *in[3];
    float *y;
    _Atomic int failed;
} job;

static void one(const job *j, const float *a, const float *b, float *y) {
    const cpu_simd *simd = j->kernel->simd;
    int64_t n = j->p->length;
    switch (j->p->kind) {
    case SOFTMAX: simd->softmax(a, y, n, false); break;
    case LOG_SOFTMAX: simd->softmax(a, y, n, true); break;
    case SOFTMAX_GRAD: simd->softmax_grad(a, b, y, n); break;
    case LAYER_NORM: simd->layer_norm(a, j->in[1], j->in[2], y, n, j->p->epsilon); break;
    default: simd->layer_norm_grad(a, b, j->in[2], y, n, j->p->epsilon); break;
    }
}

static bool two_inputs(const row_params *p) { return p->kind == SOFTMAX_GRAD || p->kind == LAYER_NORM_GRAD; }

static void rows(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    int64_t n = j->p->length;
    for (int64_t i = begin; i < end; i++) one(j, j->in[0] + i * n, two_inputs(j->p) ? j->in[1] + i * n : NULL, j->y + i * n);
}

enum { LINES = 16 };

static void collect(const float *from, int64_t inner, int64_t count, int64_t n, float *to) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t l = 0; l < count; l++) to[l * n + i] = from[i * inner + l];
}

/* An axis that is not the last: some of its lines at a time are copied together, worked on and copied back. */
static void lines(int64_t begin, int64_t end, void *payload) {
    job *j = payload;
    int64_t n = j->p->length, inner = j->p->inner, blocks = cpu_ceil_div(inner, LINES);
    float *a = cpu_scratch_take(j->kernel->device, (size_t)(3 * LINES * n) * sizeof(float));
    if (!a) atomic_store(&j->failed, 1);
    for (int64_t item = begin; item < end && a; item++) {
        int64_t first = item % blocks * LINES, count = cpu_min(LINES, inner - first), at = item / blocks * n * inner + first;
        float *b = a + LINES * n, *y = b + LINES * n;
        collect(j->in[0] + at, inner, count, n, a);
        if (two_inputs(j->p)) collect(j->in[1] + at, inner, count, n, b);
        for (int64_t l = 0; l < count; l++) one(j, a + l * n, b + l * n, y + l * n);
        for (int64_t i = 0; i < n; i++)
            for (int64_t l = 0; l < count; l++) j->y[at + i * inner + l] = y[l * n + i];
    }
    cpu_scratch_give(j->kernel->device, a);
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const row_params *p = kernel->params;
    job j = { .kernel = kernel, .p = p, .y = out[0] };
    for (int32_t i = 0; i < 3 && i < kernel->ins; i++) j.in[i] = in[i];
    if (p->inner == 1) cpu_parallel(kernel->host, p->outer, cpu_row_grain(4 * p->length), rows, &j);
    else cpu_parallel(kernel->host, p->outer * cpu_ceil_div(p->inner, LINES), cpu_row_grain(4 * LINES * p->length), lines, &j);
    return j.failed ? cpu_out_of_memory(kernel) : PELLUCID_OK;
}

static bool read_rows(cpu_node *node, row_params *p, bool to_end) {
    int32_t axis;
    const pellucid_view *y = node->out[0];
    if (!cpu_axis(node, cpu_int(node, "axis", -1), y->rank, &axis)) return false;
    p->outer = cpu_count(y, 0, axis);
    p->length = cpu_count(y, axis, to_end ? y->rank : axis + 1);
    p->inner = to_end ? 1 : cpu_count(y, axis + 1, y->rank);
    return true;
}

static int32_t plan_softmax(cpu_node *node, void *params) {
    row_params *p = params;
    const char *op = node->node->op;
    p->kind = strcmp(op, "Softmax") == 0 ? SOFTMAX : strcmp(op, "LogSoftmax") == 0 ? LOG_SOFTMAX : SOFTMAX_GRAD;
    int32_t ins = two_inputs(p) ? 2 : 1;
    if (!cpu_typed(node, ins, ins, 3, PELLUCID_FLOAT32) || !read_rows(node, p, false)) return 0;
    for (int32_t i = 0; i < ins; i++)
        if (!cpu_same_shape(node->in[i], node->out[0])) return 0;
    return 800;
}

static int32_t plan_layer_norm(cpu_node *node, void *params) {
    row_params *p = params;
    bool grad = strcmp(node->node->op, "LayerNormalizationGrad") == 0;
    int32_t scale = grad ? 2 : 1, least = grad ? 3 : 2;
    p->kind = grad ? LAYER_NORM_GRAD : LAYER_NORM;
    if (!cpu_typed(node, least, 3, 7, PELLUCID_FLOAT32) || !read_rows(node, p, true) || cpu_int(node, "stash_type", 1) != 1) return 0;
    for (int32_t i = 0; i < node->ins; i++)
        if (node->in[i] && (i < scale ? !cpu_same_shape(node->in[i], node->out[0]) : node->in_count[i] != p->length)) return 0;
    p->epsilon = (float)cpu_real(node, "epsilon", 1e-5);
    return 800;
}

/* ---- one scale and shift per channel ---- */

typedef struct channel_params {
    int64_t images, channels, plane;
    int64_t groups; /* of channels that share a mean; 0: mean and variance are given */
    bool grouped_scale; /* one scale per group, not per channel */
    float epsilon;
} channel_params;

typedef struct channel_job {
    const cpu_simd *simd;
    const channel_params *p;
    const float *x, *scale, *bias, *mean, *variance;
    float *y;
} channel_job;

static void batch_planes(int64_t begin, int64_t end, void *payload) {
    const channel_job *j = payload;
    for (int64_t i = begin; i < end; i++) {
        int64_t c = i % j->p->channels;
        float scale = j->scale[c] / sqrtf(j->variance[c] + j->p->epsilon);
        j->simd->normalize(j->x + i * j->p->plane, j->mean[c], scale, j->bias[c], j->y + i * j->p->plane, j->p->plane);
    }
}

static void group_planes(int64_t begin, int64_t end, void *payload) {
    const channel_job *j = payload;
    int64_t count = j->p->channels / j->p->groups, plane = j->p->plane;
    for (int64_t i = begin; i < end; i++) {
        double mean, variance;
        j->simd->mean_variance(j->x + i * count * plane, count * plane, &mean, &variance);
        double r = 1.0 / sqrt(variance + j->p->epsilon);
        for (int64_t k = 0; k < count; k++) {
            int64_t group = i % j->p->groups, c = j->p->grouped_scale ? group : group * count + k, at = (i * count + k) * plane;
            j->simd->normalize(j->x + at, mean, (float)(j->scale[c] * r), j->bias[c], j->y + at, plane);
        }
    }
}

static pellucid_status run_channels(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const channel_params *p = kernel->params;
    channel_job j = { .simd = kernel->simd, .p = p, .x = in[0], .scale = in[1], .bias = in[2], .y = out[0] };
    if (p->groups == 0) {
        j.mean = in[3];
        j.variance = in[4];
        cpu_parallel(kernel->host, p->images * p->channels, cpu_row_grain(p->plane), batch_planes, &j);
    } else {
        cpu_parallel(kernel->host, p->images * p->groups, cpu_row_grain(2 * p->channels / p->groups * p->plane), group_planes, &j);
    }
    return PELLUCID_OK;
}

static int32_t plan_channels(cpu_node *node, void *params) {
    channel_params *p = params;
    bool batch = strcmp(node->node->op, "BatchNormalization") == 0;
    int32_t ins = batch ? 5 : 3;
    if (!cpu_typed(node, ins, ins, 31, PELLUCID_FLOAT32) || node->in[0]->rank < 2 || !cpu_same_shape(node->in[0], node->out[0])) return 0;
    p->images = node->in[0]->shape[0];
    p->channels = node->in[0]->shape[1];
    p->plane = cpu_count(node->in[0], 2, node->in[0]->rank);
    p->epsilon = (float)cpu_real(node, "epsilon", 1e-5);
    if (batch && cpu_int(node, "training_mode", 0) != 0) return 0;
    if (!batch) p->groups = strcmp(node->node->op, "GroupNormalization") == 0 ? cpu_int(node, "num_groups", 0) : p->channels;
    if (!batch && (p->groups < 1 || p->channels % p->groups || cpu_int(node, "stash_type", 1) != 1)) return 0;
    p->grouped_scale = !batch && node->in_count[1] == p->groups && p->groups != p->channels;
    for (int32_t i = 1; i < ins; i++)
        if (node->in_count[i] != (p->grouped_scale ? p->groups : p->channels)) return 0;
    return 800;
}

const cpu_op cpu_normalization_ops[] = {
    { "Softmax", "axis", sizeof(row_params), plan_softmax, run, NULL },
    { "LogSoftmax", "axis", sizeof(row_params), plan_softmax, run, NULL },
    { "SoftmaxGrad", "axis", sizeof(row_params), plan_softmax, run, NULL },
    { "LayerNormalization", "axis epsilon stash_type", sizeof(row_params), plan_layer_norm, run, NULL },
    { "LayerNormalizationGrad", "axis epsilon stash_type", sizeof(row_params), plan_layer_norm, run, NULL },
    { "BatchNormalization", "epsilon momentum training_mode", sizeof(channel_params), plan_channels, run_channels, NULL },
    { "InstanceNormalization", "epsilon", sizeof(channel_params), plan_channels, run_channels, NULL },
    { "GroupNormalization", "epsilon num_groups stash_type", sizeof(channel_params), plan_channels, run_channels, NULL },
    { 0 },
};
