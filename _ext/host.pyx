# What is asked on the way to every kernel: which CPU this is, and whether arrays are plain memory.
import numpy

cdef extern from *:
    """
    #define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
    #include <numpy/ndarraytypes.h>

    #if defined(__GNUC__) && defined(__x86_64__)
    #define HAS(feature) (__builtin_cpu_supports(feature) != 0)
    static const char *level_of_cpu(void) {
        __builtin_cpu_init();
        if (!(HAS("sse4.2") && HAS("ssse3") && HAS("popcnt"))) return "portable";
        if (!(HAS("avx2") && HAS("fma") && HAS("bmi") && HAS("bmi2") && HAS("f16c"))) return "v2";
        if (!(HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl"))) return "v3";
        return "v4";
    }
    #else
    static const char *level_of_cpu(void) { return "portable"; }
    #endif

    /* The type number of an aligned array of native float16, float32 or float64; else -1. */
    static int plain_kind(void *o) {
        PyArrayObject *a = (PyArrayObject *)o;
        int kind = PyArray_TYPE(a);
        if (kind != NPY_FLOAT && kind != NPY_DOUBLE && kind != NPY_HALF) return -1;
        return PyArray_ISALIGNED(a) && PyArray_ISNOTSWAPPED(a) ? kind : -1;
    }
    /* The bytes an array can touch, from low up to high; whether it has any two elements at one place. */
    static int extent(void *o, int itemsize, char **low, char **high) {
        PyArrayObject *a = (PyArrayObject *)o;
        int repeats = 0;
        *low = PyArray_BYTES(a);
        *high = *low + itemsize;
        for (int i = 0; i < PyArray_NDIM(a); i++) {
            npy_intp n = PyArray_DIM(a, i), step = PyArray_STRIDE(a, i);
            if (n == 0) { *high = *low; return 0; }
            if (step < 0) *low += step * (n - 1); else *high += step * (n - 1);
            repeats |= step == 0 && n > 1;
        }
        return repeats;
    }
    static int writeable(void *o) { return PyArray_ISWRITEABLE((PyArrayObject *)o); }
    """
    const char *level_of_cpu()
    int plain_kind(void *)
    int extent(void *, int, char **, char **)
    bint writeable(void *)

cdef type ndarray = numpy.ndarray


def level():
    return level_of_cpu().decode()


def plain(*arrays):
    """Return whether all are exactly NumPy arrays of one native float type, aligned; None counts for nothing."""
    cdef int kind = -1, first = -1
    for x in arrays:
        if x is None:
            continue
        if type(x) is not ndarray:
            return False
        kind = plain_kind(<void *>x)
        if kind < 0 or (first >= 0 and kind != first):
            return False
        first = kind
    return first >= 0


def clear(out, *arrays):
    """Return whether `out` can be written to without a further question: plain, writeable, apart from all arrays."""
    cdef char *low
    cdef char *high
    cdef char *a
    cdef char *b
    if not plain(out, *arrays):
        return False
    cdef int itemsize = out.itemsize
    if extent(<void *>out, itemsize, &low, &high) or not writeable(<void *>out):
        return False
    for x in arrays:
        if x is not None:
            extent(<void *>x, itemsize, &a, &b)
            if a < high and low < b:
                return False
    return True
