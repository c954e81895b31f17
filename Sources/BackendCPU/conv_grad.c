/* Gradients of convolution, and transposed convolution, which is the gradient by the input. */
#include "conv.h"
#include "gemm.h"

typedef struct grad_params {
    cpu_conv conv;    /* the forward convolution */
    cpu_conv turned;  /* the gradient as a convolution of dY by turned weights */
    bool use_turned;
} grad_params;

typedef struct job {
    const pellucid_kernel *kernel;
    const cpu_conv *c;
    const void *x, *w, *dy, *bias;
    void *out;
    int64_t channels, blocks; /* input channels of a block; blocks of a group */
    int64_t tile;             /* output pixels of a tile */
    _Atomic int failed;
} job;

/* With stride 1, dX is dY convolved with the weights, their channels exchanged and their windows reversed. */
static bool turn(const cpu_conv *c, cpu_conv *t) {
    if (c->dtype != PELLUCID_FLOAT32) return false;
    *t = *c;
    for (int i = 0; i < 3; i++) {
        t->in[i] = c->out[i];
        t->out[i] = c->in[i];
        t->pad[i] = (c->kernel[i] - 1) * c->dilation[i] - c->pad[i];
        if (c->stride[i] != 1 || t->pad[i] < 0) return false;
    }
    t->in_channels = c->out_channels;
    t->out_channels = c->in_channels;
    t->in_plane = c->out_plane;
    t->out_plane = c->in_plane;
    t->depth = t->in_channels * t->window;
    t->depthwise = t->in_channels == 1 && t->groups > 1;
    return cpu_product_fits(t->depth);
}

typedef struct turning {
    const cpu_conv *c;
    const float *w;
    float *to;
} turning;

static void turn_weights(int64_t begin, int64_t end, void *payload) {
    const turning *t = payload;
    const cpu_conv *c = t->c;
    for (int64_t i = begin; i < end; i++) { /* i counts the turned filters: group, input channel */
        int64_t group = i / c->in_channels, channel = i % c->in_channels;
        for (int64_t m = 0; m < c->out_channels; m++) {
            const float *from = t->w + ((group * c->out_channels + m) * c->in_channels + channel) * c->window;
            float *to = t->to + (i * c->out_channels + m) * c->window;
            for (int64_t k = 0; k < c->window; k++) to[k] = from[c->window - 1 - k];
        }
    }
}

static size_t weight_bytes(const cpu_conv *c) { return (size_t)(c->groups * c->out_channels * c->depth) * c->size; }

static void turn_all(const pellucid_host *host, const cpu_conv *c, const float *w, float *to) {
    turning t = { c, w, to };
    cpu_parallel(host, c->groups * c->in_channels, cpu_row_grain(c->out_channels * c->window), turn_weights, &t);
}

static pellucid_status prepare(pellucid_kernel *kernel) {
    const grad_params *p = kernel->params;
    const pellucid_host *host = kernel->host;
    if (!p->use_turned || !kernel->constants[1]) return PELLUCID_OK;
    float *turned = host->allocate(host, weight_bytes(&p->conv));
    if (!turned) return cpu_out_of_memory(kernel);
    turn_all(host, &p->conv, kernel->constants[1], turned);
    kernel->packed = turned;
    if (p->turned.depthwise || kernel->device->columns) return PELLUCID_OK;
    kernel->packed = host->allocate(host, cpu_conv_packed_size(kernel->simd, &p->turned));
    if (kernel->packed) cpu_conv_pack(kernel->simd, &p->turned, turned, kernel->packed);
    host->deallocate(host, turned);
    return kernel->packed ? PELLUCID_OK : cpu_out_of_memory(kernel);
}

static pellucid_status run_turned(const pellucid_kernel *kernel, const grad_params *p, const void *const *in, const void *bias, void *out) {
    cpu_conv_data data = { .x = in[0], .bias = bias, .y = out };
    if (kernel->packed) {
        if (p->turned.depthwise || kernel->device->columns) data.w = kernel->packed;
        else data.packed = kernel->packed;
        return cpu_conv_forward(kernel, &p->turned, &data);
    }
    float *turned = cpu_scratch_take(kernel->device, weight_bytes(&p->conv));
    if (!turned) return cpu_out_of_memory(kernel);
    turn_all(kernel->host, &p->conv, in[1], turned);
    data.w = turned;
    pellucid_status status = cpu_conv_forward(kernel, &p->turned, &data);
    cpu_scratch_give(kernel->device, turned);
    return status;
}

static char *at(const void *base, const cpu_conv *c, int64_t elements) { return (char *)base + (size_t)elements * c->size; }

static void add_bias(const cpu_conv *c, char *out, int64_t plane, const void *bias, int64_t channel) {
    for (int64_t i = 0; i < plane; i++) {
        if (c->dtype == PELLUCID_FLOAT32) ((float *)out)[i] += ((const float *)bias)[channel];
        else ((double *)out)[i] += ((const double *)bias)[channel];
    }
}

static void input_block(const job *j, int64_t item, char *columns) {
    const cpu_conv *c = j->c;
    int64_t block = item % j->blocks, set = item / j->blocks, group = set % c->groups;
    int64_t first = block * j->channels, count = cpu_min(j->channels, c->in_channels - first), rows = count * c->window;
    char *x = at(j->out, c, (set * c->in_channels + first) * c->in_plane);
    memset(x, 0, (size_t)(count * c->in_plane) * c->size);
    for (int64_t from = 0; from < c->out_plane; from += j->tile) {
        int64_t n = cpu_min(j->tile, c->out_plane - from);
        cpu_product product = {
            .dtype = c->dtype, .a_turned = true, .m = rows, .n = n, .k = c->out_channels, .alpha = 1.0,
            .a = at(j->w, c, group * c->out_channels * c->depth + first * c->window), .a_pitch = c->depth,
            .b = at(j->dy, c, set * c->out_channels * c->out_plane + from), .b_pitch = c->out_plane, .c = columns, .c_pitch = n,
        };
        cpu_multiply(&product);
        cpu_roll(c, x, count, from, from + n, columns, n);
    }
    for (int64_t i = 0; i < count && j->bias; i++)
        add_bias(c, at(x, c, i * c->in_plane), c->in_plane, j->bias, group * c->in_channels + first + i);
}

static void weight_block(const job *j, int64_t item, char *columns) {
    const cpu_conv *c = j->c;
    int64_t block = item % j->blocks, group = item / j->blocks;
    int64_t first = block * j->channels, count = cpu_min(j->channels, c->in_channels - first), rows = count * c->window;
    cpu_product product = { .dtype = c->dtype, .b_turned = true, .m = c->out_channels, .n = rows, .alpha = 1.0,
                            .a_pitch = c->out_plane, .c_pitch = c->depth, .b = columns,
                            .c = at(j->out, c, group * c->out_channels * c->depth + first * c->window) };
    for (int64_t image = 0; image < c->images; image++) {
        int64_t set = image * c->groups + group;
        const char *x = at(j->x, c, (set * c->in_channels + first) * c->in_plane);
        for (int64_t from = 0; from < c->out_plane; from += j->tile) {
            product.k = product.b_pitch = cpu_min(j->tile, c->out_plane - from);
            cpu_unroll(c, x, count, from, from + product.k, columns, product.k);
            product.a = at(j->dy, c, set * c->out_channels * c->out_plane + from);
            cpu_multiply(&product);
            product.beta = 1.0;
        }
    }
}

static void blocks(job *j, int64_t begin, int64_t end, void (*each)(const job *, int64_t, char *)) {
    char *columns = cpu_scratch_take(j->kernel->device, (size_t)(j->channels * j->c->window * j->tile) * j->c->size);
    if (!columns) atomic_store(&j->failed, 1);
    for (int64_t i = begin; i < end && columns; i++) each(j, i, columns);
    cpu_scratch_give(j->kernel->device, columns);
}

static void input_blocks(int64_t begin, int64_t end, void *payload) { blocks(payload, begin, end, input_block); }
static void weight_blocks(int64_t begin, int64_t end, void *payload) { blocks(payload, begin, end, weight_block); }

/* Blocks of channels for `sets` independent parts, and tiles whose columns fit the second cache. */
static void divide(job *j, int64_t sets) {
    enum { COLUMNS = 1 << 17 };
    const cpu_conv *c = j->c;
    int64_t wanted = 2 * j->kernel->host->threads, least = cpu_ceil_div(64, c->window);
    j->channels = c->in_channels;
    if (sets < wanted) j->channels = cpu_min(c->in_channels, cpu_max(least, cpu_ceil_div(c->in_channels, cpu_ceil_div(wanted, sets))));
    j->channels = cpu_min(j->channels, cpu_max(least, 4096 / c->window));
    j->channels = cpu_max(1, cpu_min(j->channels, c->in_channels));
    j->blocks = cpu_ceil_div(c->in_channels, j->channels);
    j->tile = cpu_min(c->out_plane, cpu_max(64, COLUMNS / (j->channels * c->window)));
}

static pellucid_status finish(const job *j, int64_t count, void (*body)(int64_t, int64_t, void *)) {
    const cpu_conv *c = j->c;
    int64_t work = j->channels * c->window * j->tile * c->out_channels;
    cpu_parallel(j->kernel->host, count, cpu_max(1, 16 * CPU_GRAIN / work), body, (void *)j);
    return j->failed ? cpu_out_of_memory(j->kernel) : PELLUCID_OK;
}

static pellucid_dtype real_type(const cpu_node *node) {
    pellucid_dtype dtype = node->ins > 0 && node->in[0] ? node->in[0]->dtype : 0;
    return dtype == PELLUCID_FLOAT32 || dtype == PELLUCID_FLOAT64 ? dtype : 0;
}

static int32_t plan_input(cpu_node *node, void *params) {
    grad_params *p = params;
    pellucid_dtype dtype = real_type(node);
    int32_t most = strcmp(node->node->op, "ConvTranspose") == 0 ? 3 : 2;
    if (!dtype || !cpu_typed(node, 2, most, 7, dtype)) return 0;
    if (!cpu_conv_read(node, node->out[0], node->in[1], node->in[0], &p->conv)) return 0;
    if (node->ins > 2 && node->in[2] && node->in_count[2] != p->conv.groups * p->conv.in_channels) return 0;
    p->use_turned = turn(&p->conv, &p->turned);
    return 1000;
}

static int32_t plan_weight(cpu_node *node, void *params) {
    grad_params *p = params;
    pellucid_dtype dtype = real_type(node);
    if (!dtype || !cpu_typed(node, 2, 2, 3, dtype)) return 0;
    return cpu_conv_read(node, node->in[0], node->out[0], node->in[1], &p->conv) ? 1000 : 0;
}

static pellucid_status run_input(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const grad_params *p = kernel->params;
    const void *bias = kernel->ins > 2 ? in[2] : NULL;
    if (p->use_turned) return run_turned(kernel, p, in, bias, out[0]);
    job j = { .kernel = kernel, .c = &p->conv, .dy = in[0], .w = in[1], .bias = bias, .out = out[0] };
    divide(&j, p->conv.images * p->conv.groups);
    return finish(&j, p->conv.images * p->conv.groups * j.blocks, input_blocks);
}

static pellucid_status run_weight(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const grad_params *p = kernel->params;
    job j = { .kernel = kernel, .c = &p->conv, .x = in[0], .dy = in[1], .out = out[0] };
    divide(&j, p->conv.groups);
    return finish(&j, p->conv.groups * j.blocks, weight_blocks);
}

#define GEOMETRY "auto_pad dilations group kernel_shape pads strides"
const cpu_op cpu_conv_grad_ops[] = {
    { "ConvGradInput", GEOMETRY " input_shape", sizeof(grad_params), plan_input, run_input, prepare },
    { "ConvTranspose", GEOMETRY " output_padding output_shape", sizeof(grad_params), plan_input, run_input, prepare },
    { "ConvGradWeight", GEOMETRY " weight_shape", sizeof(grad_params), plan_weight, run_weight, NULL },
    { 0 },
};
