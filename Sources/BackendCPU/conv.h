/* Convolutions: their geometry, and the ways to compute them. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "simd.h"
#include "util.h"

/* Spatial axes are depth, height, width; those that a convolution lacks have size 1. */
typedef struct cpu_conv {
    pellucid_dtype dtype;
    size_t size; /* of an element */
    int64_t images, groups, in_channels, out_channels; /* channels of one group */
    int64_t in[3], kernel[3], stride[3], pad[3], dilation[3], out[3];
    int64_t in_plane, out_plane, window; /* elements of a channel's planes and of one filter's channel */
    int64_t depth;                       /* in_channels * window: terms of one sum */
    bool direct;                         /* the input is already the matrix to multiply */
    bool depthwise;
    cpu_unary activation;
    float alpha, beta;
} cpu_conv;

/* What one run reads and writes; bias and residual may be NULL. */
typedef struct cpu_conv_data {
    const void *x, *w, *bias, *residual;
    void *y;
    const float *packed; /* of cpu_conv_pack, or NULL */
} cpu_conv_data;

/* Reads the attributes of `node` for a convolution of x by w that gives y; false when the shapes disagree. */
bool cpu_conv_read(cpu_node *node, const pellucid_view *x, const pellucid_view *w, const pellucid_view *y, cpu_conv *out);
bool cpu_activation_read(cpu_node *node, cpu_unary *activation, float *alpha, float *beta);

/* Any convolution; picks the way. */
pellucid_status cpu_conv_forward(const pellucid_kernel *kernel, const cpu_conv *conv, const cpu_conv_data *data);

/* The ways. Packed: own product over weights in strips, float32. Columns: OpenBLAS over unrolled windows. */
pellucid_status cpu_conv_packed(const pellucid_kernel *kernel, const cpu_conv *conv, const cpu_conv_data *data);
pellucid_status cpu_conv_columns(const pellucid_kernel *kernel, const cpu_conv *conv, const cpu_conv_data *data);
pellucid_status cpu_conv_depthwise(const pellucid_kernel *kernel, const cpu_conv *conv, const cpu_conv_data *data);

size_t cpu_conv_packed_size(const cpu_simd *simd, const cpu_conv *conv);
void cpu_conv_pack(const cpu_simd *simd, const cpu_conv *conv, const float *w, float *packed);

/* The unrolled windows of `channels` input channels, the first beginning at x: a line for each channel and window
 * position, lines `pitch` apart, each with output pixels [from, to). */
void cpu_unroll(const cpu_conv *conv, const void *x, int64_t channels, int64_t from, int64_t to, void *columns, int64_t pitch);
/* The reverse: adds the lines to where they came from. */
void cpu_roll(const cpu_conv *conv, void *x, int64_t channels, int64_t from, int64_t to, const void *columns, int64_t pitch);

/* y[0..n) = activation(x + bias + residual) for a run of one channel. */
void cpu_conv_finish(const cpu_simd *simd, const cpu_conv *conv, const float *x, const float *residual, float bias, float *y, int64_t n);

#endif
