/* What every operator family of this backend shares: the table entry, access to a node, work on shapes, scratch memory. */
#ifndef CPU_UTIL_H
#define CPU_UTIL_H

#include <pellucid/backend.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { CPU_RANK = 8, CPU_SLOTS = 128, CPU_SCRATCH_SLOTS = 32 };

struct cpu_simd;
typedef struct cpu_node cpu_node;
typedef struct cpu_op cpu_op;

struct pellucid_device {
    const pellucid_host *host;
    const struct cpu_simd *simd;
    bool columns; /* convolve through OpenBLAS alone */
    _Atomic(void *) scratch[CPU_SCRATCH_SLOTS]; /* free blocks, kept for the next taker */
};

struct pellucid_kernel {
    pellucid_device *device;
    const pellucid_host *host;
    const struct cpu_simd *simd;
    const cpu_op *op;
    void *params; /* the operator's own struct, filled by plan() */
    void *packed; /* what prepare() computed from constants, or NULL */
    char *name;   /* of the node, for messages */
    int32_t ins, outs, runtime_ins;
    const void **constants; /* per input; NULL: given to run() or absent */
    int32_t *sources;       /* per input: index into run()'s inputs, or -1 */
    int64_t *counts;        /* elements of run()'s inputs, then of its outputs */
    pellucid_dtype *dtypes;
};

/* One row of the operator table. plan() checks a node and describes the work in `params` without allocating; it is
 * all that supports() asks, so what supports() accepts is what compile() can do. */
struct cpu_op {
    const char *name;
    const char *attributes; /* known ones, separated by blanks; a node with any other goes to the reference */
    size_t params_size;
    int32_t (*plan)(cpu_node *node, void *params); /* relative speed; 0: not this one */
    pellucid_status (*run)(const pellucid_kernel *kernel, const void *const *in, void *const *out);
    pellucid_status (*prepare)(pellucid_kernel *kernel); /* may be NULL */
};

struct cpu_node {
    const pellucid_node *node;
    const cpu_op *op;
    int32_t ins, outs;
    const pellucid_view *in[CPU_SLOTS], *out[CPU_SLOTS]; /* NULL: absent */
    int64_t in_count[CPU_SLOTS], out_count[CPU_SLOTS];
    bool bad; /* an attribute was not of the kind expected */
};

extern const cpu_op cpu_conv_ops[], cpu_conv_grad_ops[], cpu_matmul_ops[], cpu_pointwise_ops[], cpu_binary_ops[],
    cpu_normalization_ops[], cpu_reduce_ops[], cpu_pooling_ops[], cpu_movement_ops[], cpu_joining_ops[],
    cpu_clip_grad_ops[], cpu_compare_ops[], cpu_quantize_ops[], cpu_patch_ops[];

/* Fills `out` from a program of one node; false when it is not one, or a value is empty, strided or out of bounds. */
bool cpu_node_read(cpu_node *out, const pellucid_program *program);
const cpu_op *cpu_op_find(const char *name);

bool cpu_has(const cpu_node *node, const char *name);
int64_t cpu_int(cpu_node *node, const char *name, int64_t otherwise);
double cpu_real(cpu_node *node, const char *name, double otherwise);
const char *cpu_text(cpu_node *node, const char *name, const char *otherwise);
/* The list of `count` integers each within [least, most], or `otherwise` in every place; false: another length or out of range. */
bool cpu_ints(cpu_node *node, const char *name, int32_t count, int64_t otherwise, int64_t least, int64_t most, int64_t *out);

/* The node has from `least` to `most` inputs and one output, and the values named by the bits of `mask` (bit i: input i)
 * and the output are present and of type `dtype`. */
bool cpu_typed(const cpu_node *node, int32_t least, int32_t most, uint32_t mask, pellucid_dtype dtype);
bool cpu_same_shape(const pellucid_view *a, const pellucid_view *b);
int64_t cpu_count(const pellucid_view *view, int32_t from, int32_t to); /* product of the axes [from, to) */
size_t cpu_size_of(pellucid_dtype dtype);                               /* bytes of an element; 0: not whole bytes */
bool cpu_axis(cpu_node *node, int64_t axis, int32_t rank, int32_t *out);
/* A constant int64 or int32 vector of at most `most` entries; -1 when it is not one, else its length. */
int32_t cpu_constant_ints(const pellucid_view *view, int32_t most, int64_t *out);

/* A block of at least `bytes`, 64-byte aligned and not zeroed; NULL: out of memory. */
void *cpu_scratch_take(pellucid_device *device, size_t bytes);
void cpu_scratch_give(pellucid_device *device, void *block);
void cpu_scratch_close(pellucid_device *device);

pellucid_status cpu_out_of_memory(const pellucid_kernel *kernel);

/* host->parallel with a payload, pieces of at least `grain`. */
static inline void cpu_parallel(const pellucid_host *host, int64_t count, int64_t grain,
                                void (*body)(int64_t, int64_t, void *), void *payload) {
    if (count <= 0) return;
    if (grain < 1) grain = 1;
    if (count <= grain || host->threads <= 1) body(0, count, payload);
    else host->parallel(host, count, grain, body, payload);
}

static inline int64_t cpu_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t cpu_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t cpu_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t cpu_round_up(int64_t a, int64_t b) { return cpu_ceil_div(a, b) * b; }

/* Pieces below this many simple element operations stay on one thread. */
enum { CPU_GRAIN = 16384 };
static inline int64_t cpu_row_grain(int64_t row) { return cpu_max(1, CPU_GRAIN / cpu_max(1, row)); }

#endif
