# What thresholds under rows share: the largest of a row, and what is not below a limit put side by side.
from libc.math cimport INFINITY
from vec cimport *
from rows cimport *
from arrays cimport *

cdef extern from "sift.h" nogil:
    Py_ssize_t sift(double *to, vd x, double limit)

cdef enum: KEPT = 1024


cdef struct level:                 # the threshold: near + far
    double near, far


cdef inline double peak_of(const char *row, Py_ssize_t step, Py_ssize_t n, real *room) noexcept nogil:
    cdef const real *x
    cdef vd a = vset(-INFINITY), b = a, c = a, d = a
    cdef double last = -INFINITY
    cdef Py_ssize_t i = 0, j, m
    while i < n:
        m = min(PIECE, n - i)
        x = take(row, step, i, m, room)
        j = 0
        while j + 4 * VW <= m:
            a = vmax(vload(x + j), a)
            b = vmax(vload(x + j + VW), b)
            c = vmax(vload(x + j + 2 * VW), c)
            d = vmax(vload(x + j + 3 * VW), d)
            j += 4 * VW
        while j < m:
            last = max(last, get(x + j))
            j += 1
        i += m
    return max(last, vlargest(vmax(vmax(a, b), vmax(c, d))))


cdef inline Py_ssize_t survivors(const char *row, Py_ssize_t step, Py_ssize_t n, double m, double t, real *room,
                                 double *kept) noexcept nogil:
    """Copy what is not below t of x - m to `kept`; return how many, or -1 where there are more than KEPT."""
    cdef const real *x
    cdef double v
    cdef Py_ssize_t i = 0, j, k = 0, size
    while i < n:
        size = min(PIECE, n - i)
        x = take(row, step, i, size, room)
        j = 0
        while j + VW <= size:
            if k > KEPT: return -1
            k += sift(kept + k, vload(x + j) - m, t)
            j += VW
        while j < size:
            if k > KEPT: return -1
            v = get(x + j) - m
            kept[k] = v
            k += not v < t
            j += 1
        i += size
    return k if k <= KEPT else -1
