# The entmax of order 3/2 of rows, and its gradient.
#
#   y = w^2 / 4,   w = max(x - m - t, 0),   m = max x,   t the root of  f(t) = sum w^2 - 4
#
# f is convex, falls, and f(-2) >= 0 by the largest element alone. Newton's steps from there never pass the root, and
# what is below -2 has no share: as a rule few are left, and those are copied side by side.
# A NaN is below nothing and stays; +inf, and nothing but -inf, make one of x - m.
from vec cimport *
from rows cimport *
from arrays cimport *
from levels cimport *

cdef enum: STEPS = 100             # never reached: each of the first ones more than halves what f is above zero


cdef struct shares:                # the sums of w^2, and of w
    vpair squares
    vpair first


cdef inline void put_in(shares *s, vd w, vd g, bint wide) noexcept nogil:
    if wide:
        add(&s.squares, w * g)
        add(&s.first, w)
    else:
        s.squares.hi = s.squares.hi + w * g
        s.first.hi = s.first.hi + w


cdef inline void count_in(shares *s, const real *x, Py_ssize_t n, double m, double t) noexcept nogil:
    cdef shares here = s[0]
    cdef vd w
    cdef Py_ssize_t j = 0
    while j + VW <= n:
        w = vfloor_at((vload(x + j) - m) - t, 0)
        put_in(&here, w, w, sizeof(real) == 8)
        j += VW
    if j < n:
        w = keep(vfloor_at((vload_first(x + j, n - j) - m) - t, 0), n - j)
        put_in(&here, w, w, sizeof(real) == 8)
    s[0] = here


cdef inline shares nothing() noexcept nogil:
    cdef shares s
    s.squares.hi = s.squares.lo = s.first.hi = s.first.lo = vset(0)
    return s


cdef inline void count_row(shares *s, const char *row, Py_ssize_t step, Py_ssize_t n, double m, double t,
                           real *room) noexcept nogil:
    cdef Py_ssize_t i = 0, size
    while i < n:
        size = min(PIECE, n - i)
        count_in(s, take(row, step, i, size, room), size, m, t)
        i += size


cdef inline double newton(const shares *s) noexcept nogil:
    return (sum_of(s.squares, True) - 4) / (2 * sum_of(s.first, True))


cdef inline level threshold(const char *row, Py_ssize_t step, Py_ssize_t n, real *room) noexcept nogil:
    cdef level at
    cdef double kept[KEPT + 16]
    cdef double t = -2, by, m = peak_of(row, step, n, room)
    cdef Py_ssize_t few = survivors(row, step, n, m, t, room, kept)
    cdef shares s
    cdef int k
    for k in range(STEPS):
        s = nothing()
        if few >= 0: count_in(&s, kept, few, 0, t)
        else: count_row(&s, row, step, n, m, t, room)
        by = newton(&s)
        t += by
        if not by > 1e-9: break    # the next one would be of the order of its square
    at.near, at.far = m, t
    if sizeof(real) == 8:          # once more from there: near it x - near is exact, and what it lacks shows in the sums
        at.near = m + t
        at.far = t - (at.near - m)
        s = nothing()
        count_row(&s, row, step, n, at.near, at.far, room)
        at.far += newton(&s)
    return at


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *oy, real *_) noexcept nogil:
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
        at = threshold(row, sx, n, rx)
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
                if stream: vstream2(y + k, v * v * 0.25, w * w * 0.25)
                else: vstore2(y + k, v * v * 0.25, w * w * 0.25)
                k += 2 * VW
            while k < size:
                v = vfloor_at((vload_first(x + k, min(VW, size - k)) - at.near) - at.far, 0)
                vstore_first(y + k, v * v * 0.25, min(VW, size - k))
                k += VW
            if not beside: give(to, sy, j, size, ry)
            j += size
    if far: fence()


def entmax(Py_ssize_t lo, Py_ssize_t hi, x, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': rows[float](lo, hi, px, po, NULL)
        elif kind == c'd': rows[double](lo, hi, px, po, NULL)
        elif kind == c'e': rows[f16](lo, hi, px, po, NULL)
        else: rows[bf16](lo, hi, px, po, NULL)


# ---- the gradient: w / 2 times g less its mean under the weights w ----

cdef void slopes(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, void *od, real *_) noexcept nogil:
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
    cdef shares s
    cdef vd v, u
    for i in range(lo, hi):
        row = bytes_of(ox) + offset_of(ox, i, 1)
        other = bytes_of(og) + offset_of(og, i, 1)
        to = bytes_of(od) + offset_of(od, i, 1)
        at = threshold(row, sx, n, rx)
        s = nothing()
        j = 0
        while j < n:
            size = min(PIECE, n - j)
            x, g = take(row, sx, j, size, rx), take(other, sg, j, size, rg)
            k = 0
            while k < size:
                w = min(VW, size - k)
                v = vfloor_at(((vload_first(x + k, w) if w < VW else vload(x + k)) - at.near) - at.far, 0)
                u = vload_first(g + k, w) if w < VW else vload(g + k)
                if w < VW: v = keep(v, w)
                put_in(&s, v, u, sizeof(real) == 8)
                k += VW
            j += size
        mean = sum_of(s.squares, True) / sum_of(s.first, True)
        j = 0
        while j < n:
            size = min(PIECE, n - j)
            x, g = take(row, sx, j, size, rx), take(other, sg, j, size, rg)
            d = <real *>to + j if sd == sizeof(real) else rd
            k = 0
            while k < size:
                w = min(VW, size - k)
                v = vfloor_at(((vload_first(x + k, w) if w < VW else vload(x + k)) - at.near) - at.far, 0)
                u = (vload_first(g + k, w) if w < VW else vload(g + k)) - mean
                u = v * 0.5 * u
                if w < VW: vstore_first(d + k, u, w)
                else: vstore(d + k, u)
                k += VW
            if sd != sizeof(real): give(to, sd, j, size, rd)
            j += size


def entmax_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, dx):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pd = <void *>dx
    with nogil:
        if kind == c'f': slopes[float](lo, hi, pg, px, pd, NULL)
        elif kind == c'd': slopes[double](lo, hi, pg, px, pd, NULL)
        elif kind == c'e': slopes[f16](lo, hi, pg, px, pd, NULL)
        else: slopes[bf16](lo, hi, pg, px, pd, NULL)
