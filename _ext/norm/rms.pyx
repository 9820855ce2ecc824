# Rows scaled to unit root mean square: y = x / sqrt(mean(x^2) + eps) * weight, and its gradient.
from libc.math cimport sqrt
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport *


cdef struct measure:              # what turns an x of this row into x * scale * root
    double scale                  # 1 but for float64 near the ends of its range
    pair root                     # 1 / sqrt(mean(x^2) + eps) of the scaled row; lo only for float64


cdef inline vd scaled(vd x, const measure *u, bint wide) noexcept nogil:
    if wide:
        x = x * u.scale
        return x * u.root.hi + x * u.root.lo
    return x * u.root.hi


# ---- float32 and halves: squares of them are exact in double and stay far from its ends ----

cdef inline void add_squares(const real *x, Py_ssize_t n, vd *q) noexcept nogil:
    cdef vd a = vset(0), b = a, c = a, d = a, v
    cdef Py_ssize_t j = 0
    while j + 4 * VW <= n:
        v = vload(x + j); a = a + v * v
        v = vload(x + j + VW); b = b + v * v
        v = vload(x + j + 2 * VW); c = c + v * v
        v = vload(x + j + 3 * VW); d = d + v * v
        j += 4 * VW
    while j + VW <= n:
        v = vload(x + j); a = a + v * v
        j += VW
    if j < n:
        v = vload_first(x + j, n - j); a = a + v * v
    q[0] = q[0] + ((a + b) + (c + d))


cdef inline void narrow(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, measure *u) noexcept nogil:
    cdef vd q = vset(0)
    cdef Py_ssize_t j = 0, m
    while j < n:
        m = min(PIECE, n - j)
        add_squares(take(row, step, j, m, room), m, &q)
        j += m
    u.scale, u.root.hi, u.root.lo = 1, 1 / sqrt(vsum(q) / n + eps), 0


# ---- float64: the rounding errors of the sum are carried along ----

cdef inline void add_scaled_squares(vpair *q, const real *x, Py_ssize_t n, double scale) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    while j + VW <= n:
        v = vload(x + j) * scale
        add(q, v * v)
        j += VW
    if j < n:
        v = vload_first(x + j, n - j) * scale
        add(q, v * v)


cdef inline pair square_sum(const char *row, Py_ssize_t step, Py_ssize_t n, real *room, double scale) noexcept nogil:
    cdef vpair q
    cdef Py_ssize_t j = 0, m
    q.hi = q.lo = vset(0)
    while j < n:
        m = min(PIECE, n - j)
        add_scaled_squares(&q, take(row, step, j, m, room), m, scale)
        j += m
    return total(q)


cdef inline void wide(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, measure *u) noexcept nogil:
    cdef pair q = square_sum(row, step, n, room, 1)
    u.scale = 1
    if not tame(q.hi):
        u.scale = scale_for(largest_of(row, step, n, room), eps)
        q = square_sum(row, step, n, room, u.scale)
    u.root = inverse_root(over(q, n), eps * u.scale * u.scale)


# ---- the output ----

cdef inline void scale(const real *x, const real *w, real *y, Py_ssize_t n, const measure *u, const real *ahead,
                       bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    while j + VW <= n:
        v = scaled(vload(x + j), u, sizeof(real) == 8)
        if w != NULL: v = v * vload(w + j)
        prefetch(ahead + j)
        if stream: vstream(y + j, v)
        else: vstore(y + j, v)
        j += VW
    if j < n:
        v = scaled(vload_first(x + j, n - j), u, sizeof(real) == 8)
        if w != NULL: v = v * vload_first(w + j, n - j)
        vstore_first(y + j, v, n - j)


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *ow, double eps, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i, j, m, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef Py_ssize_t sw = 0
    cdef real rx[PIECE]
    cdef real rw[PIECE]
    cdef real ry[PIECE]
    cdef const char *x
    cdef const char *next
    cdef const char *w = bytes_of(ow)
    cdef char *y
    cdef measure u
    cdef bint beside = sy == sizeof(real), far = is_far(oy), stream
    if n == 0: return
    if w != NULL: sw = step_of(ow, 0)
    next = bytes_of(ox) + offset_of(ox, lo, 1)
    for i in range(lo, hi):
        x, next = next, bytes_of(ox) + offset_of(ox, min(i + 1, hi - 1), 1)
        y = bytes_of(oy) + offset_of(oy, i, 1)
        stream = far and beside and x != y and (<size_t>y) % 64 == 0
        if sizeof(real) == 8: wide(x, sx, n, eps, rx, &u)
        else: narrow(x, sx, n, eps, rx, &u)
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            scale(take(x, sx, j, m, rx), take(w, sw, j, m, rw), <real *>y + j if beside else ry, m, &u,
                  <const real *>next + j, stream)
            if not beside: give(y, sy, j, m, ry)
            j += m
    if far: fence()


def rms_norm(Py_ssize_t lo, Py_ssize_t hi, x, weight, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': rows[float](lo, hi, px, pw, eps, po, NULL)
        elif kind == c'd': rows[double](lo, hi, px, pw, eps, po, NULL)
        elif kind == c'e': rows[f16](lo, hi, px, pw, eps, po, NULL)
        else: rows[bf16](lo, hi, px, pw, eps, po, NULL)
