/* SHA-256 compression with the processor's SHA instructions (Intel SHA extensions, FIPS 180-4 section 6.2.2). */
#include "support.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define LEVEL __attribute__((target("sha,sse4.1,ssse3")))

static int has_instructions(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3)) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}

/* The instructions keep the state as (A, B, E, F) and (C, D, G, H), highest word first. */
LEVEL static void compress(uint32_t state[8], const uint8_t *data, size_t blocks, const uint32_t constants[64]) {
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 16; i++) {
            __m128i *next = &w[i & 3];
            if (i < 4) {
                *next = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), swap);
            } else {
                const __m128i second = w[(i + 1) & 3], third = w[(i + 2) & 3], last = w[(i + 3) & 3];
                *next = _mm_add_epi32(_mm_sha256msg1_epu32(*next, second), _mm_alignr_epi8(last, third, 4));
                *next = _mm_sha256msg2_epu32(*next, last);
            }
            const __m128i rounds = _mm_add_epi32(*next, _mm_loadu_si128((const __m128i *)constants + i));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, rounds);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(rounds, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    uint32_t high[4], low[4];
    _mm_storeu_si128((__m128i *)high, abef);
    _mm_storeu_si128((__m128i *)low, cdgh);
    state[0] = high[3], state[1] = high[2], state[4] = high[1], state[5] = high[0];
    state[2] = low[3], state[3] = low[2], state[6] = low[1], state[7] = low[0];
}

int support_sha256(uint32_t state[8], const uint8_t *data, size_t blocks, const uint32_t constants[64]) {
    if (!has_instructions()) return 0;
    compress(state, data, blocks, constants);
    return 1;
}

#else

int support_sha256(uint32_t state[8], const uint8_t *data, size_t blocks, const uint32_t constants[64]) {
    (void)state, (void)data, (void)blocks, (void)constants;
    return 0;
}

#endif
