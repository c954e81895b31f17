/* Depthwise convolution: each output channel is a weighted sum of shifted copies of one input plane. */
#include "conv.h"
#include "planes.h"

enum { MOST_TAPS = 256 };

typedef struct job {
    const pellucid_kernel *kernel;
    const cpu_conv *c;
    const cpu_conv_data *data;
    cpu_window window;
    cpu_plane plane;
    bool flat; /* several short output rows make one run; the gaps between are computed and dropped */
    _Atomic int failed;
} job;

static void channel(const job *j, int64_t image, int64_t number, const float *copy, float *sums) {
    const cpu_conv *c = j->c;
    const cpu_window *w = &j->window;
    const float *taps[MOST_TAPS], *weights = (const float *)j->data->w + number * c->window;
    const float *bias = j->data->bias, *residual = j->data->residual;
    int64_t place = (image * c->groups * c->out_channels + number) * c->out_plane;
    float *y = (float *)j->data->y + place;
    int64_t runs = j->flat ? 1 : w->out[0], n = j->flat ? (w->out[0] - 1) * j->plane.pitch + w->out[1] : w->out[1];
    const int64_t step = cpu_plane_step(w, &j->plane);
    cpu_plane_taps(w, &j->plane, copy, taps);
    for (int64_t row = 0; row < runs; row++) {
        j->kernel->simd->taps_sum(taps, weights, c->window, bias ? bias[number] : 0.0f, j->flat ? sums : y + row * n, n);
        for (int64_t t = 0; t < c->window; t++) taps[t] += step;
    }
    for (int64_t row = 0; row < w->out[0] && j->flat; row++)
        memcpy(y + row * w->out[1], sums + row * j->plane.pitch, (size_t)w->out[1] * sizeof(float));
    if (residual || c->activation != CPU_IDENTITY)
        cpu_conv_finish(j->kernel->simd, c, y, residual ? residual + place : NULL, 0.0f, y, c->out_plane);
}

static void planes(int64_t begin, int64_t end, void *payload) {
    job *j = payload;
    const cpu_conv *c = j->c;
    int64_t sums = j->flat ? j->window.out[0] * j->plane.pitch : 0;
    float *copy = cpu_scratch_take(j->kernel->device, (size_t)(j->plane.floats + sums) * sizeof(float));
    if (!copy) {
        atomic_store(&j->failed, 1);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        cpu_plane_fill(&j->window, &j->plane, (const float *)j->data->x + i * c->in_plane, 0.0f, copy);
        for (int64_t m = 0; m < c->out_channels; m++)
            channel(j, i / c->groups, i % c->groups * c->out_channels + m, copy, copy + j->plane.floats);
    }
    cpu_scratch_give(j->kernel->device, copy);
}

pellucid_status cpu_conv_depthwise(const pellucid_kernel *kernel, const cpu_conv *c, const cpu_conv_data *data) {
    job j = { .kernel = kernel, .c = c, .data = data };
    for (int i = 0; i < 2; i++) {
        j.window.in[i] = c->in[i + 1];
        j.window.kernel[i] = c->kernel[i + 1];
        j.window.stride[i] = c->stride[i + 1];
        j.window.pad[i] = c->pad[i + 1];
        j.window.dilation[i] = c->dilation[i + 1];
        j.window.out[i] = c->out[i + 1];
    }
    if (c->window > MOST_TAPS || c->kernel[0] != 1 || c->in[0] != 1 || c->out[0] != 1 || !cpu_plane_layout(&j.window, &j.plane))
        return cpu_conv_columns(kernel, c, data);
    j.flat = j.window.stride[0] == 1 && j.window.stride[1] == 1 && j.window.out[1] < CPU_LANES;
    int64_t work = c->out_channels * c->out_plane * c->window;
    cpu_parallel(kernel->host, c->images * c->groups, cpu_row_grain(work), planes, &j);
    return j.failed ? cpu_out_of_memory(kernel) : PELLUCID_OK;
}
