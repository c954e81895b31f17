/* Sums, means and maxima over neighbouring axes. */
#include "simd.h"
#include "util.h"

typedef enum reduction { SUM, MEAN, MAXIMUM } reduction;

typedef struct reduce_params {
    reduction kind;
    int64_t outer, length, inner; /* the reduced axes lie between the other two */
} reduce_params;

typedef struct job {
    const cpu_simd *simd;
    const reduce_params *p;
    const float *x;
    float *y;
} job;

enum { BLOCK = 4096, COLUMNS = 128 };

/* Long rows are summed in blocks, the blocks in double precision. */
static float reduce_row(const job *j, const float *x) {
    int64_t n = j->p->length;
    if (j->p->kind == MAXIMUM) return j->simd->max(x, n);
    double sum = 0.0;
    for (int64_t i = 0; i < n; i += BLOCK) sum += j->simd->sum(x + i, cpu_min(BLOCK, n - i));
    return (float)(j->p->kind == MEAN ? sum / (double)n : sum);
}

static void rows(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    for (int64_t i = begin; i < end; i++) j->y[i] = reduce_row(j, j->x + i * j->p->length);
}

static void sum_columns(const job *j, const float *x, float *y, int64_t count) {
    double sum[COLUMNS] = { 0 };
    for (int64_t i = 0; i < j->p->length; i++)
        for (int64_t c = 0; c < count; c++) sum[c] += x[i * j->p->inner + c];
    double scale = j->p->kind == MEAN ? 1.0 / (double)j->p->length : 1.0;
    for (int64_t c = 0; c < count; c++) y[c] = (float)(sum[c] * scale);
}

static void columns(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    int64_t inner = j->p->inner, blocks = cpu_ceil_div(inner, COLUMNS);
    for (int64_t item = begin; item < end; item++) {
        int64_t outer = item / blocks, first = item % blocks * COLUMNS, count = cpu_min(COLUMNS, inner - first);
        const float *x = j->x + outer * j->p->length * inner + first;
        float *y = j->y + outer * inner + first;
        if (j->p->kind != MAXIMUM) {
            sum_columns(j, x, y, count);
            continue;
        }
        memcpy(y, x, (size_t)count * sizeof(float));
        for (int64_t i = 1; i < j->p->length; i++) j->simd->binary[CPU_MAX](x + i * inner, 1, y, 1, y, count);
    }
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const reduce_params *p = kernel->params;
    job j = { .simd = kernel->simd, .p = p, .x = in[0], .y = out[0] };
    if (p->inner == 1) cpu_parallel(kernel->host, p->outer, cpu_row_grain(p->length), rows, &j);
    else cpu_parallel(kernel->host, p->outer * cpu_ceil_div(p->inner, COLUMNS), cpu_row_grain(COLUMNS * p->length), columns, &j);
    return PELLUCID_OK;
}

/* The axes to reduce as a mask; false when they are not known now. */
static bool read_axes(cpu_node *node, uint32_t *mask) {
    int64_t axes[CPU_RANK];
    int32_t count = 0, rank = node->in[0]->rank;
    if (node->ins > 1 && node->in[1]) {
        count = cpu_constant_ints(node->in[1], CPU_RANK, axes);
    } else if (cpu_has(node, "axes")) {
        for (count = 1; count <= CPU_RANK && !cpu_ints(node, "axes", count, CPU_RANK, -CPU_RANK, CPU_RANK, axes);) count++;
        if (count > CPU_RANK) return false;
        if (count == 1 && axes[0] == CPU_RANK) count = 0; /* an empty list */
    }
    if (count < 0 || (count == 0 && cpu_int(node, "noop_with_empty_axes", 0) != 0)) return false;
    *mask = count == 0 ? (1u << rank) - 1 : 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t axis;
        if (!cpu_axis(node, axes[i], rank, &axis)) return false;
        *mask |= 1u << axis;
    }
    return true;
}

/* Axes of size 1 belong wherever they do not part the reduced ones. */
static bool neighbours(const pellucid_view *x, uint32_t mask, reduce_params *p) {
    p->outer = p->length = p->inner = 1;
    int stage = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        bool reduced = mask >> i & 1;
        if (x->shape[i] == 1) continue;
        if (reduced && stage == 2) return false;
        stage = reduced ? 1 : stage == 0 ? 0 : 2;
        if (stage == 0) p->outer *= x->shape[i];
        else if (stage == 1) p->length *= x->shape[i];
        else p->inner *= x->shape[i];
    }
    return true;
}

static int32_t plan(cpu_node *node, void *params) {
    reduce_params *p = params;
    const char *op = node->node->op;
    bool global = strncmp(op, "Global", 6) == 0;
    if (!cpu_typed(node, 1, global ? 1 : 2, 1, PELLUCID_FLOAT32)) return 0;
    p->kind = strstr(op, "Max") ? MAXIMUM : strstr(op, "Sum") ? SUM : MEAN;
    uint32_t mask;
    const pellucid_view *x = node->in[0];
    if (global && x->rank < 3) return 0;
    if (global) mask = (1u << x->rank) - 4;
    else if (!read_axes(node, &mask)) return 0;
    if (!neighbours(x, mask, p) || p->outer * p->inner != node->out_count[0]) return 0;
    return 800;
}

#define REDUCE(name) { name, "axes keepdims noop_with_empty_axes", sizeof(reduce_params), plan, run, NULL }
const cpu_op cpu_reduce_ops[] = {
    REDUCE("ReduceMean"), REDUCE("ReduceSum"), REDUCE("ReduceMax"),
    { "GlobalAveragePool", "", sizeof(reduce_params), plan, run, NULL },
    { "GlobalMaxPool", "", sizeof(reduce_params), plan, run, NULL },
    { 0 },
};
