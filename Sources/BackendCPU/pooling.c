/* Pooling over windows of one or two spatial axes, and its gradients. */
#include "planes.h"
#include "simd.h"

#include <math.h>

enum { MOST_TAPS = 256 };

typedef struct pool_params {
    cpu_window window;
    cpu_plane plane;
    int64_t pad_end[2], planes;
    bool average, include_padding;
} pool_params;

typedef struct job {
    const pellucid_kernel *kernel;
    const pool_params *p;
    const float *x, *dy;
    float *y;
    _Atomic int failed;
} job;

static int64_t in_plane(const pool_params *p) { return p->window.in[0] * p->window.in[1]; }
static int64_t out_plane(const pool_params *p) { return p->window.out[0] * p->window.out[1]; }

/* Window positions [first, last) of output `at` along `axis` that lie inside the input, or inside the padded input. */
static void bounds(const pool_params *p, int axis, int64_t at, bool padded, int64_t *first, int64_t *last) {
    const cpu_window *w = &p->window;
    int64_t from = at * w->stride[axis] - w->pad[axis], step = w->dilation[axis];
    int64_t low = padded ? -w->pad[axis] : 0, high = w->in[axis] + (padded ? p->pad_end[axis] : 0);
    if (from >= low && from + (w->kernel[axis] - 1) * step < high) { /* most are whole; spares the divisions */
        *first = 0;
        *last = w->kernel[axis];
        return;
    }
    *first = from < low ? cpu_min(w->kernel[axis], cpu_ceil_div(low - from, step)) : 0;
    *last = from >= high ? *first : cpu_max(*first, cpu_min(w->kernel[axis], (high - 1 - from) / step + 1));
}

static float share(const pool_params *p, int axis, int64_t at) {
    int64_t first, last;
    bounds(p, axis, at, p->include_padding, &first, &last);
    return last > first ? 1.0f / (float)(last - first) : 0.0f;
}

static void average_row(const job *j, const float *const *taps, const float *ones, int64_t row, float *y) {
    const cpu_window *w = &j->p->window;
    j->kernel->simd->taps_sum(taps, ones, w->kernel[0] * w->kernel[1], 0.0f, y, w->out[1]);
    float vertical = share(j->p, 0, row);
    for (int64_t i = 0; i < w->out[1]; i++) y[i] *= vertical * share(j->p, 1, i);
}

static void forward_plane(const job *j, int64_t number, const float *ones, float *copy) {
    const pool_params *p = j->p;
    const cpu_window *w = &p->window;
    const float *taps[MOST_TAPS];
    const int64_t count = w->kernel[0] * w->kernel[1];
    cpu_plane_fill(w, &p->plane, j->x + number * in_plane(p), p->average ? 0.0f : -INFINITY, copy);
    const int64_t step = cpu_plane_step(w, &p->plane);
    cpu_plane_taps(w, &p->plane, copy, taps);
    for (int64_t row = 0; row < w->out[0]; row++) {
        float *y = j->y + number * out_plane(p) + row * w->out[1];
        if (p->average) average_row(j, taps, ones, row, y);
        else j->kernel->simd->taps_max(taps, count, y, w->out[1]);
        for (int64_t t = 0; t < count; t++) taps[t] += step;
    }
}

static void forward(int64_t begin, int64_t end, void *payload) {
    job *j = payload;
    float ones[MOST_TAPS], *copy = cpu_scratch_take(j->kernel->device, (size_t)j->p->plane.floats * sizeof(float));
    if (!copy) {
        atomic_store(&j->failed, 1);
        return;
    }
    for (int t = 0; t < MOST_TAPS; t++) ones[t] = 1.0f;
    for (int64_t i = begin; i < end; i++) forward_plane(j, i, ones, copy);
    cpu_scratch_give(j->kernel->device, copy);
}

/* Each gradient goes to the first of the largest values in its window. */
static void max_grad_plane(const pool_params *p, const float *x, const float *dy, float *dx) {
    const cpu_window *w = &p->window;
    for (int64_t oy = 0; oy < w->out[0]; oy++) {
        int64_t y0, y1, x0, x1, top = oy * w->stride[0] - w->pad[0];
        bounds(p, 0, oy, false, &y0, &y1);
        for (int64_t ox = 0; ox < w->out[1]; ox++) {
            int64_t left = ox * w->stride[1] - w->pad[1], best = -1;
            float most = 0.0f;
            bounds(p, 1, ox, false, &x0, &x1);
            for (int64_t ky = y0; ky < y1; ky++)
                for (int64_t kx = x0; kx < x1; kx++) {
                    int64_t at = (top + ky * w->dilation[0]) * w->in[1] + left + kx * w->dilation[1];
                    if (best >= 0 && !(x[at] > most)) continue;
                    most = x[at];
                    best = at;
                }
            if (best >= 0) dx[best] += dy[oy * w->out[1] + ox];
        }
    }
}

static void average_grad_plane(const pool_params *p, const float *dy, float *dx) {
    const cpu_window *w = &p->window;
    for (int64_t oy = 0; oy < w->out[0]; oy++) {
        int64_t y0, y1, x0, x1, top = oy * w->stride[0] - w->pad[0];
        bounds(p, 0, oy, false, &y0, &y1);
        for (int64_t ox = 0; ox < w->out[1]; ox++) {
            int64_t left = ox * w->stride[1] - w->pad[1];
            float value = dy[oy * w->out[1] + ox] * share(p, 0, oy) * share(p, 1, ox);
            bounds(p, 1, ox, false, &x0, &x1);
            for (int64_t ky = y0; ky < y1; ky++)
                for (int64_t kx = x0; kx < x1; kx++)
                    dx[(top + ky * w->dilation[0]) * w->in[1] + left + kx * w->dilation[1]] += value;
        }
    }
}

static void backward(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    const pool_params *p = j->p;
    for (int64_t i = begin; i < end; i++) {
        float *dx = j->y + i * in_plane(p);
        const float *dy = j->dy + i * out_plane(p);
        memset(dx, 0, (size_t)in_plane(p) * sizeof(float));
        if (p->average) average_grad_plane(p, dy, dx);
        else max_grad_plane(p, j->x + i * in_plane(p), dy, dx);
    }
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const pool_params *p = kernel->params;
    job j = { .kernel = kernel, .p = p, .x = in[0], .y = out[0] };
    cpu_parallel(kernel->host, p->planes, cpu_row_grain(out_plane(p) * p->window.kernel[0] * p->window.kernel[1]), forward, &j);
    return j.failed ? cpu_out_of_memory(kernel) : PELLUCID_OK;
}

static pellucid_status run_grad(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const pool_params *p = kernel->params;
    job j = { .kernel = kernel, .p = p, .dy = in[0], .x = p->average ? NULL : in[1], .y = out[0] };
    cpu_parallel(kernel->host, p->planes, cpu_row_grain(2 * out_plane(p) * p->window.kernel[0] * p->window.kernel[1]), backward, &j);
    return PELLUCID_OK;
}

static bool axis_fits(const cpu_window *w, int axis, int64_t pad_end) {
    int64_t extent = (w->kernel[axis] - 1) * w->dilation[axis] + 1, room = w->in[axis] + w->pad[axis] + pad_end - extent;
    if (room < 0) return false;
    /* Rounded down, or up in ceil_mode. */
    int64_t down = room / w->stride[axis] + 1, up = cpu_ceil_div(room, w->stride[axis]) + 1;
    return w->out[axis] == down || w->out[axis] == up;
}

static bool read_window(cpu_node *node, const pellucid_view *x, const pellucid_view *y, pool_params *p) {
    const int64_t most = 1 << 24;
    int64_t kernel[2], stride[2], dilation[2], pads[4];
    int32_t axes = x->rank - 2, skip = 2 - axes;
    if (axes < 1 || axes > 2 || y->rank != x->rank || x->shape[0] != y->shape[0] || x->shape[1] != y->shape[1]) return false;
    if (strcmp(cpu_text(node, "auto_pad", "NOTSET"), "NOTSET") != 0) return false;
    if (!cpu_has(node, "kernel_shape") || !cpu_ints(node, "kernel_shape", axes, 0, 1, most, kernel)) return false;
    if (!cpu_ints(node, "strides", axes, 1, 1, most, stride) || !cpu_ints(node, "dilations", axes, 1, 1, most, dilation)) return false;
    if (!cpu_ints(node, "pads", 2 * axes, 0, 0, most, pads) || kernel[0] < 1) return false;
    for (int i = 0; i < 2; i++) {
        bool absent = i < skip;
        p->window.in[i] = absent ? 1 : x->shape[2 + i - skip];
        p->window.out[i] = absent ? 1 : y->shape[2 + i - skip];
        p->window.kernel[i] = absent ? 1 : kernel[i - skip];
        p->window.stride[i] = absent ? 1 : stride[i - skip];
        p->window.dilation[i] = absent ? 1 : dilation[i - skip];
        p->window.pad[i] = absent ? 0 : pads[i - skip];
        p->pad_end[i] = absent ? 0 : pads[i - skip + axes];
        if (p->window.in[i] > most || !axis_fits(&p->window, i, p->pad_end[i])) return false;
    }
    p->planes = x->shape[0] * x->shape[1];
    return p->window.kernel[0] * p->window.kernel[1] <= MOST_TAPS && cpu_plane_layout(&p->window, &p->plane);
}

static int32_t plan_pool(cpu_node *node, void *params) {
    pool_params *p = params;
    const char *op = node->node->op;
    bool grad = strcmp(op, "MaxPoolGrad") == 0 || strcmp(op, "AveragePoolGrad") == 0;
    p->average = strncmp(op, "Average", 7) == 0;
    p->include_padding = cpu_int(node, "count_include_pad", 0) != 0;
    int32_t ins = grad && !p->average ? 2 : 1;
    if (!cpu_typed(node, ins, ins, 3, PELLUCID_FLOAT32)) return 0;
    if (ins == 2 && !cpu_same_shape(node->in[1], node->out[0])) return 0;
    return read_window(node, grad ? node->out[0] : node->in[0], grad ? node->in[0] : node->out[0], p) ? 700 : 0;
}

#define GEOMETRY "auto_pad ceil_mode dilations kernel_shape pads strides"
const cpu_op cpu_pooling_ops[] = {
    { "MaxPool", GEOMETRY " storage_order", sizeof(pool_params), plan_pool, run, NULL },
    { "AveragePool", GEOMETRY " count_include_pad", sizeof(pool_params), plan_pool, run, NULL },
    { "MaxPoolGrad", GEOMETRY " storage_order", sizeof(pool_params), plan_pool, run_grad, NULL },
    { "AveragePoolGrad", GEOMETRY " count_include_pad input_shape", sizeof(pool_params), plan_pool, run_grad, NULL },
    { 0 },
};
