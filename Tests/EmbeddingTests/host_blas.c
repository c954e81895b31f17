/* A host with a cblas_sgemm of its own: the library neither calls it nor puts its own in its place. Argument: model. */
#include "check.h"

static int calls;

/* Exported by the executable, so that every library that looks the name up at run time would find this one. */
__attribute__((visibility("default"))) void cblas_sgemm(int order, int transposeA, int transposeB, int m, int n, int k, float alpha,
                                                        const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

void cblas_sgemm(int order, int transposeA, int transposeB, int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc) {
    (void)order, (void)transposeA, (void)transposeB, (void)m, (void)n, (void)k, (void)alpha;
    (void)a, (void)lda, (void)b, (void)ldb, (void)beta, (void)ldc;
    calls++;
    c[0] = 42;
}

int main(int argc, char **argv) {
    size_t count = 0, again = 0;
    float result = 0;
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    float *before = explain(model, 1, &count);
    CHECK(calls == 0);
    cblas_sgemm(101, 111, 111, 1, 1, 1, 1, &result, 1, &result, 1, 0, &result, 1);
    CHECK(calls == 1 && result == 42);
    float *after = explain(model, 1, &again);
    CHECK(calls == 1 && again == count && memcmp(before, after, count * sizeof *after) == 0);
    free(before);
    free(after);
    pellucid_model_release(model);
    return 0;
}
