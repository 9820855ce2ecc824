# What operators over rows share: a row of any stride read piece by piece, sums that keep what rounding took,
# and the scale at which squares neither overflow nor vanish.
from libc.math cimport sqrt, fma, frexp, ldexp, INFINITY
from vec cimport *
from arrays cimport *

# Elements: all operands of a piece fit in L1 together, and the sums of a long row are sums of short sums.
cdef enum: PIECE = 1024
cdef enum: GROUP = 2


cdef inline const real *take(const char *row, Py_ssize_t step, Py_ssize_t j, Py_ssize_t m, real *room) noexcept nogil:
    """Elements j .. j + m of a row: where they lie, or copied to `room` if they do not lie side by side."""
    if step == sizeof(real): return <const real *>row + j
    copy_strided(room, sizeof(real), row + j * step, step, m, sizeof(real))
    return room


cdef inline const double *widen(const char *row, Py_ssize_t step, Py_ssize_t j, Py_ssize_t m, double absent, double *room,
                                real *_) noexcept nogil:
    """The same as doubles, for a weight that many rows share: half the work of a row is conversions. Where there is
    no such array, `absent` stands for each element: 1 for a factor, -0 for a summand."""
    cdef Py_ssize_t k = 0
    if row == NULL:
        for k in range(m):
            room[k] = absent
        return room
    if step == sizeof(real):
        if sizeof(real) == 8: return <const double *>(<const void *>row) + j
        while k + VW <= m:
            vstore(room + k, vload(<const real *>row + j + k))
            k += VW
    while k < m:
        room[k] = get(<const real *>(row + (j + k) * step))
        k += 1
    return room


cdef inline Py_ssize_t together(Py_ssize_t n) noexcept nogil:
    """How many rows of n elements to take at once: while one waits for its root, another is summed, and a weight
    longer than a piece is widened once for both; only while they stay in cache."""
    return GROUP if n <= 1 << 13 else 1


cdef inline void give(char *row, Py_ssize_t step, Py_ssize_t j, Py_ssize_t m, const real *room) noexcept nogil:
    copy_strided(row + j * step, step, room, sizeof(real), m, sizeof(real))


cdef struct pair:                 # a number as hi + lo, lo far below hi
    double hi
    double lo


cdef struct vpair:
    vd hi
    vd lo


cdef inline void add(vpair *a, vd v) noexcept nogil:
    """Knuth's TwoSum. It survives -ffp-contract: lo receives (hi + v) - t whatever t was rounded to."""
    cdef vd t = a.hi + v, z = t - a.hi
    a.lo = a.lo + ((a.hi - (t - z)) + (v - z))
    a.hi = t


cdef inline pair two_sum(double a, double b) noexcept nogil:
    cdef pair p
    p.hi = a + b
    p.lo = p.hi - a
    p.lo = (a - (p.hi - p.lo)) + (b - p.lo)
    return p


cdef inline pair total(vpair a) noexcept nogil:
    cdef double hi[8]
    cdef pair p, q
    cdef int k
    vstore(hi, a.hi)
    p.hi, p.lo = hi[0], vsum(a.lo)
    for k in range(1, VW):
        q = two_sum(p.hi, hi[k])
        p.hi, p.lo = q.hi, p.lo + q.lo
    if p.hi - p.hi != 0:          # an infinity or a NaN is the whole answer: its rounding error is none
        p.lo = 0
    return p


cdef inline double sum_of(vpair a, bint wide) noexcept nogil:
    """A pair as one number: in the wide sums hi and lo are sum and rounding error, elsewhere two halves of a sum."""
    cdef pair p
    if not wide: return vsum(a.hi + a.lo)
    p = total(a)
    return p.hi + p.lo


cdef inline pair over(pair a, double n) noexcept nogil:
    """a / n to about twice the digits of a double."""
    cdef pair q
    q.hi, q.lo = (a.hi + a.lo) / n, 0
    if q.hi - q.hi == 0:
        q = two_sum(q.hi, (fma(-q.hi, n, a.hi) + a.lo) / n)
    return q


cdef inline pair inverse_root(pair a, double eps) noexcept nogil:
    """1 / sqrt(a + eps): the rounded root, and one Newton step from it kept apart."""
    cdef pair m = two_sum(a.hi, eps), r
    cdef double square, rest
    m.lo += a.lo
    r.hi, r.lo = 1 / sqrt(m.hi), 0
    if 0 < r.hi < INFINITY:
        square = r.hi * r.hi
        rest = fma(r.hi, r.hi, -square)
        r.lo = 0.5 * r.hi * (fma(-m.hi, square, 1) - m.hi * rest - m.lo * square)
    return r


cdef inline pair inverse_of(pair a) noexcept nogil:
    """1 / a: the rounded quotient, and one Newton step from it kept apart."""
    cdef pair r
    r.hi, r.lo = 1 / a.hi, 0
    if 0 < r.hi < INFINITY: r.lo = r.hi * (fma(-r.hi, a.hi, 1) - r.hi * a.lo)
    return r


cdef inline bint tame(double q) noexcept nogil:
    """Whether a sum of squares is too far from both ends of the doubles to have lost anything."""
    return 1e-270 < q < 1e270


cdef inline double scale_for(double largest, double eps) noexcept nogil:
    """The power of two that brings the larger of x and sqrt(eps) to about one."""
    cdef double top = sqrt(eps)
    cdef int e
    if largest > top: top = largest
    if not 0 < top < INFINITY: return 1
    frexp(top, &e)
    return ldexp(1, -max(-1000, min(1000, e)))


cdef inline vd keep(vd v, Py_ssize_t k) noexcept nogil:
    """The first k lanes; zero in the others."""
    cdef double lane[8]
    cdef Py_ssize_t i
    vstore(lane, v)
    for i in range(k, VW):
        lane[i] = 0
    return vload(lane)


cdef inline double largest_of(const char *row, Py_ssize_t step, Py_ssize_t n, real *room) noexcept nogil:
    cdef const real *x
    cdef Py_ssize_t j = 0, k, m
    cdef double top = 0, v
    while j < n:
        m = min(PIECE, n - j)
        x = take(row, step, j, m, room)
        j += PIECE
        for k in range(m):
            v = get(x + k)
            if v < 0: v = -v
            if v > top: top = v
    return top


cdef inline Py_ssize_t units_of(void *array, int core) noexcept nogil:
    cdef Py_ssize_t n = 1
    cdef int axis
    for axis in range(ndim_of(array) - core):
        n *= size_of(array, axis)
    return n


cdef enum:
    NEAR = 1 << 20                # bytes: an output up to here lies in L2; fetching its lines early only costs
    FAR = 32 << 20                # from here on it leaves L3 before anyone reads it: it is written past the caches


cdef inline Py_ssize_t bytes_in(void *array) noexcept nogil:
    return units_of(array, 0) * step_of(array, -1)
