/* VW registers of VW doubles as a square, turned over: lane k of register j becomes lane j of register k. */
#ifndef REFNORM_TURN_H
#define REFNORM_TURN_H
#include "vec.h"

#if VW == 8
INLINE void vturn(vd *v) {
    __m512d low[4], high[4];                       /* two rows each: their even columns, their odd ones */
    for (int k = 0; k < 4; k++) {
        low[k] = _mm512_unpacklo_pd((__m512d)v[2 * k], (__m512d)v[2 * k + 1]);
        high[k] = _mm512_unpackhi_pd((__m512d)v[2 * k], (__m512d)v[2 * k + 1]);
    }
#define TURN_(half, first, pick) do { \
        __m512d a = _mm512_shuffle_f64x2(half[0], half[1], pick), b = _mm512_shuffle_f64x2(half[2], half[3], pick); \
        v[first] = (vd)_mm512_shuffle_f64x2(a, b, 0x88); \
        v[first + 4] = (vd)_mm512_shuffle_f64x2(a, b, 0xdd); \
    } while (0)
    TURN_(low, 0, 0x88); TURN_(high, 1, 0x88); TURN_(low, 2, 0xdd); TURN_(high, 3, 0xdd);
#undef TURN_
}
#elif VW == 4
INLINE void vturn(vd *v) {
    __m256d a = _mm256_unpacklo_pd((__m256d)v[0], (__m256d)v[1]), b = _mm256_unpackhi_pd((__m256d)v[0], (__m256d)v[1]);
    __m256d c = _mm256_unpacklo_pd((__m256d)v[2], (__m256d)v[3]), d = _mm256_unpackhi_pd((__m256d)v[2], (__m256d)v[3]);
    v[0] = (vd)_mm256_permute2f128_pd(a, c, 0x20);
    v[1] = (vd)_mm256_permute2f128_pd(b, d, 0x20);
    v[2] = (vd)_mm256_permute2f128_pd(a, c, 0x31);
    v[3] = (vd)_mm256_permute2f128_pd(b, d, 0x31);
}
#elif VW == 2
INLINE void vturn(vd *v) {
    vd a = v[0], b = v[1];
    v[0] = (vd){a[0], b[0]};
    v[1] = (vd){a[1], b[1]};
}
#else
INLINE void vturn(vd *v) { (void)v; }
#endif
#endif
