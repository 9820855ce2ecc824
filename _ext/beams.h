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
