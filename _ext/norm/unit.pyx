# Rows of unit length: y = x / max(||x||_p, eps), and its gradient.
# Structs are copied to locals before a loop: through a pointer the compiler must assume that a store to y changes them.
from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport sqrt, cbrt, pow, log2, fabs, fma, floor, INFINITY
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport *
from power cimport *

# How |x|^p is taken: by products where p is 1 .. 6, as a maximum where it is infinite, else by logarithms.
cdef enum:
    ANY = 0
    TOP = 7
    LANES = 32                    # that a sum is taken in, one order on every CPU; half as many carry their errors
    HALF = 16

cdef struct length:               # what turns an x of this row into x * scale * inverse
    double scale                  # 1 but for float64 near the ends of its range
    pair inverse                  # 1 / max(norm, eps) of the scaled row; lo only for float64
    double top                    # the largest magnitude, where p is infinite
    bint held                     # the norm is below eps, and counts as this constant


cdef inline int way(double p) noexcept nogil:
    if p == INFINITY: return TOP
    return <int>p if p <= 6 and p == floor(p) else ANY


cdef inline vd unit(vd x, const length *u, bint wide) noexcept nogil:
    if wide:
        x = x * u.scale
        return x * u.inverse.hi + x * u.inverse.lo
    return x * u.inverse.hi


cdef inline vd power(vd v, int k) noexcept nogil:
    cdef vd w = v * v
    if k == 2: return w
    v = vabs(v)
    if k == 1: return v
    if k == 3: return w * v
    if k == 4: return w * w
    if k == 5: return w * w * v
    return w * w * w


cdef inline vd join(vd a, vd v, int k) noexcept nogil:
    return vlarger(a, vabs(v)) if k == TOP else a + power(v, k)


# Sums of |x|^k, or the largest |x|, lane by lane. Zeros behind the end of a row change neither.
cdef inline void join_row(const real *x, Py_ssize_t n, int k, double *lane, const real *aim) noexcept nogil:
    cdef vd a[LANES]
    cdef Py_ssize_t j = 0
    cdef int i
    for i in range(LANES // VW): a[i] = vload(<const double *>lane + i * VW)
    while j + LANES <= n:
        prefetch(aim + j)
        prefetch(aim + j + LANES // 2)
        for i in range(LANES // VW): a[i] = join(a[i], vload(x + j + i * VW), k)
        j += LANES
    for i in range(LANES // VW):
        vstore(lane + i * VW, a[i])
    i = 0
    while j < n:
        a[0] = vload(x + j) if j + VW <= n else vload_first(x + j, n - j)
        vstore(lane + i, join(vload(<const double *>lane + i), a[0], k))
        i += VW
        j += VW


# k is said once more as a constant, so that each loop holds one kind of product.
cdef void join_as(const real *x, Py_ssize_t n, int k, double *lane, const real *aim) noexcept nogil:
    if k == 2: join_row(x, n, 2, lane, aim)
    elif k == 1: join_row(x, n, 1, lane, aim)
    elif k == TOP: join_row(x, n, TOP, lane, aim)
    elif k == 3: join_row(x, n, 3, lane, aim)
    else: join_row(x, n, k, lane, aim)


cdef inline double sum_lanes(double *lane) noexcept nogil:
    cdef int half = LANES // 2, i
    while half:
        for i in range(half): lane[i] += lane[i + half]
        half //= 2
    return lane[0]


cdef double largest(const char *row, Py_ssize_t step, Py_ssize_t n, real *room, const char *aim) noexcept nogil:
    cdef double lane[LANES]
    cdef double top = 0
    cdef Py_ssize_t j = 0, m
    cdef int i
    for i in range(LANES): lane[i] = 0
    while j < n:
        m = min(PIECE, n - j)
        join_as(take(row, step, j, m, room), m, TOP, lane, <const real *>aim + j)
        j += m
    for i in range(LANES):
        if lane[i] > top or lane[i] != lane[i]: top = lane[i]
    return top


# ---- float32 and halves: sixth powers of them stay far from the ends of a double ----

# Sums of (|x| / top)^p, lane by lane; 0 adds nothing.
cdef inline void add_powers(const real *x, Py_ssize_t n, double p, double log_top, double *lane) noexcept nogil:
    cdef vd v[4]
    cdef vd w[4]
    cdef Py_ssize_t j = 0, k
    cdef int i, at = 0
    while j < n:
        for i in range(4):
            k = n - j - i * VW
            w[i] = vabs(vload(x + j + i * VW) if k >= VW else vload_first(x + j + i * VW, max(0, k)))
            v[i] = w[i]
        vlog2s(v, 4)
        for i in range(4): v[i] = (v[i] - log_top) * p
        vexp2s(v, 4)
        for i in range(4):
            v[i] = vwhere_below(w[i], DBL_MIN, vset(0), v[i])
            vstore(lane + at + i * VW, vload(<const double *>lane + at + i * VW) + v[i])
        at = (at + 4 * VW) % LANES
        j += 4 * VW


cdef double narrow_norm(const char *row, Py_ssize_t step, Py_ssize_t n, double p, int k, real *room,
                        const char *aim) noexcept nogil:
    cdef double lane[LANES]
    cdef double top = 0, log_top = 0, sum
    cdef Py_ssize_t j = 0, m
    if k == ANY or k == TOP:
        top = largest(row, step, n, room, aim)
        if k == TOP or not 0 < top < INFINITY: return top
        log_top = log2(top)
    for m in range(LANES): lane[m] = 0
    while j < n:
        m = min(PIECE, n - j)
        if k == ANY: add_powers(take(row, step, j, m, room), m, p, log_top, lane)
        else: join_as(take(row, step, j, m, room), m, k, lane, <const real *>aim + j)
        j += m
    sum = sum_lanes(lane)
    if k == 1: return sum
    if k == 2: return sqrt(sum)
    if k == 3: return cbrt(sum)
    return pow(sum, 1 / p) * (top if k == ANY else 1)


cdef void narrow(const char *row, Py_ssize_t step, Py_ssize_t n, double p, int k, double eps, real *room,
                 const char *aim, length *u) noexcept nogil:
    cdef double norm = narrow_norm(row, step, n, p, k, room, aim)
    u.top, u.held, u.scale, u.inverse.lo = norm, norm < eps, 1, 0
    u.inverse.hi = 1 / (eps if u.held else norm)


# ---- float64: the rounding errors of the sum are carried along, the root is corrected by one Newton step ----

cdef struct carried:
    double hi[HALF]
    double lo[HALF]


cdef inline void carry(vd *hi, vd *lo, vd v) noexcept nogil:
    """Knuth's TwoSum: hi receives v, and lo what the rounding lost."""
    cdef vd t = hi[0] + v, z = t - hi[0]
    lo[0] = lo[0] + ((hi[0] - (t - z)) + (v - z))
    hi[0] = t


cdef pair sum_carried(const carried *a) noexcept nogil:
    cdef pair p, q
    cdef int k
    p.hi = p.lo = 0
    for k in range(HALF):
        q = two_sum(p.hi, a.hi[k])
        p.hi, p.lo = q.hi, p.lo + (q.lo + a.lo[k])
    if p.hi - p.hi != 0: p.lo = 0  # an infinity or a NaN is the whole answer: its rounding error is none
    return p


cdef inline void carry_powers(carried *q, const real *x, Py_ssize_t n, double scale, int k) noexcept nogil:
    cdef vd hi[HALF]
    cdef vd lo[HALF]
    cdef vd v
    cdef Py_ssize_t j = 0
    cdef int i
    for i in range(HALF // VW): hi[i], lo[i] = vload(<const double *>q.hi + i * VW), vload(<const double *>q.lo + i * VW)
    while j + HALF <= n:
        for i in range(HALF // VW): carry(hi + i, lo + i, power(vload(x + j + i * VW) * scale, k))
        j += HALF
    while j < n:
        v = vload(x + j) if j + VW <= n else vload_first(x + j, n - j)
        carry(hi, lo, power(v * scale, k))
        j += VW
    for i in range(HALF // VW):
        vstore(q.hi + i * VW, hi[i])
        vstore(q.lo + i * VW, lo[i])


cdef pair power_sum(const char *row, Py_ssize_t step, Py_ssize_t n, real *room, double scale, int k) noexcept nogil:
    cdef carried q
    cdef Py_ssize_t j = 0, m
    memset(&q, 0, sizeof(q))
    while j < n:
        m = min(PIECE, n - j)
        if k == 2: carry_powers(&q, take(row, step, j, m, room), m, scale, 2)
        else: carry_powers(&q, take(row, step, j, m, room), m, scale, k)
        j += m
    return sum_carried(&q)


cdef pair any_power_sum(const char *row, Py_ssize_t step, Py_ssize_t n, double top, double p, real *_) noexcept nogil:
    cdef pair q, t
    cdef double x
    cdef Py_ssize_t j
    q.hi = q.lo = 0
    for j in range(n):
        x = fabs(get(<const real *>(row + j * step))) / top
        t = two_sum(q.hi, pow(x, p) if x != 0 else 0)
        q.hi, q.lo = t.hi, q.lo + t.lo
    return q


cdef inline pair root_of(pair q, double p) noexcept nogil:
    cdef pair t
    t.hi, t.lo = pow(q.hi, 1 / p), 0
    if 0 < t.hi < INFINITY: t.lo = t.hi * ((q.hi - pow(t.hi, p)) + q.lo) / (p * q.hi)
    return t


cdef void wide(const char *row, Py_ssize_t step, Py_ssize_t n, double p, int k, double eps, real *room,
               length *u) noexcept nogil:
    cdef pair q, norm
    u.scale, u.top = 1, 0
    q.hi = q.lo = 0
    if k == 1 or k == 2: q = power_sum(row, step, n, room, 1, k)
    if not ((k == 1 or k == 2) and tame(q.hi)):
        u.top = largest(row, step, n, room, row)
        u.scale = scale_for(u.top, eps * eps)
        if k == ANY: q = any_power_sum(row, step, n, u.top, p, <real *>NULL)
        elif k != TOP: q = power_sum(row, step, n, room, u.scale, k)
    norm = q
    if k == TOP or not 0 < q.hi < INFINITY:
        norm.hi, norm.lo = u.top * u.scale, 0
    elif k > 2 or k == ANY:
        norm = root_of(q, p)
        if k == ANY:
            norm.hi, norm.lo = norm.hi * (u.top * u.scale), norm.lo * (u.top * u.scale)
    elif k == 2: norm.hi = sqrt(q.hi)
    u.held = norm.hi < eps * u.scale
    if u.held: norm.hi, norm.lo = eps * u.scale, 0
    u.inverse = inverse_root(q, 0) if k == 2 and not u.held and 0 < q.hi < INFINITY else inverse_of(norm)


cdef inline void measure(const char *row, Py_ssize_t step, Py_ssize_t n, double p, int k, double eps, real *room,
                         const char *aim, length *u) noexcept nogil:
    if sizeof(real) == 8: wide(row, step, n, p, k, eps, room, u)
    else: narrow(row, step, n, p, k, eps, room, aim, u)


# ---- the output ----

cdef void scale(const real *x, real *y, Py_ssize_t n, const length *u, const real *ahead, bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef int i
    cdef length this = u[0]
    cdef vd v[16]
    while j + 16 <= n:
        prefetch(ahead + j)
        for i in range(16 // VW): v[i] = unit(vload(x + j + i * VW), &this, sizeof(real) == 8)
        if stream:
            for i in range(0, 16 // VW, 2): vstream2(y + j + i * VW, v[i], v[i + 1])
        else:
            for i in range(0, 16 // VW, 2): vstore2(y + j + i * VW, v[i], v[i + 1])
        j += 16
    while j < n:
        if j + VW <= n: vstore(y + j, unit(vload(x + j), &this, sizeof(real) == 8))
        else: vstore_first(y + j, unit(vload_first(x + j, n - j), &this, sizeof(real) == 8), n - j)
        j += VW


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, double p, double eps, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i = lo, j, t, m, n = size_of(ox, -1), sx = step_of(ox, -1), sy = step_of(oy, -1), rows
    cdef int k = way(p)
    cdef real rx[PIECE]
    cdef real ry[PIECE]
    cdef const char *x[GROUP]
    cdef const char *ahead
    cdef char *y
    cdef length u[GROUP]
    cdef bint beside = sy == sizeof(real), far = bytes_in(oy) >= FAR, early = NEAR < bytes_in(oy) < FAR, stream
    while i < hi:
        rows = min(together(n), hi - i)
        for t in range(rows):
            x[t] = bytes_of(ox) + offset_of(ox, i + t, 1)
            y = bytes_of(oy) + offset_of(oy, i + t, 1)
            measure(x[t], sx, n, p, k, eps, rx, <const char *>y if beside and early else x[t], &u[t])
        for t in range(rows):
            y = bytes_of(oy) + offset_of(oy, i + t, 1)
            ahead = bytes_of(ox) + offset_of(ox, min(i + t + rows, hi - 1), 1)
            stream = sizeof(real) >= 4 and far and beside and x[t] != y and (<size_t>y) % 64 == 0
            j = 0
            while j < n:
                m = min(PIECE, n - j)
                scale(take(x[t], sx, j, m, rx), <real *>y + j if beside else ry, m, &u[t], <const real *>ahead + j,
                      stream)
                if not beside: give(y, sy, j, m, ry)
                j += m
        i += rows
    if far: fence()


# A positive eps below the normal numbers counts as the smallest of them: its inverse is finite.
cdef inline double normal(double eps) noexcept nogil:
    return eps if eps == 0 or eps > DBL_MIN else DBL_MIN


def lp_normalize(Py_ssize_t lo, Py_ssize_t hi, x, double p, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    with nogil:
        eps = normal(eps)
        if kind == c'f': rows[float](lo, hi, px, p, eps, po, NULL)
        elif kind == c'd': rows[double](lo, hi, px, p, eps, po, NULL)
        elif kind == c'e': rows[f16](lo, hi, px, p, eps, po, NULL)
        else: rows[bf16](lo, hi, px, p, eps, po, NULL)


# ---- the gradient ----
# dx = (g - d * sum(g * u)) / norm with u = x / norm and d the gradient of the norm, sign(u) |u|^(p - 1), 0 at 0; where
# p is infinite the largest magnitudes share it. Below eps dx = g / eps.

cdef inline vd slope(vd u, int k, double p, bint wide) noexcept nogil:
    cdef vd v = u * u, size = vabs(u)
    cdef double lane[8]
    cdef int i
    if k == 2: return u
    if k == 3: return vsigned(v, u)
    if k == 4: return v * u
    if k == 5: return vsigned(v * v, u)
    if k == 6: return v * v * u
    if k == 1: v = vset(1)
    elif wide:
        vstore(lane, size)
        for i in range(VW): lane[i] = pow(lane[i], p - 1)
        v = vload(<const double *>lane)
    else:
        v = size
        vlog2s(&v, 1)
        v = v * (p - 1)
        vexp2s(&v, 1)
    return vwhere_below(size, DBL_MIN * DBL_EPSILON, vset(0), vsigned(v, u))


cdef double slant(const char *g, Py_ssize_t sg, const char *x, Py_ssize_t sx, Py_ssize_t n, const length *u, real *rg,
                  real *rx) noexcept nogil:
    """sum(g * u)"""
    cdef Py_ssize_t j = 0, t, m
    cdef const real *a
    cdef const real *b
    cdef vd hi[HALF]
    cdef vd lo[HALF]
    cdef vd v
    cdef carried s
    cdef pair sum
    cdef length this = u[0]
    cdef int i
    for i in range(HALF // VW): hi[i] = lo[i] = vset(0)
    while j < n:
        m = min(PIECE, n - j)
        a, b, t = take(g, sg, j, m, rg), take(x, sx, j, m, rx), 0
        while t + HALF <= m:
            for i in range(HALF // VW):
                v = vload(a + t + i * VW) * unit(vload(b + t + i * VW), &this, sizeof(real) == 8)
                if sizeof(real) == 8: carry(hi + i, lo + i, v)
                else: hi[i] = hi[i] + v
            t += HALF
        while t < m:
            if t + VW <= m: v = vload(a + t) * unit(vload(b + t), &this, sizeof(real) == 8)
            else: v = vload_first(a + t, m - t) * unit(vload_first(b + t, m - t), &this, sizeof(real) == 8)
            carry(hi, lo, v)
            t += VW
        j += m
    for i in range(HALF // VW):
        vstore(s.hi + i * VW, hi[i])
        vstore(s.lo + i * VW, lo[i])
    sum = sum_carried(&s)
    return sum.hi + sum.lo


cdef inline void turn(const real *g, const real *x, real *dx, Py_ssize_t n, const length *u, int k, double p,
                      double tilt) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v, w
    cdef length this = u[0]
    while j < n:
        v = vload(g + j) if j + VW <= n else vload_first(g + j, n - j)
        w = vload(x + j) if j + VW <= n else vload_first(x + j, n - j)
        if not this.held:
            if k == TOP: w = vwhere_below(vabs(w), this.top, vset(0), vsigned(vset(1), w))
            else: w = slope(unit(w, &this, sizeof(real) == 8), k, p, sizeof(real) == 8)
            v = v - w * tilt
        v = unit(v, &this, sizeof(real) == 8)
        if j + VW <= n: vstore(dx + j, v)
        else: vstore_first(dx + j, v, n - j)
        j += VW


cdef void slopes(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, double p, double eps, void *od, real *_) noexcept nogil:
    cdef Py_ssize_t i, j, m, n = size_of(ox, -1), sg = step_of(og, -1), sx = step_of(ox, -1), sd = step_of(od, -1), ties
    cdef int k = way(p)
    cdef real rg[PIECE]
    cdef real rx[PIECE]
    cdef real vd[PIECE]
    cdef const char *g
    cdef const char *x
    cdef char *d
    cdef length u
    cdef double tilt
    cdef bint beside = sd == sizeof(real)
    for i in range(lo, hi):
        g, x = bytes_of(og) + offset_of(og, i, 1), bytes_of(ox) + offset_of(ox, i, 1)
        d = bytes_of(od) + offset_of(od, i, 1)
        measure(x, sx, n, p, k, eps, rx, g if sg == sizeof(real) else x, &u)
        tilt = slant(g, sg, x, sx, n, &u, rg, rx)
        if k == TOP:
            ties = 0
            for j in range(n):
                if fabs(get(<const real *>(x + j * sx))) == u.top: ties += 1
            if ties > 1: tilt = tilt / ties
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            if k == 2:
                turn(take(g, sg, j, m, rg), take(x, sx, j, m, rx), <real *>d + j if beside else vd, m, &u, 2, p, tilt)
            else:
                turn(take(g, sg, j, m, rg), take(x, sx, j, m, rx), <real *>d + j if beside else vd, m, &u, k, p, tilt)
            if not beside: give(d, sd, j, m, vd)
            j += m


def lp_normalize_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, double p, double eps, dx):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pd = <void *>dx
    with nogil:
        eps = normal(eps)
        if kind == c'f': slopes[float](lo, hi, pg, px, p, eps, pd, NULL)
        elif kind == c'd': slopes[double](lo, hi, pg, px, p, eps, pd, NULL)
        elif kind == c'e': slopes[f16](lo, hi, pg, px, p, eps, pd, NULL)
        else: slopes[bf16](lo, hi, pg, px, p, eps, pd, NULL)
