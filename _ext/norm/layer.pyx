# Rows brought to mean zero and variance one: y = (x - mean) / sqrt(var + eps) * weight + bias, and its gradient.
# Structs are copied to locals before a loop: through a pointer the compiler must assume that a store to y changes them.
from libc.math cimport sqrt
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport *

cdef struct standard:             # what turns an x of this row into ((x * scale - near) - far) * root
    double scale                  # 1 but for float64 near the ends of its range
    double near                   # the mean in two parts: one number cannot hold what is left of a mean of 1e6
    double far
    pair root                     # 1 / sqrt(var + eps) of the scaled row; lo only for float64
    double rest                   # -far * root


cdef inline vd centred(vd x, const standard *u) noexcept nogil:
    return (x * u.scale - u.near) - u.far


cdef inline vd standardized(vd x, const standard *u, bint wide) noexcept nogil:
    """The far part of the mean goes in after the product: one rounding less, one operation less."""
    if wide:
        x = x * u.scale - u.near
        return x * u.root.hi + (x * u.root.lo + u.rest)
    return (x - u.near) * u.root.hi + u.rest


cdef inline double middle(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


# ---- float32 and halves: one pass in double ----

cdef inline void add_moments(const real *x, Py_ssize_t n, double shift, vd *s, vd *q, const real *aim) noexcept nogil:
    cdef vd s0 = vset(0), s1 = s0, s2 = s0, s3 = s0, q0 = s0, q1 = s0, q2 = s0, q3 = s0, t
    cdef Py_ssize_t j = 0
    while j + 4 * VW <= n:
        prefetch(aim + j)
        prefetch(aim + j + 2 * VW)
        t = vload(x + j) - shift; s0 = s0 + t; q0 = q0 + t * t
        t = vload(x + j + VW) - shift; s1 = s1 + t; q1 = q1 + t * t
        t = vload(x + j + 2 * VW) - shift; s2 = s2 + t; q2 = q2 + t * t
        t = vload(x + j + 3 * VW) - shift; s3 = s3 + t; q3 = q3 + t * t
        j += 4 * VW
    while j + VW <= n:
        t = vload(x + j) - shift; s0 = s0 + t; q0 = q0 + t * t
        j += VW
    if j < n:
        t = keep(vload_first(x + j, n - j) - shift, n - j); s0 = s0 + t; q0 = q0 + t * t
    s[0] = s[0] + ((s0 + s1) + (s2 + s3))
    q[0] = q[0] + ((q0 + q1) + (q2 + q3))


cdef void narrow(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, const char *aim,
                        standard *u) noexcept nogil:
    """Moments about an element of the row: x - shift is exact, and the median of three is no lone outlier, against
    which everything else would cancel."""
    cdef vd s = vset(0), q = s
    cdef Py_ssize_t j = 0, m
    cdef double shift = middle(get(<const real *>row), get(<const real *>(row + n // 2 * step)),
                               get(<const real *>(row + (n - 1) * step)))
    cdef double d
    while j < n:
        m = min(PIECE, n - j)
        add_moments(take(row, step, j, m, room), m, shift, &s, &q, <const real *>aim + j)
        j += m
    d = vsum(s) / n
    u.scale, u.near, u.far = 1, shift, d
    u.root.hi = 1 / sqrt(vsum(q) / n - d * d + eps)
    u.root.lo, u.rest = 0, -d * u.root.hi


# ---- float64: the mean first, then the squares about it, both with the rounding errors carried along ----

cdef inline void add_scaled(vpair *a, const real *x, Py_ssize_t n, double scale) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vpair here = a[0]
    while j + VW <= n:
        add(&here, vload(x + j) * scale)
        j += VW
    if j < n:
        add(&here, vload_first(x + j, n - j) * scale)
    a[0] = here


cdef inline void add_squares(vpair *a, const real *x, Py_ssize_t n, const standard *u) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd c
    cdef standard this = u[0]
    cdef vpair here = a[0]
    while j + VW <= n:
        c = centred(vload(x + j), &this)
        add(&here, c * c)
        j += VW
    if j < n:
        c = keep(centred(vload_first(x + j, n - j), &this), n - j)
        add(&here, c * c)
    a[0] = here


cdef pair measure(const char *row, Py_ssize_t step, Py_ssize_t n, real *room, standard *u) noexcept nogil:
    """Set the mean of the row scaled by u.scale; return the sum of squares about it."""
    cdef vpair s, q
    cdef pair mean
    cdef Py_ssize_t j, m
    s.hi = s.lo = q.hi = q.lo = vset(0)
    j = 0
    while j < n:
        m = min(PIECE, n - j)
        add_scaled(&s, take(row, step, j, m, room), m, u.scale)
        j += m
    mean = over(total(s), n)
    u.near, u.far = mean.hi, mean.lo
    j = 0
    while j < n:
        m = min(PIECE, n - j)
        add_squares(&q, take(row, step, j, m, room), m, u)
        j += m
    return total(q)


cdef void wide(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, standard *u) noexcept nogil:
    cdef pair q
    u.scale = 1
    q = measure(row, step, n, room, u)
    if not tame(q.hi):
        u.scale = scale_for(largest_of(row, step, n, room), eps)
        q = measure(row, step, n, room, u)
    u.root = inverse_root(over(q, n), eps * u.scale * u.scale)
    u.rest = -u.far * u.root.hi


# ---- the output ----

cdef void standardize(const real *x, const double *w, const double *b, real *y, Py_ssize_t n, const standard *u,
                             const real *ahead, bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vd v, next
    cdef standard this = u[0]
    while j + 4 * VW <= n:
        prefetch(ahead + j)
        prefetch(ahead + j + 2 * VW)
        for k in range(2):
            v = standardized(vload(x + j), &this, sizeof(real) == 8) * vload(w + j) + vload(b + j)
            next = standardized(vload(x + j + VW), &this, sizeof(real) == 8) * vload(w + j + VW) + vload(b + j + VW)
            if stream: vstream2(y + j, v, next)
            else: vstore2(y + j, v, next)
            j += 2 * VW
    while j + VW <= n:
        vstore(y + j, standardized(vload(x + j), &this, sizeof(real) == 8) * vload(w + j) + vload(b + j))
        j += VW
    if j < n:
        v = standardized(vload_first(x + j, n - j), &this, sizeof(real) == 8)
        v = v * vload_first(w + j, n - j) + vload_first(b + j, n - j)
        vstore_first(y + j, v, n - j)


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *ow, void *ob, double eps, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i, j = 0, k, m, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef Py_ssize_t sw = 0, sb = 0, rows
    cdef real rx[PIECE]
    cdef real ry[PIECE]
    cdef double rw[PIECE]
    cdef double rb[PIECE]
    cdef const double *wide_w = NULL
    cdef const double *wide_b = NULL
    cdef const char *w = bytes_of(ow)
    cdef const char *b = bytes_of(ob)
    cdef const char *x[GROUP]
    cdef const char *ahead
    cdef char *y
    cdef standard u[GROUP]
    cdef bint beside = sy == sizeof(real), far = bytes_in(oy) >= FAR, early = NEAR < bytes_in(oy) < FAR, stream
    if n == 0: return
    if w != NULL: sw = step_of(ow, 0)
    if b != NULL: sb = step_of(ob, 0)
    if n <= PIECE: wide_w, wide_b = widen(w, sw, 0, n, 1, rw, _), widen(b, sb, 0, n, -0.0, rb, _)
    i = lo
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
            if n > PIECE:
                wide_w, wide_b = widen(w, sw, j, m, 1, rw, _), widen(b, sb, j, m, -0.0, rb, _)
            for k in range(rows):
                y = bytes_of(oy) + offset_of(oy, i + k, 1)
                ahead = bytes_of(ox) + offset_of(ox, min(i + k + rows, hi - 1), 1)
                stream = sizeof(real) >= 4 and far and beside and x[k] != y and (<size_t>y) % 64 == 0
                standardize(take(x[k], sx, j, m, rx), wide_w, wide_b, <real *>y + j if beside else ry, m, &u[k],
                            <const real *>ahead + j, stream)
                if not beside: give(y, sy, j, m, ry)
            j += m
        i += rows
    if far: fence()


def layer_norm(Py_ssize_t lo, Py_ssize_t hi, x, weight, bias, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': rows[float](lo, hi, px, pw, pb, eps, po, NULL)
        elif kind == c'd': rows[double](lo, hi, px, pw, pb, eps, po, NULL)
        elif kind == c'e': rows[f16](lo, hi, px, pw, pb, eps, po, NULL)
        else: rows[bf16](lo, hi, px, pw, pb, eps, po, NULL)


# ---- the gradient ----
# dx = (gw - mean(gw) - xhat * mean(gw * xhat)) / sqrt(var + eps) with gw = g * w; weight and bias receive the sums
# over rows of g * xhat and of g.

cdef struct slope:                # of one row: the sums of gw and of gw * xhat, then their means
    vpair plain
    vpair tilted
    double level
    double tilt


cdef inline void add_slope(slope *a, vd gw, vd xhat, bint wide) noexcept nogil:
    if wide:
        add(&a.plain, gw)
        add(&a.tilted, gw * xhat)
    else:
        a.plain.hi = a.plain.hi + gw
        a.tilted.hi = a.tilted.hi + gw * xhat


cdef void add_slopes(slope *a, const real *g, const double *w, const real *x, Py_ssize_t n, const standard *u,
                            const real *aim) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    cdef slope here = a[0]
    cdef standard this = u[0]
    while sizeof(real) < 8 and j + 2 * VW <= n:
        prefetch(aim + j)
        v = vload(g + j) * vload(w + j)
        here.plain.hi = here.plain.hi + v
        here.tilted.hi = here.tilted.hi + v * standardized(vload(x + j), &this, False)
        v = vload(g + j + VW) * vload(w + j + VW)
        here.plain.lo = here.plain.lo + v
        here.tilted.lo = here.tilted.lo + v * standardized(vload(x + j + VW), &this, False)
        j += 2 * VW
    while j + VW <= n:
        add_slope(&here, vload(g + j) * vload(w + j), standardized(vload(x + j), &this, sizeof(real) == 8), sizeof(real) == 8)
        j += VW
    if j < n:
        add_slope(&here, vload_first(g + j, n - j) * vload_first(w + j, n - j),
                  standardized(vload_first(x + j, n - j), &this, sizeof(real) == 8), sizeof(real) == 8)
    a[0] = here


cdef inline vd turned(vd v, vd h, const slope *a, const standard *u, bint wide) noexcept nogil:
    v = (v - a.level) - h * a.tilt
    if wide: return (v * u.root.hi + v * u.root.lo) * u.scale
    return v * u.root.hi


cdef void turn(const real *g, const double *w, const real *x, real *dx, Py_ssize_t n, const standard *u,
                      const slope *a, double *dw, double *db, const real *g_ahead, const real *x_ahead, bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vd v, h
    cdef standard this = u[0]
    cdef slope line = a[0]
    while j + VW <= n:
        v, h = vload(g + j), standardized(vload(x + j), &this, sizeof(real) == 8)
        prefetch(g_ahead + j)
        prefetch(x_ahead + j)
        vstore(dw + j, vload(dw + j) + v * h)
        vstore(db + j, vload(db + j) + v)
        v = v * vload(w + j)
        v = turned(v, h, &line, &this, sizeof(real) == 8)
        if stream: vstream(dx + j, v)
        else: vstore(dx + j, v)
        j += VW
    if j < n:
        k = n - j
        v, h = vload_first(g + j, k), standardized(vload_first(x + j, k), &this, sizeof(real) == 8)
        vstore_first(dw + j, vload_first(dw + j, k) + v * h, k)
        vstore_first(db + j, vload_first(db + j, k) + v, k)
        v = v * vload_first(w + j, k)
        vstore_first(dx + j, turned(v, h, &line, &this, sizeof(real) == 8), k)


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
    cdef double *db = NULL
    cdef standard u[GROUP]
    cdef slope a[GROUP]
    cdef bint beside = sd == sizeof(real), far = bytes_in(od) >= FAR, early = NEAR < bytes_in(od) < FAR, stream, kept = bytes_of(op) != NULL
    if n == 0: return
    if not kept: memset(spare, 0, sizeof(spare))
    if w != NULL: sw = step_of(ow, 0)
    if n <= PIECE: wide_w = widen(w, sw, 0, n, 1, rw, _)
    for unit in range(lo, hi):
        if kept:
            dw = <double *><void *>bytes_of(op) + unit * 2 * n
            db = dw + n
            memset(dw, 0, 2 * n * sizeof(double))
        i, end = unit * block, min((unit + 1) * block, last + 1)
        while i < end:
            rows = min(together(n), end - i)
            for k in range(rows):
                g[k] = bytes_of(og) + offset_of(og, i + k, 1)
                x[k] = bytes_of(ox) + offset_of(ox, i + k, 1)
                if sizeof(real) == 8: wide(x[k], sx, n, eps, rx, &u[k])
                else: narrow(x[k], sx, n, eps, rx, g[k] if sg == sizeof(real) else x[k], &u[k])
                a[k].plain.hi = a[k].plain.lo = a[k].tilted.hi = a[k].tilted.lo = vset(0)
            j = 0
            while j < n:
                m = min(PIECE, n - j)
                if n > PIECE: wide_w = widen(w, sw, j, m, 1, rw, _)
                for k in range(rows):
                    d = bytes_of(od) + offset_of(od, i + k, 1)
                    add_slopes(&a[k], take(g[k], sg, j, m, rg), wide_w, take(x[k], sx, j, m, rx), m, &u[k],
                               <const real *>(<const char *>d if beside and early else x[k]) + j)
                j += m
            for k in range(rows):
                a[k].level = sum_of(a[k].plain, sizeof(real) == 8) / n
                a[k].tilt = sum_of(a[k].tilted, sizeof(real) == 8) / n
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
                         m, &u[k], &a[k], dw + j if kept else spare, db + j if kept else spare,
                         <const real *>g_ahead + j, <const real *>x_ahead + j, stream)
                    if not beside: give(d, sd, j, m, rd)
                j += m
            i += rows
    if far: fence()


def layer_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, weight, double eps, Py_ssize_t block, dx, parts):
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
