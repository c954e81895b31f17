/* Convolution as this backend's own product: the weights lie in strips of a few channels, packed once when they are
 * constant; the windows are unrolled straight into panels of a few pixels; each strip's results pass bias, residual and
 * activation while in the first cache. Pixels are counted through all images, so that small maps share panels. */
#include "conv.h"

enum { TILE_FLOATS = 1 << 17, MOST_PANELS = 16 };

typedef struct job {
    const pellucid_kernel *kernel;
    const cpu_simd *simd;
    const cpu_conv *c;
    const cpu_conv_data *data;
    const float *packed;
    float *shared;           /* all panels, when several items need each; else NULL */
    int64_t pixels, panels;  /* of all images */
    int64_t tile, tiles;     /* panels of a tile; tiles of a group */
    int64_t strips, blocks;  /* strips of a block; blocks of a group */
    int64_t group_strips, width, rows;
    _Atomic int failed;
} job;

static int64_t strips_of(const cpu_simd *simd, const cpu_conv *c) { return cpu_ceil_div(c->out_channels, simd->product_rows); }

size_t cpu_conv_packed_size(const cpu_simd *simd, const cpu_conv *c) {
    return (size_t)(c->groups * strips_of(simd, c) * simd->product_rows * c->depth) * sizeof(float);
}

static void pack_strip(const cpu_simd *simd, const cpu_conv *c, const float *w, int64_t strip, float *to) {
    int64_t strips = strips_of(simd, c), rows = simd->product_rows, group = strip / strips, first = strip % strips * rows;
    int64_t count = cpu_min(rows, c->out_channels - first), depth = c->depth;
    const float *from = w + (group * c->out_channels + first) * depth;
    to += strip * rows * depth;
    if (count < rows) memset(to, 0, (size_t)(rows * depth) * sizeof(float));
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < depth; k++) to[k * rows + i] = from[i * depth + k];
}

void cpu_conv_pack(const cpu_simd *simd, const cpu_conv *c, const float *w, float *packed) {
    for (int64_t s = 0; s < c->groups * strips_of(simd, c); s++) pack_strip(simd, c, w, s, packed);
}

typedef struct packing {
    const job *j;
    const float *w;
    float *to;
} packing;

static void pack_strips(int64_t begin, int64_t end, void *payload) {
    packing *p = payload;
    for (int64_t s = begin; s < end; s++) pack_strip(p->j->simd, p->j->c, p->w, s, p->to);
}

/* ---- panels ---- */

/* Few, long runs of pixels: copy each. */
static void unroll_runs(const job *j, int64_t group, int64_t from, int64_t to, float *panel) {
    const cpu_conv *c = j->c;
    for (int64_t at = from; at < to;) {
        int64_t image = at / c->out_plane, pixel = at % c->out_plane, n = cpu_min(to - at, c->out_plane - pixel);
        const float *x = (const float *)j->data->x + (image * c->groups + group) * c->in_channels * c->in_plane;
        float *line = panel + (at - from);
        if (c->direct)
            for (int64_t k = 0; k < c->depth; k++, line += j->width) memcpy(line, x + k * c->in_plane + pixel, (size_t)n * sizeof(float));
        else cpu_unroll(c, x, c->in_channels, pixel, pixel + n, line, j->width);
        at += n;
    }
}

enum { MOST_WIDTH = 32 };

/* Where each pixel of a panel reads for one window position; the mask is 0 outside the input. */
static void locate(const job *j, int64_t group, int64_t from, int64_t n, const int64_t position[3], int64_t *offset, uint32_t *mask) {
    const cpu_conv *c = j->c;
    for (int64_t i = 0; i < n; i++) {
        int64_t image = (from + i) / c->out_plane, pixel = (from + i) % c->out_plane;
        int64_t o[3] = { pixel / (c->out[2] * c->out[1]), pixel / c->out[2] % c->out[1], pixel % c->out[2] }, at = 0;
        mask[i] = ~0u;
        for (int a = 0; a < 3; a++) {
            int64_t p = o[a] * c->stride[a] - c->pad[a] + position[a] * c->dilation[a];
            if (p < 0 || p >= c->in[a]) mask[i] = 0;
            at = at * c->in[a] + p;
        }
        offset[i] = mask[i] ? (image * c->groups + group) * c->in_channels * c->in_plane + at : 0;
    }
}

/* Many short runs: collect pixel by pixel. */
static void unroll_pixels(const job *j, int64_t group, int64_t from, int64_t n, float *panel) {
    const cpu_conv *c = j->c;
    int64_t offset[MOST_WIDTH];
    uint32_t mask[MOST_WIDTH];
    for (int64_t t = 0; t < c->window; t++) {
        int64_t position[3] = { t / (c->kernel[2] * c->kernel[1]), t / c->kernel[2] % c->kernel[1], t % c->kernel[2] };
        locate(j, group, from, n, position, offset, mask);
        for (int64_t channel = 0; channel < c->in_channels; channel++) {
            const uint32_t *x = (const uint32_t *)j->data->x + channel * c->in_plane;
            float *line = panel + (channel * c->window + t) * j->width;
            for (int64_t i = 0; i < n; i++) {
                uint32_t bits = x[offset[i]] & mask[i];
                memcpy(line + i, &bits, sizeof bits);
            }
        }
    }
}

static void unroll_panel(const job *j, int64_t group, int64_t number, float *panel) {
    int64_t from = number * j->width, n = cpu_min(j->width, j->pixels - from);
    bool long_runs = j->c->direct ? j->c->out_plane >= 16 : j->c->out[2] >= 16;
    if (n < j->width) memset(panel, 0, (size_t)(j->c->depth * j->width) * sizeof(float));
    if (long_runs) unroll_runs(j, group, from, from + n, panel);
    else unroll_pixels(j, group, from, n, panel);
}

static void unroll_shared(int64_t begin, int64_t end, void *payload) {
    job *j = payload;
    for (int64_t i = begin; i < end; i++) unroll_panel(j, i / j->panels, i % j->panels, j->shared + i * j->c->depth * j->width);
}

/* ---- products ---- */

/* Writes rows [0, rows) of `sums` to the channels from `first` of `group`, pixels [from, to). */
static void finish_strip(const job *j, int64_t group, int64_t first, int64_t rows, int64_t from, int64_t to, const float *sums, int64_t pitch) {
    const cpu_conv *c = j->c;
    const float *bias = j->data->bias, *residual = j->data->residual;
    for (int64_t at = from; at < to;) {
        int64_t image = at / c->out_plane, pixel = at % c->out_plane, n = cpu_min(to - at, c->out_plane - pixel);
        int64_t channel = group * c->out_channels + first;
        int64_t place = (image * c->groups * c->out_channels + channel) * c->out_plane + pixel;
        for (int64_t i = 0; i < rows; i++, place += c->out_plane)
            cpu_conv_finish(j->simd, c, sums + i * pitch + (at - from), residual ? residual + place : NULL,
                            bias ? bias[channel + i] : 0.0f, (float *)j->data->y + place, n);
        at += n;
    }
}

static void multiply_tile(const job *j, int64_t group, int64_t tile, int64_t block, const float *panels, float *sums) {
    int64_t first = tile * j->tile, count = cpu_min(j->tile, j->panels - first), from = first * j->width;
    int64_t to = cpu_min(j->pixels, from + count * j->width), pitch = j->tile * j->width;
    int64_t strip_end = cpu_min(j->group_strips, (block + 1) * j->strips), depth = j->c->depth;
    for (int64_t s = block * j->strips; s < strip_end; s++) {
        const float *strip = j->packed + (group * j->group_strips + s) * j->rows * depth;
        for (int64_t p = 0; p < count; p++) {
            bool half = to - from - p * j->width <= j->width / 2;
            (half ? j->simd->product_half : j->simd->product)(depth, strip, panels + p * depth * j->width, sums + p * j->width, pitch);
        }
        int64_t channel = s * j->rows;
        finish_strip(j, group, channel, cpu_min(j->rows, j->c->out_channels - channel), from, to, sums, pitch);
    }
}

static void items(int64_t begin, int64_t end, void *payload) {
    job *j = payload;
    int64_t panel = j->c->depth * j->width, sums = j->rows * j->tile * j->width;
    float *scratch = cpu_scratch_take(j->kernel->device, (size_t)(sums + (j->shared ? 0 : j->tile * panel)) * sizeof(float));
    if (!scratch) {
        atomic_store(&j->failed, 1);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t block = i % j->blocks, tile = i / j->blocks % j->tiles, group = i / j->blocks / j->tiles;
        float *panels = scratch + sums;
        int64_t first = tile * j->tile, count = cpu_min(j->tile, j->panels - first);
        if (j->shared) panels = j->shared + (group * j->panels + first) * panel;
        else for (int64_t p = 0; p < count; p++) unroll_panel(j, group, first + p, panels + p * panel);
        multiply_tile(j, group, tile, block, panels, scratch);
    }
    cpu_scratch_give(j->kernel->device, scratch);
}

/* Tiles of panels that fit the second cache; blocks of channels when there are fewer tiles than threads want. */
static void divide(job *j) {
    int64_t wanted = 4 * j->kernel->host->threads, groups = j->c->groups;
    if (j->kernel->host->threads == 1) wanted = 1;
    j->tile = cpu_max(1, cpu_min(MOST_PANELS, TILE_FLOATS / (j->c->depth * j->width)));
    j->tiles = cpu_ceil_div(j->panels, j->tile);
    if (groups * j->tiles < wanted && j->panels > j->tiles) {
        j->tiles = cpu_min(j->panels, cpu_max(j->tiles, cpu_min(cpu_ceil_div(wanted, groups), j->panels / 4)));
        j->tile = cpu_ceil_div(j->panels, j->tiles);
        j->tiles = cpu_ceil_div(j->panels, j->tile);
    }
    j->blocks = groups * j->tiles < wanted ? cpu_min(j->group_strips, cpu_ceil_div(wanted, groups * j->tiles)) : 1;
    j->strips = cpu_ceil_div(j->group_strips, j->blocks);
    j->blocks = cpu_ceil_div(j->group_strips, j->strips);
}

static pellucid_status multiply(job *j) {
    const pellucid_host *host = j->kernel->host;
    int64_t panel = j->c->depth * j->width;
    if (j->blocks > 1) {
        j->shared = cpu_scratch_take(j->kernel->device, (size_t)(j->c->groups * j->panels * panel) * sizeof(float));
        if (!j->shared) return cpu_out_of_memory(j->kernel);
        cpu_parallel(host, j->c->groups * j->panels, cpu_row_grain(panel), unroll_shared, j);
    }
    int64_t work = cpu_min(j->strips, j->group_strips) * j->rows * j->tile * panel;
    cpu_parallel(host, j->c->groups * j->tiles * j->blocks, cpu_max(1, 16 * CPU_GRAIN / work), items, j);
    cpu_scratch_give(j->kernel->device, j->shared);
    return j->failed ? cpu_out_of_memory(j->kernel) : PELLUCID_OK;
}

pellucid_status cpu_conv_packed(const pellucid_kernel *kernel, const cpu_conv *c, const cpu_conv_data *data) {
    const cpu_simd *simd = kernel->simd;
    job j = { .kernel = kernel, .simd = simd, .c = c, .data = data, .packed = data->packed, .width = simd->product_columns,
              .rows = simd->product_rows, .group_strips = strips_of(simd, c), .pixels = c->images * c->out_plane };
    j.panels = cpu_ceil_div(j.pixels, j.width);
    divide(&j);
    if (data->packed) return multiply(&j);
    float *packed = cpu_scratch_take(kernel->device, cpu_conv_packed_size(simd, c));
    if (!packed) return cpu_out_of_memory(kernel);
    packing p = { &j, data->w, packed };
    cpu_parallel(kernel->host, c->groups * j.group_strips, cpu_row_grain(j.rows * c->depth), pack_strips, &p);
    j.packed = packed;
    pellucid_status status = multiply(&j);
    cpu_scratch_give(kernel->device, packed);
    return status;
}
