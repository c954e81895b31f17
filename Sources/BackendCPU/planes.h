/* A padded copy of one input plane, its columns dealt out by stride, so that every tap of a sliding window reads
 * consecutive values along an output row. Serves depthwise convolution and pooling. */
#ifndef CPU_PLANES_H
#define CPU_PLANES_H

#include "util.h"

typedef struct cpu_window {
    int64_t in[2], kernel[2], stride[2], pad[2], dilation[2], out[2];
} cpu_window;

typedef struct cpu_plane {
    int64_t rows, columns; /* that the windows reach */
    int64_t pitch;         /* between the rows of one phase */
    int64_t floats;        /* of the copy */
} cpu_plane;

/* False when the copy would be unreasonably large. */
bool cpu_plane_layout(const cpu_window *window, cpu_plane *out);
void cpu_plane_fill(const cpu_window *window, const cpu_plane *plane, const float *x, float padding, float *copy);
/* Where each tap of the first output row begins; the next row's lie cpu_plane_step() further on. */
static inline void cpu_plane_taps(const cpu_window *w, const cpu_plane *p, const float *copy, const float **taps) {
    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t x = kx * w->dilation[1], y = ky * w->dilation[0];
            *taps++ = copy + (y * w->stride[1] + x % w->stride[1]) * p->pitch + x / w->stride[1];
        }
}
static inline int64_t cpu_plane_step(const cpu_window *w, const cpu_plane *p) { return w->stride[0] * w->stride[1] * p->pitch; }

#endif
