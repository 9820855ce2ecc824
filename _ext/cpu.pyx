# The best level of x86-64 that this CPU and its operating system run.
cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__x86_64__)
    #define HAS(feature) (__builtin_cpu_init(), __builtin_cpu_supports(feature) != 0)
    static const char *refnorm_level(void) {
        if (!(HAS("sse4.2") && HAS("ssse3") && HAS("popcnt"))) return "portable";
        if (!(HAS("avx2") && HAS("fma") && HAS("bmi") && HAS("bmi2") && HAS("f16c"))) return "v2";
        if (!(HAS("avx512f") && HAS("avx512bw") && HAS("avx512cd") && HAS("avx512dq") && HAS("avx512vl"))) return "v3";
        return "v4";
    }
    #else
    static const char *refnorm_level(void) { return "portable"; }
    #endif
    """
    const char *refnorm_level()


def level():
    return refnorm_level().decode()
