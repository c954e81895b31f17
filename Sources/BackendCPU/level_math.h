/* Elementary functions without branches, so that loops over them vectorise. Largest errors against double precision,
 * measured by Tests/BackendCPUTests: exp 1.5 ulp, tanh 3 ulp, erf 2 ulp, sigmoid 3 ulp. */

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float from_bits(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
static inline uint32_t to_bits(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
static inline float clamp(float x, float low, float high) { x = x < low ? low : x; return x > high ? high : x; }
static inline float with_sign(float x, float sign) { return from_bits((to_bits(x) & 0x7fffffff) | (to_bits(sign) & 0x80000000)); }
static inline float magnitude(float x) { return from_bits(to_bits(x) & 0x7fffffff); }

/* Cephes expf: 2^n * exp(r), the power of two in two factors so that results below the normal range stay right. */
static inline float exp1(float x) {
    const float rounder = 12582912.0f;
    x = clamp(x, -104.0f, 89.0f);
    float t = x * 1.44269504088896341f + rounder;
    float n = t - rounder;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    uint32_t power = to_bits(t) - to_bits(rounder);
    uint32_t half = (uint32_t)((int32_t)power >> 1);
    return p * from_bits((half + 127) << 23) * from_bits((power - half + 127) << 23);
}

static inline float sigmoid1(float x) { return 1.0f / (1.0f + exp1(-x)); }

/* Cephes tanhf. */
static inline float tanh1(float x) {
    float a = magnitude(x), s = x * x;
    float p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    float small = p * s * x + x;
    float large = with_sign(1.0f - 2.0f / (exp1(a + a) + 1.0f), x);
    return a > 0.625f ? large : small;
}

/* N. Juffa's erff, https://stackoverflow.com/a/35148199. */
static inline float erf1(float x) {
    float t = magnitude(x), s = x * x;
    t = t > 4.0f ? 4.0f : t;
    float s4 = t * t;
    float r = -1.72853470e-5f * t + 3.83197126e-4f;
    float u = -3.88396438e-3f * t + 2.42546219e-2f;
    r = r * s4 + u;
    r = r * t - 1.06777877e-1f;
    r = r * t - 6.34846687e-1f;
    r = r * t - 1.28717512e-1f;
    r = r * t - t;
    float large = with_sign(1.0f - exp1(r), x);
    float q = -5.96761703e-4f;
    q = q * s + 4.99119423e-3f;
    q = q * s - 2.67681349e-2f;
    q = q * s + 1.12819925e-1f;
    q = q * s - 3.76125336e-1f;
    q = q * s + 1.28379166e-1f;
    q = q * x + x;
    return t > 0.927734375f ? large : q;
}

static inline float mish1(float x) {
    float e = exp1(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);
    return x > 20.0f ? x : x * (n / (n + 2.0f));
}

/* Rounds through integers where they hold the value; larger ones are whole already. */
static inline float floor1(float x) {
    float small = magnitude(x) < 8388608.0f ? x : 0.0f;
    float whole = (float)(int32_t)small;
    whole = with_sign(whole - (whole > small ? 1.0f : 0.0f), x);
    return magnitude(x) < 8388608.0f ? whole : x;
}

static inline float gelu_tanh_inner(float x) { return 0.7978845608028654f * (x + 0.044715f * x * x * x); }

static inline float gelu_grad1(float x) {
    return 0.5f * (1.0f + erf1(x * 0.70710678118654752f)) + x * 0.3989422804014327f * exp1(-0.5f * x * x);
}

static inline float gelu_tanh_grad1(float x) {
    float t = tanh1(gelu_tanh_inner(x));
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.7978845608028654f * (1.0f + 3.0f * 0.044715f * x * x);
}
