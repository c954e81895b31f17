/* Windows to columns and back, for any number of spatial axes, stride, dilation and padding. */
#include "conv.h"

/* Output pixels of one output row for one window position: those in [first, last) read inside the input. */
typedef struct segment {
    int64_t at, length, first, last; /* position in the columns; length; valid part */
    int64_t input;                   /* offset in the plane of the pixel at `first` */
} segment;

static segment cut(const cpu_conv *c, const int64_t position[3], int64_t pixel, int64_t to) {
    int64_t ox = pixel % c->out[2], row = pixel / c->out[2], oy = row % c->out[1], oz = row / c->out[1];
    segment s = { .length = cpu_min(c->out[2] - ox, to - pixel) };
    int64_t z = oz * c->stride[0] - c->pad[0] + position[0] * c->dilation[0];
    int64_t y = oy * c->stride[1] - c->pad[1] + position[1] * c->dilation[1];
    int64_t x = ox * c->stride[2] - c->pad[2] + position[2] * c->dilation[2];
    if (z < 0 || z >= c->in[0] || y < 0 || y >= c->in[1]) return s;
    s.first = x < 0 ? cpu_min(s.length, cpu_ceil_div(-x, c->stride[2])) : 0;
    s.last = x >= c->in[2] ? s.first : cpu_max(s.first, cpu_min(s.length, (c->in[2] - 1 - x) / c->stride[2] + 1));
    s.input = (z * c->in[1] + y) * c->in[2] + x + s.first * c->stride[2];
    return s;
}

static void place(const cpu_conv *c, int64_t t, int64_t position[3]) {
    position[2] = t % c->kernel[2];
    position[1] = t / c->kernel[2] % c->kernel[1];
    position[0] = t / (c->kernel[2] * c->kernel[1]);
}

static inline void gather_segment(const cpu_conv *c, const segment *s, const char *plane, char *to) {
    size_t size = c->size;
    int64_t step = c->stride[2], count = s->last - s->first;
    if (s->first > 0) memset(to, 0, (size_t)s->first * size);
    if (s->last < s->length) memset(to + (size_t)s->last * size, 0, (size_t)(s->length - s->last) * size);
    if (count <= 0) return;
    to += (size_t)s->first * size;
    plane += (size_t)s->input * size;
    if (step == 1) memcpy(to, plane, (size_t)count * size);
    else if (size == 4) for (int64_t i = 0; i < count; i++) ((float *)to)[i] = ((const float *)plane)[i * step];
    else for (int64_t i = 0; i < count; i++) ((double *)to)[i] = ((const double *)plane)[i * step];
}

void cpu_unroll(const cpu_conv *c, const void *x, int64_t channels, int64_t from, int64_t to, void *columns, int64_t pitch) {
    size_t plane = (size_t)c->in_plane * c->size, line = (size_t)(c->window * pitch) * c->size;
    for (int64_t t = 0; t < c->window; t++) {
        int64_t position[3];
        place(c, t, position);
        for (int64_t pixel = from; pixel < to;) {
            segment s = cut(c, position, pixel, to);
            char *at = (char *)columns + (size_t)(t * pitch + pixel - from) * c->size;
            for (int64_t i = 0; i < channels; i++) gather_segment(c, &s, (const char *)x + (size_t)i * plane, at + (size_t)i * line);
            pixel += s.length;
        }
    }
}

static void scatter_segment(const cpu_conv *c, const segment *s, char *plane, const char *from) {
    int64_t step = c->stride[2], count = s->last - s->first;
    if (count <= 0) return;
    if (c->size == 4) {
        const float *v = (const float *)from + s->first;
        float *to = (float *)plane + s->input;
        if (step == 1) for (int64_t i = 0; i < count; i++) to[i] += v[i];
        else for (int64_t i = 0; i < count; i++) to[i * step] += v[i];
    } else {
        const double *v = (const double *)from + s->first;
        double *to = (double *)plane + s->input;
        for (int64_t i = 0; i < count; i++) to[i * step] += v[i];
    }
}

void cpu_roll(const cpu_conv *c, void *x, int64_t channels, int64_t from, int64_t to, const void *columns, int64_t pitch) {
    size_t plane = (size_t)c->in_plane * c->size, line = (size_t)(c->window * pitch) * c->size;
    for (int64_t t = 0; t < c->window; t++) {
        int64_t position[3];
        place(c, t, position);
        for (int64_t pixel = from; pixel < to;) {
            segment s = cut(c, position, pixel, to);
            const char *at = (const char *)columns + (size_t)(t * pitch + pixel - from) * c->size;
            for (int64_t i = 0; i < channels; i++) scatter_segment(c, &s, (char *)x + (size_t)i * plane, at + (size_t)i * line);
            pixel += s.length;
        }
    }
}
