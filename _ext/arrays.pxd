# The words of arrays.h for Cython. Arrays are `void *` here: write `<void *>x` once, in the function Python calls.
cdef extern from "arrays.h" nogil:
    char *bytes_of(void *)
    int ndim_of(void *)
    Py_ssize_t size_of(void *, int axis)
    Py_ssize_t step_of(void *, int axis)
    int kind_of(void *)
    Py_ssize_t offset_of(void *, Py_ssize_t unit, int core)
