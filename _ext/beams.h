/* A beam is sixteen doubles taken together, one cache line of floats: enough independent sums to keep the units busy.
 * Where there are no vector extensions it is two doubles. */
#ifndef REFNORM_BEAMS_H
#define REFNORM_BEAMS_H
#include "vec.h"

#if defined(__GNUC__)
#define BEAM 16
#else
#define BEAM 2
#endif
#define PIECES (BEAM / VW)

typedef struct { vd p[PIECES]; } beam;

#if defined(__GNUC__)
#define EACH _Pragma("GCC unroll 8") for (int k = 0; k < PIECES; k++)
#define PAIRS _Pragma("GCC unroll 4") for (int k = 0; k < PIECES; k += 2)
#else
#define EACH for (int k = 0; k < PIECES; k++)
#define PAIRS for (int k = 0; k < PIECES; k += 2)
#endif

/* ---- memory ---- */

#define MEMORY(type) \
    INLINE beam bload_##type(const type *p) { beam v; EACH v.p[k] = load_##type(p + k * VW); return v; } \
    INLINE void bstore_##type(type *p, beam v) { PAIRS store2_##type(p + k * VW, v.p[k], v.p[k + 1]); } \
    INLINE void bstream_##type(type *p, beam v) { PAIRS stream2_##type(p + k * VW, v.p[k], v.p[k + 1]); }
MEMORY(float) MEMORY(double) MEMORY(f16) MEMORY(bf16)
#undef MEMORY

/* ---- arithmetic ----
 *
 * Always inline, as Cython's functions are not: a beam handed over by value goes through memory. */

INLINE beam bspread(double a) { beam v; EACH v.p[k] = vset(a); return v; }
/* zeros to add up in, each in a register of its own: gcc keeps one zero for all, and that one in memory */
INLINE beam bnought(void) {
    beam v = bspread(0);
#if LEVEL
    EACH __asm__ volatile("" : "+x"(v.p[k]));
#endif
    return v;
}
INLINE beam badd(beam a, beam b) { EACH a.p[k] = a.p[k] + b.p[k]; return a; }
INLINE beam bsub(beam a, beam b) { EACH a.p[k] = a.p[k] - b.p[k]; return a; }
INLINE beam bmul(beam a, beam b) { EACH a.p[k] = a.p[k] * b.p[k]; return a; }
INLINE beam bmuladd(beam a, beam b, beam c) { EACH a.p[k] = a.p[k] * b.p[k] + c.p[k]; return a; }
INLINE beam bmulsub(beam a, beam b, beam c) { EACH a.p[k] = a.p[k] * b.p[k] - c.p[k]; return a; }

/* Knuth's TwoSum. It survives -ffp-contract: lo receives (hi + v) - t whatever t was rounded to. */
INLINE void bcarry(beam *hi, beam *lo, beam v) {
    EACH {
        vd t = hi->p[k] + v.p[k], z = t - hi->p[k];
        lo->p[k] = lo->p[k] + ((hi->p[k] - (t - z)) + (v.p[k] - z));
        hi->p[k] = t;
    }
}

/* the larger of |a| and |b|; of a NaN and a number either may come */
INLINE beam blargest(beam a, beam b) {
    double x[BEAM], y[BEAM];
    bstore_double(x, a);
    bstore_double(y, b);
    for (int i = 0; i < BEAM; i++) x[i] = fabs(y[i]) > fabs(x[i]) ? fabs(y[i]) : fabs(x[i]);
    return bload_double(x);
}

/* the last n lanes, zero in the others */
#if defined(__GNUC__)
INLINE beam blast(beam v, int64_t n) {
    static const int64_t masks[2 * BEAM] = {[BEAM ... 2 * BEAM - 1] = -1};
    EACH {
        vi mask;
        memcpy(&mask, masks + n + k * VW, sizeof mask);
        v.p[k] = (vd)((vi)v.p[k] & mask);
    }
    return v;
}
#else
INLINE beam blast(beam v, int64_t n) { for (int k = 0; k < PIECES - n; k++) v.p[k] = 0; return v; }
#endif

INLINE beam bdivide(beam a, beam b) { EACH a.p[k] = a.p[k] / b.p[k]; return a; }
/* the larger; b where one of them is NaN */
INLINE beam bmax(beam a, beam b) { EACH a.p[k] = vmax(a.p[k], b.p[k]); return a; }

/* ---- gates ----
 *
 * z or z e over 1 + e with e = e^-|z|, which never overflows, and x for the z on top. */

INLINE beam bgate_with(beam x, beam z, beam e) {
    EACH x.p[k] = vwhere_below(z.p[k], 0, x.p[k] * e.p[k], x.p[k]) / (vset(1) + e.p[k]);
    return x;
}

/* x / (1 + e^-z), to 2 ulp */
INLINE beam bgate_fine(beam x, beam z) {
    beam e;
    EACH e.p[k] = vexp_fine(-vabs(z.p[k]), vset(0));
    return bgate_with(x, z, e);
}

/* top / (1 + 2^t) with t = z * slope, for answers of float: the polynomial is good to 8e-13, so that one float in 50,000
 * is rounded otherwise than the exact number, and the fine one to 3e-16, for what may yet cancel against a bias. Where t is not known to be tame, below 1021, it is held between -1021,
 * which 1 does not feel, and 1024, where the power is infinite. All vectors go through each step together: one after the
 * other, their chains of dependent instructions fill the scheduler. */
#if defined(__GNUC__) && LEVEL < 4
INLINE beam bgate(beam top, beam z, beam slope, int tame, int fine) {
    static const double rough[] = {
        0x1.61c4f6df762f3p-20, 0x1.00d8536e5562ap-16, 0x1.430aa87e173ccp-13, 0x1.5d874d06bff5fp-10, 0x1.3b2ab5ed71cb1p-7,
        0x1.c6b08dced3900p-5, 0x1.ebfbdff8ede78p-3, 0x1.62e42fef89d1bp-1, 1};
    static const double exact[] = {
        0x1.e8b761d525a94p-28, 0x1.b689b4ad53a7dp-24, 0x1.62be6863ff23ep-20, 0x1.ffcb3f1b1d794p-17, 0x1.43091387c71f5p-13,
        0x1.5d87fea4a7561p-10, 0x1.3b2ab6fb8208dp-7, 0x1.c6b08d7039559p-5, 0x1.ebfbdff82c61fp-3, 0x1.62e42fefa3a28p-1, 1};
    const double *c = fine ? exact : rough;
    const int degree = fine ? 10 : 8;
    vd r[PIECES], n[PIECES], e[PIECES];
    if (tame) {
        EACH n[k] = z.p[k] * slope.p[k] + 0x1.8p52;
        EACH r[k] = z.p[k] * slope.p[k] - (n[k] - 0x1.8p52);
    } else {
        EACH r[k] = -vfloor_at(-vfloor_at(z.p[k] * slope.p[k], -1021.0), -1024.0);
        EACH n[k] = r[k] + 0x1.8p52;
        EACH r[k] = r[k] - (n[k] - 0x1.8p52);
    }
    EACH e[k] = vset(c[0]);
    for (int i = 1; i <= degree; i++) EACH e[k] = e[k] * r[k] + c[i];
    EACH e[k] = (vd)((vi)e[k] + ((vi)n[k] << 52));
    EACH top.p[k] = top.p[k] / (1.0 + e[k]);
    return top;
}
#else
INLINE beam bgate(beam top, beam z, beam slope, int tame, int fine) {
    beam e;
    (void)tame;
    z = bmul(z, slope);
    EACH e.p[k] = -vabs(z.p[k]) * 0x1.62e42fefa39efp-1;
    if (fine) EACH e.p[k] = vexp_fine(e.p[k], vset(0));
    else vexps(e.p, PIECES);
    EACH z.p[k] = -z.p[k];
    return bgate_with(top, z, e);
}
#endif

/* whether no |z| is above `limit`, asked of floats only; a NaN is not */
#if defined(__GNUC__)
INLINE int calm_float(const float *z, int64_t n, float limit) {
    typedef int32_t lanes __attribute__((vector_size(REGISTER)));
    const int64_t step = REGISTER / 4;
    lanes above = {0};
    int32_t any = 0;
    int64_t j = 0;
    for (; j + step <= n; j += step) {
        rf v = line_float(z + j);
        above |= (v > limit) | (v < -limit);
    }
    for (int k = 0; k < step; k++) any |= above[k];
    for (; j < n; j++) any |= fabsf(z[j]) > limit;
    return !any;
}
#else
INLINE int calm_float(const float *z, int64_t n, float limit) { (void)z, (void)n, (void)limit; return 0; }
#endif
#define CALM(type) INLINE int calm_##type(const type *z, int64_t n, float limit) { (void)z, (void)n, (void)limit; return 0; }
CALM(double) CALM(f16) CALM(bf16)
#undef CALM
#define bcalm(z, n, limit) BY_TYPE(calm, z)(z, n, limit)

#define bload(p) BY_TYPE(bload, p)(p)
#define bstore(p, v) BY_TYPE(bstore, p)(p, v)
#define bstream(p, v) BY_TYPE(bstream, p)(p, v)

/* p, of which the compiler must not know that it was read before: what a loop needs each time but has no register for
 * comes from memory as an operand of the instruction that uses it, and the sums keep theirs */
INLINE const double *anew(const double *p) {
#if defined(__GNUC__)
    __asm__ volatile("" : "+r"(p));
#endif
    return p;
}

/* bring a line to be read soon; of doubles a beam is two lines */
#define bprefetch(p, size) do { prefetch(p); if ((size) == 8) prefetch((const char *)(p) + 64); } while (0)
#endif
