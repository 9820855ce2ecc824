# Groups of channels of one sample brought to mean zero and variance one, and the gradient. Instance norm is the same
# with every channel a group of its own.
from standard cimport *


def group_norm(Py_ssize_t lo, Py_ssize_t hi, x, weight, bias, Py_ssize_t groups, double eps, out):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 2
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': normalize[float](lo, hi, px, core, groups, pw, pb, eps, po, NULL, NULL)
        elif kind == c'd': normalize[double](lo, hi, px, core, groups, pw, pb, eps, po, NULL, NULL)
        elif kind == c'e': normalize[f16](lo, hi, px, core, groups, pw, pb, eps, po, NULL, NULL)
        else: normalize[bf16](lo, hi, px, core, groups, pw, pb, eps, po, NULL, NULL)


def group_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, g, x, weight, Py_ssize_t groups, double eps, dx, parts):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 2
    cdef void *pg = <void *>g
    cdef void *px = <void *>x
    cdef void *pw = <void *>weight
    cdef void *pd = <void *>dx
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': differentiate[float](lo, hi, pg, px, core, groups, pw, NULL, NULL, eps, pd, pp, NULL)
        elif kind == c'd': differentiate[double](lo, hi, pg, px, core, groups, pw, NULL, NULL, eps, pd, pp, NULL)
        elif kind == c'e': differentiate[f16](lo, hi, pg, px, core, groups, pw, NULL, NULL, eps, pd, pp, NULL)
        else: differentiate[bf16](lo, hi, pg, px, core, groups, pw, NULL, NULL, eps, pd, pp, NULL)


def instance_norm(Py_ssize_t lo, Py_ssize_t hi, x, weight, bias, double eps, out):
    group_norm(lo, hi, x, weight, bias, size_of(<void *>x, 1), eps, out)


def instance_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, g, x, weight, double eps, dx, parts):
    group_norm_vjp(lo, hi, g, x, weight, size_of(<void *>x, 1), eps, dx, parts)
