#include "copy.h"

enum { BLOCK = 32 };

typedef struct job {
    const cpu_copy *c;
    const char *from;
    char *to;
} job;

void cpu_copy_steps(const int64_t *shape, int32_t rank, int64_t *steps) {
    int64_t step = 1;
    for (int32_t i = rank - 1; i >= 0; i--) {
        steps[i] = step;
        step *= shape[i];
    }
}

void cpu_copy_simplify(cpu_copy *c) {
    int32_t kept = 0;
    for (int32_t i = 0; i < c->rank; i++) {
        if (c->shape[i] == 1) continue;
        bool same = kept > 0 && c->from_step[kept - 1] == c->from_step[i] * c->shape[i] && c->to_step[kept - 1] == c->to_step[i] * c->shape[i];
        int32_t to = same ? kept - 1 : kept++;
        c->shape[to] = (same ? c->shape[to] : 1) * c->shape[i];
        c->from_step[to] = c->from_step[i];
        c->to_step[to] = c->to_step[i];
    }
    for (; kept < 2; kept++) { /* at least two axes, for the inner block */
        for (int32_t i = kept; i > 0; i--) {
            c->shape[i] = c->shape[i - 1];
            c->from_step[i] = c->from_step[i - 1];
            c->to_step[i] = c->to_step[i - 1];
        }
        c->shape[0] = 1;
        c->from_step[0] = c->to_step[0] = kept == 0 ? 1 : 0;
    }
    c->rank = kept;
    /* The axis along which the source is consecutive becomes the last but one, for blockwise turning. */
    int32_t at = c->rank - 2;
    for (int32_t i = 0; i < c->rank - 2 && c->from_step[c->rank - 1] != 1; i++)
        if (c->from_step[i] == 1) at = i;
    int64_t shape = c->shape[at], from = c->from_step[at], to = c->to_step[at];
    for (; at < c->rank - 2; at++) {
        c->shape[at] = c->shape[at + 1];
        c->from_step[at] = c->from_step[at + 1];
        c->to_step[at] = c->to_step[at + 1];
    }
    c->shape[at] = shape;
    c->from_step[at] = from;
    c->to_step[at] = to;
}

#define COPY_BLOCK(type)                                                                                              \
    for (int64_t r = r0; r < r1; r++)                                                                                 \
        for (int64_t k = k0; k < k1; k++) ((type *)to)[r * tr + k * tk] = ((const type *)from)[r * fr + k * fk]

static void copy_block(const cpu_copy *c, const char *from, char *to, int64_t r0, int64_t r1, int64_t k0, int64_t k1) {
    int32_t i = c->rank - 2;
    const int64_t fr = c->from_step[i], tr = c->to_step[i], fk = c->from_step[i + 1], tk = c->to_step[i + 1];
    switch (c->size) {
    case 1: COPY_BLOCK(uint8_t); break;
    case 2: COPY_BLOCK(uint16_t); break;
    case 4: COPY_BLOCK(uint32_t); break;
    default: COPY_BLOCK(uint64_t); break;
    }
}

/* Rows [r0, r1) of the last two axes. */
static void copy_rows(const cpu_copy *c, const char *from, char *to, int64_t r0, int64_t r1) {
    int32_t i = c->rank - 2;
    int64_t n = c->shape[i + 1];
    if (c->from_step[i + 1] == 1 && c->to_step[i + 1] == 1 && n >= 4) {
        for (int64_t r = r0; r < r1; r++)
            memcpy(to + r * c->to_step[i] * (int64_t)c->size, from + r * c->from_step[i] * (int64_t)c->size, (size_t)n * c->size);
        return;
    }
    if (c->from_step[i] != 1) {
        copy_block(c, from, to, r0, r1, 0, n);
        return;
    }
    for (int64_t r = r0; r < r1; r += BLOCK)
        for (int64_t k = 0; k < n; k += BLOCK) copy_block(c, from, to, r, cpu_min(r1, r + BLOCK), k, cpu_min(n, k + BLOCK));
}

/* Counts through all axes but the last. */
static void copy_range(int64_t begin, int64_t end, void *payload) {
    const job *j = payload;
    const cpu_copy *c = j->c;
    int64_t rows = c->shape[c->rank - 2];
    for (int64_t at = begin; at < end;) {
        int64_t rest = at / rows, row = at % rows, n = cpu_min(rows - row, end - at), from = c->from, to = c->to;
        for (int32_t i = c->rank - 3; i >= 0; i--) {
            from += rest % c->shape[i] * c->from_step[i];
            to += rest % c->shape[i] * c->to_step[i];
            rest /= c->shape[i];
        }
        copy_rows(c, j->from + from * (int64_t)c->size, j->to + to * (int64_t)c->size, row, row + n);
        at += n;
    }
}

void cpu_copy_run(const pellucid_host *host, const cpu_copy *c, const void *from, void *to) {
    job j = { c, from, to };
    int64_t rows = 1;
    for (int32_t i = 0; i < c->rank - 1; i++) rows *= c->shape[i];
    int64_t grain = cpu_row_grain(c->shape[c->rank - 1]);
    cpu_parallel(host, rows, grain > BLOCK ? cpu_round_up(grain, BLOCK) : grain, copy_range, &j);
}
