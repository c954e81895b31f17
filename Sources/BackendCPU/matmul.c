/* MatMul and Gemm: tiles of one or many products, each an OpenBLAS call. */
#include "conv.h"
#include "gemm.h"

typedef struct matmul_params {
    pellucid_dtype dtype;
    int64_t batch, m, n, k;
    int32_t rank;                           /* of the batch axes */
    int64_t shape[CPU_RANK], a_step[CPU_RANK], b_step[CPU_RANK]; /* steps count matrices */
    bool a_turned, b_turned;
    double alpha, beta;
    int64_t bias_row, bias_column; /* steps through the bias */
    cpu_unary activation;
    float activation_alpha, activation_beta;
} matmul_params;

typedef struct job {
    const pellucid_kernel *kernel;
    const matmul_params *p;
    const char *a, *b, *bias;
    char *y;
    int64_t rows, columns, down, across; /* of a tile; tiles down and across one product */
} job;

static void finish_row(const job *j, int64_t row, int64_t column, int64_t n, char *y) {
    const matmul_params *p = j->p;
    int64_t at = row * p->bias_row + column * p->bias_column;
    if (p->dtype == PELLUCID_FLOAT64) {
        for (int64_t i = 0; i < n && j->bias; i++) ((double *)y)[i] += p->beta * ((const double *)j->bias)[at + i * p->bias_column];
        return;
    }
    const cpu_simd *simd = j->kernel->simd;
    float *line = (float *)y, beta = (float)p->beta;
    const float *bias = (const float *)j->bias + at;
    if (j->bias && p->bias_column) simd->axpy(beta, bias, line, n);
    else if (j->bias) simd->scale_shift(line, 1.0f, beta * *bias, line, n);
    if (p->activation != CPU_IDENTITY) simd->unary[p->activation](line, line, n, p->activation_alpha, p->activation_beta);
}

static void tile(const job *j, int64_t item) {
    const matmul_params *p = j->p;
    size_t size = cpu_size_of(p->dtype);
    int64_t column = item % j->across * j->columns, row = item / j->across % j->down * j->rows, rest = item / j->across / j->down;
    int64_t batch = rest, a = 0, b = 0, m = cpu_min(j->rows, p->m - row), n = cpu_min(j->columns, p->n - column);
    for (int32_t i = p->rank - 1; i >= 0; i--) {
        a += rest % p->shape[i] * p->a_step[i];
        b += rest % p->shape[i] * p->b_step[i];
        rest /= p->shape[i];
    }
    a = a * p->m * p->k + (p->a_turned ? row : row * p->k);
    b = b * p->k * p->n + (p->b_turned ? column * p->k : column);
    cpu_product product = {
        .dtype = p->dtype, .a_turned = p->a_turned, .b_turned = p->b_turned, .m = m, .n = n, .k = p->k, .alpha = p->alpha,
        .a = j->a + (size_t)a * size, .a_pitch = p->a_turned ? p->m : p->k,
        .b = j->b + (size_t)b * size, .b_pitch = p->b_turned ? p->k : p->n,
        .c = j->y + (size_t)((batch * p->m + row) * p->n + column) * size, .c_pitch = p->n,
    };
    cpu_multiply(&product);
    for (int64_t i = 0; i < m && (j->bias || p->activation != CPU_IDENTITY); i++)
        finish_row(j, row + i, column, n, (char *)product.c + (size_t)(i * p->n) * size);
}

static void tiles(int64_t begin, int64_t end, void *payload) {
    for (int64_t i = begin; i < end; i++) tile(payload, i);
}

/* Cuts along the longer side only: OpenBLAS copies both operands of each tile. */
static void divide(job *j) {
    const matmul_params *p = j->p;
    int64_t wanted = 2 * j->kernel->host->threads, parts = 1, work = p->m * p->n;
    if (work < INT64_MAX / p->k) work *= p->k;
    if (p->batch < wanted && work > CPU_GRAIN * 4) parts = cpu_ceil_div(wanted, p->batch);
    j->rows = p->m;
    j->columns = p->n;
    if (p->m >= p->n) j->rows = cpu_round_up(cpu_ceil_div(p->m, parts), 16);
    else j->columns = cpu_round_up(cpu_ceil_div(p->n, parts), 32);
    j->down = cpu_ceil_div(p->m, j->rows);
    j->across = cpu_ceil_div(p->n, j->columns);
}

static pellucid_status run(const pellucid_kernel *kernel, const void *const *in, void *const *out) {
    const matmul_params *p = kernel->params;
    job j = { .kernel = kernel, .p = p, .a = in[0], .b = in[1], .bias = kernel->ins > 2 ? in[2] : NULL, .y = out[0] };
    divide(&j);
    int64_t work = cpu_max(1, cpu_min(j.rows, p->m) * cpu_min(j.columns, p->n) * p->k);
    cpu_parallel(kernel->host, p->batch * j.down * j.across, cpu_max(1, CPU_GRAIN * 4 / work), tiles, &j);
    return PELLUCID_OK;
}

static pellucid_dtype real_type(const cpu_node *node) {
    pellucid_dtype dtype = node->ins > 0 && node->in[0] ? node->in[0]->dtype : 0;
    return dtype == PELLUCID_FLOAT32 || dtype == PELLUCID_FLOAT64 ? dtype : 0;
}

static bool fits(const matmul_params *p) {
    return cpu_product_fits(p->m) && cpu_product_fits(p->n) && cpu_product_fits(p->k) && p->m <= INT64_MAX / 4 / p->n / cpu_max(1, p->batch);
}

/* The batch axes of one operand, right-aligned to the result's. */
static bool align(const pellucid_view *view, int32_t axes, const matmul_params *p, int64_t *steps) {
    int64_t step = 1;
    if (axes > p->rank) return false;
    for (int32_t i = p->rank - 1; i >= 0; i--) {
        int32_t from = i - (p->rank - axes);
        int64_t size = from >= 0 ? view->shape[from] : 1;
        if (size != 1 && size != p->shape[i]) return false;
        steps[i] = size == 1 ? 0 : step;
        step *= size;
    }
    return true;
}

/* One matrix b for every a: the batch of a is just more rows. */
static void fold(matmul_params *p, int64_t a_count, int64_t b_count) {
    if (p->batch == 1 || b_count != p->k * p->n || a_count != p->batch * p->m * p->k) return;
    p->m *= p->batch;
    p->batch = 1;
    p->rank = 0;
}

static int32_t plan_matmul(cpu_node *node, void *params) {
    matmul_params *p = params;
    p->dtype = real_type(node);
    if (!p->dtype || !cpu_typed(node, 2, 2, 3, p->dtype)) return 0;
    const pellucid_view *a = node->in[0], *b = node->in[1], *y = node->out[0];
    if (a->rank < 1 || b->rank < 1) return 0;
    int32_t a_axes = a->rank > 1 ? a->rank - 2 : 0, b_axes = b->rank > 1 ? b->rank - 2 : 0;
    p->k = a->shape[a->rank - 1];
    p->m = a->rank > 1 ? a->shape[a->rank - 2] : 1;
    p->n = b->rank > 1 ? b->shape[b->rank - 1] : 1;
    p->rank = y->rank - (a->rank > 1) - (b->rank > 1);
    if (b->shape[b->rank > 1 ? b->rank - 2 : 0] != p->k || p->rank < 0) return 0;
    p->batch = cpu_count(y, 0, p->rank);
    for (int32_t i = 0; i < p->rank; i++) p->shape[i] = y->shape[i];
    if (a->rank > 1 && y->shape[p->rank] != p->m) return 0;
    if (b->rank > 1 && y->shape[y->rank - 1] != p->n) return 0;
    if (!align(a, a_axes, p, p->a_step) || !align(b, b_axes, p, p->b_step)) return 0;
    p->alpha = 1.0;
    fold(p, node->in_count[0], node->in_count[1]);
    return fits(p) ? 1000 : 0;
}

static bool read_bias(const pellucid_view *bias, matmul_params *p) {
    if (bias->rank > 2) return false;
    int64_t columns = bias->rank > 0 ? bias->shape[bias->rank - 1] : 1, rows = bias->rank > 1 ? bias->shape[0] : 1;
    if ((columns != 1 && columns != p->n) || (rows != 1 && rows != p->m)) return false;
    p->bias_column = columns > 1 ? 1 : 0;
    p->bias_row = rows > 1 ? columns : 0;
    return true;
}

static int32_t plan_gemm(cpu_node *node, void *params) {
    matmul_params *p = params;
    p->dtype = real_type(node);
    if (!p->dtype || !cpu_typed(node, 2, 3, 7, p->dtype)) return 0;
    const pellucid_view *a = node->in[0], *b = node->in[1], *y = node->out[0];
    if (a->rank != 2 || b->rank != 2 || y->rank != 2) return 0;
    p->a_turned = cpu_int(node, "transA", 0) != 0;
    p->b_turned = cpu_int(node, "transB", 0) != 0;
    p->alpha = cpu_real(node, "alpha", 1.0);
    p->beta = cpu_real(node, "beta", 1.0);
    p->batch = 1;
    p->m = a->shape[p->a_turned];
    p->k = a->shape[!p->a_turned];
    p->n = b->shape[!p->b_turned];
    if (b->shape[p->b_turned] != p->k || y->shape[0] != p->m || y->shape[1] != p->n) return 0;
    if (node->ins > 2 && node->in[2] && !read_bias(node->in[2], p)) return 0;
    if (!cpu_activation_read(node, &p->activation, &p->activation_alpha, &p->activation_beta)) return 0;
    if (p->dtype == PELLUCID_FLOAT64 && p->activation != CPU_IDENTITY) return 0;
    return fits(p) ? 1000 : 0;
}

const cpu_op cpu_matmul_ops[] = {
    { "MatMul", "", sizeof(matmul_params), plan_matmul, run, NULL },
    { "Gemm", "alpha beta transA transB activation activation_alpha activation_beta", sizeof(matmul_params), plan_gemm, run, NULL },
    { 0 },
};
