/* The default backend against plain loops in double precision, over random shapes and attributes.
 *
 * From the repository's root (add -fsanitize=address,undefined for the sanitized run):
 *   clang -std=gnu17 -O1 -g -Iinclude -ISources/BackendCPU/include -ISources/CSupport/include \
 *     Tests/BackendCPUTests/backend_cpu_test.c $(find Sources/BackendCPU -name "*.c") Sources/CSupport/pool.c Sources/CSupport/memory.c \
 *     -lopenblas -lpthread -lm -o /tmp/backend_cpu_test
 * With libopenblas-serial-dev: -DPELLUCID_OPENBLAS_STATIC and, for -lopenblas,
 *   -L/usr/lib/x86_64-linux-gnu/openblas-serial -l:libopenblas.a
 *   /tmp/backend_cpu_test [seed] [rounds] [config, as level=v3]
 */
#include "backend_cpu.h"
#include "support.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- host ---- */

static support_pool *pool;
static _Atomic int allowed = -1; /* allocations left before they fail; negative: no limit */
static _Atomic int failures;     /* messages that host.fail received */

static void host_parallel(const pellucid_host *h, int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void *), void *payload) {
    (void)h;
    support_pool_run(pool, count, grain, body, payload);
}
static void *host_allocate(const pellucid_host *h, size_t bytes) {
    (void)h;
    if (allowed == 0) return NULL;
    if (allowed > 0) allowed--;
    return support_allocate(bytes);
}
static void host_deallocate(const pellucid_host *h, void *memory) { (void)h; support_deallocate(memory); }
static void host_fail(const pellucid_host *h, const char *message) { (void)h; failures += message[0] != 0; }
static void host_log(const pellucid_host *h, int32_t level, const char *message) { (void)h; (void)level; (void)message; }
static pellucid_host host = { sizeof host, NULL, 3, host_parallel, host_allocate, host_deallocate, host_fail, host_log };
static const pellucid_backend *backend;
static pellucid_device *device;

/* ---- tensors and nodes ---- */

typedef struct tensor {
    pellucid_dtype dtype;
    int32_t rank;
    int64_t shape[8], count;
    void *data;
} tensor;

static uint64_t state;
static uint32_t next(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}
static int64_t between(int64_t low, int64_t high) { return low + next() % (uint32_t)(high - low + 1); }
static double uniform(double low, double high) { return low + (high - low) * next() / 2147483648.0; }

static size_t size_of(pellucid_dtype d) { return d == PELLUCID_FLOAT64 || d == PELLUCID_INT64 ? 8 : d == PELLUCID_BOOL ? 1 : 4; }
static double get(const tensor *t, int64_t i) {
    switch (t->dtype) {
    case PELLUCID_FLOAT32: return ((float *)t->data)[i];
    case PELLUCID_FLOAT64: return ((double *)t->data)[i];
    case PELLUCID_INT64: return (double)((int64_t *)t->data)[i];
    case PELLUCID_INT32: return ((int32_t *)t->data)[i];
    default: return ((uint8_t *)t->data)[i];
    }
}
static void set(tensor *t, int64_t i, double v) {
    switch (t->dtype) {
    case PELLUCID_FLOAT32: ((float *)t->data)[i] = (float)v; break;
    case PELLUCID_FLOAT64: ((double *)t->data)[i] = v; break;
    case PELLUCID_INT64: ((int64_t *)t->data)[i] = (int64_t)v; break;
    case PELLUCID_INT32: ((int32_t *)t->data)[i] = (int32_t)v; break;
    default: ((uint8_t *)t->data)[i] = v != 0; break;
    }
}
static tensor blank(pellucid_dtype dtype, int32_t rank, const int64_t *shape) {
    tensor t = { .dtype = dtype, .rank = rank, .count = 1 };
    for (int32_t i = 0; i < rank; i++) t.count *= t.shape[i] = shape[i];
    t.data = malloc((size_t)t.count * size_of(dtype)); /* exactly sized, so that the sanitizer sees every overrun */
    memset(t.data, 0xa5, (size_t)t.count * size_of(dtype));
    return t;
}
static tensor filled(pellucid_dtype dtype, int32_t rank, const int64_t *shape, double low, double high) {
    tensor t = blank(dtype, rank, shape);
    for (int64_t i = 0; i < t.count; i++) set(&t, i, uniform(low, high));
    return t;
}
static tensor integers(int32_t count, const int64_t *values) {
    int64_t shape[1] = { count };
    tensor t = blank(PELLUCID_INT64, 1, shape);
    for (int32_t i = 0; i < count; i++) set(&t, i, (double)values[i]);
    return t;
}
#define SHAPE(...) (int64_t[]){ __VA_ARGS__ }

static pellucid_attribute attributes[16];
static int64_t attribute_ints[16][8];
static int32_t attribute_count;
static pellucid_attribute *attribute(const char *name, int32_t kind) {
    pellucid_attribute *a = &attributes[attribute_count++];
    *a = (pellucid_attribute){ .name = name, .kind = kind };
    return a;
}
static void with_int(const char *name, int64_t value) { attribute(name, PELLUCID_ATTRIBUTE_INT)->integer = value; }
static void with_real(const char *name, double value) { attribute(name, PELLUCID_ATTRIBUTE_REAL)->real = value; }
static void with_text(const char *name, const char *value) { attribute(name, PELLUCID_ATTRIBUTE_TEXT)->text = value; }
static void with_ints(const char *name, int32_t count, const int64_t *values) {
    int64_t *own = attribute_ints[attribute_count];
    memcpy(own, values, sizeof(int64_t) * (size_t)count);
    pellucid_attribute *a = attribute(name, PELLUCID_ATTRIBUTE_INTS);
    a->ints = own;
    a->count = count;
}

enum { MOST = 12, UNSUPPORTED = 1 };
static int checks, wrong;

/* Runs one node; in[i] may be NULL (absent); bit i of `constants` makes input i known at compile time. */
static pellucid_status run_node(const char *op, tensor *const *in, int32_t ins, uint32_t constants, tensor *const *out, int32_t outs) {
    pellucid_view values[MOST], given[MOST], results[MOST];
    int32_t inputs[MOST], outputs[MOST], run_inputs[MOST], run_outputs[MOST], count = 0, run_count = 0;
    for (int32_t i = 0; i < ins + outs; i++) {
        const tensor *t = i < ins ? in[i] : out[i - ins];
        int32_t *slot = i < ins ? &inputs[i] : &outputs[i - ins];
        *slot = t ? count : -1;
        if (!t) continue;
        values[count] = (pellucid_view){ t->data, t->dtype, t->rank, t->shape, NULL };
        if (i >= ins) results[i - ins] = values[count], run_outputs[i - ins] = count;
        else if (!(constants >> i & 1)) given[run_count] = values[count], run_inputs[run_count++] = count;
        if (i >= ins || !(constants >> i & 1)) values[count].data = NULL;
        count++;
    }
    pellucid_node node = { op, "node", inputs, outputs, ins, outs, attributes, attribute_count };
    pellucid_program program = { sizeof program, &node, 1, count, values, run_inputs, run_outputs, run_count, outs };
    attribute_count = 0;
    if (!backend->supports(device, &program)) return UNSUPPORTED;
    pellucid_kernel *kernel;
    pellucid_status status = backend->compile(device, &program, &kernel);
    if (status != PELLUCID_OK) return status;
    status = backend->run(kernel, given, results);
    backend->release(kernel);
    return status;
}

static void compare(const char *what, pellucid_status status, const tensor *got, const tensor *expected, double tolerance) {
    checks++;
    if (status != PELLUCID_OK) {
        printf("%s: status %d\n", what, status);
        wrong++;
        return;
    }
    double worst = 0;
    int64_t at = -1;
    for (int64_t i = 0; i < got->count; i++) {
        double a = get(got, i), b = get(expected, i);
        double error = isnan(a) != isnan(b) ? INFINITY : isnan(a) || a == b ? 0 : fabs(a - b) / (1 + fabs(b));
        if (error > worst) worst = error, at = i;
    }
    if (worst <= tolerance) return;
    wrong++;
    printf("%s: off by %g at %ld of %ld: %g, expected %g; shape", what, worst, (long)at, (long)got->count, get(got, at), get(expected, at));
    for (int32_t i = 0; i < got->rank; i++) printf(" %ld", (long)got->shape[i]);
    printf("\n");
}

static void drop(tensor **list, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        if (list[i]) free(list[i]->data);
}
#define DROP(...) drop((tensor *[]){ __VA_ARGS__ }, (int32_t)(sizeof((tensor *[]){ __VA_ARGS__ }) / sizeof(tensor *)))

static double activate(const char *name, double x, double a, double b) {
    if (!strcmp(name, "Relu")) return x < 0 ? 0 : x;
    if (!strcmp(name, "Clip")) return x < a ? a : x > b ? b : x;
    if (!strcmp(name, "Sigmoid")) return 1 / (1 + exp(-x));
    if (!strcmp(name, "Silu")) return x / (1 + exp(-x));
    if (!strcmp(name, "HardSwish")) return x * fmax(0, fmin(1, x / 6 + 0.5));
    if (!strcmp(name, "HardSigmoid")) return fmax(0, fmin(1, a * x + b));
    if (!strcmp(name, "LeakyRelu")) return x < 0 ? a * x : x;
    if (!strcmp(name, "Tanh")) return tanh(x);
    if (!strcmp(name, "Gelu")) return 0.5 * x * (1 + erf(x * M_SQRT1_2));
    if (!strcmp(name, "Exp")) return exp(x);
    if (!strcmp(name, "Log")) return log(x);
    if (!strcmp(name, "Sqrt")) return sqrt(x);
    if (!strcmp(name, "Neg")) return -x;
    if (!strcmp(name, "Abs")) return fabs(x);
    if (!strcmp(name, "Reciprocal")) return 1 / x;
    if (!strcmp(name, "Erf")) return erf(x);
    if (!strcmp(name, "Elu")) return x < 0 ? a * expm1(x) : x;
    if (!strcmp(name, "Softplus")) return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    if (!strcmp(name, "Mish")) return x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
    if (!strcmp(name, "Floor")) return floor(x);
    if (!strcmp(name, "Ceil")) return ceil(x);
    return x;
}

/* ---- convolution ---- */

typedef struct geometry {
    int32_t axes;
    int64_t images, groups, in_channels, out_channels, in[3], kernel[3], stride[3], pads[6], dilation[3], out[3];
} geometry;

static bool random_geometry(geometry *g) {
    g->axes = (int32_t)(next() % 8 == 0 ? 3 : next() % 6 == 0 ? 1 : 2);
    bool depthwise = next() % 4 == 0, pointwise = next() % 4 == 0;
    g->images = between(1, 3);
    g->groups = depthwise ? between(2, 9) : next() % 4 == 0 ? between(2, 3) : 1;
    g->in_channels = depthwise ? 1 : between(1, 19);
    g->out_channels = depthwise ? between(1, 2) : between(1, 27);
    for (int i = 0; i < g->axes; i++) {
        g->in[i] = between(1, g->axes == 3 ? 7 : 40);
        g->kernel[i] = pointwise ? 1 : between(1, 5);
        g->stride[i] = next() % 2 ? 1 : between(1, 3);
        g->dilation[i] = next() % 3 ? 1 : between(1, 3);
        g->pads[i] = pointwise ? 0 : between(0, 3);
        g->pads[i + g->axes] = pointwise ? 0 : between(0, 3);
        int64_t room = g->in[i] + g->pads[i] + g->pads[i + g->axes] - (g->kernel[i] - 1) * g->dilation[i] - 1;
        if (room < 0) return false;
        g->out[i] = room / g->stride[i] + 1;
    }
    for (int i = g->axes; i < 3; i++) g->in[i] = g->kernel[i] = g->stride[i] = g->dilation[i] = g->out[i] = 1;
    return true;
}

static void with_geometry(const geometry *g) {
    with_ints("strides", g->axes, g->stride);
    with_ints("dilations", g->axes, g->dilation);
    with_ints("pads", 2 * g->axes, g->pads);
    if (next() % 2) with_ints("kernel_shape", g->axes, g->kernel);
    with_int("group", g->groups);
}

/* Calls `each` with the indices of every (x, w, y) that a convolution multiplies. */
typedef void visit(int64_t x, int64_t w, int64_t y, void *payload);
static void walk(const geometry *g, visit *each, void *payload) {
    int64_t in_plane = g->in[0] * g->in[1] * g->in[2], out_plane = g->out[0] * g->out[1] * g->out[2];
    int64_t window = g->kernel[0] * g->kernel[1] * g->kernel[2];
    for (int64_t n = 0; n < g->images * g->groups; n++)
        for (int64_t m = 0; m < g->out_channels; m++)
            for (int64_t c = 0; c < g->in_channels; c++)
                for (int64_t o = 0; o < out_plane; o++)
                    for (int64_t k = 0; k < window; k++) {
                        int64_t os[3] = { o / g->out[2] / g->out[1], o / g->out[2] % g->out[1], o % g->out[2] };
                        int64_t ks[3] = { k / g->kernel[2] / g->kernel[1], k / g->kernel[2] % g->kernel[1], k % g->kernel[2] };
                        int64_t at = 0;
                        bool inside = true;
                        for (int i = 0; i < 3; i++) {
                            int64_t p = os[i] * g->stride[i] + ks[i] * g->dilation[i] - (i < g->axes ? g->pads[i] : 0);
                            inside = inside && p >= 0 && p < g->in[i];
                            at = at * g->in[i] + p;
                        }
                        if (inside)
                            each((n * g->in_channels + c) * in_plane + at, ((n % g->groups * g->out_channels + m) * g->in_channels + c) * window + k,
                                 (n * g->out_channels + m) * out_plane + o, payload);
                    }
}

typedef struct products {
    const tensor *x, *w, *y;
    double *sums;
} products;
static void to_y(int64_t x, int64_t w, int64_t y, void *p) { products *q = p; q->sums[y] += get(q->x, x) * get(q->w, w); }
static void to_x(int64_t x, int64_t w, int64_t y, void *p) { products *q = p; q->sums[x] += get(q->y, y) * get(q->w, w); }
static void to_w(int64_t x, int64_t w, int64_t y, void *p) { products *q = p; q->sums[w] += get(q->y, y) * get(q->x, x); }

static void shapes(const geometry *g, int64_t *x, int64_t *w, int64_t *y) {
    x[0] = y[0] = g->images;
    x[1] = g->groups * g->in_channels;
    w[0] = y[1] = g->groups * g->out_channels;
    w[1] = g->in_channels;
    for (int i = 0; i < g->axes; i++) x[2 + i] = g->in[i], w[2 + i] = g->kernel[i], y[2 + i] = g->out[i];
}

static tensor expected_of(const tensor *like, double *sums) {
    tensor t = blank(PELLUCID_FLOAT64, like->rank, like->shape);
    memcpy(t.data, sums, (size_t)t.count * 8);
    free(sums);
    return t;
}

static void check_conv(void) {
    geometry g;
    if (!random_geometry(&g)) return;
    int64_t xs[5], ws[5], ys[5];
    shapes(&g, xs, ws, ys);
    pellucid_dtype dtype = next() % 5 == 0 ? PELLUCID_FLOAT64 : PELLUCID_FLOAT32;
    double tolerance = dtype == PELLUCID_FLOAT64 ? 1e-11 : 3e-5;
    tensor x = filled(dtype, g.axes + 2, xs, -1, 1), w = filled(dtype, g.axes + 2, ws, -1, 1), y = blank(dtype, g.axes + 2, ys);
    tensor bias = filled(dtype, 1, SHAPE(g.groups * g.out_channels), -1, 1), residual = filled(dtype, g.axes + 2, ys, -1, 1);
    bool biased = next() % 2, added = next() % 3 == 0;
    static const char *const names[] = { "", "Relu", "Clip", "Sigmoid", "Silu", "HardSwish", "HardSigmoid", "LeakyRelu", "Tanh", "Gelu" };
    const char *activation = names[dtype == PELLUCID_FLOAT64 ? next() % 2 : next() % 10];
    double *sums = calloc((size_t)y.count, 8);
    walk(&g, to_y, &(products){ &x, &w, &y, sums });
    int64_t plane = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; i < y.count; i++) {
        double v = sums[i] + (biased ? get(&bias, i / plane % bias.count) : 0) + (added ? get(&residual, i) : 0);
        sums[i] = activate(activation, v, -0.25, 0.5);
    }
    tensor expected = expected_of(&y, sums);
    with_geometry(&g);
    with_text("activation", activation);
    with_real("activation_alpha", -0.25);
    with_real("activation_beta", 0.5);
    tensor *in[] = { &x, &w, biased ? &bias : NULL, added ? &residual : NULL };
    compare("Conv", run_node("Conv", in, added ? 4 : biased ? 3 : 2, next() % 2 ? 6 : 0, (tensor *[]){ &y }, 1), &y, &expected, tolerance);
    DROP(&x, &w, &y, &bias, &residual, &expected);
}

static void check_conv_gradients(void) {
    geometry g;
    if (!random_geometry(&g)) return;
    int64_t xs[5], ws[5], ys[5];
    shapes(&g, xs, ws, ys);
    pellucid_dtype dtype = next() % 5 == 0 ? PELLUCID_FLOAT64 : PELLUCID_FLOAT32;
    double tolerance = dtype == PELLUCID_FLOAT64 ? 1e-11 : 1e-4;
    tensor x = filled(dtype, g.axes + 2, xs, -1, 1), w = filled(dtype, g.axes + 2, ws, -1, 1), y = filled(dtype, g.axes + 2, ys, -1, 1);
    tensor dx = blank(dtype, g.axes + 2, xs), dw = blank(dtype, g.axes + 2, ws), bias = filled(dtype, 1, SHAPE(xs[1]), -1, 1);
    double *sums = calloc((size_t)x.count, 8);
    walk(&g, to_x, &(products){ &x, &w, &y, sums });
    tensor expected = expected_of(&x, sums);
    uint32_t constants = next() % 2 ? 2 : 0;
    with_geometry(&g);
    compare("ConvGradInput", run_node("ConvGradInput", (tensor *[]){ &y, &w }, 2, constants, (tensor *[]){ &dx }, 1), &dx, &expected, tolerance);
    int64_t plane = g.in[0] * g.in[1] * g.in[2];
    for (int64_t i = 0; i < x.count; i++) set(&expected, i, get(&expected, i) + get(&bias, i / plane % bias.count));
    with_geometry(&g);
    compare("ConvTranspose", run_node("ConvTranspose", (tensor *[]){ &y, &w, &bias }, 3, constants, (tensor *[]){ &dx }, 1), &dx, &expected, tolerance);
    sums = calloc((size_t)w.count, 8);
    walk(&g, to_w, &(products){ &x, &w, &y, sums });
    tensor expected_w = expected_of(&w, sums);
    with_geometry(&g);
    compare("ConvGradWeight", run_node("ConvGradWeight", (tensor *[]){ &x, &y }, 2, 0, (tensor *[]){ &dw }, 1), &dw, &expected_w, tolerance * 4);
    DROP(&x, &w, &y, &dx, &dw, &bias, &expected, &expected_w);
}

/* ---- products ---- */

static void check_matmul(void) {
    int64_t m = between(1, 70), n = next() % 4 == 0 ? 1 : between(1, 130), k = between(1, 90), a1 = between(1, 3), b0 = between(1, 3);
    pellucid_dtype dtype = next() % 4 == 0 ? PELLUCID_FLOAT64 : PELLUCID_FLOAT32;
    if (next() % 4 == 0) m = 1;
    int form = (int)(next() % 6);
    int32_t ar = form == 1 ? 1 : form >= 3 ? 4 : 2, br = form == 2 ? 1 : form == 3 ? 2 : form >= 4 ? 4 : 2;
    int64_t batch = form >= 3 ? a1 * b0 : 1;
    if (form == 1) m = 1;
    if (form == 2) n = 1;
    /* 4: batches broadcast both ways; 5: equal batches; 3: one matrix b. */
    int64_t as4[] = { form == 4 ? 1 : b0, a1, m, k }, bs4[] = { b0, form == 4 ? 1 : a1, k, n }, as1[] = { k }, as2[] = { m, k }, bs1[] = { k }, bs2[] = { k, n };
    tensor a = filled(dtype, ar, ar == 4 ? as4 : ar == 1 ? as1 : as2, -1, 1), b = filled(dtype, br, br == 4 ? bs4 : br == 1 ? bs1 : bs2, -1, 1);
    int64_t ys4[] = { b0, a1, m, n }, ys[2];
    int32_t yr = 0;
    if (form != 1) ys[yr++] = m;
    if (form != 2) ys[yr++] = n;
    tensor y = blank(dtype, form >= 3 ? 4 : yr, form >= 3 ? ys4 : ys), expected = blank(PELLUCID_FLOAT64, y.rank, y.shape);
    for (int64_t q = 0; q < batch; q++)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                int64_t ia = form == 4 ? q % a1 : q, ib = form == 4 ? q / a1 : form == 3 ? 0 : q;
                double sum = 0;
                for (int64_t l = 0; l < k; l++) sum += get(&a, (ia * m + i) * k + l) * get(&b, (ib * k + l) * n + j);
                set(&expected, (q * m + i) * n + j, sum);
            }
    compare("MatMul", run_node("MatMul", (tensor *[]){ &a, &b }, 2, next() % 4, (tensor *[]){ &y }, 1), &y, &expected, dtype == PELLUCID_FLOAT64 ? 1e-12 : 2e-5);
    DROP(&a, &b, &y, &expected);
}

static void check_gemm(void) {
    int64_t m = next() % 4 ? between(1, 60) : 1, n = between(1, 150), k = between(1, 90);
    pellucid_dtype dtype = next() % 4 == 0 ? PELLUCID_FLOAT64 : PELLUCID_FLOAT32;
    bool at = next() % 2, bt = next() % 2;
    double alpha = next() % 2 ? 1 : 0.5, beta = next() % 2 ? 1 : -2;
    int form = (int)(next() % 6);
    int64_t rows = form == 2 || form == 4 ? m : 1, columns = form == 3 || form == 4 || form == 5 ? n : 1;
    tensor a = filled(dtype, 2, at ? SHAPE(k, m) : SHAPE(m, k), -1, 1), b = filled(dtype, 2, bt ? SHAPE(n, k) : SHAPE(k, n), -1, 1);
    tensor c = form == 1 ? filled(dtype, 0, NULL, -1, 1) : form == 5 ? filled(dtype, 1, SHAPE(n), -1, 1) : filled(dtype, 2, SHAPE(rows, columns), -1, 1);
    tensor y = blank(dtype, 2, SHAPE(m, n)), expected = blank(PELLUCID_FLOAT64, 2, SHAPE(m, n));
    bool relu = dtype == PELLUCID_FLOAT32 && next() % 2;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++) sum += get(&a, at ? l * m + i : i * k + l) * get(&b, bt ? j * k + l : l * n + j);
            sum = alpha * sum + (form ? beta * get(&c, (rows > 1 ? i : 0) * columns + (columns > 1 ? j : 0)) : 0);
            set(&expected, i * n + j, relu && sum < 0 ? 0 : sum);
        }
    with_int("transA", at);
    with_int("transB", bt);
    with_real("alpha", alpha);
    with_real("beta", beta);
    if (relu) with_text("activation", "Relu");
    compare("Gemm", run_node("Gemm", (tensor *[]){ &a, &b, &c }, form ? 3 : 2, next() % 8, (tensor *[]){ &y }, 1), &y, &expected, dtype == PELLUCID_FLOAT64 ? 1e-12 : 2e-5);
    DROP(&a, &b, &c, &y, &expected);
}

/* ---- element-wise ---- */

static void check_unary(void) {
    static const char *const names[] = { "Relu", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Neg", "Abs", "Reciprocal", "Erf", "Gelu", "HardSwish",
                                         "HardSigmoid", "Clip", "LeakyRelu", "Elu", "Softplus", "Silu", "Mish", "Floor", "Ceil" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = names[i];
        pellucid_dtype dtype = next() % 4 == 0 ? PELLUCID_FLOAT64 : PELLUCID_FLOAT32;
        double reach = next() % 2 ? 2 : 20;
        bool positive = i == 4 || i == 5 || i == 8;
        tensor x = filled(dtype, 2, SHAPE(between(1, 9), between(1, 99)), positive ? 0.01 : -reach, reach), y = blank(dtype, 2, x.shape), expected = blank(PELLUCID_FLOAT64, 2, x.shape);
        if (next() % 3 == 0) set(&x, next() % x.count, NAN);
        tensor low = blank(dtype, 0, NULL), high = blank(dtype, 0, NULL);
        set(&low, 0, -0.5);
        set(&high, 0, 1.5);
        bool clip = i == 13;
        double a = i == 12 ? 0.2 : i == 14 ? 0.01 : clip ? -0.5 : 1, b = clip ? 1.5 : 0.5;
        for (int64_t j = 0; j < x.count; j++) set(&expected, j, isnan(get(&x, j)) ? NAN : activate(name, get(&x, j), a, b));
        compare(name, run_node(name, (tensor *[]){ &x, &low, &high }, clip ? 3 : 1, next() % 2 * 6, (tensor *[]){ &y }, 1), &y, &expected, dtype == PELLUCID_FLOAT64 ? 1e-14 : 1e-6);
        DROP(&x, &y, &expected, &low, &high);
    }
}

static double combine(int op, double x, double y) {
    switch (op) {
    case 0: return x + y;
    case 1: return x - y;
    case 2: return x * y;
    case 3: return x / y;
    case 4: return pow(x, y);
    case 5: return isnan(x) || isnan(y) ? NAN : fmax(x, y);
    case 6: return isnan(x) || isnan(y) ? NAN : fmin(x, y);
    case 7: return x < 0 ? x * y : x;
    case 8: return y > 0 ? x : 0;
    default: return x * (0.5 * (1 + erf(y * M_SQRT1_2)) + y * exp(-y * y / 2) / sqrt(2 * M_PI));
    }
}

/* Index into an operand of `shape`, right-aligned to the output. */
static int64_t broadcast_index(const tensor *t, const tensor *out, int64_t index) {
    int64_t at = 0, step = 1;
    for (int32_t i = out->rank - 1, j = t->rank - 1; i >= 0; i--, j--) {
        int64_t here = index % out->shape[i];
        index /= out->shape[i];
        if (j < 0) continue;
        at += (t->shape[j] == 1 ? 0 : here) * step;
        step *= t->shape[j];
    }
    return at;
}

static tensor random_operand(pellucid_dtype dtype, int32_t rank, const int64_t *out, bool whole) {
    int64_t shape[8];
    int32_t drop_axes = whole ? 0 : (int32_t)between(0, rank);
    for (int32_t i = drop_axes; i < rank; i++) shape[i - drop_axes] = whole || next() % 2 ? out[i] : 1;
    return filled(dtype, rank - drop_axes, shape, dtype == PELLUCID_BOOL ? -1 : -2, dtype == PELLUCID_BOOL ? 1 : 2);
}

static void check_binary(void) {
    static const char *const names[] = { "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "ReluGrad", "GeluGrad" };
    int op = (int)(next() % 10);
    pellucid_dtype dtype = op < 9 && next() % 4 == 0 ? PELLUCID_FLOAT64 : PELLUCID_FLOAT32;
    int32_t rank = (int32_t)between(0, 4);
    int64_t shape[4];
    for (int i = 0; i < 4; i++) shape[i] = between(1, i == 3 ? 50 : 7);
    bool first = next() % 2 || op == 7, both = next() % 3 == 0;
    tensor a = random_operand(dtype, rank, shape, first || both), b = random_operand(dtype, rank, shape, !first || both);
    if (op == 4) for (int64_t i = 0; i < a.count; i++) set(&a, i, fabs(get(&a, i)) + 0.1);
    if (op == 3) for (int64_t i = 0; i < b.count; i++) set(&b, i, fabs(get(&b, i)) + 0.5);
    if (op == 5 || op == 6) set(&a, next() % a.count, NAN), set(&b, next() % b.count, NAN);
    tensor y = blank(dtype, rank, shape), expected = blank(PELLUCID_FLOAT64, rank, shape);
    for (int64_t i = 0; i < y.count; i++) set(&expected, i, combine(op, get(&a, broadcast_index(&a, &y, i)), get(&b, broadcast_index(&b, &y, i))));
    compare(names[op], run_node(names[op], (tensor *[]){ &a, &b }, 2, next() % 4, (tensor *[]){ &y }, 1), &y, &expected, 2e-6);
    tensor c = random_operand(PELLUCID_BOOL, rank, shape, false), w = blank(dtype, rank, shape);
    for (int64_t i = 0; i < y.count; i++) {
        const tensor *from = get(&c, broadcast_index(&c, &y, i)) ? &a : &b;
        set(&expected, i, get(from, broadcast_index(from, &y, i)));
    }
    compare("Where", run_node("Where", (tensor *[]){ &c, &a, &b }, 3, next() % 8, (tensor *[]){ &w }, 1), &w, &expected, 0);
    DROP(&a, &b, &c, &w, &y, &expected);
}

/* ---- normalization and reduction ---- */

static void check_softmax(void) {
    int64_t shape[3] = { between(1, 5), between(1, 40), between(1, 40) };
    int32_t axis = (int32_t)between(0, 2);
    tensor x = filled(PELLUCID_FLOAT32, 3, shape, -9, 9), y = blank(PELLUCID_FLOAT32, 3, shape), e = blank(PELLUCID_FLOAT64, 3, shape);
    tensor dy = filled(PELLUCID_FLOAT32, 3, shape, -1, 1), dx = blank(PELLUCID_FLOAT32, 3, shape), log_e = blank(PELLUCID_FLOAT64, 3, shape), grad = blank(PELLUCID_FLOAT64, 3, shape);
    int64_t inner = axis == 0 ? shape[1] * shape[2] : axis == 1 ? shape[2] : 1, n = shape[axis];
    for (int64_t i = 0; i < x.count; i++) {
        if (i / inner % n) continue;
        double most = -INFINITY, sum = 0, dot = 0;
        for (int64_t j = 0; j < n; j++) most = fmax(most, get(&x, i + j * inner));
        for (int64_t j = 0; j < n; j++) sum += exp(get(&x, i + j * inner) - most);
        for (int64_t j = 0; j < n; j++) {
            int64_t at = i + j * inner;
            set(&e, at, exp(get(&x, at) - most) / sum);
            set(&log_e, at, get(&x, at) - most - log(sum));
            dot += get(&e, at) * get(&dy, at);
        }
        for (int64_t j = 0; j < n; j++) set(&grad, i + j * inner, get(&e, i + j * inner) * (get(&dy, i + j * inner) - dot));
    }
    with_int("axis", axis - (next() % 2 ? 3 : 0));
    compare("Softmax", run_node("Softmax", (tensor *[]){ &x }, 1, 0, (tensor *[]){ &y }, 1), &y, &e, 1e-6);
    with_int("axis", axis);
    compare("SoftmaxGrad", run_node("SoftmaxGrad", (tensor *[]){ &dy, &y }, 2, 0, (tensor *[]){ &dx }, 1), &dx, &grad, 2e-6);
    with_int("axis", axis);
    compare("LogSoftmax", run_node("LogSoftmax", (tensor *[]){ &x }, 1, 0, (tensor *[]){ &y }, 1), &y, &log_e, 1e-6);
    DROP(&x, &y, &e, &dy, &dx, &log_e, &grad);
}

static void check_layer_norm(void) {
    int64_t outer = between(1, 20), n = between(2, 300);
    tensor x = filled(PELLUCID_FLOAT32, 2, SHAPE(outer, n), 1, 5), s = filled(PELLUCID_FLOAT32, 1, SHAPE(n), -1, 1), b = filled(PELLUCID_FLOAT32, 1, SHAPE(n), -1, 1);
    tensor y = blank(PELLUCID_FLOAT32, 2, x.shape), e = blank(PELLUCID_FLOAT64, 2, x.shape), dy = filled(PELLUCID_FLOAT32, 2, x.shape, -1, 1), grad = blank(PELLUCID_FLOAT64, 2, x.shape);
    bool biased = next() % 2;
    for (int64_t i = 0; i < outer; i++) {
        double mean = 0, variance = 0, g = 0, gh = 0;
        for (int64_t j = 0; j < n; j++) mean += get(&x, i * n + j) / (double)n;
        for (int64_t j = 0; j < n; j++) variance += pow(get(&x, i * n + j) - mean, 2) / (double)n;
        double r = 1 / sqrt(variance + 1e-3);
        for (int64_t j = 0; j < n; j++) {
            double h = (get(&x, i * n + j) - mean) * r, d = get(&dy, i * n + j) * get(&s, j);
            set(&e, i * n + j, h * get(&s, j) + (biased ? get(&b, j) : 0));
            g += d / (double)n;
            gh += d * h / (double)n;
        }
        for (int64_t j = 0; j < n; j++) set(&grad, i * n + j, r * (get(&dy, i * n + j) * get(&s, j) - g - (get(&x, i * n + j) - mean) * r * gh));
    }
    with_real("epsilon", 1e-3);
    compare("LayerNormalization", run_node("LayerNormalization", (tensor *[]){ &x, &s, &b }, biased ? 3 : 2, 6, (tensor *[]){ &y }, 1), &y, &e, 5e-6);
    with_real("epsilon", 1e-3);
    with_int("axis", 1);
    compare("LayerNormalizationGrad", run_node("LayerNormalizationGrad", (tensor *[]){ &dy, &x, &s }, 3, 0, (tensor *[]){ &y }, 1), &y, &grad, 1e-5);
    DROP(&x, &s, &b, &y, &e, &dy, &grad);
}

static void check_channels(void) {
    int64_t groups = between(1, 4), c = groups * between(1, 3), plane = between(1, 60), shape[3] = { between(1, 3), c, plane };
    tensor x = filled(PELLUCID_FLOAT32, 3, shape, -2, 4), s = filled(PELLUCID_FLOAT32, 1, &c, -1, 1), b = filled(PELLUCID_FLOAT32, 1, &c, -1, 1);
    tensor m = filled(PELLUCID_FLOAT32, 1, &c, -1, 1), v = filled(PELLUCID_FLOAT32, 1, &c, 0.1, 2), y = blank(PELLUCID_FLOAT32, 3, shape), e = blank(PELLUCID_FLOAT64, 3, shape);
    for (int64_t i = 0; i < x.count; i++) {
        int64_t k = i / plane % c;
        set(&e, i, (get(&x, i) - get(&m, k)) / sqrt(get(&v, k) + 1e-5) * get(&s, k) + get(&b, k));
    }
    compare("BatchNormalization", run_node("BatchNormalization", (tensor *[]){ &x, &s, &b, &m, &v }, 5, 30, (tensor *[]){ &y }, 1), &y, &e, 1e-5);
    for (int form = 0; form < 2; form++) {
        int64_t sets = form ? groups : c, n = c / sets * plane;
        for (int64_t i = 0; i < x.count; i += n) {
            double mean = 0, variance = 0;
            for (int64_t j = 0; j < n; j++) mean += get(&x, i + j) / (double)n;
            for (int64_t j = 0; j < n; j++) variance += pow(get(&x, i + j) - mean, 2) / (double)n;
            for (int64_t j = 0; j < n; j++) {
                int64_t k = (i + j) / plane % c;
                set(&e, i + j, (get(&x, i + j) - mean) / sqrt(variance + 1e-2) * get(&s, k) + get(&b, k));
            }
        }
        with_real("epsilon", 1e-2);
        if (form) with_int("num_groups", groups);
        const char *op = form ? "GroupNormalization" : "InstanceNormalization";
        compare(op, run_node(op, (tensor *[]){ &x, &s, &b }, 3, 6, (tensor *[]){ &y }, 1), &y, &e, 2e-5);
    }
    DROP(&x, &s, &b, &m, &v, &y, &e);
}

static void check_reduce(void) {
    static const char *const names[] = { "ReduceMean", "ReduceSum", "ReduceMax" };
    int kind = (int)(next() % 3);
    int64_t shape[4] = { between(1, 5), between(1, 30), between(1, 20), between(1, 20) };
    int32_t first = (int32_t)between(0, 3), last = (int32_t)between(first, 3);
    int64_t outer = 1, n = 1, inner = 1, axes[4], kept[4];
    int32_t count = 0;
    for (int32_t i = 0; i < 4; i++) {
        bool reduced = i >= first && i <= last;
        kept[i] = reduced ? 1 : shape[i];
        if (reduced) axes[count++] = next() % 2 ? i : i - 4, n *= shape[i];
        else if (i < first) outer *= shape[i];
        else inner *= shape[i];
    }
    tensor x = filled(PELLUCID_FLOAT32, 4, shape, -1, 2), y = blank(PELLUCID_FLOAT32, 4, kept), e = blank(PELLUCID_FLOAT64, 4, kept), a = integers(count, axes);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            double sum = 0, most = -INFINITY;
            for (int64_t j = 0; j < n; j++) {
                double v = get(&x, (o * n + j) * inner + i);
                sum += v;
                most = fmax(most, v);
            }
            set(&e, o * inner + i, kind == 0 ? sum / (double)n : kind == 1 ? sum : most);
        }
    bool input = next() % 2;
    if (!input) with_ints("axes", count, axes);
    compare(names[kind], run_node(names[kind], (tensor *[]){ &x, &a }, input ? 2 : 1, 2, (tensor *[]){ &y }, 1), &y, &e, 1e-6);
    DROP(&x, &y, &e, &a);
}

/* ---- pooling ---- */

static void check_pool(void) {
    int64_t in[2], kernel[2], stride[2], pads[4], dilation[2], out[2];
    bool average = next() % 2, include = next() % 2;
    for (int i = 0; i < 2; i++) {
        in[i] = between(1, 40);
        kernel[i] = between(1, 4);
        stride[i] = between(1, 3);
        dilation[i] = next() % 3 ? 1 : 2;
        pads[i] = between(0, kernel[i] - 1);
        pads[i + 2] = between(0, kernel[i] - 1);
        int64_t room = in[i] + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilation[i] - 1;
        if (room < 0) return;
        out[i] = room / stride[i] + 1;
        if (next() % 2 && room % stride[i] && out[i] * stride[i] < in[i] + pads[i]) out[i]++; /* ceil_mode */
    }
    int64_t planes = between(1, 6), xs[4] = { 1, planes, in[0], in[1] }, ys[4] = { 1, planes, out[0], out[1] };
    tensor x = filled(PELLUCID_FLOAT32, 4, xs, -3, -1), y = blank(PELLUCID_FLOAT32, 4, ys), e = blank(PELLUCID_FLOAT64, 4, ys);
    tensor dy = filled(PELLUCID_FLOAT32, 4, ys, -1, 1), dx = blank(PELLUCID_FLOAT32, 4, xs), grad = blank(PELLUCID_FLOAT64, 4, xs);
    for (int64_t i = 0; i < x.count; i++) set(&grad, i, 0), set(&x, i, floor(get(&x, i) * 8) / 8);
    for (int64_t o = 0; o < y.count; o++) {
        int64_t p = o / (out[0] * out[1]), oy = o / out[1] % out[0], ox = o % out[1], seen = 0, best = -1, places[16];
        double sum = 0;
        int n = 0;
        for (int64_t k = 0; k < kernel[0] * kernel[1]; k++) {
            int64_t py = oy * stride[0] - pads[0] + k / kernel[1] * dilation[0], px = ox * stride[1] - pads[1] + k % kernel[1] * dilation[1];
            if (py < in[0] + pads[2] && px < in[1] + pads[3] && include) seen++;
            if (py < 0 || px < 0 || py >= in[0] || px >= in[1]) continue;
            int64_t at = (p * in[0] + py) * in[1] + px;
            if (!include) seen++;
            places[n++] = at;
            sum += get(&x, at);
            if (best < 0 || get(&x, at) > get(&x, best)) best = at;
        }
        set(&e, o, average ? (seen ? sum / (double)seen : 0) : best < 0 ? -INFINITY : get(&x, best));
        if (!average && best >= 0) set(&grad, best, get(&grad, best) + get(&dy, o));
        for (int i = 0; i < n && average; i++) set(&grad, places[i], get(&grad, places[i]) + get(&dy, o) / (double)seen);
    }
    for (int back = 0; back < 2; back++) {
        with_ints("kernel_shape", 2, kernel);
        with_ints("strides", 2, stride);
        with_ints("pads", 4, pads);
        with_ints("dilations", 2, dilation);
        if (average) with_int("count_include_pad", include);
        tensor *in_forward[] = { &x }, *in_back[] = { &dy, &x };
        const char *op = average ? (back ? "AveragePoolGrad" : "AveragePool") : back ? "MaxPoolGrad" : "MaxPool";
        pellucid_status status = run_node(op, back ? in_back : in_forward, back && !average ? 2 : 1, 0, (tensor *[]){ back ? &dx : &y }, 1);
        compare(op, status, back ? &dx : &y, back ? &grad : &e, 2e-6);
    }
    DROP(&x, &y, &e, &dy, &dx, &grad);
}

/* ---- movement ---- */

static void check_transpose(void) {
    int32_t rank = (int32_t)between(1, 5);
    int64_t shape[5], order[5], turned[5];
    for (int32_t i = 0; i < rank; i++) shape[i] = between(1, rank < 4 ? 50 : 9), order[i] = i;
    for (int32_t i = rank - 1; i > 0; i--) {
        int64_t j = between(0, i), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
    for (int32_t i = 0; i < rank; i++) turned[i] = shape[order[i]];
    pellucid_dtype dtype = next() % 3 == 0 ? PELLUCID_FLOAT64 : next() % 3 == 0 ? PELLUCID_BOOL : PELLUCID_FLOAT32;
    tensor x = filled(dtype, rank, shape, -9, 9), y = blank(dtype, rank, turned), e = blank(dtype, rank, turned);
    for (int64_t i = 0; i < y.count; i++) {
        int64_t index[5], rest = i, at = 0;
        for (int32_t a = rank - 1; a >= 0; a--) index[order[a]] = rest % turned[a], rest /= turned[a];
        for (int32_t a = 0; a < rank; a++) at = at * shape[a] + index[a];
        set(&e, i, get(&x, at));
    }
    with_ints("perm", rank, order);
    compare("Transpose", run_node("Transpose", (tensor *[]){ &x }, 1, 0, (tensor *[]){ &y }, 1), &y, &e, 0);
    DROP(&x, &y, &e);
}

static void check_slices(void) {
    int64_t shape[3], starts[3], ends[3], axes[3] = { 0, 1, -1 }, steps[3], out[3], first[3], before[6];
    for (int i = 0; i < 3; i++) {
        shape[i] = between(1, 20);
        steps[i] = between(0, 1) ? between(1, 3) : -between(1, 3);
        int64_t a = between(0, shape[i] - 1), b = between(0, shape[i] - 1), low = a < b ? a : b, high = a < b ? b : a;
        first[i] = steps[i] > 0 ? low : high;
        out[i] = (high - low) / llabs(steps[i]) + 1;
        starts[i] = next() % 2 ? first[i] : first[i] - shape[i];
        ends[i] = steps[i] > 0 ? (high == shape[i] - 1 ? INT64_C(1) << 40 : high + 1) : low == 0 ? -(INT64_C(1) << 40) : low - 1;
        before[i] = between(0, 3);
        before[i + 3] = between(0, 3);
    }
    tensor x = filled(PELLUCID_FLOAT32, 3, shape, -9, 9), y = blank(PELLUCID_FLOAT32, 3, out), e = blank(PELLUCID_FLOAT32, 3, out);
    tensor s = integers(3, starts), n = integers(3, ends), a = integers(3, axes), p = integers(3, steps), pads = integers(6, before);
    for (int64_t i = 0; i < y.count; i++) {
        int64_t o[3] = { i / out[2] / out[1], i / out[2] % out[1], i % out[2] }, at = 0;
        for (int k = 0; k < 3; k++) at = at * shape[k] + first[k] + o[k] * steps[k];
        set(&e, i, get(&x, at));
    }
    compare("Slice", run_node("Slice", (tensor *[]){ &x, &s, &n, &a, &p }, 5, 30, (tensor *[]){ &y }, 1), &y, &e, 0);
    int64_t wide[3] = { shape[0] + before[0] + before[3], shape[1] + before[1] + before[4], shape[2] + before[2] + before[5] };
    tensor q = blank(PELLUCID_FLOAT32, 3, wide), eq = blank(PELLUCID_FLOAT32, 3, wide), value = filled(PELLUCID_FLOAT32, 0, NULL, 1, 2);
    for (int64_t i = 0; i < q.count; i++) {
        int64_t o[3] = { i / wide[2] / wide[1] - before[0], i / wide[2] % wide[1] - before[1], i % wide[2] - before[2] }, at = 0;
        bool inside = true;
        for (int k = 0; k < 3; k++) inside = inside && o[k] >= 0 && o[k] < shape[k], at = at * shape[k] + o[k];
        set(&eq, i, inside ? get(&x, at) : get(&value, 0));
    }
    compare("Pad", run_node("Pad", (tensor *[]){ &x, &pads, &value }, 3, 6, (tensor *[]){ &q }, 1), &q, &eq, 0);
    DROP(&x, &y, &e, &s, &n, &a, &p, &pads, &q, &eq, &value);
}

static void check_joins(void) {
    int64_t a = between(1, 6), c = between(1, 9), n1 = between(1, 5), n2 = between(1, 5), k = between(1, 7);
    tensor x = filled(PELLUCID_FLOAT32, 3, SHAPE(a, n1, c), -1, 1), y = filled(PELLUCID_FLOAT32, 3, SHAPE(a, n2, c), -1, 1);
    tensor z = blank(PELLUCID_FLOAT32, 3, SHAPE(a, n1 + n2, c)), e = blank(PELLUCID_FLOAT32, 3, z.shape), x2 = blank(PELLUCID_FLOAT32, 3, x.shape), y2 = blank(PELLUCID_FLOAT32, 3, y.shape);
    for (int64_t i = 0; i < z.count; i++) {
        int64_t o = i / c / (n1 + n2), j = i / c % (n1 + n2), l = i % c;
        set(&e, i, j < n1 ? get(&x, (o * n1 + j) * c + l) : get(&y, (o * n2 + j - n1) * c + l));
    }
    with_int("axis", next() % 2 ? 1 : -2);
    compare("Concat", run_node("Concat", (tensor *[]){ &x, &y }, 2, 0, (tensor *[]){ &z }, 1), &z, &e, 0);
    with_int("axis", 1);
    pellucid_status status = run_node("Split", (tensor *[]){ &z }, 1, 0, (tensor *[]){ &x2, &y2 }, 2);
    compare("Split", status, &x2, &x, 0);
    compare("Split", status, &y2, &y, 0);
    tensor wide = blank(PELLUCID_FLOAT32, 3, SHAPE(a, k, c)), wide_e = blank(PELLUCID_FLOAT32, 3, wide.shape), column = filled(PELLUCID_FLOAT32, 2, SHAPE(k, 1), -1, 1);
    for (int64_t i = 0; i < wide.count; i++) set(&wide_e, i, get(&column, i / c % k));
    compare("Expand", run_node("Expand", (tensor *[]){ &column }, 1, 0, (tensor *[]){ &wide }, 1), &wide, &wide_e, 0);
    int64_t picks[7];
    for (int64_t i = 0; i < k; i++) picks[i] = between(-n1, n1 - 1);
    tensor indices = integers((int32_t)k, picks);
    for (int64_t i = 0; i < wide.count; i++) set(&wide_e, i, get(&x, (i / c / k * n1 + (picks[i / c % k] + n1) % n1) * c + i % c));
    with_int("axis", 1);
    compare("Gather", run_node("Gather", (tensor *[]){ &x, &indices }, 2, 2, (tensor *[]){ &wide }, 1), &wide, &wide_e, 0);
    tensor flat = blank(PELLUCID_FLOAT32, 1, SHAPE(x.count));
    compare("Reshape", run_node("Reshape", (tensor *[]){ &x, &indices }, 2, 2, (tensor *[]){ &flat }, 1), &flat, &x, 0);
    tensor wider = blank(PELLUCID_FLOAT64, 3, x.shape);
    compare("Cast", run_node("Cast", (tensor *[]){ &x }, 1, 0, (tensor *[]){ &wider }, 1), &wider, &x, 0);
    DROP(&x, &y, &z, &e, &x2, &y2, &wide, &wide_e, &column, &indices, &flat, &wider);
}

/* ---- what must not crash ---- */

/* Nodes with shapes, types and attributes drawn blindly: whatever is accepted must run inside its memory. */
static int check_nonsense(void) {
    static const char *const ops[] = { "Conv", "ConvGradInput", "ConvGradWeight", "ConvTranspose", "MatMul", "Gemm", "Relu", "Clip", "Add", "Where", "PRelu", "Softmax",
        "SoftmaxGrad", "LayerNormalization", "LayerNormalizationGrad", "BatchNormalization", "GroupNormalization", "ReduceMean", "GlobalAveragePool", "MaxPool",
        "AveragePool", "MaxPoolGrad", "AveragePoolGrad", "Transpose", "Concat", "Split", "Slice", "Reshape", "Expand", "Pad", "Gather", "Cast", "Unknown" };
    static const char *const names[] = { "pads", "strides", "dilations", "kernel_shape", "group", "axis", "axes", "perm", "alpha", "activation", "count_include_pad", "num_groups", "mode" };
    static const pellucid_dtype dtypes[] = { PELLUCID_FLOAT32, PELLUCID_FLOAT32, PELLUCID_FLOAT32, PELLUCID_FLOAT64, PELLUCID_INT64, PELLUCID_BOOL };
    tensor t[6], *in[6], *out[2];
    int32_t ins = next() % 4 ? (int32_t)between(1, 3) : (int32_t)between(0, 5), outs = next() % 8 ? 1 : (int32_t)between(0, 1) * 2, rank = (int32_t)between(0, 5);
    int64_t common[5];
    for (int k = 0; k < 5; k++) common[k] = next() % 50 == 0 ? 0 : between(1, 4);
    bool alike = next() % 2;
    for (int i = 0; i < 6; i++) {
        int64_t shape[5];
        for (int k = 0; k < 5; k++) shape[k] = next() % (alike ? 30 : 3) ? common[k] : between(0, 3);
        t[i] = filled(alike && next() % 8 ? PELLUCID_FLOAT32 : dtypes[next() % 6], next() % (alike ? 20 : 3) ? rank : (int32_t)between(0, 5), shape, -3, 3);
        if (i < 5) in[i] = next() % 15 ? &t[i] : NULL;
    }
    tensor second = blank(t[5].dtype, t[5].rank, t[5].shape);
    out[0] = &t[5];
    out[1] = &second;
    for (int i = 0; i < 3 && next() % 2; i++) {
        static const int64_t odd[] = { INT64_MAX, INT64_MIN, -1, 0, 1, 1, 2, 3, INT64_C(1) << 31 };
        int64_t values[8];
        for (int k = 0; k < 8; k++) values[k] = odd[next() % 9];
        const char *name = names[next() % 13];
        switch (next() % 4) {
        case 0: with_int(name, values[0]); break;
        case 1: with_real(name, uniform(-1, 1)); break;
        case 2: with_text(name, next() % 2 ? "Relu" : "constant"); break;
        default: with_ints(name, (int32_t)between(0, 8), values); break;
        }
    }
    pellucid_status status = run_node(ops[next() % 33], in, ins, next(), out, outs);
    for (int i = 0; i < 6; i++) free(t[i].data);
    free(second.data);
    return status == PELLUCID_OK;
}

/* Memory that runs out at any point gives the status and a message, never a crash or a leak. */
static void check_exhaustion(void) {
    for (int left = 0; left < 12; left++) {
        tensor x = filled(PELLUCID_FLOAT32, 4, SHAPE(2, 8, 30, 30), -1, 1), w = filled(PELLUCID_FLOAT32, 4, SHAPE(16, 8, 3, 3), -1, 1), y = blank(PELLUCID_FLOAT32, 4, SHAPE(2, 16, 28, 28));
        int before = failures;
        backend->close(device);
        backend->open(&host, NULL, &device);
        allowed = left;
        pellucid_status status = run_node("Conv", (tensor *[]){ &x, &w }, 2, left % 2 ? 2 : 0, (tensor *[]){ &y }, 1);
        allowed = -1;
        checks++;
        if (status != PELLUCID_OK && (status != PELLUCID_E_MEMORY || failures == before)) wrong++, printf("out of memory: status %d\n", status);
        DROP(&x, &w, &y);
    }
}

typedef struct shared {
    pellucid_kernel *kernel;
    pellucid_view in, out;
    const float *expected;
    int64_t count;
    int bad;
} shared;

static void *use_kernel(void *payload) {
    shared *s = payload;
    float *own = malloc((size_t)s->count * sizeof(float));
    pellucid_view out = s->out;
    out.data = own;
    for (int i = 0; i < 20; i++) {
        memset(own, 0, (size_t)s->count * sizeof(float));
        if (backend->run(s->kernel, &s->in, &out) != PELLUCID_OK || memcmp(own, s->expected, (size_t)s->count * sizeof(float))) s->bad++;
    }
    free(own);
    return NULL;
}

/* One kernel on many threads at once; more threads than OpenBLAS has buffers for. */
static void check_threads(const char *op, bool transposed) {
    enum { THREADS = 160 };
    int64_t n = 96, shape[4] = { 1, n, 9, 9 }, ws[4] = { n, n, 3, 3 }, ys[4] = { 1, n, 19, 19 }, ms[2] = { n, n };
    with_ints("strides", 2, SHAPE(2, 2));
    attribute_count = transposed;
    tensor x = filled(PELLUCID_FLOAT32, transposed ? 4 : 2, transposed ? shape : ms, -1, 1), w = filled(PELLUCID_FLOAT32, transposed ? 4 : 2, transposed ? ws : ms, -1, 1);
    tensor y = blank(PELLUCID_FLOAT32, transposed ? 4 : 2, transposed ? ys : ms);
    pellucid_view values[3] = { { NULL, 1, x.rank, x.shape, NULL }, { w.data, 1, w.rank, w.shape, NULL }, { NULL, 1, y.rank, y.shape, NULL } };
    pellucid_node node = { op, "shared", (int32_t[]){ 0, 1 }, (int32_t[]){ 2 }, 2, 1, attributes, attribute_count };
    pellucid_program program = { sizeof program, &node, 1, 3, values, (int32_t[]){ 0 }, (int32_t[]){ 2 }, 1, 1 };
    shared s = { .in = values[0], .out = values[2], .expected = y.data, .count = y.count };
    attribute_count = 0;
    s.in.data = x.data;
    s.out.data = y.data;
    checks++;
    if (backend->compile(device, &program, &s.kernel) != PELLUCID_OK || backend->run(s.kernel, &s.in, &s.out) != PELLUCID_OK) {
        wrong++;
        return;
    }
    shared each[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) each[i] = s, pthread_create(&threads[i], NULL, use_kernel, &each[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        wrong += each[i].bad > 0;
        if (each[i].bad) printf("%s on thread %d of %d: %d of 20 runs differ\n", op, i, THREADS, each[i].bad);
    }
    backend->release(s.kernel);
    DROP(&x, &w, &y);
}

/* ---- accuracy of the elementary functions ---- */

static void check_accuracy(const char *name, double low, double high, double most) {
    int64_t count = 200001;
    tensor x = blank(PELLUCID_FLOAT32, 1, &count), y = blank(PELLUCID_FLOAT32, 1, &count);
    for (int64_t i = 0; i < count; i++) set(&x, i, low + (high - low) * (double)i / (double)(count - 1));
    checks++;
    if (run_node(name, (tensor *[]){ &x }, 1, 0, (tensor *[]){ &y }, 1) != PELLUCID_OK) wrong++;
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double exact = activate(name, get(&x, i), 0, 0);
        float rounded = fabsf((float)exact);
        double ulp = nextafterf(rounded < 1.2e-38f ? 1.2e-38f : rounded, INFINITY) - (rounded < 1.2e-38f ? 1.2e-38f : rounded);
        worst = fmax(worst, fabs(get(&y, i) - exact) / ulp);
    }
    if (worst > most) wrong++, printf("%s: %g ulp\n", name, worst);
    else printf("%-8s %.2f ulp in [%g, %g]\n", name, worst, low, high);
    DROP(&x, &y);
}

int main(int count, char **arguments) {
    state = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    int rounds = count > 2 ? atoi(arguments[2]) : 300, accepted = 0;
    pool = support_pool_create(3);
    backend = pellucid_cpu_backend();
    if (backend->open(&host, count > 3 ? arguments[3] : NULL, &device) != PELLUCID_OK) return 1;
    for (int i = 0; i < rounds && wrong < 20; i++) {
        check_conv();
        check_conv_gradients();
        check_matmul();
        check_gemm();
        check_unary();
        for (int k = 0; k < 4; k++) check_binary();
        check_softmax();
        check_layer_norm();
        check_channels();
        check_reduce();
        check_pool();
        check_transpose();
        check_slices();
        check_joins();
        for (int k = 0; k < 200; k++) accepted += check_nonsense();
    }
    check_accuracy("Exp", -87, 88, 2);
    check_accuracy("Tanh", -10, 10, 4);
    check_accuracy("Erf", -5, 5, 3);
    check_accuracy("Sigmoid", -20, 20, 4);
    check_exhaustion();
    check_threads("MatMul", false);
    check_threads("ConvTranspose", true);
    backend->close(device);
    support_pool_destroy(pool);
    printf("%d checks, %d wrong; %d blind nodes accepted\n", checks, wrong, accepted);
    return wrong != 0;
}
