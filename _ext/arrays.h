/* A NumPy array as the kernels see it: bytes, shape, strides and a kind. Python has checked everything before.
 * Arrays come as PyObject pointers told to Cython as void *, so that no reference is counted without the GIL. */
#ifndef REFNORM_ARRAYS_H
#define REFNORM_ARRAYS_H
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/ndarraytypes.h>

#define ARRAY_(o) ((PyArrayObject *)(o))

/* NULL for None */
static inline char *bytes_of(void *o) { return o == (void *)Py_None ? NULL : PyArray_BYTES(ARRAY_(o)); }
static inline int ndim_of(void *o) { return PyArray_NDIM(ARRAY_(o)); }
static inline int axis_(void *o, int axis) { return axis < 0 ? axis + PyArray_NDIM(ARRAY_(o)) : axis; }
static inline Py_ssize_t size_of(void *o, int axis) { return PyArray_DIM(ARRAY_(o), axis_(o, axis)); }
/* bytes from one element to the next along an axis */
static inline Py_ssize_t step_of(void *o, int axis) { return PyArray_STRIDE(ARRAY_(o), axis_(o, axis)); }

/* 'f' float, 'd' double, 'e' float16, 'H' bfloat16 handed over as uint16 */
static inline int kind_of(void *o) {
    switch (PyArray_TYPE(ARRAY_(o))) {
        case NPY_FLOAT: return 'f';
        case NPY_DOUBLE: return 'd';
        case NPY_HALF: return 'e';
        default: return 'H';
    }
}

/* Byte offset of unit number `unit`, counted in C order over all axes but the last `core`. */
static inline Py_ssize_t offset_of(void *o, Py_ssize_t unit, int core) {
    int axis = PyArray_NDIM(ARRAY_(o)) - core - 1;
    Py_ssize_t offset = 0;
    for (; axis > 0; axis--) {
        Py_ssize_t n = PyArray_DIM(ARRAY_(o), axis);
        offset += (unit % n) * PyArray_STRIDE(ARRAY_(o), axis);
        unit /= n;
    }
    return axis == 0 ? offset + unit * PyArray_STRIDE(ARRAY_(o), 0) : offset;
}
#endif
