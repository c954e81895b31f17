/* Element-wise loops. Comparisons are written so that NaN passes through, as ONNX Runtime does. */

/* Results are often written in place; the loops carry nothing from one element to the next, which the compiler cannot
 * know of two pointers that may be equal. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#pragma clang diagnostic ignored "-Wpass-failed" /* those that call libm stay scalar */
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#define UNARY(name, expression)                                                                 \
    static void name(const float *from, float *y, int64_t n, float a, float b) {                \
        (void)a, (void)b;                                                                       \
        INDEPENDENT for (int64_t i = 0; i < n; i++) { float x = from[i]; y[i] = (expression); } \
    }

UNARY(identity_loop, x)
UNARY(relu_loop, x < 0.0f ? 0.0f : x)
UNARY(sigmoid_loop, sigmoid1(x))
UNARY(tanh_loop, tanh1(x))
UNARY(exp_loop, exp1(x))
UNARY(log_loop, logf(x))
UNARY(sqrt_loop, __builtin_sqrtf(x))
UNARY(neg_loop, -x)
UNARY(abs_loop, magnitude(x))
UNARY(reciprocal_loop, 1.0f / x)
UNARY(erf_loop, erf1(x))
UNARY(gelu_loop, 0.5f * x * (1.0f + erf1(x * 0.70710678118654752f)))
UNARY(gelu_tanh_loop, 0.5f * x * (1.0f + tanh1(gelu_tanh_inner(x))))
UNARY(hard_swish_loop, x * clamp(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f))
UNARY(hard_sigmoid_loop, clamp(a * x + b, 0.0f, 1.0f))
UNARY(clip_loop, clamp(x, a, b))
UNARY(leaky_relu_loop, x < 0.0f ? a * x : x)
UNARY(elu_loop, x < 0.0f ? a * expm1f(x) : x)
UNARY(softplus_loop, x > 0.0f ? x + log1pf(expf(-x)) : log1pf(expf(x)))
UNARY(silu_loop, x * sigmoid1(x))
UNARY(mish_loop, mish1(x))
UNARY(floor_loop, floor1(x))
UNARY(ceil_loop, -floor1(-x))

/* Three loops, so that each vectorises. */
#define BINARY(name, expression)                                                                              \
    static void name(const float *a, int64_t step_a, const float *b, int64_t step_b, float *out, int64_t n) { \
        if (step_a && step_b) {                                                                               \
            INDEPENDENT for (int64_t i = 0; i < n; i++) { float x = a[i], y = b[i]; out[i] = (expression); }  \
        } else if (step_a) {                                                                                  \
            const float y = *b;                                                                               \
            INDEPENDENT for (int64_t i = 0; i < n; i++) { float x = a[i]; out[i] = (expression); }            \
        } else {                                                                                              \
            const float x = *a;                                                                               \
            for (int64_t i = 0; i < n; i++) { float y = b[step_b ? i : 0]; out[i] = (expression); }           \
        }                                                                                                     \
    }

BINARY(add_loop, x + y)
BINARY(sub_loop, x - y)
BINARY(mul_loop, x *y)
BINARY(div_loop, x / y)
BINARY(pow_loop, y == 2.0f ? x * x : powf(x, y))
BINARY(max_loop, ((x > y) | (x != x)) ? x : y)
BINARY(min_loop, ((x < y) | (x != x)) ? x : y)
BINARY(prelu_loop, x < 0.0f ? x * y : x)
BINARY(relu_grad_loop, y > 0.0f ? x : 0.0f)
BINARY(gelu_grad_loop, x *gelu_grad1(y))
BINARY(gelu_tanh_grad_loop, x *gelu_tanh_grad1(y))

static void add_bias(const float *x, const float *residual, float bias, float *y, int64_t n) {
    if (residual) {
        INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = x[i] + bias + residual[i];
    } else {
        INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = x[i] + bias;
    }
}

static void add_bias_relu(const float *x, const float *residual, float bias, float *y, int64_t n) {
    if (residual) {
        INDEPENDENT for (int64_t i = 0; i < n; i++) { float v = x[i] + bias + residual[i]; y[i] = v < 0.0f ? 0.0f : v; }
    } else {
        INDEPENDENT for (int64_t i = 0; i < n; i++) { float v = x[i] + bias; y[i] = v < 0.0f ? 0.0f : v; }
    }
}

static void scale_shift(const float *x, float scale, float shift, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale + shift;
}

static void axpy(float a, const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}
