/* Butterflies (a, b) -> (a + b, a - b) on registers: what _ext/proj/hadamard.pyx is made of.
 *
 * `hlanes` does the levels inside a register, h8 three levels on eight of them. Every index is written out: an array
 * of registers stays in registers only while no index is a variable.
 */
#ifndef REFNORM_HADAMARD_H
#define REFNORM_HADAMARD_H
#include "vec.h"

#define TILE 64                                    /* elements that are transformed without leaving the registers */
#define TILED (TILE / VW)                          /* registers in a tile */
#define LANES (VW == 8 ? 3 : VW == 4 ? 2 : VW == 2 ? 1 : 0)   /* levels inside a register */

/* ---- one level ---- */

#define HPAIR(v, i, j) do { vd a_ = (v)[i], b_ = (v)[j]; (v)[i] = a_ + b_; (v)[j] = a_ - b_; } while (0)

/* The levels between neighbouring lanes: lane i receives lane i ^ h plus or minus itself. */
#if LEVEL == 4
INLINE vd hlanes(vd v, int levels) {
    const vd one = {1, -1, 1, -1, 1, -1, 1, -1}, two = {1, 1, -1, -1, 1, 1, -1, -1}, four = {1, 1, 1, 1, -1, -1, -1, -1};
    if (levels > 0) v = v * one + (vd)_mm512_permute_pd((__m512d)v, 0x55);
    if (levels > 1) v = v * two + (vd)_mm512_permutex_pd((__m512d)v, 0x4e);
    if (levels > 2) v = v * four + (vd)_mm512_shuffle_f64x2((__m512d)v, (__m512d)v, 0x4e);
    return v;
}
#elif LEVEL == 3
INLINE vd hlanes(vd v, int levels) {
    const vd one = {1, -1, 1, -1}, two = {1, 1, -1, -1};
    if (levels > 0) v = v * one + (vd)_mm256_permute_pd((__m256d)v, 5);
    if (levels > 1) v = v * two + (vd)_mm256_permute2f128_pd((__m256d)v, (__m256d)v, 1);
    return v;
}
#elif VW == 2
INLINE vd hlanes(vd v, int levels) { return levels > 0 ? (vd){v[0] + v[1], v[0] - v[1]} : v; }
#else
INLINE vd hlanes(vd v, int levels) { (void)levels; return v; }
#endif

/* ---- several levels on an array of registers ---- */

INLINE void h2(vd *v) { HPAIR(v, 0, 1); }
INLINE void h4(vd *v) { HPAIR(v, 0, 1); HPAIR(v, 2, 3); HPAIR(v, 0, 2); HPAIR(v, 1, 3); }
INLINE void h8(vd *v) {
    h4(v);
    h4(v + 4);
    HPAIR(v, 0, 4); HPAIR(v, 1, 5); HPAIR(v, 2, 6); HPAIR(v, 3, 7);
}

INLINE void hlevels(vd *v, int levels) {
    for (int k = 0; k < TILED; k++) v[k] = hlanes(v[k], levels);
    for (int level = LANES; level < levels; level++)
        for (int k = 0; k < TILED; k++)
            if (!(k >> (level - LANES) & 1)) HPAIR(v, k, k + (1 << (level - LANES)));
}

/* All six levels of a tile. */
INLINE void htile(vd *v) {
#if TILED > 16
    hlevels(v, 6);
#else
    for (int k = 0; k < TILED; k++) v[k] = hlanes(v[k], 6);
    h8(v);
#if TILED == 16
    h8(v + 8);
    HPAIR(v, 0, 8); HPAIR(v, 1, 9); HPAIR(v, 2, 10); HPAIR(v, 3, 11);
    HPAIR(v, 4, 12); HPAIR(v, 5, 13); HPAIR(v, 6, 14); HPAIR(v, 7, 15);
#endif
#endif
}

/* The lowest of them, of a tile that holds several rows. */
APART void htile_short(vd *v, int levels) {
    switch (levels) {
        case 1: hlevels(v, 1); break;
        case 2: hlevels(v, 2); break;
        case 3: hlevels(v, 3); break;
        case 4: hlevels(v, 4); break;
        case 5: hlevels(v, 5); break;
    }
}

#define OF8(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define OF4(X) X(0) X(1) X(2) X(3)
#define OF2(X) X(0) X(1)
#define OF1(X) X(0)
INLINE void h1(vd *v) { (void)v; }

/* `radix` pieces of a row, h apart: the butterflies across them, in place */
#define ACROSS(radix) \
    APART void across##radix(double *b, Py_ssize_t h) { \
        for (Py_ssize_t j = 0; j < h; j += VW) { \
            vd v[radix]; \
            OF##radix(GET_PIECE) h##radix(v); OF##radix(PUT_PIECE) } }
#define GET_PIECE(k) v[k] = load_double(b + j + k * h);
#define PUT_PIECE(k) store_double(b + j + k * h, v[k]);
ACROSS(2) ACROSS(4) ACROSS(8)
#undef ACROSS

/* The last of them: what the high parts have given (`rest`, or NULL) is added, the sum scaled and rounded to y. */
#define FINISH(radix, type) \
    APART void finish##radix##_##type(const double *b, const double *rest, Py_ssize_t h, double scale, type *y) { \
        const vd by = vset(scale); \
        for (Py_ssize_t j = 0; j < h; j += VW) { \
            vd v[radix]; \
            OF##radix(GET_PIECE) h##radix(v); \
            if (rest) { OF##radix(ADD_REST) } \
            OF##radix(GIVE_PIECE) } }
#define ADD_REST(k) v[k] = v[k] + load_double(rest + j + k * h);
#define GIVE_PIECE(k) vstore(y + j + k * h, v[k] * by);
#define FINISHES(radix) FINISH(radix, float) FINISH(radix, double) FINISH(radix, f16) FINISH(radix, bf16)
FINISHES(1) FINISHES(2) FINISHES(4) FINISHES(8)
#undef FINISHES
#undef FINISH
#define finish1(b, rest, h, scale, y) BY_TYPE(finish1, y)(b, rest, h, scale, y)
#define finish2(b, rest, h, scale, y) BY_TYPE(finish2, y)(b, rest, h, scale, y)
#define finish4(b, rest, h, scale, y) BY_TYPE(finish4, y)(b, rest, h, scale, y)
#define finish8(b, rest, h, scale, y) BY_TYPE(finish8, y)(b, rest, h, scale, y)

/* ---- memory ---- */

/* a register of doubles from anywhere */
#if LEVEL == 4
INLINE vd hpick(const double *p, const Py_ssize_t *at) { return (vd)_mm512_i64gather_pd(_mm512_loadu_si512(at), p, 8); }
#elif LEVEL == 3
INLINE vd hpick(const double *p, const Py_ssize_t *at) {
    return (vd)_mm256_set_pd(p[at[3]], p[at[2]], p[at[1]], p[at[0]]);
}
#elif VW == 2
INLINE vd hpick(const double *p, const Py_ssize_t *at) { return (vd){p[at[0]], p[at[1]]}; }
#else
INLINE vd hpick(const double *p, const Py_ssize_t *at) { return p[at[0]]; }
#endif

/* Whole cache lines past the caches: `to` lies on a line, `bytes` is a multiple of 64. */
APART void hstream(void *to, const void *from, Py_ssize_t bytes) {
#if LEVEL >= 3
    char *a = (char *)to;
    const char *b = (const char *)from;
    for (; bytes > 0; bytes -= 64, a += 64, b += 64) {
        _mm256_stream_si256((__m256i *)a, _mm256_loadu_si256((const __m256i *)b));
        _mm256_stream_si256((__m256i *)(a + 32), _mm256_loadu_si256((const __m256i *)(b + 32)));
    }
#else
    memcpy(to, from, bytes);
#endif
}
#endif
