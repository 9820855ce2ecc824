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
    """
    const char *level_of_cpu()
    int plain_kind(void *)

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
