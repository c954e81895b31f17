/* Element-wise operators of two or three tensors, with numpy's broadcasting. */
#include "simd.h"
#include "util.h"

#include <math.h>

enum { OPERANDS = 3, WHERE = CPU_BINARY_COUNT };

typedef struct binary_params {
    pellucid_dtype dtype;
    int32_t id;   /* a cpu_binary, or WHERE */
    int32_t operands, rank;
    size_t size[OPERANDS], out_size;
    int64_t shape[CPU_RANK], step[OPERANDS][CPU_RANK]; /* last axis: steps 0 or 1 */
} binary_params;

typedef struct job {
    const cpu_simd *simd;
    const binary_params *p;
    const char *in[OPERANDS];
    char *y;
} job;

static const struct { const char *name; int32_t id; } names[] = {
    { "Add", CPU_ADD }, { "Sub", CPU_SUB }, { "Mul", CPU_MUL }, { "Div", CPU_DIV }, { "Pow", CPU_POW }, { "Max", CPU_MAX },
    { "Min", CPU_MIN }, { "PRelu", CPU_PRELU }, { "ReluGrad", CPU_RELU_GRAD }, { "GeluGrad", CPU_GELU_GRAD }, { "Where", WHERE },
};

static double one(int32_t id, double x, double y) {
    switch (id) {
    case CPU_ADD: return x + y;
    case CPU_SUB: return x - y;
    case CPU_MUL: return x * y;
    case CPU_DIV: return x / y;
    case CPU_POW: return pow(x, y);
    case CPU_MAX: return x > y || isnan(x) ? x : y;
    case CPU_MIN: return x < y || isnan(x) ? x : y;
    case CPU_PRELU: return x < 0 ? x * y : x;
    default: return y > 0 ? x : 0; /* CPU_RELU_GRAD */
    }
}

#define CHOOSE(type)                                                                                            \
    for (int64_t i = 0; i < n; i++)                                                                             \
        ((type *)y)[i] = ((const uint8_t *)in[0])[i * step[0]] ? ((const type *)in[1])[i * step[1]] : ((const type *)in[2])[i * step[2]]

static void row(const job *j, const char *const *in, char *y, int64_t n) {
    const binary_params *p = j->p;
    int64_t step[OPERANDS];
    for (int32_t o = 0; o < p->operands; o++) step[o] = p->step[o][p->rank - 1];
    if (p->id == WHERE) {
        switch (p->out_size) {
        case 1: CHOOSE(uint8_t); break;
        case 2: CHOOSE(uint16_t); break;
        case 4: CHOOSE(uint32_t); break;
        default: CHOOSE(uint64_t); break;
        }
    } else if (p->dtype == PELLUCID_FLOAT32) {
        j->simd->binary[p->id]((const float *)in[0], step[0], (const float *)in[1], step[1], (float *)y, n);
    } else {
        const double *a = (const double *)in[0], *b = (const double *)in[1];
        for (int64_t i = 0; i < n; i++) ((double *)y)[i] = one(p->id, a[i * step[0]], b[i * step[1]]);
    }
}

static void rows(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    const binary_params *p = j->p;
    int64_t inner = p->shape[p->rank - 1];
    for (int64_t at = begin; at < end;) {
        int64_t rest = at / inner, column = at % inner, n = cpu_min(inner - column, end - at);
        const char *in[OPERANDS] = { NULL };
        int64_t offset[OPERANDS];
        for (int32_t o = 0; o < p->operands; o++) offset[o] = column * p->step[o][p->rank - 1];
        for (int32_t axis = p->rank - 2; axis >= 0; axis--) {
            int64_t index = rest % p->shape[axis];
            rest /= p->shape[axis];
            for (int32_t o = 0; o < p->operands; o++) offset[o] += index * p->step[o][axis];
        }
        for (int32_t o = 0; o < p->operands; o++) in[o] = j->in[o] + (size_t)offset[o] * p->size[o];
        row(j, in, j->y + (size_t)at * p->out_size, n);
        at += n;
    }
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    job j = { .simd = kernel->simd, .p = kernel->params, .y = out[0] };
    for (int32_t o = 0; o < j.p->operands; o++) j.in[o] = in[o];
    cpu_parallel(kernel->host, kernel->counts[kernel->runtime_ins], CPU_GRAIN, rows, &j);
    return PELLUCID_OK;
}

static bool align(const pellucid_view *view, const pellucid_view *out, int64_t *steps) {
    int64_t step = 1;
    if (view->rank > out->rank) return false;
    for (int32_t i = out->rank - 1; i >= 0; i--) {
        int32_t from = i - (out->rank - view->rank);
        int64_t size = from >= 0 ? view->shape[from] : 1;
        if (size != 1 && size != out->shape[i]) return false;
        steps[i] = size == 1 ? 0 : step;
        step *= size;
    }
    return true;
}

/* Joins axes that every operand steps through alike, so that rows become long. */
static void join(binary_params *p) {
    int32_t kept = 0;
    for (int32_t i = 0; i < p->rank; i++) {
        if (p->shape[i] == 1) continue;
        bool same = kept > 0;
        for (int32_t o = 0; o < p->operands && same; o++) same = p->step[o][kept - 1] == p->step[o][i] * p->shape[i];
        int32_t to = same ? kept - 1 : kept++;
        p->shape[to] = (same ? p->shape[to] : 1) * p->shape[i];
        for (int32_t o = 0; o < p->operands; o++) p->step[o][to] = p->step[o][i];
    }
    if (kept == 0) {
        p->shape[kept++] = 1;
        for (int32_t o = 0; o < p->operands; o++) p->step[o][0] = 0;
    }
    p->rank = kept;
}

static bool read_types(cpu_node *node, binary_params *p) {
    int32_t count = p->operands;
    if (node->ins != count || node->outs != 1 || !node->out[0]) return false;
    for (int32_t o = 0; o < count; o++) {
        if (!node->in[o]) return false;
        p->size[o] = cpu_size_of(node->in[o]->dtype);
        bool condition = p->id == WHERE && o == 0;
        if (node->in[o]->dtype != (condition ? PELLUCID_BOOL : node->out[0]->dtype)) return false;
    }
    p->dtype = node->out[0]->dtype;
    p->out_size = cpu_size_of(p->dtype);
    if (p->id == WHERE) return p->out_size > 0;
    return p->dtype == PELLUCID_FLOAT32 || (p->dtype == PELLUCID_FLOAT64 && p->id <= CPU_RELU_GRAD);
}

static int32_t plan(cpu_node *node, void *params) {
    binary_params *p = params;
    size_t i = 0;
    while (strcmp(names[i].name, node->node->op) != 0) i++;
    p->id = names[i].id;
    p->operands = p->id == WHERE ? 3 : 2;
    if (!read_types(node, p)) return 0;
    const pellucid_view *out = node->out[0];
    p->rank = out->rank;
    memcpy(p->shape, out->shape, sizeof(int64_t) * (size_t)(out->rank > 0 ? out->rank : 0));
    int64_t spanned[CPU_RANK] = { 0 }; /* the result may not be larger than what the operands span */
    for (int32_t o = 0; o < p->operands; o++) {
        if (!align(node->in[o], out, p->step[o])) return 0;
        for (int32_t from = 0; from < node->in[o]->rank; from++) {
            int32_t axis = from + out->rank - node->in[o]->rank;
            spanned[axis] = cpu_max(spanned[axis], node->in[o]->shape[from]);
        }
    }
    for (int32_t axis = 0; axis < out->rank; axis++)
        if (spanned[axis] != out->shape[axis]) return 0;
    if (p->id == CPU_GELU_GRAD) {
        const char *how = cpu_text(node, "approximate", "none");
        if (strcmp(how, "tanh") == 0) p->id = CPU_GELU_TANH_GRAD;
        else if (strcmp(how, "none") != 0) return 0;
    }
    join(p);
    return 800;
}

#define BINARY(name, attributes) { name, attributes, sizeof(binary_params), plan, run, NULL }
const cpu_op cpu_binary_ops[] = {
    BINARY("Add", ""), BINARY("Sub", ""), BINARY("Mul", ""), BINARY("Div", ""), BINARY("Pow", ""), BINARY("Max", ""),
    BINARY("Min", ""), BINARY("PRelu", ""), BINARY("ReluGrad", ""), BINARY("GeluGrad", "approximate"), BINARY("Where", ""),
    { 0 },
};
