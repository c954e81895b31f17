/* Windows over shifted rows: depthwise convolution and pooling. */

static inline __attribute__((always_inline)) void store_part(float *y, const lanes *v, int64_t n) {
    if (n >= WIDTH) { STORE(y, *v); return; }
    float part[WIDTH], *at = part;
    STORE(at, *v);
    for (int64_t i = 0; i < n; i++) y[i] = part[i];
}

static void taps_sum(const float *const *taps, const float *weights, int64_t count, float bias, float *y, int64_t n) {
    int64_t i = 0;
    for (; i + WIDTH < n; i += 2 * WIDTH) {
        lanes a = SPLAT(bias), b = a;
        for (int64_t t = 0; t < count; t++) {
            lanes w = SPLAT(weights[t]);
            a += w * LOAD(taps[t] + i);
            b += w * LOAD(taps[t] + i + WIDTH);
        }
        STORE(y + i, a);
        store_part(y + i + WIDTH, &b, n - i - WIDTH);
    }
    if (i >= n) return;
    lanes a = SPLAT(bias);
    for (int64_t t = 0; t < count; t++) a += SPLAT(weights[t]) * LOAD(taps[t] + i);
    store_part(y + i, &a, n - i);
}

static void taps_max(const float *const *taps, int64_t count, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i += WIDTH) {
        lanes most = LOAD(taps[0] + i);
        for (int64_t t = 1; t < count; t++) {
            lanes v = LOAD(taps[t] + i);
            lane_mask take = (v > most) | (v != v);
            most = PICK(take, v, most);
        }
        store_part(y + i, &most, n - i);
    }
}
