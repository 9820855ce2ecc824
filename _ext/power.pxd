# The words of power.h for Cython.
from vec cimport vd

cdef extern from "power.h" nogil:
    vd vat_least(vd, vd)
    vd vlarger(vd, vd)
    vd vmin(vd, vd)
    vd vsigned(vd, vd)
    void vlog2s(vd *, int)
    void vexp2s(vd *, int)
    vd vgrowth(vd)
    vd vcurve(vd, vd)
