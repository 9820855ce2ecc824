/* What Cython cannot say: several doubles as one value.
 *
 * A kernel computes in double whatever the array holds, so the only vector type is `vd`: VW doubles, one register of
 * the level. With gcc and clang it is a vector extension, and + - * / work on it. Elsewhere it is a plain double (VW
 * is 1) and the same sources compile to scalar loops.
 *
 * Element types: float, double, and f16, bf16 as 16-bit structs. load, store, get, put pick by pointer type.
 */
#ifndef REFNORM_VEC_H
#define REFNORM_VEC_H

#include <stdint.h>
#include <string.h>
#include <math.h>

typedef struct { uint16_t bits; } f16;
typedef struct { uint16_t bits; } bf16;

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline, unused))
#else
#define INLINE static inline
#endif

#if !defined(REFNORM_PORTABLE) && defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define LEVEL 4
#elif !defined(REFNORM_PORTABLE) && defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LEVEL 3
#elif !defined(REFNORM_PORTABLE) && defined(__SSE4_2__)
#define LEVEL 2
#else
#define LEVEL 0
#endif

#if LEVEL
#include <immintrin.h>
#endif

/* ---- one element ---- */

INLINE double f16_to_double(uint16_t h) {
#if LEVEL >= 3
    return (double)_cvtsh_ss(h);
#else
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, body = h & 0x7fffu, bits;
    float value;
    if (body >= 0x7c00u) bits = sign | 0x7f800000u | ((body & 0x3ffu) << 13);       /* inf, NaN */
    else if (body >= 0x0400u) bits = sign | ((body + 0x1c000u) << 13);               /* normal */
    else { double v = (double)body * 0x1p-24; return sign ? -v : v; }                /* zero, denormal */
    memcpy(&value, &bits, 4);
    return (double)value;
#endif
}

/* Rounded to odd at 24 bits, so that the second rounding to 11 or 8 bits is the only one that counts. */
INLINE float odd_float(double v) {
    uint64_t b;
    memcpy(&b, &v, 8);
    if (v == v) b = (b & ~0x1fffffffull) | (((b & 0x1fffffffull) + 0x1fffffffull) & 0x20000000ull);
    memcpy(&v, &b, 8);
    return (float)v;
}

INLINE uint16_t float_to_bf16(float v) {
    uint32_t b;
    memcpy(&b, &v, 4);
    if (v != v) return (uint16_t)((b >> 16) | 0x40u);
    return (uint16_t)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}

INLINE uint16_t float_to_f16(float v) {
#if LEVEL >= 3
    return (uint16_t)_cvtss_sh(v, 0);
#else
    uint32_t b, sign, kept, rest, half;
    memcpy(&b, &v, 4);
    sign = (b >> 16) & 0x8000u;
    b &= 0x7fffffffu;
    if (b > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((b >> 13) & 0x3ffu));
    if (b >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);                         /* beyond 65536, inf */
    if (b < 0x38800000u) {                                                           /* denormal: units of 2^-24 */
        float units = fabsf(v) * 0x1p24f;
        kept = (uint32_t)units;
        units -= (float)kept;
        return (uint16_t)(sign | (kept + (units > 0.5f || (units == 0.5f && (kept & 1u)))));
    }
    kept = (b - 0x38000000u) >> 13;
    rest = b & 0x1fffu;
    half = rest > 0x1000u || (rest == 0x1000u && (kept & 1u));
    return (uint16_t)(sign | (kept + half));
#endif
}

INLINE double get_float(const float *p) { return (double)*p; }
INLINE double get_double(const double *p) { return *p; }
INLINE double get_f16(const f16 *p) { return f16_to_double(p->bits); }
INLINE double get_bf16(const bf16 *p) {
    uint32_t b = (uint32_t)p->bits << 16;
    float v;
    memcpy(&v, &b, 4);
    return (double)v;
}
INLINE void put_float(float *p, double v) { *p = (float)v; }
INLINE void put_double(double *p, double v) { *p = v; }
INLINE void put_f16(f16 *p, double v) { p->bits = float_to_f16(odd_float(v)); }
INLINE void put_bf16(bf16 *p, double v) { p->bits = float_to_bf16(odd_float(v)); }

#define BY_TYPE(name, p) _Generic((p), \
    float *: name##_float, const float *: name##_float, double *: name##_double, const double *: name##_double, \
    f16 *: name##_f16, const f16 *: name##_f16, bf16 *: name##_bf16, const bf16 *: name##_bf16)
#define get(p) BY_TYPE(get, p)(p)
#define put(p, v) BY_TYPE(put, p)(p, v)

/* ---- as many doubles as one register holds ----
 *
 * Wider ones would give every level the same lanes, but gcc carries them through memory: 3 to 5 times slower at v3.
 */

#if defined(__GNUC__)

#if LEVEL == 4
#define VW 8
#elif LEVEL == 3
#define VW 4
#else
#define VW 2
#endif
#define REGISTER (8 * VW)
typedef double vd __attribute__((vector_size(REGISTER)));
typedef int64_t vi __attribute__((vector_size(REGISTER)));
typedef union { vd v; vi i; double d[VW]; } vparts;

INLINE vd load_double(const double *p) { vd v; memcpy(&v, p, REGISTER); return v; }
INLINE void store_double(double *p, vd v) { memcpy(p, &v, REGISTER); }
INLINE vd vselect(vi mask, vd yes, vd no) { return (vd)((mask & (vi)yes) | (~mask & (vi)no)); }

#if LEVEL >= 3
INLINE vd vodd(vd v) {                                          /* odd_float of a whole register */
    vi b = (vi)v, odd = (b & ~0x1fffffffll) | (((b & 0x1fffffffll) + 0x1fffffffll) & 0x20000000ll);
    return vselect((vi)(v == v), (vd)odd, v);
}
#endif

#if LEVEL == 4
INLINE vd vset(double a) { return (vd)_mm512_set1_pd(a); }
INLINE vd of_floats(__m256 a) { return (vd)_mm512_cvtps_pd(a); }
INLINE __m256 to_floats(vd v) { return _mm512_cvtpd_ps((__m512d)v); }
INLINE vd load_float(const float *p) { return of_floats(_mm256_loadu_ps(p)); }
INLINE vd load_f16(const f16 *p) { return of_floats(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p))); }
INLINE vd load_bf16(const bf16 *p) {
    __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return of_floats(_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)));
}
INLINE void store_float(float *p, vd v) { _mm256_storeu_ps(p, to_floats(v)); }
INLINE void stream_float(float *p, vd v) { _mm256_stream_ps(p, to_floats(v)); }
INLINE void stream_double(double *p, vd v) { _mm512_stream_pd(p, (__m512d)v); }
INLINE void store_f16(f16 *p, vd v) { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(to_floats(vodd(v)), 0)); }
INLINE void store_bf16(bf16 *p, vd v) {
    float a[VW];
    _mm256_storeu_ps(a, to_floats(vodd(v)));
    for (int k = 0; k < VW; k++) p[k].bits = float_to_bf16(a[k]);
}
#elif LEVEL == 3
INLINE vd vset(double a) { return (vd)_mm256_set1_pd(a); }
INLINE vd of_floats(__m128 a) { return (vd)_mm256_cvtps_pd(a); }
INLINE __m128 to_floats(vd v) { return _mm256_cvtpd_ps((__m256d)v); }
INLINE vd load_float(const float *p) { return of_floats(_mm_loadu_ps(p)); }
INLINE vd load_f16(const f16 *p) { return of_floats(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)p))); }
INLINE vd load_bf16(const bf16 *p) {
    __m128i bits = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)p));
    return of_floats(_mm_castsi128_ps(_mm_slli_epi32(bits, 16)));
}
INLINE void store_float(float *p, vd v) { _mm_storeu_ps(p, to_floats(v)); }
INLINE void stream_float(float *p, vd v) { _mm_stream_ps(p, to_floats(v)); }
INLINE void stream_double(double *p, vd v) { _mm256_stream_pd(p, (__m256d)v); }
INLINE void store_f16(f16 *p, vd v) { _mm_storel_epi64((__m128i *)p, _mm_cvtps_ph(to_floats(vodd(v)), 0)); }
INLINE void store_bf16(bf16 *p, vd v) {
    float a[VW];
    _mm_storeu_ps(a, to_floats(vodd(v)));
    for (int k = 0; k < VW; k++) p[k].bits = float_to_bf16(a[k]);
}
#else
INLINE vd vset(double a) { return (vd){a, a}; }
INLINE vd load_float(const float *p) { return (vd){p[0], p[1]}; }
INLINE vd load_f16(const f16 *p) { return (vd){get_f16(p), get_f16(p + 1)}; }
INLINE vd load_bf16(const bf16 *p) { return (vd){get_bf16(p), get_bf16(p + 1)}; }
INLINE void store_float(float *p, vd v) { p[0] = (float)v[0]; p[1] = (float)v[1]; }
INLINE void store_f16(f16 *p, vd v) { put_f16(p, v[0]); put_f16(p + 1, v[1]); }
INLINE void store_bf16(bf16 *p, vd v) { put_bf16(p, v[0]); put_bf16(p + 1, v[1]); }
INLINE void stream_float(float *p, vd v) { store_float(p, v); }
INLINE void stream_double(double *p, vd v) { store_double(p, v); }
#endif
INLINE void stream_f16(f16 *p, vd v) { store_f16(p, v); }
INLINE void stream_bf16(bf16 *p, vd v) { store_bf16(p, v); }

INLINE double vsum(vd v) {
    vparts u = {v};
    for (int h = VW / 2; h; h /= 2) for (int k = 0; k < h; k++) u.d[k] += u.d[k + h];
    return u.d[0];
}
/* vfloor_at: x where x is NaN or above floor, else floor */
#if LEVEL == 4
INLINE vd vfloor_at(vd x, double floor) { return (vd)_mm512_max_pd((__m512d)vset(floor), (__m512d)x); }
INLINE vd vmax(vd a, vd b) { return (vd)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vd vabs(vd a) { return (vd)_mm512_abs_pd((__m512d)a); }
INLINE vd vsqrt(vd a) { return (vd)_mm512_sqrt_pd((__m512d)a); }
#elif LEVEL == 3
INLINE vd vfloor_at(vd x, double floor) { return (vd)_mm256_max_pd((__m256d)vset(floor), (__m256d)x); }
INLINE vd vmax(vd a, vd b) { return (vd)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE vd vsqrt(vd a) { return (vd)_mm256_sqrt_pd((__m256d)a); }
#else
INLINE vd vfloor_at(vd x, double floor) { return vselect((vi)(x < vset(floor)), vset(floor), x); }
INLINE vd vmax(vd a, vd b) { return vselect((vi)(b < a), a, b); }
INLINE vd vsqrt(vd a) { return (vd){sqrt(a[0]), sqrt(a[1])}; }
#endif
#if LEVEL < 4
INLINE vd vabs(vd a) { return (vd)((vi)a & 0x7fffffffffffffffll); }
#endif
/* Sites that a mask chooses: bytes of -1 and 0 become lanes of all bits and of none. */
#if LEVEL == 4
INLINE vd vsites(const signed char *p) { return (vd)_mm512_cvtepi8_epi64(_mm_loadl_epi64((const __m128i *)p)); }
#elif LEVEL == 3
INLINE vd vsites(const signed char *p) {
    int32_t bytes;
    memcpy(&bytes, p, 4);
    return (vd)_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(bytes));
}
#else
INLINE vd vsites(const signed char *p) { return (vd)(vi){p[0], p[1]}; }
#endif
#if LEVEL == 3
/* told to the assembler: gcc makes of the intrinsic a comparison with zero first */
INLINE vd vpick(vd sites, vd yes, vd no) {
    vd v;
    __asm__("vblendvpd %3, %2, %1, %0" : "=x"(v) : "x"(no), "x"(yes), "x"(sites));
    return v;
}
#else
INLINE vd vpick(vd sites, vd yes, vd no) { return vselect((vi)sites, yes, no); }
#endif
INLINE vd vinside(vd sites, vd v) { return (vd)((vi)sites & (vi)v); }
INLINE vd voutside(vd sites, vd v) { return (vd)(~(vi)sites & (vi)v); }

INLINE double vlargest(vd v) {
    vparts u = {v};
    double m = u.d[0];
    for (int k = 1; k < VW; k++) m = u.d[k] > m ? u.d[k] : m;
    return m;
}

/* ---- float or double as they are, as many as one register holds ---- */

typedef float rf __attribute__((vector_size(REGISTER)));
typedef vd rd;
#define LINE(p) (REGISTER / (Py_ssize_t)sizeof *(p))
INLINE rf line_float(const float *p) { rf v; memcpy(&v, p, REGISTER); return v; }
INLINE void lay_float(float *p, rf v) { memcpy(p, &v, REGISTER); }
#define line_double load_double
#define lay_double store_double
#if LEVEL == 4
INLINE rf skip_float(const float *p) {
    __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return (rf)_mm512_permutex2var_ps(_mm512_loadu_ps(p), even, _mm512_loadu_ps(p + 16));
}
INLINE rd skip_double(const double *p) {
    __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    return (rd)_mm512_permutex2var_pd(_mm512_loadu_pd(p), even, _mm512_loadu_pd(p + 8));
}
INLINE rf larger_rf(rf a, rf b) {
    __m512 x = (__m512)a;
    return (rf)_mm512_mask_max_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x, (__m512)b);
}
INLINE rd larger_rd(rd a, rd b) {
    __m512d x = (__m512d)a;
    return (rd)_mm512_mask_max_pd(x, _mm512_cmp_pd_mask(x, x, _CMP_ORD_Q), x, (__m512d)b);
}
#else
typedef int32_t rf_mask __attribute__((vector_size(REGISTER)));
INLINE rf larger_rf(rf a, rf b) {
    rf_mask first = (a > b) | (a != a);
    return (rf)((first & (rf_mask)a) | (~first & (rf_mask)b));
}
INLINE rd larger_rd(rd a, rd b) { return vselect((vi)(a > b) | (vi)(a != a), a, b); }
#if LEVEL == 3
INLINE rf skip_float(const float *p) {
    __m256 pairs = _mm256_shuffle_ps(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), 0x88);
    return (rf)_mm256_permute4x64_pd(_mm256_castps_pd(pairs), 0xd8);
}
INLINE rd skip_double(const double *p) {
    return (rd)_mm256_permute4x64_pd(_mm256_unpacklo_pd(_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)), 0xd8);
}
#else
INLINE rf skip_float(const float *p) { return (rf){p[0], p[2], p[4], p[6]}; }
INLINE rd skip_double(const double *p) { return (rd){p[0], p[2]}; }
#endif
#endif

#else /* no vector extension: the same words for one double */

#define VW 1
typedef double vd;
INLINE vd vset(double a) { return a; }
#define load_float get_float
#define load_double get_double
#define load_f16 get_f16
#define load_bf16 get_bf16
#define store_float put_float
#define store_double put_double
#define store_f16 put_f16
#define store_bf16 put_bf16
#define stream_float put_float
#define stream_double put_double
#define stream_f16 put_f16
#define stream_bf16 put_bf16
INLINE double vsum(vd v) { return v; }
INLINE vd vfloor_at(vd x, double floor) { return x < floor ? floor : x; }
INLINE vd vmax(vd a, vd b) { return a > b ? a : b; }
INLINE vd vabs(vd a) { return fabs(a); }
INLINE vd vsqrt(vd a) { return sqrt(a); }
INLINE vd vsites(const signed char *p) { return *p; }
INLINE vd vpick(vd sites, vd yes, vd no) { return sites != 0 ? yes : no; }
INLINE vd vinside(vd sites, vd v) { return sites != 0 ? v : 0; }
INLINE vd voutside(vd sites, vd v) { return sites != 0 ? 0 : v; }
INLINE double vlargest(vd v) { return v; }
#define LINE(p) 1
typedef float rf;
typedef double rd;
INLINE rf line_float(const float *p) { return *p; }
#define line_double get_double
#define lay_float put_float
#define lay_double put_double
#define skip_float line_float
#define skip_double get_double
INLINE rf larger_rf(rf a, rf b) { return a > b || a != a ? a : b; }
INLINE rd larger_rd(rd a, rd b) { return a > b || a != a ? a : b; }

#endif

#define vload(p) BY_TYPE(load, p)(p)
#define vstore(p, v) BY_TYPE(store, p)(p, v)
#define vstream(p, v) BY_TYPE(stream, p)(p, v)

/* Two at once: at v3 one store in place of two halves, 1.2x where memory is the limit. */
#define TWO(type) \
    INLINE void store2_##type(type *p, vd a, vd b) { store_##type(p, a); store_##type(p + VW, b); } \
    INLINE void stream2_##type(type *p, vd a, vd b) { stream_##type(p, a); stream_##type(p + VW, b); }
#if LEVEL == 3
INLINE void store2_float(float *p, vd a, vd b) { _mm256_storeu_ps(p, _mm256_set_m128(to_floats(b), to_floats(a))); }
INLINE void stream2_float(float *p, vd a, vd b) { _mm256_stream_ps(p, _mm256_set_m128(to_floats(b), to_floats(a))); }
#else
TWO(float)
#endif
TWO(double) TWO(f16) TWO(bf16)
#undef TWO
#define vstore2(p, a, b) BY_TYPE(store2, p)(p, a, b)
#define vstream2(p, a, b) BY_TYPE(stream2, p)(p, a, b)

/* ---- neighbours: every second double; p[0] + p[1], p[2] + p[3], ... of any type ---- */

#define vskip skip_double
#define PAIRS(type) \
    INLINE vd pairs_##type(const type *p) { \
        double s[VW]; for (int k = 0; k < VW; k++) s[k] = get_##type(p + 2 * k) + get_##type(p + 2 * k + 1); \
        return load_double(s); }
#if LEVEL == 4
INLINE vd pairs_float(const float *p) {
    __m512i x = _mm512_loadu_si512(p);
    __m256 even = _mm256_castsi256_ps(_mm512_cvtepi64_epi32(x));
    __m256 odd = _mm256_castsi256_ps(_mm512_cvtepi64_epi32(_mm512_srli_epi64(x, 32)));
    return of_floats(even) + of_floats(odd);
}
#elif LEVEL == 3
INLINE vd pairs_float(const float *p) {
    __m128 a = _mm_loadu_ps(p), b = _mm_loadu_ps(p + 4);
    return of_floats(_mm_shuffle_ps(a, b, 0x88)) + of_floats(_mm_shuffle_ps(a, b, 0xdd));
}
#else
PAIRS(float)
#endif
PAIRS(double) PAIRS(f16) PAIRS(bf16)
#undef PAIRS
#define vpairs(p) BY_TYPE(pairs, p)(p)

/* ---- the end of a row: the first k < VW elements, zeros behind them ---- */

#define FIRST(type) \
    INLINE vd load_first_##type(const type *p, int64_t k) { \
        type some[VW]; memset(some, 0, sizeof some); memcpy(some, p, k * sizeof *p); return load_##type(some); } \
    INLINE void store_first_##type(type *p, vd v, int64_t k) { \
        type some[VW]; store_##type(some, v); memcpy(p, some, k * sizeof *p); }
FIRST(float) FIRST(double) FIRST(f16) FIRST(bf16)
#undef FIRST
#define vload_first(p, k) BY_TYPE(load_first, p)(p, k)
#define vstore_first(p, v, k) BY_TYPE(store_first, p)(p, v, k)

/* ---- e^x, for x <= 0 ----
 *
 * NaN stays NaN, -inf gives 0, e^0 is 1. The coefficients are minimax, by a Remez exchange in 50 digits on the
 * relative error, the leading ones held at their Taylor values so that e^0 is exact.
 */

#if defined(__GNUC__)
/* yes where a < limit, else no (also where a is NaN) */
#if LEVEL == 4
INLINE vd vwhere_below(vd a, double limit, vd yes, vd no) {
    return (vd)_mm512_mask_blend_pd(_mm512_cmp_pd_mask((__m512d)a, (__m512d)vset(limit), _CMP_LT_OQ), (__m512d)no, (__m512d)yes);
}
#else
INLINE vd vwhere_below(vd a, double limit, vd yes, vd no) { return vselect((vi)(a < vset(limit)), yes, no); }
#endif

#if LEVEL == 4
/* 2^(i/16) */
static const double sixteenths[16] = {
    0x1.0000000000000p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
    0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0,
    0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0, 0x1.9c49182a3f090p+0,
    0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};

/* e^x = 2^floor(t) * 2^(i/16) * 2^r, t = x log2(e), r in [0, 1/16): 5e-15 and the rounding of t, 1e-16 |x|.
 * `n` vectors go through each step together: one after the other, their chains of dependent instructions
 * fill the scheduler and a fifth of the time is lost. */
#define EACH for (int i = 0; i < n; i++)
INLINE void vexps(vd *x, int n) {
    __m512d t[8], r[8], p[8];
    __m512i k[8];
    EACH t[i] = (__m512d)(x[i] * 0x1.71547652b82fep+0);
    EACH r[i] = _mm512_reduce_pd(t[i], 0x41);
    EACH k[i] = (__m512i)_mm512_add_round_pd(t[i], (__m512d)vset(0x1.8p48), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    EACH p[i] = 0x1.650ba871e17cep-10 * r[i] + 0x1.3b1a33ee1c06dp-7;
    EACH p[i] = p[i] * r[i] + 0x1.c6b0ae4c974fbp-5;
    EACH p[i] = p[i] * r[i] + 0x1.ebfbdfdbad1d4p-3;
    EACH p[i] = p[i] * r[i] + 0x1.62e42fefaba26p-1;
    EACH p[i] = p[i] * r[i] + 1.0;
    EACH p[i] = p[i] * _mm512_permutex2var_pd(_mm512_loadu_pd(sixteenths), k[i], _mm512_loadu_pd(sixteenths + 8));
    EACH x[i] = (vd)_mm512_scalef_pd(p[i], t[i]);
}
#undef EACH
INLINE vd vscale2(vd p, vd n) { return (vd)_mm512_scalef_pd((__m512d)p, (__m512d)n); }
#else
/* 2^n in the bits of a double: n + 1023 lies at the low end of this sum, 52 places right of the exponent */
INLINE vd vpower2(vd n) { vi bits = (vi)(n + (0x1.8p52 + 1023.0)); return (vd)(bits << 52); }
/* p 2^n for whole n down to -1077: two steps, for 2^n itself would underflow */
INLINE vd vscale2(vd p, vd n) {
    vd half = (n * 0.5 + 0x1.8p52) - 0x1.8p52;
    return p * vpower2(half) * vpower2(n - half);
}
/* e^x = 2^n 2^r, r in [-1/2, 1/2]: 1.7e-14 and the rounding of t, 1e-16 |x|; below -708 nothing is left */
INLINE void vexps(vd *x, int count) {
    for (int i = 0; i < count; i++) {
        vd t = vfloor_at(x[i], -709.0) * 0x1.71547652b82fep+0;
        vd n = (t + 0x1.8p52) - 0x1.8p52, r = t - n, p;
        p = r * 0x1.b420516360f22p-24 + 0x1.63e22b00b9d50p-20;
        p = p * r + 0x1.ffcdc36055100p-17;
        p = p * r + 0x1.43089c830bcaap-13;
        p = p * r + 0x1.5d87fdd112719p-10;
        p = p * r + 0x1.3b2ab72121f4ep-7;
        p = p * r + 0x1.c6b08d7090257p-5;
        p = p * r + 0x1.ebfbdff81e2bcp-3;
        p = p * r + 0x1.62e42fefa39efp-1;
        p = p * r + 1.0;
        x[i] = vwhere_below(x[i], -708.0, vset(0), p * vpower2(n));
    }
}
#endif

/* e^(x + low) for a low far below x, over 2^n and in two parts: 1 + r is split exactly, so that only r^2/2 + ... is
 * rounded; the polynomial is good to 4e-18. */
INLINE vd vexp_parts(vd x, vd low, vd *rest, vd *power) {
    vd a = vfloor_at(x, -746.0), p;
    vd n = (a * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52;
    vd high = a - n * 0x1.62e42fefa3800p-1;                                       /* ln 2 in two pieces: exact */
    vd tail = vwhere_below(x, -746.0, vset(0), low) - n * 0x1.ef35793c76730p-45;
    vd r = high + tail, one_r = 1.0 + r;
    low = (high - r) + tail;
    p = r * 0x1.ad7f7b175464dp-26 + 0x1.28ad689fad7fap-22;
    p = p * r + 0x1.71df253a04c44p-19;
    p = p * r + 0x1.a0199a16e5228p-16;
    p = p * r + 0x1.a01a012a69d02p-13;
    p = p * r + 0x1.6c16c184266bep-10;
    p = p * r + 0x1.1111111127b9bp-7;
    p = p * r + 0x1.555555555088cp-5;
    p = p * r + 0x1.55555555554fap-3;
    p = p * r + 0x1.000000000000ap-1;
    *rest = ((1.0 - one_r) + r) + (low + r * r * p);
    *power = n;
    return one_r;
}
/* e^(x + low) to 0.7 ulp, or in two parts to 1e-3 ulp */
INLINE vd vexp_fine(vd x, vd low) { vd rest, n, e = vexp_parts(x, low, &rest, &n); return vscale2(e + rest, n); }
INLINE vd vexp_pair(vd x, vd low, vd *rest) {
    vd low_part, n, high_part = vexp_parts(x, low, &low_part, &n), e = high_part + low_part;
    *rest = vscale2(low_part - (e - high_part), n);
    return vscale2(e, n);
}
/* the upper half of its digits: the product of two of them is exact */
INLINE vd vhalf(vd x) { return (vd)((vi)x & -(1LL << 27)); }
#else
INLINE vd vwhere_below(vd a, double limit, vd yes, vd no) { return a < limit ? yes : no; }
INLINE void vexps(vd *x, int n) { for (int i = 0; i < n; i++) x[i] = exp(x[i]); }
INLINE vd vexp_fine(vd x, vd low) { double e = exp(x); return e + e * low; }
INLINE vd vexp_pair(vd x, vd low, vd *rest) { double e = exp(x); *rest = e * low; return e; }
INLINE vd vhalf(vd x) { union { double d; long long i; } u = {x}; u.i &= -(1LL << 27); return u.d; }
#endif
INLINE vd vexp(vd x) { vexps(&x, 1); return x; }

/* 1 / sqrt(p) for answers of float, to 2e-13: half as long as a root and a quotient. The squares of what the first guess
 * was off are added to `off`, which is a NaN or no longer small where p is not within the range of float. */
#if LEVEL == 3
INLINE vd vinverse_root(vd p, vd *off) {
    vd r = of_floats(_mm_rsqrt_ps(to_floats(p))), e = 1.0 - p * r * r;
    *off = *off + e * e;
    return r + r * e * (0.5 + e * (0.375 + e * 0.3125));
}
#else
INLINE vd vinverse_root(vd p, vd *off) { (void)off; return vset(1) / vsqrt(p); }
#endif

/* a condition that nearly always holds: the other branch is laid out of the loop's way */
#if defined(__GNUC__)
#define usual(condition) __builtin_expect(!!(condition), 1)
#else
#define usual(condition) (condition)
#endif

/* what d = a - b lost in rounding; 0 where that is no number */
INLINE vd vlost(vd a, vd b, vd d) {
    vd c = d - a, low = (a - (d - c)) - (b + c);
    return vwhere_below(vabs(low), INFINITY, low, vset(0));
}

/* For float and double: a register of them, of every second one, of the larger ones (NaN if either is). */
#define OF_TYPE(name, p) _Generic((p), \
    float *: name##_float, const float *: name##_float, double *: name##_double, const double *: name##_double)
#define lload(p) OF_TYPE(line, p)(p)
#define lskip(p) OF_TYPE(skip, p)(p)
#define lstore(p, v) OF_TYPE(lay, p)(p, v)
#define llarger(a, b) _Generic((a), rf: larger_rf, rd: larger_rd)(a, b)
/* to y, a register of the largest of the n that lie `at` bytes from x */
#define LARGEST(type, line) \
    INLINE void largest_##type(type *y, const char *x, const Py_ssize_t *at, Py_ssize_t n) { \
        line most = line_##type((const type *)(x + at[0])); \
        for (Py_ssize_t t = 1; t < n; t++) most = larger_##line(most, line_##type((const type *)(x + at[t]))); \
        lay_##type(y, most); }
LARGEST(float, rf) LARGEST(double, rd)
#undef LARGEST
#define llargest(y, x, at, n) OF_TYPE(largest, y)(y, x, at, n)

/* ---- memory ---- */

#if defined(__GNUC__)
#define APART static __attribute__((noinline, unused))
#else
#define APART static
#endif

/* n elements of `size` bytes from one spacing to another; apart, so that many callers cost one copy of it */
APART void copy_strided(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t n, int size) {
    char *a = (char *)to;
    const char *b = (const char *)from;
    if (to_step == size && from_step == size) { if (n > 0) memcpy(to, from, n * size); }
    else if (size == 8) for (; n > 0; n--, a += to_step, b += from_step) memcpy(a, b, 8);
    else if (size == 4) for (; n > 0; n--, a += to_step, b += from_step) memcpy(a, b, 4);
    else for (; n > 0; n--, a += to_step, b += from_step) memcpy(a, b, 2);
}

#if defined(__GNUC__)
#define prefetch(p) __builtin_prefetch((p), 0, 3)
#else
#define prefetch(p) ((void)0)
#endif
#if LEVEL
#define fence() _mm_sfence()
#else
#define fence() ((void)0)
#endif

#endif
