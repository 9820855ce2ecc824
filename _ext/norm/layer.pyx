# Rows brought to mean zero and variance one: y = (x - mean) / sqrt(var + eps) * weight + bias, and its gradient.
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


cdef inline vd centred(vd x, const standard *u, bint wide) noexcept nogil:
    if wide: x = x * u.scale
    return (x - u.near) - u.far


cdef inline vd standardized(vd x, const standard *u, bint wide) noexcept nogil:
    cdef vd c = centred(x, u, wide)
    if wide: return c * u.root.hi + c * u.root.lo
    return c * u.root.hi


cdef inline double middle(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


# ---- float32 and halves: one pass in double ----

cdef inline void add_moments(const real *x, Py_ssize_t n, double shift, vd *s, vd *q) noexcept nogil:
    cdef vd s0 = vset(0), s1 = s0, s2 = s0, s3 = s0, q0 = s0, q1 = s0, q2 = s0, q3 = s0, t
    cdef Py_ssize_t j = 0
    while j + 4 * VW <= n:
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


cdef inline void narrow(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, standard *u) noexcept nogil:
    """Moments about an element of the row: x - shift is exact, and the median of three is no lone outlier, against
    which everything else would cancel."""
    cdef vd s = vset(0), q = s
    cdef Py_ssize_t j = 0, m
    cdef double shift = middle(get(<const real *>row), get(<const real *>(row + n // 2 * step)),
                               get(<const real *>(row + (n - 1) * step)))
    cdef double d
    while j < n:
        m = min(PIECE, n - j)
        add_moments(take(row, step, j, m, room), m, shift, &s, &q)
        j += m
    d = vsum(s) / n
    u.scale, u.near, u.far = 1, shift, d
    u.root.hi = 1 / sqrt(vsum(q) / n - d * d + eps)
    u.root.lo = 0


# ---- float64: the mean first, then the squares about it, both with the rounding errors carried along ----

cdef inline void add_scaled(vpair *a, const real *x, Py_ssize_t n, double scale) noexcept nogil:
    cdef Py_ssize_t j = 0
    while j + VW <= n:
        add(a, vload(x + j) * scale)
        j += VW
    if j < n:
        add(a, vload_first(x + j, n - j) * scale)


cdef inline void add_squares(vpair *a, const real *x, Py_ssize_t n, const standard *u) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd c
    while j + VW <= n:
        c = centred(vload(x + j), u, True)
        add(a, c * c)
        j += VW
    if j < n:
        c = keep(centred(vload_first(x + j, n - j), u, True), n - j)
        add(a, c * c)


cdef inline pair measure(const char *row, Py_ssize_t step, Py_ssize_t n, real *room, standard *u) noexcept nogil:
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


cdef inline void wide(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, real *room, standard *u) noexcept nogil:
    cdef pair q
    u.scale = 1
    q = measure(row, step, n, room, u)
    if not tame(q.hi):
        u.scale = scale_for(largest_of(row, step, n, room), eps)
        q = measure(row, step, n, room, u)
    u.root = inverse_root(over(q, n), eps * u.scale * u.scale)


# ---- the output ----

cdef inline void standardize(const real *x, const real *w, const real *b, real *y, Py_ssize_t n, const standard *u,
                             const real *ahead, bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    while j + VW <= n:
        v = standardized(vload(x + j), u, sizeof(real) == 8)
        if w != NULL: v = v * vload(w + j)
        if b != NULL: v = v + vload(b + j)
        prefetch(ahead + j)
        if stream: vstream(y + j, v)
        else: vstore(y + j, v)
        j += VW
    if j < n:
        v = standardized(vload_first(x + j, n - j), u, sizeof(real) == 8)
        if w != NULL: v = v * vload_first(w + j, n - j)
        if b != NULL: v = v + vload_first(b + j, n - j)
        vstore_first(y + j, v, n - j)


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *ow, void *ob, double eps, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i, j, m, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef Py_ssize_t sw = 0, sb = 0
    cdef real rx[PIECE]
    cdef real rw[PIECE]
    cdef real rb[PIECE]
    cdef real ry[PIECE]
    cdef const char *x
    cdef const char *next
    cdef const char *w = bytes_of(ow)
    cdef const char *b = bytes_of(ob)
    cdef char *y
    cdef standard u
    cdef bint beside = sy == sizeof(real), far = is_far(oy), stream
    if n == 0: return
    if w != NULL: sw = step_of(ow, 0)
    if b != NULL: sb = step_of(ob, 0)
    next = bytes_of(ox) + offset_of(ox, lo, 1)
    for i in range(lo, hi):
        x, next = next, bytes_of(ox) + offset_of(ox, min(i + 1, hi - 1), 1)
        y = bytes_of(oy) + offset_of(oy, i, 1)
        stream = beside and x != y and (<size_t>y) % 64 == 0 and far
        if sizeof(real) == 8: wide(x, sx, n, eps, rx, &u)
        else: narrow(x, sx, n, eps, rx, &u)
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            standardize(take(x, sx, j, m, rx), take(w, sw, j, m, rw), take(b, sb, j, m, rb),
                        <real *>y + j if beside else ry, m, &u, <const real *>next + j, stream)
            if not beside: give(y, sy, j, m, ry)
            j += m
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
