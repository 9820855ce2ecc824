/* A product of matrices, block by block: ROWS rows of one factor times SPAN vectors of the other, all sums of a block in
 * registers. Both factors are packed: what a block needs at one step lies side by side, step after step. */
#ifndef REFNORM_MATRIX_H
#define REFNORM_MATRIX_H
#include "vec.h"

#define ROWS 4
#define SPAN 3
#define BLOCK (ROWS * SPAN)

#if defined(__GNUC__)
#define EACH _Pragma("GCC unroll 12") for (int k = 0; k < BLOCK; k++)
#define UNROLL _Pragma("GCC unroll 4")
#else
#define EACH for (int k = 0; k < BLOCK; k++)
#define UNROLL
#endif

/* Every sum of row r begins with first[r], or with 0 where there is none. A function of its own: at v3 its loop has just
 * the registers it needs, and what gcc keeps in one for the code around it costs two loads a step. */
APART void block_sums(double *sums, const double *first, const double *rows, const double *span, int64_t steps) {
    vd a[BLOCK];
    EACH a[k] = vset(first ? first[k / SPAN] : 0);
    for (int64_t j = 0; j < steps; j++) {
        vd x[SPAN];
        UNROLL for (int v = 0; v < SPAN; v++) x[v] = load_double(span + v * VW);
        UNROLL for (int r = 0; r < ROWS; r++) {
            vd w = vset(rows[r]);
            UNROLL for (int v = 0; v < SPAN; v++) a[r * SPAN + v] = a[r * SPAN + v] + w * x[v];
        }
        rows += ROWS;
        span += SPAN * VW;
    }
    EACH store_double(sums + k * VW, a[k]);
}
#undef EACH
#undef UNROLL
#endif
