# Batch normalization: the channel axis comes first here, and all other axes are one channel's elements. To the walk it
# is one sample whose channels are units of their own.
from standard cimport *


# ---- with the statistics of the batch ----

def batch_norm_train(Py_ssize_t lo, Py_ssize_t hi, x, weight, bias, double eps, out, stats):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *po = <void *>out
    cdef double *ps = <double *><void *>bytes_of(<void *>stats)
    with nogil:
        if kind == c'f': normalize[float](lo, hi, px, core, 0, pw, pb, eps, po, ps, NULL)
        elif kind == c'd': normalize[double](lo, hi, px, core, 0, pw, pb, eps, po, ps, NULL)
        elif kind == c'e': normalize[f16](lo, hi, px, core, 0, pw, pb, eps, po, ps, NULL)
        else: normalize[bf16](lo, hi, px, core, 0, pw, pb, eps, po, ps, NULL)


def batch_norm_train_vjp(Py_ssize_t lo, Py_ssize_t hi, g, x, weight, gmean, gvar, double eps, dx, parts):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *pg = <void *>g
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *pm = <void *>gmean
    cdef void *pv = <void *>gvar
    cdef void *pd = <void *>dx
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': differentiate[float](lo, hi, pg, px, core, 0, pw, pm, pv, eps, pd, pp, NULL)
        elif kind == c'd': differentiate[double](lo, hi, pg, px, core, 0, pw, pm, pv, eps, pd, pp, NULL)
        elif kind == c'e': differentiate[f16](lo, hi, pg, px, core, 0, pw, pm, pv, eps, pd, pp, NULL)
        else: differentiate[bf16](lo, hi, pg, px, core, 0, pw, pm, pv, eps, pd, pp, NULL)


# ---- the statistics alone ----

cdef void moments(Py_ssize_t lo, Py_ssize_t hi, void *x, int core, void *out, real *_) noexcept nogil:
    cdef field f
    cdef unit u[LANES]
    cdef char *row = bytes_of(out)
    cdef Py_ssize_t i = lo, k, units, step = step_of(out, 1)
    survey(&f, x, NULL, NULL, core, 0, sizeof(real))
    if f.rows * f.n == 0: return
    while i < hi:
        units = bundle(&f, i, hi)
        measure(&f, 0, i, units, 0, u, NULL, NULL, _)
        for k in range(units):
            put(<real *>(row + (i + k) * step), mean_of(&u[k]))
            put(<real *>(row + step_of(out, 0) + (i + k) * step), variance_of(&u[k]))
        i += units


def batch_moments(Py_ssize_t lo, Py_ssize_t hi, x, out):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': moments[float](lo, hi, px, core, po, NULL)
        elif kind == c'd': moments[double](lo, hi, px, core, po, NULL)
        elif kind == c'e': moments[f16](lo, hi, px, core, po, NULL)
        else: moments[bf16](lo, hi, px, core, po, NULL)


def batch_moments_vjp(Py_ssize_t lo, Py_ssize_t hi, x, gmean, gvar, dx):
    """With no cotangent of the output nothing is left of its gradient but these two terms; eps plays no part."""
    batch_norm_train_vjp(lo, hi, None, x, None, gmean, gvar, 1.0, dx, None)


# ---- with given statistics ----

cdef void given(unit *u, void *mean, void *var, Py_ssize_t channel, double eps, real *_) noexcept nogil:
    u.scale, u.near, u.far = 1, factor(mean, channel, 0, _), 0
    u.q.hi, u.q.lo = factor(var, channel, 0, _), 0
    if sizeof(real) == 8: u.root = inverse_root(u.q, eps)
    else: u.root.hi, u.root.lo = 1 / sqrt(u.q.hi + eps), 0
    u.level = u.tilt = 0


cdef void standardize(Py_ssize_t lo, Py_ssize_t hi, void *x, int core, void *mean, void *var, void *weight, void *bias, double eps,
                      void *out, real *_) noexcept nogil:
    cdef field f
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo, k, units
    survey(&f, x, NULL, out, core, 0, sizeof(real))
    if f.rows * f.n == 0: return
    while i < hi:
        units = bundle(&f, i, hi)
        for k in range(units): given(&u[k], mean, var, i + k, eps, _)
        write_units(&f, i, units, u, weight, bias, distance(&f, i, hi), _)
        i += units
    if f.stream: fence()


def batch_norm(Py_ssize_t lo, Py_ssize_t hi, x, mean, var, weight, bias, double eps, out):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *px = <void *>x
    cdef void *pm = <void *>mean
    cdef void *pv = <void *>var
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': standardize[float](lo, hi, px, core, pm, pv, pw, pb, eps, po, NULL)
        elif kind == c'd': standardize[double](lo, hi, px, core, pm, pv, pw, pb, eps, po, NULL)
        elif kind == c'e': standardize[f16](lo, hi, px, core, pm, pv, pw, pb, eps, po, NULL)
        else: standardize[bf16](lo, hi, px, core, pm, pv, pw, pb, eps, po, NULL)


cdef void unstandardize(Py_ssize_t lo, Py_ssize_t hi, void *g, void *x, int core, void *mean, void *var, void *weight, double eps,
                        void *dx, double *parts, real *_) noexcept nogil:
    """dx is g itself on another scale: x, which may be infinite, has no part in it."""
    cdef field f, h
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo, k, units
    survey(&f, x, g, NULL, core, 0, sizeof(real))
    survey(&h, g, NULL, dx, core, 0, sizeof(real))
    if f.rows * f.n == 0: return
    while i < hi:
        units = bundle(&f, i, hi)
        for k in range(units): given(&u[k], mean, var, i + k, eps, _)
        sum_units(&f, PRODUCTS, i, units, u, weight, parts, _)
        for k in range(units): parts[i + k] *= u[k].root.hi
        i += units
    i = lo
    while i < hi:
        units = bundle(&h, i, hi)
        for k in range(units):
            given(&u[k], mean, var, i + k, eps, _)
            u[k].near = 0
        write_units(&h, i, units, u, weight, NULL, distance(&h, i, hi), _)
        i += units
    if h.stream: fence()


def batch_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, g, x, mean, var, weight, double eps, dx, parts):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *pg = <void *>g
    cdef void *px = <void *>x
    cdef void *pm = <void *>mean
    cdef void *pv = <void *>var
    cdef void *pw = <void *>weight
    cdef void *pd = <void *>dx
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': unstandardize[float](lo, hi, pg, px, core, pm, pv, pw, eps, pd, pp, NULL)
        elif kind == c'd': unstandardize[double](lo, hi, pg, px, core, pm, pv, pw, eps, pd, pp, NULL)
        elif kind == c'e': unstandardize[f16](lo, hi, pg, px, core, pm, pv, pw, eps, pd, pp, NULL)
        else: unstandardize[bf16](lo, hi, pg, px, core, pm, pv, pw, eps, pd, pp, NULL)
