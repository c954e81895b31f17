/* Operators that only move elements of one tensor: reshapes, Transpose, Expand, Slice, Gather. */
#include "copy.h"

typedef struct move_params {
    cpu_copy copy;
} move_params;

static bool read_move(const cpu_node *node, int32_t least, int32_t most, cpu_copy *c) {
    if (node->ins < least || node->ins > most || node->outs != 1 || !node->in[0] || !node->out[0]) return false;
    c->size = cpu_size_of(node->in[0]->dtype);
    return c->size > 0 && node->in[0]->dtype == node->out[0]->dtype;
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    cpu_copy_run(kernel->host, &((const move_params *)kernel->params)->copy, in[0], out[0]);
    return PELLUCID_OK;
}

static int32_t plan_reshape(cpu_node *node, void *params) {
    cpu_copy *c = &((move_params *)params)->copy;
    if (!read_move(node, 1, 2, c) || node->in_count[0] != node->out_count[0]) return 0;
    /* Rows of a size worth dividing among threads. */
    int64_t row = 4096;
    while (node->in_count[0] % row) row /= 2;
    c->rank = 2;
    c->shape[0] = node->in_count[0] / row;
    c->shape[1] = row;
    c->from_step[0] = c->to_step[0] = row;
    c->from_step[1] = c->to_step[1] = 1;
    if (row < 64) {
        c->shape[0] = 1;
        c->shape[1] = node->in_count[0];
    }
    return 500;
}

static int32_t plan_transpose(cpu_node *node, void *params) {
    cpu_copy *c = &((move_params *)params)->copy;
    const pellucid_view *x = node->in[0], *y = node->out[0];
    if (!read_move(node, 1, 1, c) || x->rank != y->rank) return 0;
    int64_t order[CPU_RANK], steps[CPU_RANK];
    bool given = cpu_has(node, "perm");
    if (given && x->rank > 0 && !cpu_ints(node, "perm", x->rank, -1, 0, x->rank - 1, order)) return 0;
    cpu_copy_steps(x->shape, x->rank, steps);
    cpu_copy_steps(y->shape, y->rank, c->to_step);
    c->rank = x->rank;
    uint32_t seen = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        int64_t from = given ? order[i] : x->rank - 1 - i;
        if (from < 0 || seen >> from & 1 || x->shape[from] != y->shape[i]) return 0;
        seen |= 1u << from;
        c->shape[i] = y->shape[i];
        c->from_step[i] = steps[from];
    }
    cpu_copy_simplify(c);
    return 500;
}

static int32_t plan_expand(cpu_node *node, void *params) {
    cpu_copy *c = &((move_params *)params)->copy;
    const pellucid_view *x = node->in[0], *y = node->out[0];
    if (!read_move(node, 1, 2, c) || x->rank > y->rank) return 0;
    int64_t step = 1;
    c->rank = y->rank;
    for (int32_t i = y->rank - 1; i >= 0; i--) {
        int32_t from = i - (y->rank - x->rank);
        int64_t size = from >= 0 ? x->shape[from] : 1;
        if (size != 1 && size != y->shape[i]) return 0;
        c->shape[i] = y->shape[i];
        c->from_step[i] = size == 1 ? 0 : step;
        step *= size;
    }
    cpu_copy_steps(y->shape, y->rank, c->to_step);
    cpu_copy_simplify(c);
    return 500;
}

/* ---- Slice ---- */

/* One axis, by ONNX's rules for starts and ends beyond the axis; false when the output's size disagrees. */
static bool slice_axis(int64_t size, int64_t out, int64_t start, int64_t end, int64_t step, int64_t *first) {
    if (step == 0 || step == INT64_MIN) return false;
    start = start < 0 ? start + size : start;
    end = end < 0 ? end + size : end;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    start = cpu_min(cpu_max(start, step > 0 ? 0 : 0), high);
    end = cpu_min(cpu_max(end, low), step > 0 ? size : size - 1);
    int64_t span = step > 0 ? end - start : start - end, pace = step > 0 ? step : -step;
    *first = start;
    return span > 0 && (span - 1) / pace + 1 == out;
}

static int32_t plan_slice(cpu_node *node, void *params) {
    cpu_copy *c = &((move_params *)params)->copy;
    const pellucid_view *x = node->in[0], *y = node->out[0];
    int64_t starts[CPU_RANK], ends[CPU_RANK], axes[CPU_RANK], steps[CPU_RANK];
    if (!read_move(node, 3, 5, c) || x->rank != y->rank) return 0;
    int32_t count = cpu_constant_ints(node->in[1], CPU_RANK, starts);
    if (count < 0 || cpu_constant_ints(node->in[2], CPU_RANK, ends) != count) return 0;
    for (int32_t i = 0; i < count; i++) {
        axes[i] = i;
        steps[i] = 1;
    }
    if (node->ins > 3 && node->in[3] && cpu_constant_ints(node->in[3], CPU_RANK, axes) != count) return 0;
    if (node->ins > 4 && node->in[4] && cpu_constant_ints(node->in[4], CPU_RANK, steps) != count) return 0;
    c->rank = x->rank;
    cpu_copy_steps(x->shape, x->rank, c->from_step);
    cpu_copy_steps(y->shape, y->rank, c->to_step);
    memcpy(c->shape, y->shape, sizeof(int64_t) * (size_t)x->rank);
    uint32_t seen = 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t axis;
        int64_t first;
        if (!cpu_axis(node, axes[i], x->rank, &axis) || seen >> axis & 1) return 0;
        seen |= 1u << axis;
        if (!slice_axis(x->shape[axis], y->shape[axis], starts[i], ends[i], steps[i], &first)) return 0;
        c->from += first * c->from_step[axis];
        c->from_step[axis] = y->shape[axis] == 1 ? 0 : c->from_step[axis] * steps[i];
    }
    for (int32_t i = 0; i < x->rank; i++)
        if (!(seen >> i & 1) && x->shape[i] != y->shape[i]) return 0;
    cpu_copy_simplify(c);
    return 500;
}

/* ---- Gather ---- */

typedef struct gather_params {
    size_t size;
    int64_t outer, axis, inner, indices;
    bool wide; /* int64 indices */
} gather_params;

typedef struct gather_job {
    const gather_params *p;
    const char *x;
    const void *indices;
    char *y;
} gather_job;

static int64_t index_at(const gather_params *p, const void *indices, int64_t i) {
    int64_t index = p->wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
    return index < 0 ? index + p->axis : index;
}

static void gather(int64_t begin, int64_t end, void *payload) {
    const gather_job *j = payload;
    const gather_params *p = j->p;
    size_t run = (size_t)p->inner * p->size;
    for (int64_t i = begin; i < end; i++) {
        int64_t from = i / p->indices * p->axis + index_at(p, j->indices, i % p->indices);
        memcpy(j->y + (size_t)i * run, j->x + (size_t)from * run, run);
    }
}

static pellucid_status run_gather(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    gather_job j = { kernel->params, in[0], in[1], out[0] };
    cpu_parallel(kernel->host, j.p->outer * j.p->indices, cpu_row_grain(j.p->inner), gather, &j);
    return PELLUCID_OK;
}

static int32_t plan_gather(cpu_node *node, void *params) {
    gather_params *p = params;
    if (node->ins != 2 || node->outs != 1 || !node->in[0] || !node->in[1] || !node->out[0] || !node->in[1]->data) return 0;
    const pellucid_view *x = node->in[0];
    int32_t axis;
    if (!cpu_axis(node, cpu_int(node, "axis", 0), x->rank, &axis)) return 0;
    p->wide = node->in[1]->dtype == PELLUCID_INT64;
    if (!p->wide && node->in[1]->dtype != PELLUCID_INT32) return 0;
    p->size = cpu_size_of(x->dtype);
    p->outer = cpu_count(x, 0, axis);
    p->axis = x->shape[axis];
    p->inner = cpu_count(x, axis + 1, x->rank);
    p->indices = node->in_count[1];
    if (p->size == 0 || node->out[0]->dtype != x->dtype) return 0;
    if (p->indices > INT64_MAX / p->outer / p->inner || p->outer * p->indices * p->inner != node->out_count[0]) return 0;
    for (int64_t i = 0; i < p->indices; i++) {
        int64_t index = index_at(p, node->in[1]->data, i);
        if (index < 0 || index >= p->axis) return 0;
    }
    return 500;
}

#define RESHAPE(name, attributes) { name, attributes, sizeof(move_params), plan_reshape, run, NULL }
const cpu_op cpu_movement_ops[] = {
    RESHAPE("Identity", ""), RESHAPE("Reshape", "allowzero"), RESHAPE("Flatten", "axis"), RESHAPE("Squeeze", "axes"),
    RESHAPE("Unsqueeze", "axes"),
    { "Transpose", "perm", sizeof(move_params), plan_transpose, run, NULL },
    { "Expand", "", sizeof(move_params), plan_expand, run, NULL },
    { "Slice", "", sizeof(move_params), plan_slice, run, NULL },
    { "Gather", "axis", sizeof(gather_params), plan_gather, run_gather, NULL },
    { 0 },
};
