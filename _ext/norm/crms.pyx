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
