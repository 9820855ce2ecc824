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
    TOGETHER = 4        # vectors that vexps takes at a time
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

# A NaN may be lost here: x - m has it again.
cdef double largest(const real *x, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    cdef vd a = vset(-INFINITY)
    cdef float lanes[16]
    cdef rf b, c, d, e
    cdef Py_ssize_t i, j = 0
    if real is float:
        if step == sizeof(real) and n >= 4 * LINE(x):
            b = lload(x)
            c = b
            d = b
            e = b
            while j + 4 * LINE(x) <= n:
                b = llarger(lload(x + j), b)
                c = llarger(lload(x + j + LINE(x)), c)
                d = llarger(lload(x + j + 2 * LINE(x)), d)
                e = llarger(lload(x + j + 3 * LINE(x)), e)
                j += 4 * LINE(x)
            for i in range(16): lanes[i] = -INFINITY
            lstore(lanes, llarger(llarger(b, c), llarger(d, e)))
            i = 0
            while i < 16:
                a = vmax(vload(lanes + i), a)
                i += VW
    while j < n:
        a = vmax(some(at(x, step, j), step, n - j, -INFINITY), a)
        j += VW
    return vlargest(a)


# e = exp(x - m), zeros up to the next whole vector, and their sum where it is wanted
cdef void exponentials(const real *x, Py_ssize_t step, Py_ssize_t n, double m, double *e, total *t) noexcept nogil:
    cdef vd v[TOGETHER]
    cdef vd w, d, a = vset(0), b = a, lost = a
    cdef Py_ssize_t i, j = 0
    if real is not double:
        if step == sizeof(real):
            while j + TOGETHER * VW <= n:
                for i in range(TOGETHER):
                    v[i] = vload(x + j + i * VW) - m
                vexps(v, TOGETHER)
                for i in range(TOGETHER):
                    vstore(e + j + i * VW, v[i])
                a = a + (v[0] + v[1])
                b = b + (v[2] + v[3])
                j += TOGETHER * VW
    while j < n:
        w = some(at(x, step, j), step, n - j, -INFINITY)
        d = w - m
        if real is double:
            w = vexp_fine(d, vlost(w, vset(m), d))
        else:
            w = vexp(d)
        vstore(e + j, w)
        if t is not NULL:
            add(w, &a, &lost, <real *>x)
        j += VW
    if t is not NULL:
        add_lanes(a + b, lost, t, <real *>x)


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


# ---- rows; `ahead` is where the next one begins ----

cdef void softmax_row(const real *x, Py_ssize_t step, const real *ahead, Py_ssize_t n,
                      real *y, Py_ssize_t y_step, bint far) noexcept nogil:
    cdef vd kept[VECTORS]
    cdef double *e = <double *>kept
    cdef double m = largest(x, step, n), s, once
    cdef total t = total(0, 0)
    cdef Py_ssize_t i, j = 0, k
    while j < n:
        k = min(n - j, VECTORS * VW)
        exponentials(at(x, step, j), step, k, m, e, &t)
        j += k
    s = t.sum + t.lost
    once = 1 / s
    j = 0
    while j < n:
        k = min(n - j, VECTORS * VW)
        if n > VECTORS * VW:
            exponentials(at(x, step, j), step, k, m, e, NULL)
        i = 0
        while y_step == sizeof(real) and i + 2 * VW <= k:
            prefetch(ahead + j + i)
            if far:
                vstream(y + j + i, portion(vload(e + i), s, once, y))
                vstream(y + j + i + VW, portion(vload(e + i + VW), s, once, y))
            else:
                vstore(y + j + i, portion(vload(e + i), s, once, y))
                vstore(y + j + i + VW, portion(vload(e + i + VW), s, once, y))
            i += 2 * VW
        while i < k:
            leave(at(y, y_step, j + i), y_step, k - i, portion(vload(e + i), s, once, y), far)
            i += VW
        j += k


# (x - m) - log s with s = 1 + others: the largest element counts exactly 1
cdef void log_softmax_row(const real *x, Py_ssize_t step, const real *ahead, Py_ssize_t n,
                          real *y, Py_ssize_t y_step, bint far) noexcept nogil:
    cdef vd kept[VECTORS]
    cdef double *e = <double *>kept
    cdef double m = largest(x, step, n), others, log_s
    cdef total top = total(0, 0), rest = total(0, 0)
    cdef vd v, d
    cdef Py_ssize_t j = 0, k
    while j < n:
        k = min(n - j, VECTORS * VW)
        exponentials(at(x, step, j), step, k, m, e, NULL)
        add_apart(e, <const real *>NULL, 0, k, &top, &rest, NULL, NULL)
        j += k
    others = rest.sum + (top.sum - 1)
    log_s = log1p(others) + rest.lost / (1 + others)
    j = 0
    while j < n:
        v = some(at(x, step, j), step, n - j, m)
        d = v - m
        if real is double:
            d = d + (vlost(v, vset(m), d) - log_s)
        else:
            d = d - log_s
        prefetch(ahead + j)
        leave(at(y, y_step, j), y_step, n - j, d, far)
        j += VW


# y (g - sum g y)
cdef void softmax_vjp_row(const real *g, Py_ssize_t g_step, const real *g_ahead,
                          const real *x, Py_ssize_t step, const real *ahead, Py_ssize_t n,
                          real *dx, Py_ssize_t dx_step, bint far) noexcept nogil:
    cdef vd kept[VECTORS]
    cdef double *e = <double *>kept
    cdef double m = largest(x, step, n), s, once, mean, c = 0
    cdef total top = total(0, 0), rest = total(0, 0), g_top = total(0, 0), g_rest = total(0, 0)
    cdef vd v
    cdef Py_ssize_t i, j = 0, k
    while j < n:
        k = min(n - j, VECTORS * VW)
        exponentials(at(x, step, j), step, k, m, e, NULL)
        add_apart(e, at(g, g_step, j), g_step, k, &top, &rest, &g_top, &g_rest)
        j += k
    s = top.sum + (rest.sum + rest.lost)
    once = 1 / s
    # Where one element outweighs all others its g - mean is tiny: g is then counted from that element's own.
    if top.sum == 1 and rest.sum < 1 and fabs(g_top.sum) < 1e300:
        c = g_top.sum
    mean = ((g_rest.sum - c * rest.sum) + (g_top.sum - c) + (g_rest.lost - c * rest.lost + g_top.lost)) / s
    j = 0
    while j < n:
        k = min(n - j, VECTORS * VW)
        if n > VECTORS * VW:
            exponentials(at(x, step, j), step, k, m, e, NULL)
        i = 0
        while i < k:
            v = (some(at(g, g_step, j + i), g_step, k - i, 0) - c) - mean
            prefetch(g_ahead + j + i)
            prefetch(ahead + j + i)
            leave(at(dx, dx_step, j + i), dx_step, k - i, v * portion(vload(e + i), s, once, dx), far)
            i += VW
        j += k


# g - y sum g
cdef void log_softmax_vjp_row(const real *g, Py_ssize_t g_step, const real *g_ahead,
                              const real *x, Py_ssize_t step, const real *ahead, Py_ssize_t n,
                              real *dx, Py_ssize_t dx_step, bint far) noexcept nogil:
    cdef vd kept[VECTORS]
    cdef double *e = <double *>kept
    cdef double m = largest(x, step, n), ratio
    cdef total t = total(0, 0), g_all = total(0, 0)
    cdef vd v
    cdef Py_ssize_t i, j = 0, k
    add_elements(g, g_step, n, &g_all)
    while j < n:
        k = min(n - j, VECTORS * VW)
        exponentials(at(x, step, j), step, k, m, e, &t)
        j += k
    ratio = (g_all.sum + g_all.lost) / (t.sum + t.lost)
    j = 0
    while j < n:
        k = min(n - j, VECTORS * VW)
        if n > VECTORS * VW:
            exponentials(at(x, step, j), step, k, m, e, NULL)
        i = 0
        while i < k:
            v = some(at(g, g_step, j + i), g_step, k - i, 0)
            prefetch(g_ahead + j + i)
            prefetch(ahead + j + i)
            leave(at(dx, dx_step, j + i), dx_step, k - i, v - vload(e + i) * ratio, far)
            i += VW
        j += k


# ---- all rows ----

cdef enum kernel:
    SOFTMAX
    LOG_SOFTMAX
    SOFTMAX_VJP
    LOG_SOFTMAX_VJP


# whether the output is beyond any cache and made of whole cache lines, row by row
cdef bint is_far(void *o, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t ends = <Py_ssize_t>bytes_of(o) | (size_of(o, -1) * size)
    cdef int axis
    for axis in range(ndim_of(o)):
        size *= size_of(o, axis)
        if axis < ndim_of(o) - 1:
            ends |= step_of(o, axis)
    return size >= FAR and ends % 64 == 0


cdef void rows(kernel which, Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t i, n = size_of(ox, -1), step = step_of(ox, -1), y_step = step_of(oy, -1), g_step = step_of(og, -1)
    cdef const real *x
    cdef const real *g
    cdef const real *ahead = <const real *>(bytes_of(ox) + offset_of(ox, lo, 1))
    cdef const real *g_ahead = <const real *>(bytes_of(og) + offset_of(og, lo, 1))
    cdef real *y
    cdef bint far = is_far(oy, sizeof(real))
    for i in range(lo, hi):
        x = ahead
        g = g_ahead
        y = <real *>(bytes_of(oy) + offset_of(oy, i, 1))
        ahead = <const real *>(bytes_of(ox) + offset_of(ox, i + 1, 1))
        g_ahead = <const real *>(bytes_of(og) + offset_of(og, i + 1, 1))
        if which == SOFTMAX:
            softmax_row(x, step, ahead, n, y, y_step, far)
        elif which == LOG_SOFTMAX:
            log_softmax_row(x, step, ahead, n, y, y_step, far)
        elif which == SOFTMAX_VJP:
            softmax_vjp_row(g, g_step, g_ahead, x, step, ahead, n, y, y_step, far)
        else:
            log_softmax_vjp_row(g, g_step, g_ahead, x, step, ahead, n, y, y_step, far)
    if far:
        fence()


cdef run(kernel which, Py_ssize_t lo, Py_ssize_t hi, g, x, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>g
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': rows[float](which, lo, hi, pg, px, po, NULL)
        elif kind == c'd': rows[double](which, lo, hi, pg, px, po, NULL)
        elif kind == c'e': rows[f16](which, lo, hi, pg, px, po, NULL)
        else: rows[bf16](which, lo, hi, pg, px, po, NULL)


def softmax(Py_ssize_t lo, Py_ssize_t hi, x, out):
    run(SOFTMAX, lo, hi, x, x, out)


def log_softmax(Py_ssize_t lo, Py_ssize_t hi, x, out):
    run(LOG_SOFTMAX, lo, hi, x, x, out)


def softmax_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, dx):
    run(SOFTMAX_VJP, lo, hi, cotangent, x, dx)


def log_softmax_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, dx):
    run(LOG_SOFTMAX_VJP, lo, hi, cotangent, x, dx)


def exp(Py_ssize_t lo, Py_ssize_t hi, x, bint fine, out):
    """e^x of doubles from -inf to 0 that lie side by side, as kernels have it: for the tests of its bound."""
    cdef const double *px = <const double *>bytes_of(<void *>x)
    cdef double *py = <double *>bytes_of(<void *>out)
    cdef vd e
    cdef Py_ssize_t k
    with nogil:
        while lo < hi:
            k = min(VW, hi - lo)
            e = vload_first(px + lo, k)
            vstore_first(py + lo, vexp_fine(e, vset(0)) if fine else vexp(e), k)
            lo += VW
