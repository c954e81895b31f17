/* Concat, Split and Pad: parts of one tensor from or to others. */
#include "copy.h"

typedef struct part_params {
    size_t size;
    int32_t parts;
    bool splits;                         /* one tensor to parts; else parts to one tensor */
    int64_t outer, whole;                /* rows; elements of a row of the one tensor */
    int64_t at[CPU_SLOTS], length[CPU_SLOTS]; /* of each part in such a row */
} part_params;

static pellucid_status run_parts(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const part_params *p = kernel->params;
    for (int32_t i = 0; i < p->parts; i++) {
        int64_t one = p->whole, part = p->length[i];
        cpu_copy c = { .size = p->size, .rank = 2, .shape = { p->outer, part }, .from_step = { p->splits ? one : part, 1 },
                       .to_step = { p->splits ? part : one, 1 }, .from = p->splits ? p->at[i] : 0, .to = p->splits ? 0 : p->at[i] };
        cpu_copy_run(kernel->host, &c, p->splits ? in[0] : in[i], p->splits ? out[i] : out[0]);
    }
    return PELLUCID_OK;
}

/* `views` are the parts of `one` along `axis`. */
static bool read_parts(const pellucid_view *one, const pellucid_view *const *views, int32_t count, int32_t axis, part_params *p) {
    p->parts = count;
    p->size = cpu_size_of(one->dtype);
    p->outer = cpu_count(one, 0, axis);
    p->whole = cpu_count(one, axis, one->rank);
    int64_t inner = cpu_count(one, axis + 1, one->rank), at = 0;
    for (int32_t i = 0; i < count; i++) {
        const pellucid_view *part = views[i];
        if (!part || part->dtype != one->dtype || part->rank != one->rank) return false;
        for (int32_t a = 0; a < one->rank; a++)
            if (a != axis && part->shape[a] != one->shape[a]) return false;
        p->at[i] = at;
        p->length[i] = part->shape[axis] * inner;
        at += p->length[i];
    }
    return p->size > 0 && at == p->whole;
}

static int32_t plan_concat(cpu_node *node, void *params) {
    part_params *p = params;
    int32_t axis;
    if (node->ins < 1 || node->outs != 1 || !node->out[0] || !cpu_has(node, "axis")) return 0;
    if (!cpu_axis(node, cpu_int(node, "axis", 0), node->out[0]->rank, &axis)) return 0;
    return read_parts(node->out[0], node->in, node->ins, axis, p) ? 500 : 0;
}

static int32_t plan_split(cpu_node *node, void *params) {
    part_params *p = params;
    int32_t axis;
    if (node->ins < 1 || node->ins > 2 || node->outs < 1 || !node->in[0]) return 0;
    if (!cpu_axis(node, cpu_int(node, "axis", 0), node->in[0]->rank, &axis)) return 0;
    p->splits = true;
    return read_parts(node->in[0], node->out, node->outs, axis, p) ? 500 : 0;
}

/* ---- Pad ---- */

typedef struct pad_params {
    cpu_copy copy;
    int64_t count; /* of the output */
} pad_params;

typedef struct fill_job {
    char *y;
    const char *value;
    size_t size;
} fill_job;

static void fill(int64_t begin, int64_t end, void *payload) {
    const fill_job *j = payload;
    char *y = j->y + (size_t)begin * j->size;
    if (!j->value) {
        memset(y, 0, (size_t)(end - begin) * j->size);
        return;
    }
    for (int64_t i = begin; i < end; i++, y += j->size) memcpy(y, j->value, j->size);
}

static pellucid_status run_pad(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const pad_params *p = kernel->params;
    fill_job j = { out[0], kernel->ins > 2 ? in[2] : NULL, p->copy.size };
    cpu_parallel(kernel->host, p->count, CPU_GRAIN, fill, &j);
    cpu_copy_run(kernel->host, &p->copy, in[0], out[0]);
    return PELLUCID_OK;
}

static int32_t plan_pad(cpu_node *node, void *params) {
    pad_params *p = params;
    cpu_copy *c = &p->copy;
    const pellucid_view *x = node->in[0], *y = node->out[0];
    if (node->ins < 2 || node->ins > 4 || node->outs != 1 || !x || !y || x->dtype != y->dtype || x->rank != y->rank) return 0;
    if (strcmp(cpu_text(node, "mode", "constant"), "constant") != 0) return 0;
    if (node->ins > 2 && node->in[2] && (node->in_count[2] != 1 || node->in[2]->dtype != x->dtype)) return 0;
    int64_t pads[2 * CPU_RANK], axes[CPU_RANK], before[CPU_RANK] = { 0 }, after[CPU_RANK] = { 0 };
    int32_t count = x->rank;
    for (int32_t i = 0; i < count; i++) axes[i] = i;
    if (node->ins > 3 && node->in[3]) count = cpu_constant_ints(node->in[3], CPU_RANK, axes);
    if (count < 0 || cpu_constant_ints(node->in[1], 2 * CPU_RANK, pads) != 2 * count) return 0;
    for (int32_t i = 0; i < count; i++) {
        int32_t axis;
        if (!cpu_axis(node, axes[i], x->rank, &axis) || pads[i] < 0 || pads[count + i] < 0) return 0;
        before[axis] = pads[i];
        after[axis] = pads[count + i];
    }
    c->size = cpu_size_of(x->dtype);
    c->rank = x->rank;
    cpu_copy_steps(x->shape, x->rank, c->from_step);
    cpu_copy_steps(y->shape, y->rank, c->to_step);
    for (int32_t i = 0; i < x->rank; i++) {
        if (before[i] > y->shape[i] || after[i] > y->shape[i] || before[i] + x->shape[i] + after[i] != y->shape[i]) return 0;
        c->shape[i] = x->shape[i];
        c->to += before[i] * c->to_step[i];
    }
    p->count = node->out_count[0];
    cpu_copy_simplify(c);
    return c->size > 0 ? 500 : 0;
}

const cpu_op cpu_joining_ops[] = {
    { "Concat", "axis", sizeof(part_params), plan_concat, run_parts, NULL },
    { "Split", "axis num_outputs", sizeof(part_params), plan_split, run_parts, NULL },
    { "Pad", "mode", sizeof(pad_params), plan_pad, run_pad, NULL },
    { 0 },
};
