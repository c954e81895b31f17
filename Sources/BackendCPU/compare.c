/* Comparisons of float32 tensors, and And and Or of booleans: operands of the result's shape, or of one element. */
#include "util.h"

enum { GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL, AND, OR };

static const struct {
    const char *name;
    int32_t id;
} names[] = {
    { "Greater", GREATER }, { "GreaterOrEqual", GREATER_OR_EQUAL }, { "Less", LESS }, { "LessOrEqual", LESS_OR_EQUAL },
    { "And", AND }, { "Or", OR },
};

typedef struct compare_params {
    int32_t id;
    int64_t step_a, step_b; /* 0: one element for all */
} compare_params;

typedef struct job {
    const compare_params *p;
    const void *a, *b;
    uint8_t *y;
} job;

#define LOOP(type, expression)                                              \
    for (int64_t i = begin; i < end; i++) {                                 \
        const type a = ((const type *)j->a)[i * p->step_a];                 \
        const type b = ((const type *)j->b)[i * p->step_b];                 \
        j->y[i] = (expression);                                             \
    }                                                                       \
    break

static void body(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    const compare_params *p = j->p;
    switch (p->id) {
    case GREATER: LOOP(float, a > b);
    case GREATER_OR_EQUAL: LOOP(float, a >= b);
    case LESS: LOOP(float, a < b);
    case LESS_OR_EQUAL: LOOP(float, a <= b);
    case AND: LOOP(uint8_t, a && b);
    default: LOOP(uint8_t, a || b);
    }
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    job j = { kernel->params, in[0], in[1], out[0] };
    cpu_parallel(kernel->host, kernel->counts[kernel->runtime_ins], CPU_GRAIN, body, &j);
    return PELLUCID_OK;
}

/* Step through an operand of the result's shape, or of one element; -1: neither. */
static int64_t step(const cpu_node *node, int32_t index) {
    if (cpu_same_shape(node->in[index], node->out[0])) return 1;
    return node->in_count[index] == 1 && node->in[index]->rank <= node->out[0]->rank ? 0 : -1;
}

static int32_t plan(cpu_node *node, void *params) {
    compare_params *p = params;
    if (node->ins != 2 || node->outs != 1 || !node->in[0] || !node->in[1] || !node->out[0]) return 0;
    size_t i = 0;
    while (strcmp(names[i].name, node->node->op) != 0) i++;
    p->id = names[i].id;
    pellucid_dtype expected = p->id >= AND ? PELLUCID_BOOL : PELLUCID_FLOAT32;
    if (node->in[0]->dtype != expected || node->in[1]->dtype != expected || node->out[0]->dtype != PELLUCID_BOOL) return 0;
    p->step_a = step(node, 0);
    p->step_b = step(node, 1);
    if (p->step_a < 0 || p->step_b < 0 || (p->step_a == 0 && p->step_b == 0 && node->out_count[0] != 1)) return 0;
    return 500;
}

#define COMPARE(name) { name, "", sizeof(compare_params), plan, run, NULL }
const cpu_op cpu_compare_ops[] = {
    COMPARE("Greater"), COMPARE("GreaterOrEqual"), COMPARE("Less"), COMPARE("LessOrEqual"), COMPARE("And"), COMPARE("Or"),
    { 0 },
};
