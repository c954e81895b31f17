/* Element-wise operators of one tensor. */
#include "simd.h"
#include "util.h"

#include <math.h>

typedef struct unary_params {
    pellucid_dtype dtype;
    cpu_unary id;
    double a, b;
    bool bounded; /* Clip: a and b come from the inputs */
} unary_params;

typedef struct job {
    const cpu_simd *simd;
    const unary_params *p;
    const char *x;
    char *y;
    double a, b;
} job;

typedef struct entry {
    const char *name;
    cpu_unary id;
    const char *a_name, *b_name; /* attributes that give the two constants */
    double a, b;
} entry;

static const entry entries[] = {
    { "Relu", CPU_RELU, NULL, NULL, 0, 0 }, { "Sigmoid", CPU_SIGMOID, NULL, NULL, 0, 0 }, { "Tanh", CPU_TANH, NULL, NULL, 0, 0 },
    { "Exp", CPU_EXP, NULL, NULL, 0, 0 }, { "Log", CPU_LOG, NULL, NULL, 0, 0 }, { "Sqrt", CPU_SQRT, NULL, NULL, 0, 0 },
    { "Neg", CPU_NEG, NULL, NULL, 0, 0 }, { "Abs", CPU_ABS, NULL, NULL, 0, 0 }, { "Reciprocal", CPU_RECIPROCAL, NULL, NULL, 0, 0 },
    { "Erf", CPU_ERF, NULL, NULL, 0, 0 }, { "Gelu", CPU_GELU, NULL, NULL, 0, 0 }, { "HardSwish", CPU_HARD_SWISH, NULL, NULL, 0, 0 },
    { "HardSigmoid", CPU_HARD_SIGMOID, "alpha", "beta", 0.2, 0.5 }, { "Clip", CPU_CLIP, NULL, NULL, -INFINITY, INFINITY },
    { "LeakyRelu", CPU_LEAKY_RELU, "alpha", NULL, 0.01, 0 }, { "Elu", CPU_ELU, "alpha", NULL, 1.0, 0 },
    { "Softplus", CPU_SOFTPLUS, NULL, NULL, 0, 0 }, { "Silu", CPU_SILU, NULL, NULL, 0, 0 }, { "Mish", CPU_MISH, NULL, NULL, 0, 0 },
    { "Floor", CPU_FLOOR, NULL, NULL, 0, 0 }, { "Ceil", CPU_CEIL, NULL, NULL, 0, 0 },
};

static double clamp(double x, double a, double b) { x = x < a ? a : x; return x > b ? b : x; }

static double one(cpu_unary id, double x, double a, double b) {
    switch (id) {
    case CPU_RELU: return x < 0 ? 0 : x;
    case CPU_SIGMOID: return 1 / (1 + exp(-x));
    case CPU_TANH: return tanh(x);
    case CPU_EXP: return exp(x);
    case CPU_LOG: return log(x);
    case CPU_SQRT: return sqrt(x);
    case CPU_NEG: return -x;
    case CPU_ABS: return fabs(x);
    case CPU_RECIPROCAL: return 1 / x;
    case CPU_ERF: return erf(x);
    case CPU_GELU: return 0.5 * x * (1 + erf(x * M_SQRT1_2));
    case CPU_GELU_TANH: return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case CPU_HARD_SWISH: return x * clamp(x / 6 + 0.5, 0, 1);
    case CPU_HARD_SIGMOID: return clamp(a * x + b, 0, 1);
    case CPU_CLIP: return clamp(x, a, b);
    case CPU_LEAKY_RELU: return x < 0 ? a * x : x;
    case CPU_ELU: return x < 0 ? a * expm1(x) : x;
    case CPU_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case CPU_SILU: return x / (1 + exp(-x));
    case CPU_MISH: return x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
    case CPU_FLOOR: return floor(x);
    case CPU_CEIL: return ceil(x);
    default: return x;
    }
}

static void apply(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    if (j->p->dtype == PELLUCID_FLOAT32) {
        j->simd->unary[j->p->id]((const float *)j->x + begin, (float *)j->y + begin, end - begin, (float)j->a, (float)j->b);
        return;
    }
    for (int64_t i = begin; i < end; i++) ((double *)j->y)[i] = one(j->p->id, ((const double *)j->x)[i], j->a, j->b);
}

static bool is_real(pellucid_dtype dtype) { return dtype == PELLUCID_FLOAT32 || dtype == PELLUCID_FLOAT64; }

static int32_t plan(cpu_node *node, void *params) {
    unary_params *p = params;
    const entry *e = entries;
    while (strcmp(e->name, node->node->op) != 0) e++;
    bool clip = e->id == CPU_CLIP;
    if (node->ins < 1 || !node->in[0] || !is_real(node->in[0]->dtype)) return 0;
    p->dtype = node->in[0]->dtype;
    if (!cpu_typed(node, 1, clip ? 3 : 1, 7, p->dtype) || !cpu_same_shape(node->in[0], node->out[0])) return 0;
    for (int32_t i = 1; i < node->ins; i++)
        if (node->in[i] && node->in_count[i] != 1) return 0;
    p->id = e->id;
    p->a = e->a_name ? cpu_real(node, e->a_name, e->a) : e->a;
    p->b = e->b_name ? cpu_real(node, e->b_name, e->b) : e->b;
    p->bounded = clip;
    if (e->id == CPU_GELU) {
        const char *how = cpu_text(node, "approximate", "none");
        if (strcmp(how, "tanh") == 0) p->id = CPU_GELU_TANH;
        else if (strcmp(how, "none") != 0) return 0;
    }
    return 800;
}

static double scalar(const void *data, pellucid_dtype dtype) { return dtype == PELLUCID_FLOAT32 ? *(const float *)data : *(const double *)data; }

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const unary_params *p = kernel->params;
    job j = { .simd = kernel->simd, .p = p, .x = in[0], .y = out[0], .a = p->a, .b = p->b };
    if (p->bounded && kernel->ins > 1 && in[1]) j.a = scalar(in[1], p->dtype);
    if (p->bounded && kernel->ins > 2 && in[2]) j.b = scalar(in[2], p->dtype);
    cpu_parallel(kernel->host, kernel->counts[kernel->runtime_ins], CPU_GRAIN, apply, &j);
    return PELLUCID_OK;
}

/* ---- Cast ---- */

typedef struct cast_params {
    pellucid_dtype from, to;
} cast_params;

typedef struct cast_job {
    const cast_params *p;
    const void *x;
    void *y;
} cast_job;

#define CONVERT(from, to) for (int64_t i = begin; i < end; i++) ((to *)j->y)[i] = (to)((const from *)j->x)[i]
#define CONVERT_FROM(from)                                       \
    do {                                                         \
        if (j->p->to == PELLUCID_FLOAT32) CONVERT(from, float);  \
        else CONVERT(from, double);                              \
    } while (0)

static void cast(int64_t begin, int64_t end, void *payload) {
    const cast_job *j = payload;
    switch (j->p->from) {
    case PELLUCID_FLOAT32: CONVERT_FROM(float); break;
    case PELLUCID_FLOAT64: CONVERT_FROM(double); break;
    case PELLUCID_INT64: CONVERT_FROM(int64_t); break;
    case PELLUCID_INT32: CONVERT_FROM(int32_t); break;
    default: CONVERT_FROM(uint8_t); break;
    }
}

static int32_t plan_cast(cpu_node *node, void *params) {
    cast_params *p = params;
    if (node->ins != 1 || !node->in[0] || node->outs != 1 || !node->out[0] || !cpu_same_shape(node->in[0], node->out[0])) return 0;
    p->from = node->in[0]->dtype;
    p->to = node->out[0]->dtype;
    bool from = is_real(p->from) || p->from == PELLUCID_INT64 || p->from == PELLUCID_INT32 || p->from == PELLUCID_UINT8 || p->from == PELLUCID_BOOL;
    return from && is_real(p->to) ? 500 : 0;
}

static pellucid_status run_cast(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    cast_job j = { kernel->params, in[0], out[0] };
    cpu_parallel(kernel->host, kernel->counts[kernel->runtime_ins], CPU_GRAIN, cast, &j);
    return PELLUCID_OK;
}

#define UNARY(name, attributes) { name, attributes, sizeof(unary_params), plan, run, NULL }
const cpu_op cpu_pointwise_ops[] = {
    UNARY("Relu", ""), UNARY("Sigmoid", ""), UNARY("Tanh", ""), UNARY("Exp", ""), UNARY("Log", ""), UNARY("Sqrt", ""),
    UNARY("Neg", ""), UNARY("Abs", ""), UNARY("Reciprocal", ""), UNARY("Erf", ""), UNARY("Gelu", "approximate"),
    UNARY("HardSwish", ""), UNARY("HardSigmoid", "alpha beta"), UNARY("Clip", ""), UNARY("LeakyRelu", "alpha"),
    UNARY("Elu", "alpha"), UNARY("Softplus", ""), UNARY("Silu", ""), UNARY("Mish", ""), UNARY("Floor", ""), UNARY("Ceil", ""),
    { "Cast", "to saturate", sizeof(cast_params), plan_cast, run_cast, NULL },
    { 0 },
};
