/* Reductions over a row. Vector types, because a plain loop may not reorder its sum or maximum. */

typedef float lanes __attribute__((vector_size(64)));
typedef int32_t lane_mask __attribute__((vector_size(64)));
typedef float loose_lanes __attribute__((vector_size(64), aligned(4), may_alias));
enum { WIDTH = 16 };

#define LOAD(p) ((lanes)*(const loose_lanes *)(p))
#define STORE(p, v) (*(loose_lanes *)(p) = (loose_lanes)(v))
#define PICK(mask, a, b) ((lanes)(((mask) & (lane_mask)(a)) | (~(mask) & (lane_mask)(b))))
/* x - 0 is x; x + 0 is not for -0. */
#define SPLAT(x) ((x) - (lanes){ 0 })

static inline __attribute__((always_inline)) float lanes_sum(const lanes *v) {
    float part[WIDTH], *at = part;
    STORE(at, *v);
    for (int step = WIDTH / 2; step; step /= 2)
        for (int i = 0; i < step; i++) part[i] += part[i + step];
    return part[0];
}

static float sum_row(const float *x, int64_t n) {
    lanes a = { 0 }, b = { 0 };
    int64_t i = 0;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) { a += LOAD(x + i); b += LOAD(x + i + WIDTH); }
    a += b;
    float sum = lanes_sum(&a);
    for (; i < n; i++) sum += x[i];
    return sum;
}

static float dot_row(const float *x, const float *y, int64_t n) {
    lanes a = { 0 }, b = { 0 };
    int64_t i = 0;
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
        a += LOAD(x + i) * LOAD(y + i);
        b += LOAD(x + i + WIDTH) * LOAD(y + i + WIDTH);
    }
    a += b;
    float sum = lanes_sum(&a);
    for (; i < n; i++) sum += x[i] * y[i];
    return sum;
}

static float max_row(const float *x, int64_t n) {
    float best = x[0];
    int64_t i = 0;
    if (n >= WIDTH) {
        lanes most = LOAD(x);
        for (i = WIDTH; i + WIDTH <= n; i += WIDTH) {
            lanes v = LOAD(x + i);
            lane_mask take = (v > most) | (v != v);
            most = PICK(take, v, most);
        }
        float part[WIDTH], *at = part;
        STORE(at, most);
        best = part[0];
        for (int j = 1; j < WIDTH; j++) best = ((part[j] > best) | (part[j] != part[j])) ? part[j] : best;
    }
    for (; i < n; i++) best = ((x[i] > best) | (x[i] != x[i])) ? x[i] : best;
    return best;
}

static void softmax_row(const float *x, float *y, int64_t n, bool logarithm) {
    float most = max_row(x, n);
    if (logarithm) {
        float part[256], sum = 0.0f;
        for (int64_t i = 0; i < n; i += 256) {
            int64_t some = n - i < 256 ? n - i : 256;
            for (int64_t j = 0; j < some; j++) part[j] = exp1(x[i + j] - most);
            sum += sum_row(part, some);
        }
        float shift = logf(sum);
        for (int64_t i = 0; i < n; i++) y[i] = x[i] - most - shift;
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = exp1(x[i] - most);
    float scale = 1.0f / sum_row(y, n);
    for (int64_t i = 0; i < n; i++) y[i] *= scale;
}

/* A row that nothing arrives for stays zero even where y is not a number: attention masks whole rows out. */
static void softmax_grad_row(const float *dy, const float *y, float *dx, int64_t n) {
    float dot = dot_row(dy, y, n);
    int64_t zeros = 0;
    if (dot != dot) while (zeros < n && dy[zeros] == 0.0f) zeros++;
    if (zeros == n) {
        for (int64_t i = 0; i < n; i++) dx[i] = 0.0f;
        return;
    }
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - dot);
}

typedef double wide_lanes __attribute__((vector_size(64)));
typedef float loose_half __attribute__((vector_size(32), aligned(4), may_alias));
enum { WIDE = 8 };
#define LOAD_WIDE(p) __builtin_convertvector(*(const loose_half *)(p), wide_lanes)

static inline __attribute__((always_inline)) double wide_sum(const wide_lanes *a, const wide_lanes *b) {
    double part[WIDE], sum = 0.0;
    const wide_lanes both = *a + *b;
    __builtin_memcpy(part, &both, sizeof part);
    for (int i = 0; i < WIDE; i++) sum += part[i];
    return sum;
}

/* In double precision: squares of large numbers overflow, and the mean of numbers far from zero would lose their differences. */
static void mean_variance_row(const float *x, int64_t n, double *mean, double *variance) {
    wide_lanes a = { 0 }, b = { 0 };
    int64_t i = 0;
    for (; i + 2 * WIDE <= n; i += 2 * WIDE) { a += LOAD_WIDE(x + i); b += LOAD_WIDE(x + i + WIDE); }
    double sum = wide_sum(&a, &b);
    for (; i < n; i++) sum += x[i];
    const double centre = sum / (double)n;
    const wide_lanes middle = centre - (wide_lanes){ 0 };
    a = b = (wide_lanes){ 0 };
    for (i = 0; i + 2 * WIDE <= n; i += 2 * WIDE) {
        const wide_lanes c = LOAD_WIDE(x + i) - middle, d = LOAD_WIDE(x + i + WIDE) - middle;
        a += c * c;
        b += d * d;
    }
    double squares = wide_sum(&a, &b);
    for (; i < n; i++) squares += (x[i] - centre) * (x[i] - centre);
    *mean = centre;
    *variance = squares / (double)n;
}

/* The difference comes first, with both halves of the mean: numbers far from zero would lose it otherwise. */
static void normalize_row(const float *x, double mean, float scale, float shift, float *y, int64_t n) {
    const float high = (float)mean, low = (float)(mean - (double)high);
    for (int64_t i = 0; i < n; i++) y[i] = ((x[i] - high) - low) * scale + shift;
}

static inline float inverse_deviation(double variance, float epsilon) { return (float)(1.0 / __builtin_sqrt(variance + (double)epsilon)); }

static void layer_norm_row(const float *x, const float *scale, const float *bias, float *y, int64_t n, float epsilon) {
    double mean, variance;
    mean_variance_row(x, n, &mean, &variance);
    const float r = inverse_deviation(variance, epsilon), high = (float)mean, low = (float)(mean - (double)high);
    if (bias) for (int64_t i = 0; i < n; i++) y[i] = ((x[i] - high) - low) * r * scale[i] + bias[i];
    else for (int64_t i = 0; i < n; i++) y[i] = ((x[i] - high) - low) * r * scale[i];
}

/* With h = (x - mean) r and g = dy scale: dx = r (g - mean(g) - h mean(g h)). */
static void layer_norm_grad_row(const float *dy, const float *x, const float *scale, float *dx, int64_t n, float epsilon) {
    double mean, variance;
    mean_variance_row(x, n, &mean, &variance);
    const float r = inverse_deviation(variance, epsilon), high = (float)mean, low = (float)(mean - (double)high);
    lanes sums = { 0 }, products = { 0 };
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        lanes g = LOAD(dy + i) * LOAD(scale + i);
        sums += g;
        products += g * (((LOAD(x + i) - SPLAT(high)) - SPLAT(low)) * SPLAT(r));
    }
    float sum = lanes_sum(&sums), product = lanes_sum(&products);
    for (; i < n; i++) { float g = dy[i] * scale[i]; sum += g; product += g * (((x[i] - high) - low) * r); }
    const float a = sum / (float)n, b = product / (float)n;
    for (i = 0; i < n; i++) dx[i] = r * (dy[i] * scale[i] - a - ((x[i] - high) - low) * r * b);
}
