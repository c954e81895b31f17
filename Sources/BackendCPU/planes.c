#include "planes.h"

#include "simd.h"

bool cpu_plane_layout(const cpu_window *w, cpu_plane *p) {
    const int64_t most = (int64_t)1 << 26;
    p->rows = (w->out[0] - 1) * w->stride[0] + (w->kernel[0] - 1) * w->dilation[0] + 1;
    p->columns = (w->out[1] - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    if (p->rows > most || p->columns > most || w->stride[1] > most) return false;
    p->pitch = cpu_ceil_div(p->columns, w->stride[1]);
    if (p->pitch * w->stride[1] > most / p->rows) return false;
    p->floats = p->rows * w->stride[1] * p->pitch + CPU_LANES;
    return true;
}

static void fill(float *to, int64_t n, float value) {
    for (int64_t i = 0; i < n; i++) to[i] = value;
}

static void fill_phase(const cpu_window *w, const cpu_plane *p, const float *row, int64_t phase, float padding, float *to) {
    int64_t step = w->stride[1], from = phase - w->pad[1];
    int64_t first = from < 0 ? cpu_min(p->pitch, cpu_ceil_div(-from, step)) : 0;
    int64_t last = from >= w->in[1] ? first : cpu_max(first, cpu_min(p->pitch, (w->in[1] - 1 - from) / step + 1));
    fill(to, first, padding);
    if (step == 1) memcpy(to + first, row + from + first, (size_t)(last - first) * sizeof(float));
    else for (int64_t i = first; i < last; i++) to[i] = row[from + i * step];
    fill(to + last, p->pitch - last, padding);
}

void cpu_plane_fill(const cpu_window *w, const cpu_plane *p, const float *x, float padding, float *copy) {
    for (int64_t r = 0; r < p->rows; r++) {
        int64_t y = r - w->pad[0];
        float *to = copy + r * w->stride[1] * p->pitch;
        if (y < 0 || y >= w->in[0]) fill(to, w->stride[1] * p->pitch, padding);
        else for (int64_t phase = 0; phase < w->stride[1]; phase++, to += p->pitch) fill_phase(w, p, x + y * w->in[1], phase, padding, to);
    }
    fill(copy + p->floats - CPU_LANES, CPU_LANES, padding);
}
