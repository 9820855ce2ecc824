# Count sketches of rows: each element is added to its bucket, with its sign; or to several, each with a sign of its own,
# which is a product with a sparse matrix.
#
# Rows are taken a few together, squares of them turned over in registers, so that an element of all of them is added to
# their buckets at once: a bucket holds the sums of these rows side by side. Rows that are left, and rows of so many
# buckets that sums side by side would leave the cache, go one by one. Sums of float64 carry what rounding took.
from libc.math cimport isfinite
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport *

cdef extern from "turn.h" nogil:
    void vturn(vd *)

cdef enum:
    MOST = 16                      # rows together: two registers of any level
    AT_ONCE = 4                    # buckets
    STRETCH = 256                  # elements of a row with gaps, copied at once

TOGETHER = 2 * VW                  # rows that are taken together


cdef inline void toss(vd v, vd w, double *sums, real *_) noexcept nogil:
    """Add an element of each row to their bucket."""
    cdef vpair a, b
    if sizeof(real) == 8:
        a.hi, b.hi, a.lo, b.lo = vload(sums), vload(sums + VW), vload(sums + 2 * VW), vload(sums + 3 * VW)
        add(&a, v)
        add(&b, w)
        vstore(sums + 2 * VW, a.lo)
        vstore(sums + 3 * VW, b.lo)
        vstore(sums, a.hi)
        vstore(sums + VW, b.hi)
    else:
        vstore(sums, vload(sums) + v)
        vstore(sums + VW, vload(sums + VW) + w)


cdef struct plan:                  # element j goes to ids[j]; where there are `ends`, to those from ends[j] to ends[j + 1]
    const Py_ssize_t *ends
    const Py_ssize_t *members      # the elements, as often as they have a bucket
    const Py_ssize_t *ids
    const double *signs


cdef inline void strew(const real **x, Py_ssize_t n, const Py_ssize_t *ids, const double *signs, double *sums) noexcept nogil:
    """Add n elements of rows taken together; without `ids` lay them down one after the other."""
    cdef Py_ssize_t j = 0, k, bucket = (4 if sizeof(real) == 8 else 2) * VW
    cdef vd v[8]
    cdef vd w[8]
    cdef real *none = NULL
    while j < n:
        if j + VW <= n:
            for k in range(VW): v[k], w[k] = vload(x[k] + j), vload(x[k + VW] + j)
        else:
            for k in range(VW): v[k], w[k] = vload_first(x[k] + j, n - j), vload_first(x[k + VW] + j, n - j)
        vturn(v)
        vturn(w)
        if ids == NULL:
            for k in range(VW):
                vstore(sums + (j + k) * 2 * VW, v[k])
                vstore(sums + (j + k) * 2 * VW + VW, w[k])
        elif j + VW <= n:
            for k in range(VW): toss(v[k] * signs[j + k], w[k] * signs[j + k], sums + ids[j + k] * bucket, none)
        else:
            for k in range(n - j): toss(v[k] * signs[j + k], w[k] * signs[j + k], sums + ids[j + k] * bucket, none)
        j += VW


cdef inline void share(const double *line, Py_ssize_t start, Py_ssize_t n, const plan *p, double *sums, real *_) noexcept nogil:
    """Add n elements that lie one after the other to the buckets of each: in one loop, which no count of them breaks."""
    cdef Py_ssize_t i = p.ends[start], end = p.ends[start + n], bucket = (4 if sizeof(real) == 8 else 2) * VW, k
    cdef const Py_ssize_t *members = p.members
    cdef const Py_ssize_t *ids = p.ids
    cdef const double *signs = p.signs
    cdef const double *at[AT_ONCE]
    cdef double *to[AT_ONCE]
    cdef double by[AT_ONCE]
    while i + AT_ONCE <= end:      # where they go is read before any is written: a CPU may wait with reads until then
        for k in range(AT_ONCE):
            at[k], to[k], by[k] = line + (members[i + k] - start) * 2 * VW, sums + ids[i + k] * bucket, signs[i + k]
        for k in range(AT_ONCE): toss(vload(at[k]) * by[k], vload(at[k] + VW) * by[k], to[k], _)
        i += AT_ONCE
    while i < end:
        at[0] = line + (members[i] - start) * 2 * VW
        toss(vload(at[0]) * signs[i], vload(at[0] + VW) * signs[i], sums + ids[i] * bucket, _)
        i += 1


cdef inline double settled(double sum, double lost) noexcept nogil:
    return sum + lost if isfinite(sum) else sum


cdef inline void collect(const double *sums, Py_ssize_t buckets, Py_ssize_t across, char **to, Py_ssize_t step,
                         real *_) noexcept nogil:
    """Write the buckets of `across` rows; what their sums lost lies behind them."""
    cdef Py_ssize_t bucket = (2 if sizeof(real) == 8 else 1) * across, j = 0, k, r
    cdef double line[MOST]
    cdef vd v[8]
    if sizeof(real) < 8 and step == sizeof(real) and across > 1:
        while j + VW <= buckets:
            r = 0
            while r < across:
                for k in range(VW): v[k] = vload(sums + (j + k) * bucket + r)
                vturn(v)
                for k in range(VW): vstore(<real *>to[r + k] + j, v[k])
                r += VW
            j += VW
    while j < buckets:
        for r in range(across):
            line[r] = sums[j * bucket + r]
            if sizeof(real) == 8: line[r] = settled(line[r], sums[j * bucket + across + r])
            put(<real *>(to[r] + j * step), line[r])
        j += 1


cdef void group(char **row, Py_ssize_t step, Py_ssize_t n, const plan *p, double *sums,
                Py_ssize_t buckets, char **to, Py_ssize_t out, real *_) noexcept nogil:
    """Rows taken together."""
    cdef real room[MOST * STRETCH]
    cdef double line[MOST * STRETCH]
    cdef const real *x[MOST]
    cdef Py_ssize_t j = 0, k, m
    memset(sums, 0, (buckets + 1) * (4 if sizeof(real) == 8 else 2) * VW * sizeof(double))
    while j < n:
        m = min(STRETCH, n - j)
        for k in range(2 * VW): x[k] = take(row[k], step, j, m, room + k * STRETCH)
        if p.ends == NULL: strew(x, m, p.ids + j, p.signs + j, sums)
        else:
            strew(x, m, NULL, NULL, line)
            share(line, j, m, p, sums, _)
        j += m
    collect(sums, buckets, 2 * VW, to, out, _)


cdef void single(char **row, Py_ssize_t step, Py_ssize_t n, const plan *p, double *sums,
                 Py_ssize_t buckets, char **to, Py_ssize_t out, real *_) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef double v
    cdef double *at
    cdef pair both
    memset(sums, 0, (buckets + 1) * 2 * sizeof(double))
    for j in range(n):
        v = get(<const real *>(row[0] + j * step))
        for i in range(p.ends[j] if p.ends != NULL else j, p.ends[j + 1] if p.ends != NULL else j + 1):
            if sizeof(real) == 8:
                at = sums + 2 * p.ids[i]
                both = two_sum(at[0], v * p.signs[i])
                at[0], at[1] = both.hi, at[1] + both.lo
            else: sums[p.ids[i]] += v * p.signs[i]
    collect(sums, buckets, 1, to, out, _)


cdef void sketches(Py_ssize_t lo, Py_ssize_t hi, void *ox, const plan *p, Py_ssize_t lot, Py_ssize_t together,
                   void *oroom, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t n = size_of(ox, -1), sx = step_of(ox, -1), buckets = size_of(oy, -1), sy = step_of(oy, -1), k
    cdef Py_ssize_t i = lo * lot, end = min(hi * lot, units_of(ox, 1))
    cdef double *sums = <double *><void *>(bytes_of(oroom) + lo * step_of(oroom, 0))
    cdef char *row[MOST]
    cdef char *to[MOST]
    sums += (-<size_t>sums % 64) // sizeof(double)
    while i < end:
        if i + together > end: together = 1
        for k in range(together):
            row[k], to[k] = bytes_of(ox) + offset_of(ox, i + k, 1), bytes_of(oy) + offset_of(oy, i + k, 1)
        if together > 1: group(row, sx, n, p, sums, buckets, to, sy, _)
        else: single(row, sx, n, p, sums, buckets, to, sy, _)
        i += together


# Units are lots of rows, each with room for its sums. `ids` are 0 to the number of buckets, which is for no bucket.
def count_sketch(Py_ssize_t lo, Py_ssize_t hi, x, ends, members, ids, signs, Py_ssize_t lot, Py_ssize_t together,
                 room, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pr = <void *>room
    cdef void *po = <void *>out
    cdef plan p
    p.ends = <const Py_ssize_t *>bytes_of(<void *>ends)
    p.members = <const Py_ssize_t *>bytes_of(<void *>members)
    p.ids = <const Py_ssize_t *>bytes_of(<void *>ids)
    p.signs = <const double *>bytes_of(<void *>signs)
    with nogil:
        if kind == c'f': sketches[float](lo, hi, px, &p, lot, together, pr, po, NULL)
        elif kind == c'd': sketches[double](lo, hi, px, &p, lot, together, pr, po, NULL)
        elif kind == c'e': sketches[f16](lo, hi, px, &p, lot, together, pr, po, NULL)
        else: sketches[bf16](lo, hi, px, &p, lot, together, pr, po, NULL)
