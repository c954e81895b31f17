/* QuantizeLinear, DequantizeLinear and both in one, by one scale or by one for each entry along an axis. Rounding is to
 * even: a float below 2^22 plus 1.5 * 2^23 has no fraction bits left, whatever the vector instructions. */
#include "util.h"

#include <math.h>

enum { QUANTIZE, DEQUANTIZE, FAKE, FAKE_GRAD };

typedef struct quant_params {
    int32_t id;
    pellucid_dtype levels; /* the integer type */
    float low, high;       /* its limits */
    int64_t inner, axis;   /* elements that share a scale in a row, and scales; axis 1: one for all */
    int32_t first;         /* the input that holds the scale; the zero point follows it */
} quant_params;

typedef struct quant_job {
    const quant_params *p;
    const void *x, *dy, *zero;
    const float *scale;
    void *y;
} quant_job;

static const float magic = 12582912.0f;

static float zero_at(const quant_job *j, int64_t at) {
    if (!j->zero) return 0;
    switch (j->p->levels) {
    case PELLUCID_UINT8: return ((const uint8_t *)j->zero)[at];
    case PELLUCID_INT8: return ((const int8_t *)j->zero)[at];
    case PELLUCID_UINT16: return ((const uint16_t *)j->zero)[at];
    default: return ((const int16_t *)j->zero)[at];
    }
}

/* `x / scale` is clipped before it is rounded, so that the level lies within the type; NaN becomes the lowest. */
#define ROUND(value, low, high) ((((value) > (low) ? (value) < (high) ? (value) : (high) : (low)) + magic) - magic)
#define LEVEL(value) ROUND(value, low, high)

#define QUANTIZE_ROW(type)                                                                        \
    for (int64_t i = 0; i < n; i++) {                                                             \
        const float q = x[i] / scale;                                                             \
        ((type *)j->y)[begin + i] = (type)(int32_t)(LEVEL(q) + zero);                             \
    }                                                                                             \
    break

#define DEQUANTIZE_ROW(type)                                                                      \
    for (int64_t i = 0; i < n; i++) y[i] = ((float)((const type *)j->x)[begin + i] - zero) * scale; \
    break

/* Elements from `begin` on, of one scale. */
static void row(const quant_job *j, int64_t begin, int64_t n, int64_t at) {
    const quant_params *p = j->p;
    const float scale = j->scale[at], zero = zero_at(j, at), low = p->low - zero, high = p->high - zero;
    const float *x = (const float *)j->x + begin;
    float *y = (float *)j->y + begin;
    switch (p->id) {
    case QUANTIZE:
        switch (p->levels) {
        case PELLUCID_UINT8: QUANTIZE_ROW(uint8_t);
        case PELLUCID_INT8: QUANTIZE_ROW(int8_t);
        case PELLUCID_UINT16: QUANTIZE_ROW(uint16_t);
        default: QUANTIZE_ROW(int16_t);
        }
        break;
    case DEQUANTIZE:
        switch (p->levels) {
        case PELLUCID_UINT8: DEQUANTIZE_ROW(uint8_t);
        case PELLUCID_INT8: DEQUANTIZE_ROW(int8_t);
        case PELLUCID_UINT16: DEQUANTIZE_ROW(uint16_t);
        case PELLUCID_INT16: DEQUANTIZE_ROW(int16_t);
        default: DEQUANTIZE_ROW(float);
        }
        break;
    case FAKE:
        for (int64_t i = 0; i < n; i++) {
            const float q = x[i] / scale;
            y[i] = LEVEL(q) * scale;
        }
        break;
    default: {
        /* Straight through where rounding leaves the level within the type, or one beside it, as the reference explains. */
        const float *dy = (const float *)j->dy + begin;
        for (int64_t i = 0; i < n; i++) {
            const float q = x[i] / scale, level = ROUND(q, low - 2, high + 2);
            y[i] = ((level >= low - 1) & (level <= high + 1)) ? dy[i] : 0;
        }
    }
    }
}

static void body(int64_t begin, int64_t end, void *payload) {
    const quant_job *j = payload;
    const quant_params *p = j->p;
    while (begin < end) {
        int64_t line = begin / p->inner, stop = p->axis == 1 ? end : cpu_min(end, (line + 1) * p->inner);
        row(j, begin, stop - begin, p->axis == 1 ? 0 : line % p->axis);
        begin = stop;
    }
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const quant_params *p = kernel->params;
    quant_job j = { .p = p, .dy = in[0], .x = in[p->first - 1], .scale = in[p->first], .y = out[0] };
    if (kernel->ins > p->first + 1) j.zero = in[p->first + 1];
    cpu_parallel(kernel->host, kernel->counts[kernel->runtime_ins], CPU_GRAIN, body, &j);
    return PELLUCID_OK;
}

static bool read_type(quant_params *p, pellucid_dtype type) {
    p->levels = type;
    switch (type) {
    case PELLUCID_UINT8: p->low = 0; p->high = UINT8_MAX; return true;
    case PELLUCID_INT8: p->low = INT8_MIN; p->high = INT8_MAX; return true;
    case PELLUCID_UINT16: p->low = 0; p->high = UINT16_MAX; return true;
    case PELLUCID_INT16: p->low = INT16_MIN; p->high = INT16_MAX; return true;
    default: return false;
    }
}

static bool read_scales(cpu_node *node, quant_params *p) {
    const pellucid_view *x = node->in[p->first - 1], *scale = node->in[p->first];
    const pellucid_view *zero = node->ins > p->first + 1 ? node->in[p->first + 1] : NULL;
    if (!x || !scale || scale->dtype != PELLUCID_FLOAT32 || cpu_int(node, "block_size", 0) != 0) return false;
    if (zero && (zero->dtype != p->levels || node->in_count[p->first + 1] != node->in_count[p->first])) return false;
    p->inner = node->in_count[p->first - 1];
    p->axis = 1;
    if (node->in_count[p->first] == 1) return true;
    int32_t axis;
    if (scale->rank != 1 || !cpu_axis(node, cpu_int(node, "axis", 1), x->rank, &axis) || scale->shape[0] != x->shape[axis]) return false;
    p->inner = cpu_count(x, axis + 1, x->rank);
    p->axis = x->shape[axis];
    return true;
}

static int32_t plan(cpu_node *node, void *params) {
    static const char *const names[] = { "QuantizeLinear", "DequantizeLinear", "FakeQuantize", "FakeQuantizeGrad" };
    quant_params *p = params;
    while (strcmp(names[p->id], node->node->op) != 0) p->id++;
    p->first = p->id == FAKE_GRAD ? 2 : 1;
    const pellucid_view *y = node->outs == 1 ? node->out[0] : NULL;
    if (!y || node->ins < p->first + 1) return 0;
    const pellucid_view *x = node->in[p->first - 1], *zero = node->ins > p->first + 1 ? node->in[p->first + 1] : NULL;
    if (!x || !cpu_same_shape(x, y)) return 0;
    pellucid_dtype expected = PELLUCID_FLOAT32, result = PELLUCID_FLOAT32;
    int64_t asked = cpu_int(node, "output_dtype", 0);
    if (p->id == DEQUANTIZE) {
        if (asked != 0 && asked != PELLUCID_FLOAT32) return 0;
        /* Gradients by levels are real numbers, without a zero point. */
        if (!read_type(p, x->dtype) && (x->dtype != PELLUCID_FLOAT32 || zero)) return 0;
        expected = x->dtype;
    } else {
        if (!read_type(p, asked ? (pellucid_dtype)asked : zero ? zero->dtype : PELLUCID_UINT8)) return 0;
        if (p->id == QUANTIZE) result = p->levels;
    }
    if (x->dtype != expected || y->dtype != result) return 0;
    if (p->id == FAKE_GRAD && (!node->in[0] || node->in[0]->dtype != PELLUCID_FLOAT32 || !cpu_same_shape(node->in[0], y))) return 0;
    return read_scales(node, p) && !node->bad ? 800 : 0;
}

#define ENTRY(name) { name, "axis block_size output_dtype precision saturate", sizeof(quant_params), plan, run, NULL }
const cpu_op cpu_quantize_ops[] = {
    ENTRY("QuantizeLinear"), ENTRY("DequantizeLinear"), ENTRY("FakeQuantize"), ENTRY("FakeQuantizeGrad"),
    { 0 },
};
