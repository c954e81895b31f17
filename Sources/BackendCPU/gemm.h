/* Matrix products: OpenBLAS, called by many threads at once. */
#ifndef CPU_GEMM_H
#define CPU_GEMM_H

#include "util.h"

/* c (m x n) = alpha * a (m x k) * b (k x n) + beta * c, all row-major; a_turned: a is stored k x m. */
typedef struct cpu_product {
    pellucid_dtype dtype; /* FLOAT32 or FLOAT64 */
    bool a_turned, b_turned;
    int64_t m, n, k;
    double alpha, beta;
    const void *a, *b;
    void *c;
    int64_t a_pitch, b_pitch, c_pitch;
} cpu_product;

/* On the calling thread alone. */
void cpu_multiply(const cpu_product *product);
/* Around each call of OpenBLAS; false: no memory for it. */
bool cpu_product_enter(void);
void cpu_product_leave(void);
/* Once per device. */
void cpu_product_open(void);
void cpu_product_close(void);

/* OpenBLAS counts in 32 bits. */
static inline bool cpu_product_fits(int64_t size) { return size <= INT32_MAX / 2; }

#endif
