#include "gemm.h"

#include <cblas.h>

/* A product with one row or one column reads its matrix once; gemm would first copy it. */
static void multiply_vector(const cpu_product *p, bool row) {
    /* The matrix as stored has `rows` rows; `turned` when the result runs along its columns. */
    bool turned = row ? !p->b_turned : p->a_turned;
    int64_t length = row ? p->n : p->m;
    blasint rows = (blasint)(turned ? p->k : length), columns = (blasint)(turned ? length : p->k);
    const void *matrix = row ? p->b : p->a, *vector = row ? p->a : p->b;
    blasint pitch = (blasint)(row ? p->b_pitch : p->a_pitch);
    blasint step_in = (blasint)(row ? (p->a_turned ? p->a_pitch : 1) : (p->b_turned ? 1 : p->b_pitch));
    blasint step_out = (blasint)(row ? 1 : p->c_pitch);
    enum CBLAS_TRANSPOSE how = turned ? CblasTrans : CblasNoTrans;
    if (p->dtype == PELLUCID_FLOAT32)
        cblas_sgemv(CblasRowMajor, how, rows, columns, (float)p->alpha, matrix, pitch, vector, step_in, (float)p->beta, p->c, step_out);
    else
        cblas_dgemv(CblasRowMajor, how, rows, columns, p->alpha, matrix, pitch, vector, step_in, p->beta, p->c, step_out);
}

/* gemv leaves the output out of 0 * NaN; gemm at beta 0 does not read it, so clear it first. */
static void clear(const cpu_product *p, size_t size) {
    for (int64_t i = 0; i < p->m; i++) memset((char *)p->c + (size_t)(i * p->c_pitch) * size, 0, (size_t)p->n * size);
}

static double element(const cpu_product *p, const void *base, int64_t at) {
    return p->dtype == PELLUCID_FLOAT32 ? ((const float *)base)[at] : ((const double *)base)[at];
}

/* Slow, for when there is no memory for OpenBLAS's buffer. */
static void multiply_plainly(const cpu_product *p) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++) {
            double sum = 0.0;
            for (int64_t k = 0; k < p->k; k++)
                sum += element(p, p->a, p->a_turned ? k * p->a_pitch + i : i * p->a_pitch + k) *
                       element(p, p->b, p->b_turned ? j * p->b_pitch + k : k * p->b_pitch + j);
            int64_t at = i * p->c_pitch + j;
            sum = p->alpha * sum + (p->beta == 0.0 ? 0.0 : p->beta * element(p, p->c, at));
            if (p->dtype == PELLUCID_FLOAT32) ((float *)p->c)[at] = (float)sum;
            else ((double *)p->c)[at] = sum;
        }
}

void cpu_multiply(const cpu_product *p) {
    enum CBLAS_TRANSPOSE a = p->a_turned ? CblasTrans : CblasNoTrans, b = p->b_turned ? CblasTrans : CblasNoTrans;
    blasint m = (blasint)p->m, n = (blasint)p->n, k = (blasint)p->k;
    blasint a_pitch = (blasint)p->a_pitch, b_pitch = (blasint)p->b_pitch, c_pitch = (blasint)p->c_pitch;
    bool vector = p->m == 1 || p->n == 1;
    if (!cpu_product_enter()) {
        multiply_plainly(p);
        return;
    }
    if (vector) {
        if (p->beta == 0.0) clear(p, cpu_size_of(p->dtype));
        multiply_vector(p, p->m == 1);
    } else if (p->dtype == PELLUCID_FLOAT32) {
        cblas_sgemm(CblasRowMajor, a, b, m, n, k, (float)p->alpha, p->a, a_pitch, p->b, b_pitch, (float)p->beta, p->c, c_pitch);
    } else {
        cblas_dgemm(CblasRowMajor, a, b, m, n, k, p->alpha, p->a, a_pitch, p->b, b_pitch, p->beta, p->c, c_pitch);
    }
    cpu_product_leave();
}
