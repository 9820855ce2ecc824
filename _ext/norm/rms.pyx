# Rows scaled to unit root mean square: y = x / sqrt(mean(x^2) + eps) * weight, and its gradient.
# Structs are copied to locals before a loop: through a pointer the compiler must assume that a store to y changes them.
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

cdef inline void add_squares(const real *x, Py_ssize_t n, vd *q, const real *aim) noexcept nogil:
    cdef vd a = vset(0), b = a, c = a, d = a, v
    cdef Py_ssize_t j = 0
    while j + 4 * VW <= n:
        prefetch(aim + j)
        prefetch(aim + j + 2 * VW)
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


cdef void narrow(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, const char *aim,
                        measure *u) noexcept nogil:
    cdef vd q = vset(0)
    cdef Py_ssize_t j = 0, m
    while j < n:
        m = min(PIECE, n - j)
        add_squares(take(row, step, j, m, room), m, &q, <const real *>aim + j)
        j += m
    u.scale, u.root.hi, u.root.lo = 1, 1 / sqrt(vsum(q) / n + eps), 0


# ---- float64: the rounding errors of the sum are carried along ----

cdef inline void add_scaled_squares(vpair *q, const real *x, Py_ssize_t n, double scale) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    cdef vpair here = q[0]
    while j + VW <= n:
        v = vload(x + j) * scale
        add(&here, v * v)
        j += VW
    if j < n:
        v = vload_first(x + j, n - j) * scale
        add(&here, v * v)
    q[0] = here


cdef pair square_sum(const char *row, Py_ssize_t step, Py_ssize_t n, real *room, double scale) noexcept nogil:
    cdef vpair q
    cdef Py_ssize_t j = 0, m
    q.hi = q.lo = vset(0)
    while j < n:
        m = min(PIECE, n - j)
        add_scaled_squares(&q, take(row, step, j, m, room), m, scale)
        j += m
    return total(q)


cdef void wide(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, measure *u) noexcept nogil:
    cdef pair q = square_sum(row, step, n, room, 1)
    u.scale = 1
    if not tame(q.hi):
        u.scale = scale_for(largest_of(row, step, n, room), eps)
        q = square_sum(row, step, n, room, u.scale)
    u.root = inverse_root(over(q, n), eps * u.scale * u.scale)


# ---- the output ----

cdef void scale(const real *x, const double *w, real *y, Py_ssize_t n, const measure *u, const real *ahead,
                       bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vd v, next
    cdef measure this = u[0]
    while j + 4 * VW <= n:
        prefetch(ahead + j)
        prefetch(ahead + j + 2 * VW)
        for k in range(2):
            v = scaled(vload(x + j), &this, sizeof(real) == 8) * vload(w + j)
            next = scaled(vload(x + j + VW), &this, sizeof(real) == 8) * vload(w + j + VW)
            if stream: vstream2(y + j, v, next)
            else: vstore2(y + j, v, next)
            j += 2 * VW
    while j + VW <= n:
        vstore(y + j, scaled(vload(x + j), &this, sizeof(real) == 8) * vload(w + j))
        j += VW
    if j < n:
        v = scaled(vload_first(x + j, n - j), &this, sizeof(real) == 8)
        v = v * vload_first(w + j, n - j)
        vstore_first(y + j, v, n - j)


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *ow, double eps, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i = lo, j, k, m, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef Py_ssize_t sw = 0, rows
    cdef real rx[PIECE]
    cdef real ry[PIECE]
    cdef double rw[PIECE]
    cdef const double *wide_w = NULL
    cdef const char *w = bytes_of(ow)
    cdef const char *x[GROUP]
    cdef const char *ahead
    cdef char *y
    cdef measure u[GROUP]
    cdef bint beside = sy == sizeof(real), far = bytes_in(oy) >= FAR, early = NEAR < bytes_in(oy) < FAR, stream
    if n == 0: return
    if w != NULL: sw = step_of(ow, 0)
    if n <= PIECE: wide_w = widen(w, sw, 0, n, 1, rw, _)
    while i < hi:
        rows = min(together(n), hi - i)
        for k in range(rows):
            x[k] = bytes_of(ox) + offset_of(ox, i + k, 1)
            y = bytes_of(oy) + offset_of(oy, i + k, 1)
            if sizeof(real) == 8: wide(x[k], sx, n, eps, rx, &u[k])
            else: narrow(x[k], sx, n, eps, rx, <const char *>y if beside and early else x[k], &u[k])
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            if n > PIECE: wide_w = widen(w, sw, j, m, 1, rw, _)
            for k in range(rows):
                y = bytes_of(oy) + offset_of(oy, i + k, 1)
                ahead = bytes_of(ox) + offset_of(ox, min(i + k + rows, hi - 1), 1)
                stream = sizeof(real) >= 4 and far and beside and x[k] != y and (<size_t>y) % 64 == 0
                scale(take(x[k], sx, j, m, rx), wide_w, <real *>y + j if beside else ry, m, &u[k],
                      <const real *>ahead + j, stream)
                if not beside: give(y, sy, j, m, ry)
            j += m
        i += rows
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


# ---- the gradient ----
# dx = (gw - xhat * mean(gw * xhat)) / rms with gw = g * w and xhat = x / rms; the weight receives the sum over rows
# of g * xhat.

cdef void add_slope(vpair *a, const real *g, const double *w, const real *x, Py_ssize_t n, const measure *u,
                           const real *aim) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    cdef vpair here = a[0]
    cdef measure this = u[0]
    while sizeof(real) < 8 and j + 2 * VW <= n:
        prefetch(aim + j)
        here.hi = here.hi + vload(g + j) * vload(w + j) * scaled(vload(x + j), &this, False)
        here.lo = here.lo + vload(g + j + VW) * vload(w + j + VW) * scaled(vload(x + j + VW), &this, False)
        j += 2 * VW
    while j + VW <= n:
        v = vload(g + j) * vload(w + j) * scaled(vload(x + j), &this, sizeof(real) == 8)
        if sizeof(real) == 8: add(&here, v)
        else: here.hi = here.hi + v
        j += VW
    if j < n:
        v = vload_first(g + j, n - j) * vload_first(w + j, n - j) * scaled(vload_first(x + j, n - j), &this, sizeof(real) == 8)
        if sizeof(real) == 8: add(&here, v)
        else: here.hi = here.hi + v
    a[0] = here


cdef inline vd turned(vd v, vd h, double tilt, const measure *u, bint wide) noexcept nogil:
    v = v - h * tilt
    if wide: return (v * u.root.hi + v * u.root.lo) * u.scale
    return v * u.root.hi


cdef void turn(const real *g, const double *w, const real *x, real *dx, Py_ssize_t n, const measure *u,
                      double tilt, double *dw, const real *g_ahead, const real *x_ahead, bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vd v, h
    cdef measure this = u[0]
    while j + VW <= n:
        v, h = vload(g + j), scaled(vload(x + j), &this, sizeof(real) == 8)
        prefetch(g_ahead + j)
        prefetch(x_ahead + j)
        vstore(dw + j, vload(dw + j) + v * h)
        v = v * vload(w + j)
        v = turned(v, h, tilt, &this, sizeof(real) == 8)
        if stream: vstream(dx + j, v)
        else: vstore(dx + j, v)
        j += VW
    if j < n:
        k = n - j
        v, h = vload_first(g + j, k), scaled(vload_first(x + j, k), &this, sizeof(real) == 8)
        vstore_first(dw + j, vload_first(dw + j, k) + v * h, k)
        v = v * vload_first(w + j, k)
        vstore_first(dx + j, turned(v, h, tilt, &this, sizeof(real) == 8), k)


cdef void blocks(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, void *ow, double eps, Py_ssize_t block, void *od,
                 void *op, real *_) noexcept nogil:
    cdef Py_ssize_t n = size_of(ox, -1), sg = step_of(og, -1), sx = step_of(ox, -1), sd = step_of(od, -1), sw = 0
    cdef Py_ssize_t unit, i, j, k, m, rows, end, last = units_of(ox, 1) - 1
    cdef real rg[PIECE]
    cdef real rx[PIECE]
    cdef real rd[PIECE]
    cdef double rw[PIECE]
    cdef double spare[PIECE]
    cdef const double *wide_w = NULL
    cdef const char *w = bytes_of(ow)
    cdef const char *g[GROUP]
    cdef const char *x[GROUP]
    cdef const char *g_ahead
    cdef const char *x_ahead
    cdef char *d
    cdef double *dw = NULL
    cdef measure u[GROUP]
    cdef vpair a[GROUP]
    cdef double tilt[GROUP]
    cdef bint beside = sd == sizeof(real), far = bytes_in(od) >= FAR, early = NEAR < bytes_in(od) < FAR, stream, kept = bytes_of(op) != NULL
    if n == 0: return
    if not kept: memset(spare, 0, sizeof(spare))
    if w != NULL: sw = step_of(ow, 0)
    if n <= PIECE: wide_w = widen(w, sw, 0, n, 1, rw, _)
    for unit in range(lo, hi):
        if kept:
            dw = <double *><void *>bytes_of(op) + unit * n
            memset(dw, 0, n * sizeof(double))
        i, end = unit * block, min((unit + 1) * block, last + 1)
        while i < end:
            rows = min(together(n), end - i)
            for k in range(rows):
                g[k] = bytes_of(og) + offset_of(og, i + k, 1)
                x[k] = bytes_of(ox) + offset_of(ox, i + k, 1)
                if sizeof(real) == 8: wide(x[k], sx, n, eps, rx, &u[k])
                else: narrow(x[k], sx, n, eps, rx, g[k] if sg == sizeof(real) else x[k], &u[k])
                a[k].hi = a[k].lo = vset(0)
            j = 0
            while j < n:
                m = min(PIECE, n - j)
                if n > PIECE: wide_w = widen(w, sw, j, m, 1, rw, _)
                for k in range(rows):
                    d = bytes_of(od) + offset_of(od, i + k, 1)
                    add_slope(&a[k], take(g[k], sg, j, m, rg), wide_w, take(x[k], sx, j, m, rx), m, &u[k],
                              <const real *>(<const char *>d if beside and early else x[k]) + j)
                j += m
            for k in range(rows):
                tilt[k] = sum_of(a[k], sizeof(real) == 8) / n
            j = 0
            while j < n:
                m = min(PIECE, n - j)
                if n > PIECE: wide_w = widen(w, sw, j, m, 1, rw, _)
                for k in range(rows):
                    d = bytes_of(od) + offset_of(od, i + k, 1)
                    g_ahead = bytes_of(og) + offset_of(og, min(i + k + rows, last), 1)
                    x_ahead = bytes_of(ox) + offset_of(ox, min(i + k + rows, last), 1)
                    stream = sizeof(real) >= 4 and far and beside and d != x[k] and d != g[k] and (<size_t>d) % 64 == 0
                    turn(take(g[k], sg, j, m, rg), wide_w, take(x[k], sx, j, m, rx), <real *>d + j if beside else rd,
                         m, &u[k], tilt[k], dw + j if kept else spare,
                         <const real *>g_ahead + j, <const real *>x_ahead + j, stream)
                    if not beside: give(d, sd, j, m, rd)
                j += m
            i += rows
    if far: fence()


def rms_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, weight, double eps, Py_ssize_t block, dx, parts):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *pd = <void *>dx
    cdef void *pp = <void *>parts
    with nogil:
        if kind == c'f': blocks[float](lo, hi, pg, px, pw, eps, block, pd, pp, NULL)
        elif kind == c'd': blocks[double](lo, hi, pg, px, pw, eps, block, pd, pp, NULL)
        elif kind == c'e': blocks[f16](lo, hi, pg, px, pw, eps, block, pd, pp, NULL)
        else: blocks[bf16](lo, hi, pg, px, pw, eps, block, pd, pp, NULL)
