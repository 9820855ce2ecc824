/* One word of its own: the lanes of a register that are not below a limit, put side by side. */
#ifndef REFNORM_SIFT_H
#define REFNORM_SIFT_H

#include "vec.h"

/* Writes the lanes of x that are not below `limit` (a NaN is not) to `to`, which has room for VW; returns how many. */
INLINE int64_t sift(double *to, vd x, double limit) {
#if LEVEL == 4
    __mmask8 kept = _mm512_cmp_pd_mask((__m512d)x, (__m512d)vset(limit), _CMP_NLT_UQ);
    if (usual(!kept)) return 0;
    _mm512_mask_compressstoreu_pd(to, kept, (__m512d)x);
    return __builtin_popcount(kept);
#else
    double lane[VW];
    int64_t n = 0;
#if LEVEL == 3
    if (usual(!_mm256_movemask_pd(_mm256_cmp_pd((__m256d)x, (__m256d)vset(limit), _CMP_NLT_UQ)))) return 0;
#endif
    vstore(lane, x);
    for (int k = 0; k < VW; k++) {
        to[n] = lane[k];
        n += !(lane[k] < limit);
    }
    return n;
#endif
}

#endif
