# Rows scaled to unit root mean square: y = x / sqrt(mean(x^2) + eps) * weight, plain or gated, and the gradients.
from libc.math cimport sqrt
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport *
include "squares.pxi"

cdef extern from "beams.h" nogil:
    const int BEAM
    ctypedef struct beam:
        pass
    beam bspread(double)
    beam bload(...)
    void bstore(...)
    beam bmul(beam, beam)
    beam bgate(beam top, beam z, beam slope, bint tame, bint fine)   # top / (1 + 2^(z * slope)), of float
    bint bcalm(...)                                         # (z, n, limit): whether no |z| is above the limit


def rms_norm(Py_ssize_t lo, Py_ssize_t hi, x, weight, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': scaled_rows[float](lo, hi, px, pw, eps, False, po, NULL)
        elif kind == c'd': scaled_rows[double](lo, hi, px, pw, eps, False, po, NULL)
        elif kind == c'e': scaled_rows[f16](lo, hi, px, pw, eps, False, po, NULL)
        else: scaled_rows[bf16](lo, hi, px, pw, eps, False, po, NULL)


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
                if sizeof(real) == 8: wide(x[k], sx, n, eps, False, rx, &u[k])
                else: narrow(x[k], sx, n, eps, False, rx, g[k] if sg == sizeof(real) else x[k], &u[k])
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


# ---- gated by silu(z) = z / (1 + e^-z), behind the norm or before it ----
# Either way the answer is a row of products h = x * silu(z), in double, times root and weight; what is measured is x
# or h.

cdef enum: KEPT = 1 << 13         # products of a longer row are worked out twice: they would leave L1 and the stack

cdef struct pairing:              # a row of x and the row of gates beside it
    const char *x
    const char *z
    Py_ssize_t sx, sz, n


cdef inline vd some(const real *p, Py_ssize_t k) noexcept nogil:
    if k == VW: return vload(p)
    return vload_first(p, k)


cdef inline void decay(vd *e, const vd *z, int count, bint wide) noexcept nogil:
    """e^-|z|, which never overflows; z / (1 + e^-z) is (z or z e) / (1 + e)"""
    cdef int k
    for k in range(count): e[k] = -vabs(z[k])
    if wide:
        for k in range(count): e[k] = vexp_fine(e[k], vset(0))
    else: vexps(e, count)


cdef void multiply(const real *x, const real *z, double *h, Py_ssize_t n, double scale, const real *ahead) noexcept nogil:
    """h = x silu(z), x first brought to `scale`"""
    cdef Py_ssize_t j = 0, k
    cdef int i
    cdef vd v[4]
    cdef vd e[4]
    cdef beam gate, slope = bspread(-1.4426950408889634)    # log2(e)
    if bcalm(z, n, 700):
        while j + BEAM <= n:
            prefetch(ahead + j)
            gate = bload(z + j)
            bstore(h + j, bgate(bmul(bload(x + j), gate), gate, slope, True, False))
            j += BEAM
    while sizeof(real) < 8 and j + BEAM <= n:
        prefetch(ahead + j)
        gate = bload(z + j)
        bstore(h + j, bgate(bmul(bload(x + j), gate), gate, slope, False, False))
        j += BEAM
    while j + 4 * VW <= n:
        prefetch(ahead + j)
        prefetch(ahead + j + 2 * VW)
        for i in range(4): v[i] = vload(z + j + i * VW)
        decay(e, v, 4, sizeof(real) == 8)
        for i in range(4):
            v[i] = vwhere_below(v[i], 0, v[i] * e[i], v[i]) / (vset(1) + e[i])
            if sizeof(real) == 8: vstore(h + j + i * VW, vload(x + j + i * VW) * scale * v[i])
            else: vstore(h + j + i * VW, vload(x + j + i * VW) * v[i])
        j += 4 * VW
    while j < n:
        k = min(VW, n - j)
        v[0] = some(z + j, k)
        decay(e, v, 1, sizeof(real) == 8)
        v[0] = vwhere_below(v[0], 0, v[0] * e[0], v[0]) / (vset(1) + e[0])
        vstore_first(h + j, some(x + j, k) * scale * v[0], k)
        j += VW


cdef inline void products(const pairing *r, Py_ssize_t j, Py_ssize_t m, double *h, double scale, Py_ssize_t leap, real *rx,
                          real *rz) noexcept nogil:
    """Products j .. j + m of a row, while the gates `leap` bytes on are fetched"""
    cdef const real *z = take(r.z, r.sz, j, m, rz)
    multiply(take(r.x, r.sx, j, m, rx), z, h, m, scale, <const real *>(<const char *>z + leap))


cdef pair product_squares(const pairing *r, double *h, bint kept, double scale, real *rx, real *rz) noexcept nogil:
    cdef vpair q
    cdef pair p
    cdef double *here
    cdef Py_ssize_t j = 0, m
    q.hi = q.lo = vset(0)
    while j < r.n:
        m = min(PIECE, r.n - j)
        here = h + j if kept else h
        products(r, j, m, here, scale, 0, rx, rz)
        if sizeof(real) == 8: add_scaled_squares(&q, here, m, 1)
        else: add_squares(here, m, &q.hi, here)
        j += m
    if sizeof(real) == 8: return total(q)
    p.hi, p.lo = vsum(q.hi), 0
    return p


cdef double largest_product(const pairing *r, double *h, bint kept, real *rx, real *rz) noexcept nogil:
    cdef double top = 0
    cdef double *here
    cdef Py_ssize_t j = 0, m
    while j < r.n:
        m = min(PIECE, r.n - j)
        here = h + j if kept else h
        products(r, j, m, here, 1, 0, rx, rz)
        top = max(top, largest_of(<const char *>here, sizeof(double), m, here))
        j += m
    return top


cdef bint measure_products(const pairing *r, double *h, bint kept, double eps, real *rx, real *rz, measure *u) noexcept nogil:
    """As `narrow` and `wide`, of the products; h holds them afterwards, at their scale, if they are to be kept."""
    cdef pair q = product_squares(r, h, kept, 1, rx, rz)
    cdef bint middling = sizeof(real) < 8 or tame(q.hi)
    u.scale = 1
    if sizeof(real) < 8:
        u.root.hi, u.root.lo = 1 / sqrt(q.hi / r.n + eps), 0
        return False
    if not middling:
        u.scale = scale_for(largest_product(r, h, kept, rx, rz), eps)
        q = product_squares(r, h, kept, u.scale, rx, rz)
    u.root = inverse_root(over(q, r.n), eps * u.scale * u.scale)
    return not middling


cdef inline vd weighed(vd h, vd w, const measure *u, bint wide) noexcept nogil:
    """The scale comes last: a denormal has few digits to multiply."""
    if wide: return (h * u.root.hi + h * u.root.lo) * w * u.scale
    return h * u.root.hi * w


cdef void weigh(const double *h, const double *w, real *y, Py_ssize_t n, const measure *u, bint stream) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vd v, next
    cdef measure this = u[0]
    while j + 2 * VW <= n:
        v = weighed(vload(h + j), vload(w + j), &this, sizeof(real) == 8)
        next = weighed(vload(h + j + VW), vload(w + j + VW), &this, sizeof(real) == 8)
        if stream: vstream2(y + j, v, next)
        else: vstore2(y + j, v, next)
        j += 2 * VW
    while j < n:
        k = min(VW, n - j)
        vstore_first(y + j, weighed(some(h + j, k), some(w + j, k), &this, sizeof(real) == 8), k)
        j += VW


cdef void gated_rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *oz, void *ow, double eps, bint first, void *oy,
                     real *_) noexcept nogil:
    cdef Py_ssize_t i, j, m, leap, n = size_of(ox, -1), sy = step_of(oy, -1), sw = 0
    cdef real rx[PIECE]
    cdef real rz[PIECE]
    cdef real ry[PIECE]
    cdef double rw[PIECE]
    cdef double room[KEPT]
    cdef double *h = room
    cdef double *here
    cdef const double *wide_w = NULL
    cdef const char *w = bytes_of(ow)
    cdef char *y
    cdef pairing r
    cdef measure u
    cdef double scale
    cdef bint beside = sy == sizeof(real), far = bytes_in(oy) >= FAR, kept = n <= KEPT and not first, stream, strange, again
    if n == 0: return
    r.sx, r.sz, r.n = step_of(ox, -1), step_of(oz, -1), n
    if w != NULL: sw = step_of(ow, 0)
    if n <= PIECE: wide_w = widen(w, sw, 0, n, 1, rw, _)
    for i in range(lo, hi):
        r.x, r.z, y = bytes_of(ox) + offset_of(ox, i, 1), bytes_of(oz) + offset_of(oz, i, 1), bytes_of(oy) + offset_of(oy, i, 1)
        leap = bytes_of(oz) + offset_of(oz, min(i + 1, hi - 1), 1) - r.z
        scale, strange = 1, False
        if not first: strange = measure_products(&r, h, kept, eps, rx, rz, &u)
        elif sizeof(real) == 8: strange = wide(r.x, r.sx, n, eps, False, rx, &u)
        else: narrow(r.x, r.sx, n, eps, False, rx, r.x, &u)
        if strange:
            scale = scale_for(largest_of(r.x, r.sx, n, rx) if first else largest_product(&r, h, kept, rx, rz), 0)
            u.scale /= scale
        again = strange or not kept
        stream = sizeof(real) >= 4 and far and beside and r.x != y and (<size_t>y) % 64 == 0
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            here = h + j if kept else h
            if again: products(&r, j, m, here, scale, leap if r.sz == sizeof(real) else 0, rx, rz)
            if n > PIECE: wide_w = widen(w, sw, j, m, 1, rw, _)
            weigh(here, wide_w, <real *>y + j if beside else ry, m, &u, stream)
            if not beside: give(y, sy, j, m, ry)
            j += m
    if far: fence()


def gated_rms_norm(Py_ssize_t lo, Py_ssize_t hi, x, gate, weight, double eps, bint first, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pz = <void *>gate
    cdef void *pw = <void *>weight
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': gated_rows[float](lo, hi, px, pz, pw, eps, first, po, NULL)
        elif kind == c'd': gated_rows[double](lo, hi, px, pz, pw, eps, first, po, NULL)
        elif kind == c'e': gated_rows[f16](lo, hi, px, pz, pw, eps, first, po, NULL)
        else: gated_rows[bf16](lo, hi, px, pz, pw, eps, first, po, NULL)


# ---- its gradient ----
# With a = x or h, what is normalized, and b = silu(z) or 1, what comes after: t = g * w * b, ahat = a / rms,
# da = (t - ahat * mean(t * ahat)) / rms. Behind the norm dx is da and dz is g * w * ahat * silu'(z); before it
# dx is da * silu(z) and dz is da * x * silu'(z). The weight receives the sum over rows of g * ahat * b.

cdef void slopes(const real *x, const real *z, double *h, double *s, double *ds, Py_ssize_t n) noexcept nogil:
    """h = x silu(z), s = silu(z), ds = silu'(z) = c + s (1 - c) with c = 1 / (1 + e^-z)"""
    cdef Py_ssize_t j = 0, k
    cdef vd v, e, c, rest
    while j < n:
        k = min(VW, n - j)
        v = some(z + j, k)
        decay(&e, &v, 1, sizeof(real) == 8)
        rest = vset(1) / (vset(1) + e)
        c, rest = vwhere_below(v, 0, e * rest, rest), vwhere_below(v, 0, rest, e * rest)
        vstore_first(h + j, some(x + j, k) * (v * c), k)
        vstore_first(s + j, v * c, k)
        vstore_first(ds + j, c + v * c * rest, k)
        j += VW


cdef void add_gated_slope(vpair *a, const real *g, const double *w, const double *h, Py_ssize_t n, const measure *u) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vpair here = a[0]
    cdef measure this = u[0]
    while j < n:
        k = min(VW, n - j)
        add(&here, some(g + j, k) * some(w + j, k) * scaled(some(h + j, k), &this, sizeof(real) == 8))
        j += VW
    a[0] = here


cdef void gated_turn(const real *g, const double *w, const real *x, const double *h, const double *s, const double *ds, real *dx,
                     real *dz, double *dw, Py_ssize_t n, const measure *u, double tilt, bint first) noexcept nogil:
    cdef Py_ssize_t j = 0, k
    cdef vd v, a, t, b
    cdef measure this = u[0]
    while j < n:
        k = min(VW, n - j)
        v, b, t = some(g + j, k), some(s + j, k), some(x + j, k)
        a = scaled(t if first else some(h + j, k), &this, sizeof(real) == 8)
        vstore_first(dw + j, some(dw + j, k) + (v * a * b if first else v * a), k)
        v = v * some(w + j, k)
        if first:
            vstore_first(dz + j, v * a * some(ds + j, k), k)
            vstore_first(dx + j, turned(v * b, a, tilt, &this, sizeof(real) == 8), k)
        else:
            v = turned(v, a, tilt, &this, sizeof(real) == 8)
            vstore_first(dz + j, v * t * some(ds + j, k), k)
            vstore_first(dx + j, v * b, k)
        j += VW


cdef void gated_blocks(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, void *oz, void *ow, double eps, bint first,
                       Py_ssize_t block, void *od, double *parts, real *_) noexcept nogil:
    cdef Py_ssize_t n = size_of(ox, -1), sg = step_of(og, -1), sd = step_of(od, -1), sw = 0, unit, i, j, m
    cdef real rg[PIECE]
    cdef real rx[PIECE]
    cdef real rz[PIECE]
    cdef real to_x[PIECE]
    cdef real to_z[PIECE]
    cdef double rw[PIECE]
    cdef double h[PIECE]
    cdef double s[PIECE]
    cdef double ds[PIECE]
    cdef const double *wide_w
    cdef const real *x
    cdef const char *w = bytes_of(ow)
    cdef const char *g
    cdef char *dx
    cdef pairing r
    cdef measure u
    cdef vpair a
    cdef double tilt
    r.sx, r.sz, r.n = step_of(ox, -1), step_of(oz, -1), n
    if w != NULL: sw = step_of(ow, 0)
    for unit in range(lo, hi):
        memset(parts + unit * n, 0, n * sizeof(double))
        for i in range(unit * block, min((unit + 1) * block, units_of(ox, 1))):
            g, dx = bytes_of(og) + offset_of(og, i, 1), bytes_of(od) + offset_of(od, i, 1)
            r.x, r.z = bytes_of(ox) + offset_of(ox, i, 1), bytes_of(oz) + offset_of(oz, i, 1)
            if not first: measure_products(&r, h, False, eps, rx, rz, &u)
            elif sizeof(real) == 8: wide(r.x, r.sx, n, eps, False, rx, &u)
            else: narrow(r.x, r.sx, n, eps, False, rx, r.x, &u)
            a.hi = a.lo = vset(0)
            j = 0
            while j < n:
                m = min(PIECE, n - j)
                wide_w = widen(w, sw, j, m, 1, rw, _)
                products(&r, j, m, h, 1, 0, rx, rz)
                add_gated_slope(&a, take(g, sg, j, m, rg), wide_w, h, m, &u)
                j += m
            tilt = sum_of(a, True) / n
            j = 0
            while j < n:
                m = min(PIECE, n - j)
                wide_w = widen(w, sw, j, m, 1, rw, _)
                x = take(r.x, r.sx, j, m, rx)
                slopes(x, take(r.z, r.sz, j, m, rz), h, s, ds, m)
                gated_turn(take(g, sg, j, m, rg), wide_w, x, h, s, ds, to_x, to_z, parts + unit * n + j, m, &u, tilt, first)
                give(dx, sd, j, m, to_x)
                give(dx + step_of(od, 0), sd, j, m, to_z)
                j += m


def gated_rms_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, x, cotangent, gate, weight, double eps, bint first, Py_ssize_t block, dx_dz, parts):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pz = <void *>gate
    cdef void *pw = <void *>weight
    cdef void *pd = <void *>dx_dz
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': gated_blocks[float](lo, hi, pg, px, pz, pw, eps, first, block, pd, pp, NULL)
        elif kind == c'd': gated_blocks[double](lo, hi, pg, px, pz, pw, eps, first, block, pd, pp, NULL)
        elif kind == c'e': gated_blocks[f16](lo, hi, pg, px, pz, pw, eps, first, block, pd, pp, NULL)
        else: gated_blocks[bf16](lo, hi, pg, px, pz, pw, eps, first, block, pd, pp, NULL)
