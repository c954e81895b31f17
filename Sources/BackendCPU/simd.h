/* Inner loops, compiled once per CPU level from the level_*.h files. */
#ifndef CPU_SIMD_H
#define CPU_SIMD_H

#include <stdbool.h>
#include <stdint.h>

typedef enum cpu_unary {
    CPU_IDENTITY, CPU_RELU, CPU_SIGMOID, CPU_TANH, CPU_EXP, CPU_LOG, CPU_SQRT, CPU_NEG, CPU_ABS, CPU_RECIPROCAL, CPU_ERF,
    CPU_GELU, CPU_GELU_TANH, CPU_HARD_SWISH, CPU_HARD_SIGMOID, CPU_CLIP, CPU_LEAKY_RELU, CPU_ELU, CPU_SOFTPLUS, CPU_SILU,
    CPU_MISH, CPU_FLOOR, CPU_CEIL, CPU_UNARY_COUNT
} cpu_unary;

typedef enum cpu_binary {
    CPU_ADD, CPU_SUB, CPU_MUL, CPU_DIV, CPU_POW, CPU_MAX, CPU_MIN, CPU_PRELU, CPU_RELU_GRAD, CPU_GELU_GRAD,
    CPU_GELU_TANH_GRAD, CPU_BINARY_COUNT
} cpu_binary;

/* a and b are the operation's two constants (slope, bounds), y may be x. */
typedef void cpu_unary_fn(const float *x, float *y, int64_t n, float a, float b);
/* step_a and step_b are 1, or 0 for one value that is repeated. */
typedef void cpu_binary_fn(const float *a, int64_t step_a, const float *b, int64_t step_b, float *y, int64_t n);

typedef struct cpu_simd {
    const char *name;
    cpu_unary_fn *unary[CPU_UNARY_COUNT];
    cpu_binary_fn *binary[CPU_BINARY_COUNT];

    float (*sum)(const float *x, int64_t n);
    float (*max)(const float *x, int64_t n);
    float (*dot)(const float *a, const float *b, int64_t n);
    /* y = x + bias (+ residual); residual may be NULL, y may be x. */
    void (*add_bias)(const float *x, const float *residual, float bias, float *y, int64_t n);
    void (*add_bias_relu)(const float *x, const float *residual, float bias, float *y, int64_t n);
    void (*scale_shift)(const float *x, float scale, float shift, float *y, int64_t n);
    /* y += a * x */
    void (*axpy)(float a, const float *x, float *y, int64_t n);

    void (*softmax)(const float *x, float *y, int64_t n, bool logarithm);
    void (*softmax_grad)(const float *dy, const float *y, float *dx, int64_t n);
    void (*mean_variance)(const float *x, int64_t n, double *mean, double *variance);
    /* y = (x - mean) * scale + shift */
    void (*normalize)(const float *x, double mean, float scale, float shift, float *y, int64_t n);
    void (*layer_norm)(const float *x, const float *scale, const float *bias, float *y, int64_t n, float epsilon);
    void (*layer_norm_grad)(const float *dy, const float *x, const float *scale, float *dx, int64_t n, float epsilon);

    /* y[i] = bias + sum over t of weights[t] * taps[t][i]. Reads whole vectors: up to CPU_LANES values past the end. */
    void (*taps_sum)(const float *const *taps, const float *weights, int64_t count, float bias, float *y, int64_t n);
    /* y[i] = maximum over t of taps[t][i], NaN when one is. Reads past the end as above. */
    void (*taps_max)(const float *const *taps, int64_t count, float *y, int64_t n);

    /* c (rows x columns, `pitch` apart) = a (depth x rows, packed) * b (depth x columns, packed, 64-byte aligned);
     * the half form computes only the first half of the columns. */
    void (*product)(int64_t depth, const float *a, const float *b, float *c, int64_t pitch);
    void (*product_half)(int64_t depth, const float *a, const float *b, float *c, int64_t pitch);
    int32_t product_rows, product_columns;
} cpu_simd;

enum { CPU_LANES = 32 };

const cpu_simd *cpu_simd_base(void);
const cpu_simd *cpu_simd_v3(void);
const cpu_simd *cpu_simd_v4(void);
/* The best level of this machine; `config` may hold "level=base", "level=v3" or "level=v4" as an upper bound. */
const cpu_simd *cpu_simd_select(const char *config);
/* False when the activation of a fused node is not known; "" is the identity. */
bool cpu_unary_find(const char *name, cpu_unary *out);

#endif
