/* PatchWindow: windows out of one value, each with a patch laid over it. What lies where is known only at run time, so that
 * every copy is clipped. */
#include "util.h"

#include <stdlib.h>

typedef struct patch_params {
    int64_t outer, inner;        /* elements in front of the rows and behind the columns */
    int64_t full[2], window[2];  /* rows and columns of the value and of a window */
    int64_t patch[2];            /* of a patch; 0: there are none */
    int64_t batch;
    float fill;
} patch_params;

typedef struct patch_job {
    const patch_params *p;
    const float *base, *patch;
    const int64_t *windows, *patches;
    float *out;
} patch_job;

static int64_t clip(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

static void fill(float *to, int64_t count, float value) {
    for (int64_t i = 0; i < count; i++) to[i] = value;
}

/* Lays the part of one row that both have over a window's row. */
static void lay(float *to, int64_t width, const float *from, int64_t from_width, int64_t shift, int64_t inner) {
    int64_t first = clip(shift, 0, width), last = clip(shift + from_width, first, width);
    if (last > first) memcpy(to + first * inner, from + (first - shift) * inner, (size_t)((last - first) * inner) * sizeof(float));
}

static void copy_planes(int64_t first, int64_t last, void *payload) {
    const patch_job *job = payload;
    const patch_params *p = job->p;
    for (int64_t plane = first; plane < last; plane++) {
        int64_t item = plane / p->outer, outer = plane % p->outer;
        int64_t row = job->windows[2 * item], column = job->windows[2 * item + 1];
        float *to = job->out + plane * p->window[0] * p->window[1] * p->inner;
        for (int64_t y = 0; y < p->window[0]; y++, to += p->window[1] * p->inner) {
            int64_t at = row + y;
            bool inside = at >= 0 && at < p->full[0];
            if (!inside || column < 0 || column + p->window[1] > p->full[1]) fill(to, p->window[1] * p->inner, p->fill);
            if (!inside) continue;
            lay(to, p->window[1], job->base + (outer * p->full[0] + at) * p->full[1] * p->inner, p->full[1], -column, p->inner);
            if (!job->patch) continue;
            int64_t own = at - job->patches[2 * item];
            if (own < 0 || own >= p->patch[0]) continue;
            lay(to, p->window[1], job->patch + (plane * p->patch[0] + own) * p->patch[1] * p->inner, p->patch[1],
                job->patches[2 * item + 1] - column, p->inner);
        }
    }
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const patch_params *p = kernel->params;
    patch_job job = { .p = p, .base = in[0], .windows = in[1], .patch = p->patch[0] ? in[2] : NULL, .patches = p->patch[0] ? in[3] : NULL,
                      .out = out[0] };
    /* Farther out than any value reaches nothing more, and sums of places must not overflow. */
    for (int64_t i = 0; i < 2 * p->batch; i++) {
        bool sane = llabs(job.windows[i]) <= 1 << 20 && (!job.patches || llabs(job.patches[i]) <= 1 << 20);
        if (!sane) {
            kernel->host->fail(kernel->host, "PatchWindow: a place is out of all bounds");
            return PELLUCID_E_INVALID;
        }
    }
    cpu_parallel(kernel->host, p->batch * p->outer, cpu_row_grain(p->window[0] * p->window[1] * p->inner), copy_planes, &job);
    return PELLUCID_OK;
}

static int32_t plan(cpu_node *node, void *params) {
    patch_params *p = params;
    if ((node->ins != 2 && node->ins != 4) || node->outs != 1 || !node->in[0] || !node->in[1] || !node->out[0]) return 0;
    const pellucid_view *x = node->in[0], *y = node->out[0];
    int64_t axes[2], size[2];
    if (x->dtype != PELLUCID_FLOAT32 || y->dtype != PELLUCID_FLOAT32 || node->in[1]->dtype != PELLUCID_INT64 || x->rank != y->rank) return 0;
    if (x->rank < 3 || x->shape[0] != 1 || !cpu_ints(node, "axes", 2, -1, 1, x->rank - 1, axes) || axes[1] != axes[0] + 1) return 0;
    if (!cpu_ints(node, "size", 2, -1, 1, 1 << 20, size)) return 0;
    p->batch = y->shape[0];
    p->outer = cpu_count(x, 1, (int32_t)axes[0]);
    p->inner = cpu_count(x, (int32_t)axes[1] + 1, x->rank);
    for (int32_t i = 0; i < 2; i++) {
        p->full[i] = x->shape[axes[i]];
        p->window[i] = size[i];
        if (y->shape[axes[i]] != size[i]) return 0;
    }
    for (int32_t i = 1; i < x->rank; i++)
        if (i != axes[0] && i != axes[1] && x->shape[i] != y->shape[i]) return 0;
    if (node->in_count[1] != 2 * p->batch || p->outer < 1) return 0;
    if (node->ins == 4) {
        const pellucid_view *patch = node->in[2];
        if (!patch || !node->in[3] || patch->dtype != PELLUCID_FLOAT32 || node->in[3]->dtype != PELLUCID_INT64) return 0;
        if (patch->rank != x->rank || patch->shape[0] != p->batch || node->in_count[3] != 2 * p->batch) return 0;
        for (int32_t i = 1; i < x->rank; i++)
            if (i != axes[0] && i != axes[1] && patch->shape[i] != x->shape[i]) return 0;
        for (int32_t i = 0; i < 2; i++) p->patch[i] = patch->shape[axes[i]];
        if (p->patch[0] < 1 || p->patch[1] < 1) return 0;
    }
    p->fill = (float)cpu_real(node, "fill", 0);
    return 500;
}

const cpu_op cpu_patch_ops[] = {
    { .name = "PatchWindow", .attributes = "axes size fill", .params_size = sizeof(patch_params), .plan = plan, .run = run },
    { 0 },
};
