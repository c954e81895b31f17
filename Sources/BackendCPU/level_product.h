/* The kernel of the packed product: c (ROWS x 2 vectors) = a (depth x ROWS) * b (depth x 2 vectors). PRODUCT_BYTES is
 * the register size of the level; ROWS is chosen so that the sums, two vectors of b and one of a fill the registers. */

typedef float product_lanes __attribute__((vector_size(PRODUCT_BYTES)));
typedef float loose_product_lanes __attribute__((vector_size(PRODUCT_BYTES), aligned(4), may_alias));
enum { PRODUCT_WIDTH = PRODUCT_BYTES / 4 };

#if defined(__clang__) && PRODUCT_BYTES == 64
/* clang prefers 256-bit registers at this level unless told. */
#define PRODUCT_REGISTERS __attribute__((min_vector_width(512)))
#else
#define PRODUCT_REGISTERS
#endif

#define PRODUCT(name, VECTORS)                                                                                    \
    PRODUCT_REGISTERS static void name(int64_t depth, const float *a, const float *b, float *c, int64_t pitch) {   \
        product_lanes sum[PRODUCT_ROWS][VECTORS] = { 0 };                                                         \
        for (int64_t k = 0; k < depth; k++) {                                                                     \
            product_lanes right[VECTORS];                                                                         \
            _Pragma("GCC unroll 16")                                                                              \
            for (int j = 0; j < VECTORS; j++) right[j] = *(const product_lanes *)(b + j * PRODUCT_WIDTH);         \
            _Pragma("GCC unroll 16")                                                                              \
            for (int i = 0; i < PRODUCT_ROWS; i++) {                                                              \
                product_lanes left = a[i] - (product_lanes){ 0 };                                                 \
                _Pragma("GCC unroll 16")                                                                          \
                for (int j = 0; j < VECTORS; j++) sum[i][j] += left * right[j];                                   \
            }                                                                                                     \
            a += PRODUCT_ROWS;                                                                                    \
            b += 2 * PRODUCT_WIDTH;                                                                               \
        }                                                                                                         \
        _Pragma("GCC unroll 16")                                                                                  \
        for (int i = 0; i < PRODUCT_ROWS; i++)                                                                    \
            _Pragma("GCC unroll 16")                                                                              \
            for (int j = 0; j < VECTORS; j++)                                                                     \
                *(loose_product_lanes *)(c + i * pitch + j * PRODUCT_WIDTH) = (loose_product_lanes)sum[i][j];     \
    }

PRODUCT(product_whole, 2)
PRODUCT(product_half, 1)
