# The words of vec.h for Cython. `vd` is told to Cython as a double, so that + - * / are plain C on it.
cdef extern from "vec.h" nogil:
    ctypedef struct f16:
        unsigned short bits
    ctypedef struct bf16:
        unsigned short bits
    ctypedef double vd
    const int VW
    vd vset(double)
    vd vload(...)
    void vstore(...)
    void vstream(...)
    void vstore2(...)
    void vstream2(...)
    vd vload_first(...)
    void vstore_first(...)
    double get(...)
    void put(...)
    double vsum(vd)
    vd vmax(vd, vd)
    vd vabs(vd)
    vd vsqrt(vd)
    vd vinverse_root(vd, vd *off)
    vd vfloor_at(vd, double)
    double vlargest(vd)
    vd vwhere_below(vd, double, vd, vd)
    vd vexp(vd)
    void vexps(vd *, int)
    vd vexp_fine(vd, vd)
    vd vexp_pair(vd, vd, vd *rest)
    vd vhalf(vd)
    vd vlost(vd, vd, vd)
    vd vpairs(...)
    vd vskip(const double *)
    vd vsites(const signed char *)
    vd vpick(vd sites, vd yes, vd no)
    vd vinside(vd sites, vd)
    vd voutside(vd sites, vd)
    ctypedef float rf
    Py_ssize_t LINE(...)
    vd lload(...)
    vd lskip(...)
    vd llarger(...)
    void lstore(...)
    void llargest(...)
    bint usual(bint)
    void prefetch(const void *)
    void fence()
    void copy_strided(void *to, Py_ssize_t to_step, const void *source, Py_ssize_t from_step, Py_ssize_t n, int size)

ctypedef fused real:
    float
    double
    f16
    bf16
