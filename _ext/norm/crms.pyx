# Rows of mean zero stored without their last element, scaled to unit root mean square of the whole.
include "squares.pxi"


def crms_norm(Py_ssize_t lo, Py_ssize_t hi, x, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *none = <void *>None
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': scaled_rows[float](lo, hi, px, none, eps, True, po, NULL)
        elif kind == c'd': scaled_rows[double](lo, hi, px, none, eps, True, po, NULL)
        elif kind == c'e': scaled_rows[f16](lo, hi, px, none, eps, True, po, NULL)
        else: scaled_rows[bf16](lo, hi, px, none, eps, True, po, NULL)


# ---- the gradient ----
# dx = (g - (x + s) / r * tilt) / r with the sum s of the row and tilt = sum(g * x / r) / (n + 1).

cdef inline vd part(const real *p, Py_ssize_t k) noexcept nogil:
    return vload(p) if k >= VW else vload_first(p, k)


cdef void add_slope(vpair *a, const real *g, const real *x, Py_ssize_t n, const measure *u) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vpair here = a[0]
    cdef vd v
    cdef measure this = u[0]
    while sizeof(real) < 8 and j + 2 * VW <= n:
        here.hi = here.hi + vload(g + j) * scaled(vload(x + j), &this, False)
        here.lo = here.lo + vload(g + j + VW) * scaled(vload(x + j + VW), &this, False)
        j += 2 * VW
    while j < n:
        v = part(g + j, n - j) * scaled(part(x + j, n - j), &this, sizeof(real) == 8)
        if sizeof(real) == 8: add(&here, v)
        else: here.hi = here.hi + v
        j += VW
    a[0] = here


cdef void turn(const real *g, const real *x, real *dx, Py_ssize_t n, const measure *u, double tilt, const char *g_leap,
               const char *x_leap) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef measure this = u[0]
    cdef vd v, shift = vset((this.sum.hi + this.sum.lo) * (this.root.hi + this.root.lo))
    while j < n:
        prefetch(g_leap + j * sizeof(real))
        prefetch(x_leap + j * sizeof(real))
        v = part(g + j, n - j) - (scaled(part(x + j, n - j), &this, sizeof(real) == 8) + shift) * tilt
        if sizeof(real) == 8: v = (v * this.root.hi + v * this.root.lo) * this.scale
        else: v = v * this.root.hi
        if j + VW <= n: vstore(dx + j, v)
        else: vstore_first(dx + j, v, n - j)
        j += VW


cdef void turned_rows(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, double eps, void *od, real *_) noexcept nogil:
    cdef Py_ssize_t i, j, m, next, n = size_of(ox, -1), sg = step_of(og, -1), sx = step_of(ox, -1), sd = step_of(od, -1)
    cdef real rg[PIECE]
    cdef real rx[PIECE]
    cdef real rd[PIECE]
    cdef const char *g
    cdef const char *x
    cdef char *d
    cdef measure u
    cdef vpair a
    cdef double tilt
    for i in range(lo, hi):
        next = min(i + 1, hi - 1)
        g, x, d = bytes_of(og) + offset_of(og, i, 1), bytes_of(ox) + offset_of(ox, i, 1), bytes_of(od) + offset_of(od, i, 1)
        if sizeof(real) == 8: wide(x, sx, n, eps, True, rx, &u)
        else: narrow(x, sx, n, eps, True, rx, g if sg == sizeof(real) else x, &u)
        a.hi = a.lo = vset(0)
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            add_slope(&a, take(g, sg, j, m, rg), take(x, sx, j, m, rx), m, &u)
            j += m
        tilt = sum_of(a, sizeof(real) == 8) / (n + 1)
        j = 0
        while j < n:
            m = min(PIECE, n - j)
            turn(take(g, sg, j, m, rg), take(x, sx, j, m, rx), <real *>d + j if sd == sizeof(real) else rd, m, &u, tilt,
                 bytes_of(og) + offset_of(og, next, 1) + j * sg, bytes_of(ox) + offset_of(ox, next, 1) + j * sx)
            if sd != sizeof(real): give(d, sd, j, m, rd)
            j += m


def crms_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, double eps, dx):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pd = <void *>dx
    with nogil:
        if kind == c'f': turned_rows[float](lo, hi, pg, px, eps, pd, NULL)
        elif kind == c'd': turned_rows[double](lo, hi, pg, px, eps, pd, NULL)
        elif kind == c'e': turned_rows[f16](lo, hi, pg, px, eps, pd, NULL)
        else: turned_rows[bf16](lo, hi, pg, px, eps, pd, NULL)
