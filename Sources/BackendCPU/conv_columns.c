/* Convolution as an OpenBLAS product over unrolled windows, one tile of output pixels at a time. */
#include "conv.h"
#include "gemm.h"

typedef struct job {
    const pellucid_kernel *kernel;
    const cpu_conv *c;
    const cpu_conv_data *data;
    int64_t tile, tiles;  /* pixels of a tile; tiles of an image */
    int64_t rows, blocks; /* output channels of a block; blocks of a group */
    _Atomic int failed;
} job;

static void finish_double(const cpu_conv *c, const double *residual, double bias, double *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double v = y[i] + bias + (residual ? residual[i] : 0.0);
        y[i] = c->activation == CPU_RELU && v < 0.0 ? 0.0 : v;
    }
}

static void finish(const job *j, int64_t channel, int64_t at, int64_t n) {
    const cpu_conv_data *d = j->data;
    if (j->c->dtype == PELLUCID_FLOAT32) {
        const float *residual = d->residual ? (const float *)d->residual + at : NULL;
        float *y = (float *)d->y + at;
        cpu_conv_finish(j->kernel->simd, j->c, y, residual, d->bias ? ((const float *)d->bias)[channel] : 0.0f, y, n);
    } else {
        const double *residual = d->residual ? (const double *)d->residual + at : NULL;
        finish_double(j->c, residual, d->bias ? ((const double *)d->bias)[channel] : 0.0, (double *)d->y + at, n);
    }
}

static void tile(const job *j, int64_t item, char *columns) {
    const cpu_conv *c = j->c;
    int64_t block = item % j->blocks, t = item / j->blocks % j->tiles, set = item / j->blocks / j->tiles;
    int64_t group = set % c->groups, from = t * j->tile, n = cpu_min(j->tile, c->out_plane - from);
    int64_t first = block * j->rows, m = cpu_min(j->rows, c->out_channels - first), channel = group * c->out_channels + first;
    const char *x = (const char *)j->data->x + (size_t)(set * c->in_channels * c->in_plane) * c->size;
    int64_t at = (set * c->out_channels + first) * c->out_plane + from;
    if (!c->direct) cpu_unroll(c, x, c->in_channels, from, from + n, columns, n);
    cpu_product product = {
        .dtype = c->dtype, .m = m, .n = n, .k = c->depth, .alpha = 1.0,
        .a = (const char *)j->data->w + (size_t)(channel * c->depth) * c->size, .a_pitch = c->depth,
        .b = c->direct ? x + (size_t)from * c->size : columns, .b_pitch = c->direct ? c->in_plane : n,
        .c = (char *)j->data->y + (size_t)at * c->size, .c_pitch = c->out_plane,
    };
    cpu_multiply(&product);
    for (int64_t i = 0; i < m; i++) finish(j, channel + i, at + i * c->out_plane, n);
}

static void tiles(int64_t begin, int64_t end, void *payload) {
    job *j = payload;
    char *columns = NULL;
    if (!j->c->direct && !(columns = cpu_scratch_take(j->kernel->device, (size_t)(j->c->depth * j->tile) * j->c->size))) {
        atomic_store(&j->failed, 1);
        return;
    }
    for (int64_t i = begin; i < end; i++) tile(j, i, columns);
    cpu_scratch_give(j->kernel->device, columns);
}

pellucid_status cpu_conv_columns(const pellucid_kernel *kernel, const cpu_conv *c, const cpu_conv_data *data) {
    enum { COLUMNS = 1 << 18, LEAST = 96 };
    job j = { .kernel = kernel, .c = c, .data = data };
    int64_t wanted = 2 * kernel->host->threads, sets = c->images * c->groups;
    j.tiles = cpu_ceil_div(c->out_plane, cpu_max(LEAST, COLUMNS / c->depth));
    if (sets * j.tiles < wanted) j.tiles = cpu_min(cpu_ceil_div(wanted, sets), cpu_max(j.tiles, c->out_plane / LEAST));
    j.tiles = cpu_max(1, j.tiles);
    j.tile = cpu_ceil_div(c->out_plane, j.tiles);
    j.tiles = cpu_ceil_div(c->out_plane, j.tile);
    j.rows = c->out_channels;
    if (sets * j.tiles < wanted) j.rows = cpu_max(32, cpu_ceil_div(c->out_channels, cpu_ceil_div(wanted, sets * j.tiles)));
    j.blocks = cpu_ceil_div(c->out_channels, j.rows);
    int64_t work = 2 * cpu_min(j.rows, c->out_channels) * j.tile * c->depth;
    cpu_parallel(kernel->host, sets * j.tiles * j.blocks, cpu_max(1, 32 * CPU_GRAIN / work), tiles, &j);
    return j.failed ? cpu_out_of_memory(kernel) : PELLUCID_OK;
}
