#include "conv.h"

#include "gemm.h"

#include <math.h>

static const int64_t most = (int64_t)1 << 30;

/* Spreads the one to three spatial axes of a node over the three of cpu_conv, the last ones first filled. */
static void spread(const int64_t *from, int32_t count, int64_t fill, int64_t *to) {
    for (int32_t i = 0; i < 3; i++) to[i] = i < 3 - count ? fill : from[i - (3 - count)];
}

static bool read_geometry(cpu_node *node, const pellucid_view *x, const pellucid_view *w, const pellucid_view *y, cpu_conv *c) {
    int32_t axes = x->rank - 2;
    int64_t kernel[3], stride[3], dilation[3], pads[6], end[3];
    const char *padding = cpu_text(node, "auto_pad", "NOTSET");
    if (strcmp(padding, "NOTSET") != 0) return false;
    if (!cpu_ints(node, "strides", axes, 1, 1, most, stride) || !cpu_ints(node, "dilations", axes, 1, 1, most, dilation)) return false;
    if (!cpu_ints(node, "kernel_shape", axes, -1, 1, most, kernel) || !cpu_ints(node, "pads", 2 * axes, 0, 0, most, pads)) return false;
    for (int32_t i = 0; i < axes; i++)
        if (kernel[i] != -1 && kernel[i] != w->shape[2 + i]) return false;
    spread(x->shape + 2, axes, 1, c->in);
    spread(w->shape + 2, axes, 1, c->kernel);
    spread(y->shape + 2, axes, 1, c->out);
    spread(stride, axes, 1, c->stride);
    spread(dilation, axes, 1, c->dilation);
    spread(pads, axes, 0, c->pad);
    spread(pads + axes, axes, 0, end);
    for (int32_t i = 0; i < 3; i++) {
        if (c->in[i] > most || c->kernel[i] > most) return false;
        int64_t extent = (c->kernel[i] - 1) * c->dilation[i] + 1, room = c->in[i] + c->pad[i] + end[i] - extent;
        if (room < 0 || room / c->stride[i] + 1 != c->out[i]) return false;
    }
    return true;
}

bool cpu_conv_read(cpu_node *node, const pellucid_view *x, const pellucid_view *w, const pellucid_view *y, cpu_conv *c) {
    if (x->rank < 3 || x->rank > 5 || w->rank != x->rank || y->rank != x->rank) return false;
    if (!read_geometry(node, x, w, y, c)) return false;
    c->dtype = x->dtype;
    c->size = cpu_size_of(x->dtype);
    c->images = x->shape[0];
    c->groups = cpu_int(node, "group", 1);
    if (node->bad || c->groups < 1 || x->shape[1] % c->groups || w->shape[0] % c->groups) return false;
    c->in_channels = x->shape[1] / c->groups;
    c->out_channels = w->shape[0] / c->groups;
    if (w->shape[1] != c->in_channels || y->shape[0] != c->images || y->shape[1] != w->shape[0]) return false;
    c->in_plane = c->in[0] * c->in[1] * c->in[2];
    c->out_plane = c->out[0] * c->out[1] * c->out[2];
    c->window = c->kernel[0] * c->kernel[1] * c->kernel[2];
    c->depth = c->in_channels * c->window;
    c->direct = c->window == 1;
    for (int32_t i = 0; i < 3; i++) c->direct = c->direct && c->stride[i] == 1 && c->in[i] == c->out[i];
    c->depthwise = c->in_channels == 1 && c->groups > 1;
    return cpu_product_fits(c->depth) && cpu_product_fits(c->out_plane) && cpu_product_fits(c->in_plane) && cpu_product_fits(c->out_channels);
}

bool cpu_activation_read(cpu_node *node, cpu_unary *activation, float *alpha, float *beta) {
    if (!cpu_unary_find(cpu_text(node, "activation", ""), activation)) return false;
    *alpha = (float)cpu_real(node, "activation_alpha", *activation == CPU_LEAKY_RELU ? 0.01 : *activation == CPU_CLIP ? -INFINITY : 0.2);
    *beta = (float)cpu_real(node, "activation_beta", *activation == CPU_CLIP ? INFINITY : 0.5);
    return !node->bad;
}

static int32_t plan(cpu_node *node, void *params) {
    cpu_conv *c = params;
    pellucid_dtype dtype = node->ins > 0 && node->in[0] ? node->in[0]->dtype : 0;
    if ((dtype != PELLUCID_FLOAT32 && dtype != PELLUCID_FLOAT64) || !cpu_typed(node, 2, 4, 15, dtype)) return 0;
    if (!cpu_conv_read(node, node->in[0], node->in[1], node->out[0], c)) return 0;
    if (!cpu_activation_read(node, &c->activation, &c->alpha, &c->beta)) return 0;
    if (dtype == PELLUCID_FLOAT64 && c->activation != CPU_IDENTITY && c->activation != CPU_RELU) return 0;
    if (node->ins > 2 && node->in[2] && node->in_count[2] != c->groups * c->out_channels) return 0;
    if (node->ins > 3 && node->in[3] && !cpu_same_shape(node->in[3], node->out[0])) return 0;
    return 1000;
}

static pellucid_status prepare(pellucid_kernel *kernel) {
    const cpu_conv *c = kernel->params;
    if (!kernel->constants[1] || c->dtype != PELLUCID_FLOAT32 || c->depthwise || kernel->device->columns) return PELLUCID_OK;
    kernel->packed = kernel->host->allocate(kernel->host, cpu_conv_packed_size(kernel->simd, c));
    if (!kernel->packed) return cpu_out_of_memory(kernel);
    cpu_conv_pack(kernel->simd, c, kernel->constants[1], kernel->packed);
    return PELLUCID_OK;
}

pellucid_status cpu_conv_forward(const pellucid_kernel *kernel, const cpu_conv *conv, const cpu_conv_data *data) {
    if (conv->dtype != PELLUCID_FLOAT32) return cpu_conv_columns(kernel, conv, data);
    if (conv->depthwise) return cpu_conv_depthwise(kernel, conv, data);
    if (kernel->device->columns) return cpu_conv_columns(kernel, conv, data);
    return cpu_conv_packed(kernel, conv, data);
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    cpu_conv_data data = { .x = in[0], .w = in[1], .bias = kernel->ins > 2 ? in[2] : NULL,
                           .residual = kernel->ins > 3 ? in[3] : NULL, .y = out[0], .packed = kernel->packed };
    return cpu_conv_forward(kernel, kernel->params, &data);
}

void cpu_conv_finish(const cpu_simd *simd, const cpu_conv *c, const float *x, const float *residual, float bias, float *y, int64_t n) {
    if (c->activation == CPU_RELU) {
        simd->add_bias_relu(x, residual, bias, y, n);
        return;
    }
    simd->add_bias(x, residual, bias, y, n);
    if (c->activation != CPU_IDENTITY) simd->unary[c->activation](y, y, n, c->alpha, c->beta);
}

const cpu_op cpu_conv_ops[] = {
    { "Conv", "auto_pad dilations group kernel_shape pads strides activation activation_alpha activation_beta", sizeof(cpu_conv),
      plan, run, prepare },
    { 0 },
};
