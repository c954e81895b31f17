/* Copies between differently strided layouts: what all data movement comes down to. */
#ifndef CPU_COPY_H
#define CPU_COPY_H

#include "util.h"

typedef struct cpu_copy {
    size_t size; /* of an element: 1, 2, 4 or 8 bytes */
    int32_t rank;
    int64_t shape[CPU_RANK], from_step[CPU_RANK], to_step[CPU_RANK]; /* steps in elements, of any sign */
    int64_t from, to; /* where the first element lies */
} cpu_copy;

/* Joins axes, and orders them so that a copy runs along whatever is consecutive. */
void cpu_copy_simplify(cpu_copy *copy);
void cpu_copy_run(const pellucid_host *host, const cpu_copy *copy, const void *from, void *to);
/* Row-major steps of a shape. */
void cpu_copy_steps(const int64_t *shape, int32_t rank, int64_t *steps);

#endif
