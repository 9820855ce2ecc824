# Sums, means and extremes of rows over ragged segments, and the gradient.
#
# A unit is a segment, its rows are taken in their own order, and sums are kept in double, so that they are the same for
# any number of threads; those of float64 carry what rounding took from them. Where the sums of all segments fit in
# cache, rows are read as they come, each thread passing over those of others: a walk through memory is 2 to 4 times as
# fast as leaps. Where they do not, a counting sort of the ids comes first, and each segment's rows are fetched ahead.
from libc.math cimport INFINITY, isfinite
from libc.string cimport memmove
from vec cimport *
from rows cimport two_sum, pair
from arrays cimport *

cdef enum:
    SUM, MEAN, MAX, MIN
cdef enum:
    PIECE = 256                    # features taken at once: their sums are 4 KiB
    AHEAD = 12                     # rows


def order_by_id(ids, ends, order):
    """Set `ends`, which comes as zeros, so that segment s is ends[s] to ends[s + 1]; where there is an `order`, write the
    members of each segment there."""
    cdef Py_ssize_t n = size_of(<void *>ids, 0), segments = size_of(<void *>ends, 0) - 2, i
    cdef const Py_ssize_t *id = <const Py_ssize_t *>bytes_of(<void *>ids)
    cdef Py_ssize_t *end = <Py_ssize_t *>bytes_of(<void *>ends)
    cdef Py_ssize_t *to = <Py_ssize_t *>bytes_of(<void *>order)
    with nogil:
        for i in range(n):
            if 0 <= id[i] < segments: end[id[i] + 2] += 1
        for i in range(2, segments + 2): end[i] += end[i - 1]
        if to == NULL: memmove(end, end + 1, (segments + 1) * sizeof(Py_ssize_t))
        else:
            for i in range(n):
                if 0 <= id[i] < segments:
                    to[end[id[i] + 1]] = i
                    end[id[i] + 1] += 1


cdef inline void add_row(const char *row, Py_ssize_t step, Py_ssize_t n, double *sums, double *lost, real *_) noexcept nogil:
    cdef Py_ssize_t k = 0
    cdef pair p
    if sizeof(real) == 8:
        for k in range(n):
            p = two_sum(sums[k], get(<const real *>(row + k * step)))
            sums[k] = p.hi
            lost[k] += p.lo
        return
    if step == sizeof(real):
        while k + VW <= n:
            vstore(sums + k, vload(sums + k) + vload(<const real *>row + k))
            k += VW
    while k < n:
        sums[k] += get(<const real *>(row + k * step))
        k += 1


cdef inline void top_row(const char *row, Py_ssize_t step, Py_ssize_t n, double sign, double *most, real *_) noexcept nogil:
    """A NaN is larger than anything, and stays."""
    cdef Py_ssize_t k
    cdef double v
    for k in range(n):
        v = sign * get(<const real *>(row + k * step))
        most[k] = v if v > most[k] or v != v else most[k]


cdef inline void clear(double *sums, double *lost, Py_ssize_t n, int how) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n): sums[k], lost[k] = -INFINITY if how >= MAX else 0.0, 0.0


cdef inline void take_row(const char *row, Py_ssize_t step, Py_ssize_t n, int how, double *sums, double *lost, real *_) noexcept nogil:
    if how < MAX: add_row(row, step, n, sums, lost, _)
    else: top_row(row, step, n, -1 if how == MIN else 1, sums, _)


cdef inline void finish(const double *sums, const double *lost, Py_ssize_t n, int how, Py_ssize_t size, double fill, char *y,
                        Py_ssize_t step, real *_) noexcept nogil:
    cdef Py_ssize_t k
    cdef double v
    for k in range(n):
        v = -sums[k] if how == MIN else sums[k]
        if sizeof(real) == 8 and isfinite(v): v += lost[k]
        if how == MEAN: v /= size
        put(<real *>(y + k * step), v if size else fill)


cdef void walk(Py_ssize_t lo, Py_ssize_t hi, void *x, const Py_ssize_t *ids, const Py_ssize_t *ends, int how, double fill,
               double *sums, void *out, real *_) noexcept nogil:
    cdef const char *row = bytes_of(x)
    cdef Py_ssize_t i, s, n = size_of(x, 1), step = step_of(x, 1), ahead = step_of(x, 0)
    for s in range(lo, hi): clear(sums + 2 * s * n, sums + (2 * s + 1) * n, n, how)
    for i in range(size_of(x, 0)):
        s = ids[i]
        if lo <= s < hi: take_row(row, step, n, how, sums + 2 * s * n, sums + (2 * s + 1) * n, _)
        row += ahead
    for s in range(lo, hi):
        finish(sums + 2 * s * n, sums + (2 * s + 1) * n, n, how, ends[s + 1] - ends[s], fill,
               bytes_of(out) + s * step_of(out, 0), step_of(out, 1), _)


cdef inline void fetch(const char *row, Py_ssize_t bytes) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(0, bytes, 64): prefetch(row + k)


cdef void leap(Py_ssize_t lo, Py_ssize_t hi, void *x, const Py_ssize_t *order, const Py_ssize_t *ends, int how, double fill,
               void *out, real *_) noexcept nogil:
    cdef double sums[PIECE]
    cdef double lost[PIECE]
    cdef Py_ssize_t i, j, m, s, n = size_of(x, 1), step = step_of(x, 1), ahead = step_of(x, 0)
    for s in range(lo, hi):
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            clear(sums, lost, m, how)
            for i in range(ends[s], ends[s + 1]):
                if i + AHEAD < ends[hi]: fetch(bytes_of(x) + order[i + AHEAD] * ahead + j * step, m * step)
                take_row(bytes_of(x) + order[i] * ahead + j * step, step, m, how, sums, lost, _)
            finish(sums, lost, m, how, ends[s + 1] - ends[s], fill,
                   bytes_of(out) + s * step_of(out, 0) + j * step_of(out, 1), step_of(out, 1), _)
            j += m


cdef inline void reduce_segments(Py_ssize_t lo, Py_ssize_t hi, void *x, const Py_ssize_t *members, const Py_ssize_t *ends,
                                 int how, double fill, double *sums, void *out, real *_) noexcept nogil:
    if sums: walk(lo, hi, x, members, ends, how, fill, sums, out, _)
    else: leap(lo, hi, x, members, ends, how, fill, out, _)


cdef void find_first(Py_ssize_t lo, Py_ssize_t hi, void *x, const Py_ssize_t *ends, const Py_ssize_t *order, double sign,
                     Py_ssize_t *place, real *_) noexcept nogil:
    """The row where the extreme of each segment is met first, feature by feature; the first NaN where there is one."""
    cdef Py_ssize_t i, k, s, n = size_of(x, 1)
    cdef const char *row
    cdef double v, most
    for s in range(lo, hi):
        for k in range(n):
            row, most, place[s * n + k] = bytes_of(x) + k * step_of(x, 1), 0, -1
            for i in range(ends[s], ends[s + 1]):
                v = sign * get(<const real *>(row + order[i] * step_of(x, 0)))
                if place[s * n + k] < 0 or v > most or (v != v and most == most):
                    most, place[s * n + k] = v, order[i]


cdef void pull_rows(Py_ssize_t lo, Py_ssize_t hi, void *x, void *g, const Py_ssize_t *ids, int how, const Py_ssize_t *table,
                    Py_ssize_t segments, void *out, real *_) noexcept nogil:
    """The gradient of rows lo to hi: `table` holds the sizes of segments, or the first rows of their extremes."""
    cdef Py_ssize_t i, k, s, n = size_of(x, 1)
    cdef const char *row
    cdef char *dx
    cdef double v
    cdef bint there
    for i in range(lo, hi):
        s, dx = ids[i], bytes_of(out) + i * step_of(out, 0)
        there = 0 <= s < segments
        row = bytes_of(g) + (s * step_of(g, 0) if there else 0)
        for k in range(n):
            v = get(<const real *>(row + k * step_of(g, 1)))
            if how == MEAN and there: v /= table[s]
            if how >= MAX and there and table[s * n + k] != i: v = 0
            put(<real *>(dx + k * step_of(out, 1)), v if there else 0)


def segment_pool(Py_ssize_t lo, Py_ssize_t hi, x, members, ends, int how, double fill, sums, out):
    """`members` are the ids of rows with room for sums, or the rows of each segment in order without."""
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    cdef const Py_ssize_t *pm = <const Py_ssize_t *>bytes_of(<void *>members)
    cdef const Py_ssize_t *pe = <const Py_ssize_t *>bytes_of(<void *>ends)
    cdef double *ps = <double *>bytes_of(<void *>sums)
    with nogil:
        if kind == c'f': reduce_segments[float](lo, hi, px, pm, pe, how, fill, ps, po, NULL)
        elif kind == c'd': reduce_segments[double](lo, hi, px, pm, pe, how, fill, ps, po, NULL)
        elif kind == c'e': reduce_segments[f16](lo, hi, px, pm, pe, how, fill, ps, po, NULL)
        else: reduce_segments[bf16](lo, hi, px, pm, pe, how, fill, ps, po, NULL)


def segment_firsts(Py_ssize_t lo, Py_ssize_t hi, x, ends, order, double sign, place):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef const Py_ssize_t *pe = <const Py_ssize_t *>bytes_of(<void *>ends)
    cdef const Py_ssize_t *po = <const Py_ssize_t *>bytes_of(<void *>order)
    cdef Py_ssize_t *pp = <Py_ssize_t *>bytes_of(<void *>place)
    with nogil:
        if kind == c'f': find_first[float](lo, hi, px, pe, po, sign, pp, NULL)
        elif kind == c'd': find_first[double](lo, hi, px, pe, po, sign, pp, NULL)
        elif kind == c'e': find_first[f16](lo, hi, px, pe, po, sign, pp, NULL)
        else: find_first[bf16](lo, hi, px, pe, po, sign, pp, NULL)


def segment_pool_vjp(Py_ssize_t lo, Py_ssize_t hi, x, g, ids, int how, table, Py_ssize_t segments, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pg = <void *>g
    cdef void *po = <void *>out
    cdef const Py_ssize_t *pi = <const Py_ssize_t *>bytes_of(<void *>ids)
    cdef const Py_ssize_t *pt = <const Py_ssize_t *>bytes_of(<void *>table)
    with nogil:
        if kind == c'f': pull_rows[float](lo, hi, px, pg, pi, how, pt, segments, po, NULL)
        elif kind == c'd': pull_rows[double](lo, hi, px, pg, pi, how, pt, segments, po, NULL)
        elif kind == c'e': pull_rows[f16](lo, hi, px, pg, pi, how, pt, segments, po, NULL)
        else: pull_rows[bf16](lo, hi, px, pg, pi, how, pt, segments, po, NULL)
