/* The table of one level. LEVEL is its name, TABLE the function that returns it,
 * PRODUCT_ROWS and PRODUCT_BYTES shape its matrix product. */

#include "level_math.h"
#include "level_pointwise.h"
#include "level_rows.h"
#include "level_taps.h"
#include "level_product.h"

static const cpu_simd table = {
    .name = LEVEL,
    .unary = {
        [CPU_IDENTITY] = identity_loop, [CPU_RELU] = relu_loop, [CPU_SIGMOID] = sigmoid_loop, [CPU_TANH] = tanh_loop,
        [CPU_EXP] = exp_loop, [CPU_LOG] = log_loop, [CPU_SQRT] = sqrt_loop, [CPU_NEG] = neg_loop, [CPU_ABS] = abs_loop,
        [CPU_RECIPROCAL] = reciprocal_loop, [CPU_ERF] = erf_loop, [CPU_GELU] = gelu_loop, [CPU_GELU_TANH] = gelu_tanh_loop,
        [CPU_HARD_SWISH] = hard_swish_loop, [CPU_HARD_SIGMOID] = hard_sigmoid_loop, [CPU_CLIP] = clip_loop,
        [CPU_LEAKY_RELU] = leaky_relu_loop, [CPU_ELU] = elu_loop, [CPU_SOFTPLUS] = softplus_loop, [CPU_SILU] = silu_loop,
        [CPU_MISH] = mish_loop, [CPU_FLOOR] = floor_loop, [CPU_CEIL] = ceil_loop,
    },
    .binary = {
        [CPU_ADD] = add_loop, [CPU_SUB] = sub_loop, [CPU_MUL] = mul_loop, [CPU_DIV] = div_loop, [CPU_POW] = pow_loop,
        [CPU_MAX] = max_loop, [CPU_MIN] = min_loop, [CPU_PRELU] = prelu_loop, [CPU_RELU_GRAD] = relu_grad_loop,
        [CPU_GELU_GRAD] = gelu_grad_loop, [CPU_GELU_TANH_GRAD] = gelu_tanh_grad_loop,
    },
    .sum = sum_row, .max = max_row, .dot = dot_row,
    .add_bias = add_bias, .add_bias_relu = add_bias_relu, .scale_shift = scale_shift, .axpy = axpy,
    .softmax = softmax_row, .softmax_grad = softmax_grad_row, .mean_variance = mean_variance_row, .normalize = normalize_row,
    .layer_norm = layer_norm_row, .layer_norm_grad = layer_norm_grad_row,
    .taps_sum = taps_sum, .taps_max = taps_max,
    .product = product_whole, .product_half = product_half,
    .product_rows = PRODUCT_ROWS, .product_columns = 2 * PRODUCT_WIDTH,
};

const cpu_simd *TABLE(void) { return &table; }
