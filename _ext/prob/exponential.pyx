# Softmax and its logarithm along the last axis, and their gradients.
#
#   softmax(x)     = exp(x - m) / s,       m = max x,  s = sum exp(x - m)
#   log_softmax(x) = (x - m) - log s
#
# Exponentials are kept in double: rounded to the array's own type on the way they would be rounded twice.
# NaN or +inf in a row, or nothing but -inf, makes s NaN and with it the row.
from libc.math cimport log1p, fabs, INFINITY
from vec cimport *
from arrays cimport *

cdef enum:
    VECTORS = 512       # of exponentials kept on the stack; the output pass of a longer row computes its own again
    TOGETHER = 8        # vectors that vexps takes at a time
    FAR = 32 << 20      # bytes of output that no cache holds: written past the caches


# ---- up to VW elements, `step` bytes apart ----

cdef inline real *at(const real *x, Py_ssize_t step, Py_ssize_t j) noexcept nogil:
    return <real *>(<const char *>x + j * step)


cdef void gather(const real *x, Py_ssize_t step, Py_ssize_t k, double beyond, double *lanes) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(VW):
        lanes[i] = get(at(x, step, i)) if i < k else beyond


cdef void scatter(const double *lanes, real *y, Py_ssize_t step, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(min(k, VW)):
        put(at(y, step, i), lanes[i])


cdef inline vd some(const real *x, Py_ssize_t step, Py_ssize_t k, double beyond) noexcept nogil:
    cdef double lanes[8]
    if usual(k >= VW and step == sizeof(real)):
        return vload(x)
    gather(x, step, k, beyond, lanes)
    return vload(lanes)


cdef inline void leave(real *y, Py_ssize_t step, Py_ssize_t k, vd v, bint far) noexcept nogil:
    cdef double lanes[8]
    if usual(k >= VW and step == sizeof(real)):
        if far:
            vstream(y, v)
        else:
            vstore(y, v)
    else:
        vstore(lanes, v)
        scatter(lanes, y, step, k)


# ---- sums: for float64 with what each addition lost, for the narrower types a double has bits to spare ----

cdef struct total:
    double sum, lost


cdef inline void add(vd v, vd *sum, vd *lost, real *_) noexcept nogil:
    cdef vd t = sum[0] + v
    if real is double:
        lost[0] = lost[0] + vlost(sum[0], -v, t)
    sum[0] = t


cdef void add_lanes(vd v, vd lost, total *t, real *_) noexcept nogil:
    cdef double lanes[8]
    cdef double sum, d, low
    cdef Py_ssize_t i
    if real is double:
        vstore(lanes, v)
        for i in range(VW):
            sum = t.sum + lanes[i]
            d = sum - t.sum
            low = (t.sum - (sum - d)) + (lanes[i] - d)
            t.sum = sum
            t.lost += low if low - low == 0 else 0
        t.lost += vsum(lost)
    else:
        t.sum += vsum(v)


# ---- passes over a row or a piece of it ----

cdef double largest(const real *x, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    cdef vd a = vset(-INFINITY), b = a, c = a, d = a
    cdef Py_ssize_t j = 0
    if step == sizeof(real):
        while j + 4 * VW <= n:
            a = vmax(vload(x + j), a)
            b = vmax(vload(x + j + VW), b)
            c = vmax(vload(x + j + 2 * VW), c)
            d = vmax(vload(x + j + 3 * VW), d)
            j += 4 * VW
    while j < n:
        a = vmax(some(at(x, step, j), step, n - j, -INFINITY), a)
        j += VW
    return vlargest(vmax(vmax(a, b), vmax(c, d)))


# e = exp(x - m), zeros up to the next whole vector
cdef void exponentials(const real *x, Py_ssize_t step, Py_ssize_t n, double m, double *e) noexcept nogil:
    cdef vd v[TOGETHER]
    cdef vd w, d
    cdef Py_ssize_t i, j = 0
    if real is not double:
        if step == sizeof(real):
            while j + TOGETHER * VW <= n:
                for i in range(TOGETHER):
                    v[i] = vload(x + j + i * VW) - m
                vexps(v, TOGETHER)
                for i in range(TOGETHER):
                    vstore(e + j + i * VW, v[i])
                j += TOGETHER * VW
    while j < n:
        w = some(at(x, step, j), step, n - j, -INFINITY)
        d = w - m
        if real is double:
            vstore(e + j, vexp_fine(d, vlost(w, vset(m), d)))
        else:
            vstore(e + j, vexp(d))
        j += VW


cdef void add_all(const double *e, Py_ssize_t n, total *s, real *_) noexcept nogil:
    cdef vd a = vset(0), b = a, a_lost = a, b_lost = a
    cdef Py_ssize_t j = 0
    while j < n:
        add(vload(e + j), &a, &a_lost, _)
        if usual(j + VW < n):
            add(vload(e + j + VW), &b, &b_lost, _)
        j += 2 * VW
    add(b, &a, &a_lost, _)
    add_lanes(a, a_lost + b_lost, s, _)


cdef void add_elements(const real *g, Py_ssize_t step, Py_ssize_t n, total *s) noexcept nogil:
    cdef vd a = vset(0), lost = a
    cdef Py_ssize_t j = 0
    while j < n:
        add(some(at(g, step, j), step, n - j, 0), &a, &lost, <real *>g)
        j += VW
    add_lanes(a, lost, s, <real *>g)


# The sum of e in two: where e is 1, at the largest elements, and the rest, which beside that 1 would lose its
# last digits. Likewise the sum of e g, where there is a g.
cdef void add_apart(const double *e, const real *g, Py_ssize_t step, Py_ssize_t n,
                    total *top, total *rest, total *g_top, total *g_rest) noexcept nogil:
    cdef vd zero = vset(0), t = zero, r = zero, gt = zero, gr = zero, v, w
    cdef vd t_lost = zero, r_lost = zero, gt_lost = zero, gr_lost = zero
    cdef Py_ssize_t j = 0
    while j < n:
        v = vload(e + j)
        add(vwhere_below(v, 1, zero, v), &t, &t_lost, <real *>g)
        add(vwhere_below(v, 1, v, zero), &r, &r_lost, <real *>g)
        if g is not NULL:
            w = v * some(at(g, step, j), step, n - j, 0)
            add(vwhere_below(v, 1, zero, w), &gt, &gt_lost, <real *>g)
            add(vwhere_below(v, 1, w, zero), &gr, &gr_lost, <real *>g)
        j += VW
    add_lanes(t, t_lost, top, <real *>g)
    add_lanes(r, r_lost, rest, <real *>g)
    if g is not NULL:
        add_lanes(gt, gt_lost, g_top, <real *>g)
        add_lanes(gr, gr_lost, g_rest, <real *>g)


# e / s, by a product where a double has bits to spare
cdef inline vd portion(vd e, double s, double once, real *_) noexcept nogil:
    if real is double:
        return e / vset(s)
    else:
        return e * once


# ---- rows: `ahead` is where the next one begins ----

cdef struct line:
    char *at
    char *ahead
    Py_ssize_t step


cdef void softmax_row(line x, line y, Py_ssize_t n, bint far, real *_) noexcept nogil:
    cdef vd kept[VECTORS]
    cdef double *e = <double *>kept
    cdef double m = largest(<real *>x.at, x.step, n), s, once
    cdef total t = total(0, 0)
    cdef Py_ssize_t j = 0, i, k
    while j < n:
        k = min(n - j, VECTORS * VW)
        exponentials(at(<real *>x.at, x.step, j), x.step, k, m, e)
        add_all(e, k, &t, _)
        j += k
    s = t.sum + t.lost
    once = 1 / s
    j = 0
    while j < n:
        k = min(n - j, VECTORS * VW)
        if n > VECTORS * VW:
            exponentials(at(<real *>x.at, x.step, j), x.step, k, m, e)
        for i in range(0, k, 8):
            pass
        j += k
