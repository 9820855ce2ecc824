# What norms by the mean square share: how it is measured, and rows brought to its root. A row that is `compressed` is
# one of mean zero without its last element, which is minus the sum of the others and counts as one more.
# Included, not cimported: as inline functions, which a .pxd has to have, they take a tenth more time.
# Structs are copied to locals before a loop: through a pointer the compiler must assume that a store to y changes them.
from libc.math cimport sqrt, fma
from vec cimport *
from arrays cimport *
from rows cimport *


cdef struct measure:              # what turns an x of this row into x * scale * root
    double scale                  # 1 but for float64 near the ends of its range
    pair root                     # 1 / sqrt(mean(x^2) + eps) of the scaled row; lo only for float64
    pair sum                      # of a compressed row, scaled


cdef inline vd scaled(vd x, const measure *u, bint wide) noexcept nogil:
    if wide:
        x = x * u.scale
        return x * u.root.hi + x * u.root.lo
    return x * u.root.hi


# ---- float32 and halves: squares of them are exact in double and stay far from its ends ----

cdef void add_squares(const real *x, Py_ssize_t n, vd *q, const real *aim) noexcept nogil:
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


cdef void add_moments(const real *x, Py_ssize_t n, vd *s, vd *q, const real *aim) noexcept nogil:
    """The elements too."""
    cdef vd a = vset(0), b = a, c = a, d = a, e = a, f = a, v
    cdef Py_ssize_t j = 0
    while j + 4 * VW <= n:
        prefetch(aim + j)
        prefetch(aim + j + 2 * VW)
        v = vload(x + j); a = a + v * v; e = e + v
        v = vload(x + j + VW); b = b + v * v; f = f + v
        v = vload(x + j + 2 * VW); c = c + v * v; e = e + v
        v = vload(x + j + 3 * VW); d = d + v * v; f = f + v
        j += 4 * VW
    while j + VW <= n:
        v = vload(x + j); a = a + v * v; e = e + v
        j += VW
    if j < n:
        v = vload_first(x + j, n - j); a = a + v * v; e = e + v
    s[0] = s[0] + (e + f)
    q[0] = q[0] + ((a + b) + (c + d))


cdef void narrow(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, bint compressed, real *room, const char *aim,
                        measure *u) noexcept nogil:
    cdef vd q = vset(0), s = vset(0)
    cdef Py_ssize_t j = 0, m
    cdef const real *x
    cdef double missing
    while j < n:
        m = min(PIECE, n - j)
        x = take(row, step, j, m, room)
        if compressed: add_moments(x, m, &s, &q, <const real *>aim + j)
        else: add_squares(x, m, &q, <const real *>aim + j)
        j += m
    missing = u.sum.hi = vsum(s)
    u.sum.lo = 0
    u.scale, u.root.hi, u.root.lo = 1, 1 / sqrt((vsum(q) + missing * missing) / (n + compressed) + eps), 0


# ---- float64: the rounding errors of the sum are carried along ----

cdef void add_scaled_squares(vpair *q, const real *x, Py_ssize_t n, double scale) noexcept nogil:
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


cdef void add_scaled_elements(vpair *s, const real *x, Py_ssize_t n, double scale) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vpair here = s[0]
    while j + VW <= n:
        add(&here, vload(x + j) * scale)
        j += VW
    if j < n: add(&here, vload_first(x + j, n - j) * scale)
    s[0] = here


cdef pair square_sum(const char *row, Py_ssize_t step, Py_ssize_t n, bint compressed, real *room, double scale, pair *sum) noexcept nogil:
    cdef vpair q, s
    cdef pair p, missing
    cdef double m_square, rest
    cdef const real *x
    cdef Py_ssize_t j = 0, m
    q.hi = q.lo = s.hi = s.lo = vset(0)
    while j < n:
        m = min(PIECE, n - j)
        x = take(row, step, j, m, room)
        add_scaled_squares(&q, x, m, scale)
        if compressed: add_scaled_elements(&s, x, m, scale)
        j += m
    p = total(q)
    if compressed:
        missing = sum[0] = total(s)
        m_square = missing.hi * missing.hi
        rest = p.lo + (fma(missing.hi, missing.hi, -m_square) + 2 * missing.hi * missing.lo)
        p = two_sum(p.hi, m_square)
        p.lo = p.lo + rest if p.hi - p.hi == 0 else 0
    return p


cdef bint wide(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, bint compressed, real *room, measure *u) noexcept nogil:
    """Return whether the row lies near an end of the range."""
    cdef pair q = square_sum(row, step, n, compressed, room, 1, &u.sum)
    cdef bint middling = tame(q.hi)
    u.scale = 1
    if not middling:
        u.scale = scale_for(largest_of(row, step, n, room), eps)
        q = square_sum(row, step, n, compressed, room, u.scale, &u.sum)
    u.root = inverse_root(over(q, n + compressed), eps * u.scale * u.scale)
    return not middling


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


cdef void scale_alone(const real *x, real *y, Py_ssize_t n, const measure *u, const real *ahead, bint stream) noexcept nogil:
    """Without a weight."""
    cdef Py_ssize_t j = 0
    cdef vd v, next
    cdef measure this = u[0]
    while j + 2 * VW <= n:
        prefetch(ahead + j)
        v, next = scaled(vload(x + j), &this, sizeof(real) == 8), scaled(vload(x + j + VW), &this, sizeof(real) == 8)
        if stream: vstream2(y + j, v, next)
        else: vstore2(y + j, v, next)
        j += 2 * VW
    while j < n:
        v = scaled(vload(x + j) if j + VW <= n else vload_first(x + j, n - j), &this, sizeof(real) == 8)
        if j + VW <= n: vstore(y + j, v)
        else: vstore_first(y + j, v, n - j)
        j += VW


cdef inline void scale_piece(void *ox, void *oy, const char *x, Py_ssize_t row, Py_ssize_t later, Py_ssize_t j, Py_ssize_t m,
                             const double *w, const measure *u, bint far, real *rx, real *ry) noexcept nogil:
    """Elements j .. j + m of a row, while those of a later one are fetched."""
    cdef Py_ssize_t sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef char *y = bytes_of(oy) + offset_of(oy, row, 1)
    cdef const real *ahead = <const real *>(bytes_of(ox) + offset_of(ox, later, 1)) + j
    cdef bint beside = sy == sizeof(real), stream = sizeof(real) >= 4 and far and beside and x != y and (<size_t>y) % 64 == 0
    cdef real *to = <real *>y + j if beside else ry
    if w == NULL: scale_alone(take(x, sx, j, m, rx), to, m, u, ahead, stream)
    else: scale(take(x, sx, j, m, rx), w, to, m, u, ahead, stream)
    if not beside: give(y, sy, j, m, ry)


cdef void scaled_rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *ow, double eps, bint compressed, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i = lo, j, k, m, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1)
    cdef Py_ssize_t sw = 0, rows
    cdef real rx[PIECE]
    cdef real ry[PIECE]
    cdef double rw[PIECE]
    cdef const double *wide_w = NULL
    cdef const char *w = bytes_of(ow)
    cdef const char *x[GROUP]
    cdef char *y
    cdef measure u[GROUP]
    cdef bint beside = sy == sizeof(real), far = bytes_in(oy) >= FAR, early = NEAR < bytes_in(oy) < FAR
    if n == 0: return
    if w != NULL: sw = step_of(ow, 0)
    if n <= PIECE and w != NULL: wide_w = widen(w, sw, 0, n, 1, rw, _)
    while i < hi:
        rows = min(1 if w == NULL and n > PIECE else together(n), hi - i)      # two rows are there to share a weight
        for k in range(rows):
            x[k] = bytes_of(ox) + offset_of(ox, i + k, 1)
            y = bytes_of(oy) + offset_of(oy, i + k, 1)
            if sizeof(real) == 8: wide(x[k], sx, n, eps, compressed, rx, &u[k])
            else: narrow(x[k], sx, n, eps, compressed, rx, <const char *>y if beside and early else x[k], &u[k])
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            if n > PIECE and w != NULL: wide_w = widen(w, sw, j, m, 1, rw, _)
            for k in range(rows): scale_piece(ox, oy, x[k], i + k, min(i + k + rows, hi - 1), j, m, wide_w, &u[k], far, rx, ry)
            j += m
        i += rows
    if far: fence()
