# The Euclidean projection of rows on the simplex, and its gradient.
#
#   y = max(x - m - t, 0),   m = max x,   t the root of  f(t) = sum max(x - m - t, 0) - total
#
# f is convex, falls, and f(-total) >= 0 by the largest element alone. Newton's steps from there,
# t <- (sum of those not below t - total) / (how many they are), never pass the root, and each leaves out elements for
# good: no sort is needed. As a rule few are left after the first step, and those are copied side by side.
# A NaN is below nothing and stays; +inf, and nothing but -inf, make one of x - m.
from vec cimport *
from rows cimport *
from arrays cimport *
from levels cimport *

cdef double LEAST = 5e-324         # v < LEAST is v <= 0


cdef struct share:                 # of those that are kept: their sum, and how many
    vpair sum
    vd many


cdef inline void put_in(share *s, vd v, vd one, bint wide) noexcept nogil:
    if wide: add(&s.sum, v)
    else: s.sum.hi = s.sum.hi + v
    s.many = s.many + one


cdef void count_in(share *s, const real *x, Py_ssize_t n, double m, double t) noexcept nogil:
    """Put in what is not below t of n elements x - m."""
    cdef share here = s[0]
    cdef vd v
    cdef Py_ssize_t j = 0
    while j + VW <= n:
        v = vload(x + j) - m
        put_in(&here, vwhere_below(v, t, vset(0), v), vwhere_below(v, t, vset(0), vset(1)), sizeof(real) == 8)
        j += VW
    if j < n:
        v = vload_first(x + j, n - j) - m
        put_in(&here, keep(vwhere_below(v, t, vset(0), v), n - j),
               keep(vwhere_below(v, t, vset(0), vset(1)), n - j), sizeof(real) == 8)
    s[0] = here


cdef inline share nothing() noexcept nogil:
    cdef share s
    s.sum.hi = s.sum.lo = s.many = vset(0)
    return s


cdef void count_row(share *s, const char *row, Py_ssize_t step, Py_ssize_t n, double m, double t, real *room) noexcept nogil:
    cdef Py_ssize_t i = 0, size
    while i < n:
        size = min(PIECE, n - i)
        count_in(s, take(row, step, i, size, room), size, m, t)
        i += size


cdef level threshold(const char *row, Py_ssize_t step, Py_ssize_t n, double total, real *room) noexcept nogil:
    cdef level at
    cdef double kept[KEPT + 16]
    cdef double t = -total, many = n + 1, before = n + 2, m = peak_of(row, step, n, room)
    cdef Py_ssize_t few = survivors(row, step, n, m, t, room, kept)
    cdef share s
    while many < before:
        before = many
        s = nothing()
        if few >= 0: count_in(&s, kept, few, 0, t)
        else: count_row(&s, row, step, n, m, t, room)
        many = vsum(s.many)
        t = (sum_of(s.sum, True) - total) / many
    at.near, at.far = m, t
    if sizeof(real) == 8:          # once more from there: near it x - near is exact, and what it lacks shows in the sum
        at.near = m + t
        s = nothing()
        count_row(&s, row, step, n, at.near, 0, room)
        at.far = (sum_of(s.sum, True) - total) / vsum(s.many)
    return at


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, double total, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i, j, k, size, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef real rx[PIECE]
    cdef real ry[PIECE]
    cdef const real *x
    cdef real *y
    cdef const char *row
    cdef char *to
    cdef level at
    cdef vd v, w
    cdef bint beside = sy == sizeof(real), far = bytes_in(oy) >= FAR, stream
    for i in range(lo, hi):
        row = bytes_of(ox) + offset_of(ox, i, 1)
        to = bytes_of(oy) + offset_of(oy, i, 1)
        at = threshold(row, sx, n, total, rx)
        stream = sizeof(real) >= 4 and far and beside and row != to and (<size_t>to) % 64 == 0
        j = 0
        while j < n:
            size = min(PIECE, n - j)
            x = take(row, sx, j, size, rx)
            y = <real *>to + j if beside else ry
            k = 0
            while k + 2 * VW <= size:
                v = vfloor_at((vload(x + k) - at.near) - at.far, 0)
                w = vfloor_at((vload(x + k + VW) - at.near) - at.far, 0)
                if stream: vstream2(y + k, v, w)
                else: vstore2(y + k, v, w)
                k += 2 * VW
            while k < size:
                v = vfloor_at((vload_first(x + k, min(VW, size - k)) - at.near) - at.far, 0)
                vstore_first(y + k, v, min(VW, size - k))
                k += VW
            if not beside: give(to, sy, j, size, ry)
            j += size
    if far: fence()


def project_simplex(Py_ssize_t lo, Py_ssize_t hi, x, double total, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': rows[float](lo, hi, px, total, po, NULL)
        elif kind == c'd': rows[double](lo, hi, px, total, po, NULL)
        elif kind == c'e': rows[f16](lo, hi, px, total, po, NULL)
        else: rows[bf16](lo, hi, px, total, po, NULL)


# ---- the gradient: g less its mean over the support, and 0 outside of it ----

cdef void slopes(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, double total, void *od, real *_) noexcept nogil:
    cdef Py_ssize_t i, j, k, size, w, n = size_of(ox, -1), sg = step_of(og, -1), sx = step_of(ox, -1), sd = step_of(od, -1)
    cdef real rg[PIECE]
    cdef real rx[PIECE]
    cdef real rd[PIECE]
    cdef const real *x
    cdef const real *g
    cdef real *d
    cdef const char *row
    cdef const char *other
    cdef char *to
    cdef level at
    cdef double mean
    cdef share s
    cdef vd v, u
    for i in range(lo, hi):
        row = bytes_of(ox) + offset_of(ox, i, 1)
        other = bytes_of(og) + offset_of(og, i, 1)
        to = bytes_of(od) + offset_of(od, i, 1)
        at = threshold(row, sx, n, total, rx)
        s = nothing()
        j = 0
        while j < n:
            size = min(PIECE, n - j)
            x, g = take(row, sx, j, size, rx), take(other, sg, j, size, rg)
            k = 0
            while k < size:
                w = min(VW, size - k)
                v = (vload_first(x + k, w) if w < VW else vload(x + k)) - at.near - at.far
                u = vload_first(g + k, w) if w < VW else vload(g + k)
                u, v = vwhere_below(v, LEAST, vset(0), u), vwhere_below(v, LEAST, vset(0), vset(1))
                if w < VW: u, v = keep(u, w), keep(v, w)
                put_in(&s, u, v, sizeof(real) == 8)
                k += VW
            j += size
        mean = sum_of(s.sum, True) / vsum(s.many)
        if at.far != at.far: mean = at.far
        j = 0
        while j < n:
            size = min(PIECE, n - j)
            x, g = take(row, sx, j, size, rx), take(other, sg, j, size, rg)
            d = <real *>to + j if sd == sizeof(real) else rd
            k = 0
            while k < size:
                w = min(VW, size - k)
                v = (vload_first(x + k, w) if w < VW else vload(x + k)) - at.near - at.far
                u = (vload_first(g + k, w) if w < VW else vload(g + k)) - mean
                u = vwhere_below(v, LEAST, vset(0), u)
                if w < VW: vstore_first(d + k, u, w)
                else: vstore(d + k, u)
                k += VW
            if sd != sizeof(real): give(to, sd, j, size, rd)
            j += size


def project_simplex_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, double total, dx):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pd = <void *>dx
    with nogil:
        if kind == c'f': slopes[float](lo, hi, pg, px, total, pd, NULL)
        elif kind == c'd': slopes[double](lo, hi, pg, px, total, pd, NULL)
        elif kind == c'e': slopes[f16](lo, hi, pg, px, total, pd, NULL)
        else: slopes[bf16](lo, hi, pg, px, total, pd, NULL)
