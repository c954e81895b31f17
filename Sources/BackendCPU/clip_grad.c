/* ClipGrad(dY, X): dY where X lies strictly between two numbers, 0 elsewhere. */
#include "util.h"

#include <math.h>

typedef struct clip_params {
    float low, high;
} clip_params;

typedef struct clip_job {
    const clip_params *p;
    const float *dy, *x;
    float *dx;
} clip_job;

static void select_inner(int64_t begin, int64_t end, void *payload) {
    const clip_job *j = payload;
    const float low = j->p->low, high = j->p->high;
    const float *dy = j->dy, *x = j->x;
    float *dx = j->dx;
    for (int64_t i = begin; i < end; i++) dx[i] = ((x[i] > low) & (x[i] < high)) ? dy[i] : 0;
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    clip_job j = { kernel->params, in[0], in[1], out[0] };
    cpu_parallel(kernel->host, kernel->counts[kernel->runtime_ins], CPU_GRAIN, select_inner, &j);
    return PELLUCID_OK;
}

static int32_t plan(cpu_node *node, void *params) {
    clip_params *p = params;
    if (!cpu_typed(node, 2, 2, 3, PELLUCID_FLOAT32)) return 0;
    if (!cpu_same_shape(node->in[0], node->out[0]) || !cpu_same_shape(node->in[1], node->out[0])) return 0;
    p->low = (float)cpu_real(node, "min", -INFINITY);
    p->high = (float)cpu_real(node, "max", INFINITY);
    return 800;
}

const cpu_op cpu_clip_grad_ops[] = {
    { "ClipGrad", "min max", sizeof(clip_params), plan, run, NULL },
    { 0 },
};
