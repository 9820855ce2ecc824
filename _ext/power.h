/* Powers of a register of doubles: the logarithm to base 2 of a number >= 0, and 2^t.
 *
 * x^p is 2^(p log2 x). For data narrower than double: an error of 3e-14 here is one in 1e6 of a rounding there.
 * NaN stays NaN. Coefficients are minimax in the relative error, by a Remez exchange in 50 digits. `count` registers
 * are taken together: their long chains overlap.
 */
#ifndef REFNORM_POWER_H
#define REFNORM_POWER_H
#include "vec.h"

#define EACH for (int i = 0; i < count; i++)

#if defined(__GNUC__)

/* vat_least: x where x is NaN or above floor, else floor; vlarger: of numbers >= 0, compared as bits, so that NaN is
 * larger than all; vmin: b where one is NaN; vsigned: the signs of `sign` on magnitudes */
typedef uint64_t vu __attribute__((vector_size(REGISTER)));
#if LEVEL == 4
INLINE vd vat_least(vd x, vd floor) { return (vd)_mm512_max_pd((__m512d)floor, (__m512d)x); }
INLINE vd vlarger(vd a, vd b) { return (vd)_mm512_max_epi64((__m512i)a, (__m512i)b); }
INLINE vd vmin(vd a, vd b) { return (vd)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif LEVEL == 3
INLINE vd vat_least(vd x, vd floor) { return (vd)_mm256_max_pd((__m256d)floor, (__m256d)x); }
INLINE vd vlarger(vd a, vd b) { return vselect((vi)a > (vi)b, a, b); }
INLINE vd vmin(vd a, vd b) { return (vd)_mm256_min_pd((__m256d)a, (__m256d)b); }
#else
INLINE vd vat_least(vd x, vd floor) { return vselect((vi)(x < floor), floor, x); }
INLINE vd vlarger(vd a, vd b) { return vselect((vi)a > (vi)b, a, b); }
INLINE vd vmin(vd a, vd b) { return vselect((vi)(a < b), a, b); }
#endif
INLINE vd vsigned(vd size, vd sign) { return (vd)((vu)size | ((vu)sign & 0x8000000000000000ull)); }

/* log2 x, for normal numbers and inf: x = 2^k z with z in [sqrt(1/2), sqrt(2)], and with s = (z - 1) / (z + 1) the logarithm
 * of z is s times a polynomial in s^2, to 2.7e-14 of itself, also next to 1. */
INLINE void vlog2s(vd *x, int count) {
    vd k[8], s[8], w[8], l[8];
    EACH {
        vu bits = (vu)x[i], up = bits + 0x00095f619980c433ull;         /* 1 - sqrt(1/2), as bits: z < sqrt(2) */
        k[i] = (vd)((up >> 52) | 0x4330000000000000ull) - (0x1p52 + 1023.0);
        vd z = (vd)(bits - (up & 0x7ff0000000000000ull) + 0x3ff0000000000000ull);
        s[i] = (z - 1.0) / (z + 1.0);
    }
    EACH w[i] = s[i] * s[i];
    EACH l[i] = w[i] * 0x1.21b0598cdefbfp-2 + 0x1.47955fcd7925ap-2;
    EACH l[i] = l[i] * w[i] + 0x1.a61a2e9196f5bp-2;
    EACH l[i] = l[i] * w[i] + 0x1.2776c293809e1p-1;
    EACH l[i] = l[i] * w[i] + 0x1.ec709dc53c31ep-1;
    EACH l[i] = l[i] * w[i] + 0x1.71547652b8251p+1;
    EACH l[i] = l[i] * s[i] + k[i];
    EACH x[i] = vwhere_below(x[i], INFINITY, l[i], x[i]);
}

/* 2^t: 2^n 2^r, r in [-1/2, 1/2], to 1.7e-14; beyond 1023 and -1021 as much as there */
INLINE void vexp2s(vd *x, int count) {
    vd n[8], r[8], p[8];
    EACH {
        vd t = vmin(vset(1023.0), vat_least(x[i], vset(-1021.0)));
        n[i] = t + (0x1.8p52 + 1023.0);                                /* n + 1023 in its low bits */
        r[i] = t - (n[i] - (0x1.8p52 + 1023.0));
    }
    EACH p[i] = r[i] * 0x1.b420516360f22p-24 + 0x1.63e22b00b9d50p-20;
    EACH p[i] = p[i] * r[i] + 0x1.ffcdc36055100p-17;
    EACH p[i] = p[i] * r[i] + 0x1.43089c830bcaap-13;
    EACH p[i] = p[i] * r[i] + 0x1.5d87fdd112719p-10;
    EACH p[i] = p[i] * r[i] + 0x1.3b2ab72121f4ep-7;
    EACH p[i] = p[i] * r[i] + 0x1.c6b08d7090257p-5;
    EACH p[i] = p[i] * r[i] + 0x1.ebfbdff81e2bcp-3;
    EACH p[i] = p[i] * r[i] + 0x1.62e42fefa39efp-1;
    EACH p[i] = p[i] * r[i] + 1.0;
    EACH x[i] = p[i] * (vd)((vu)n[i] << 52);
}

/* expm1(t) / t, for |t| <= 0.4, to 5e-14 below 0 */
INLINE vd vgrowth(vd t) {
    vd q = t * 0x1.5cc922e8722f4p-16 + 0x1.9acf20d0996ffp-13;
    q = q * t + 0x1.6bde66289bce8p-10;
    q = q * t + 0x1.110fc284717a0p-7;
    q = q * t + 0x1.55554ce1defb5p-5;
    q = q * t + 0x1.5555553a7409ep-3;
    q = q * t + 0x1.ffffffffbeceep-2;
    return q * t + 0x1.ffffffffffe61p-1;
}

/* (t e^t - expm1(t)) / t^2 = sum of t^k / (k! (k + 2)), from e = e^t; 1/2 at 0 */
INLINE vd vcurve(vd t, vd e) {
    vd q = t * (1.0 / 3628800 / 12) + 1.0 / 362880 / 11;
    q = q * t + 1.0 / 40320 / 10;
    q = q * t + 1.0 / 5040 / 9;
    q = q * t + 1.0 / 720 / 8;
    q = q * t + 1.0 / 120 / 7;
    q = q * t + 1.0 / 24 / 6;
    q = q * t + 1.0 / 6 / 5;
    q = q * t + 1.0 / 2 / 4;
    q = q * t + 1.0 / 3;
    q = q * t + 1.0 / 2;
    return vwhere_below(vabs(t), 0.5, q, (t * e - (e - 1.0)) / (t * t));
}

#else
INLINE vd vat_least(vd x, vd floor) { return x < floor ? floor : x; }
INLINE vd vlarger(vd a, vd b) { return a > b || a != a ? a : b; }
INLINE vd vmin(vd a, vd b) { return a < b ? a : b; }
INLINE vd vsigned(vd size, vd sign) { return copysign(size, sign); }
INLINE vd vgrowth(vd t) { return t != 0 ? expm1(t) / t : 1; }
INLINE vd vcurve(vd t, vd e) { return fabs(t) < 1e-4 ? 0.5 + t / 3 : (t * e - expm1(t)) / (t * t); }
INLINE void vlog2s(vd *x, int count) { EACH x[i] = log2(x[i]); }
INLINE void vexp2s(vd *x, int count) { EACH x[i] = exp2(x[i]); }
#endif
#undef EACH
#endif
