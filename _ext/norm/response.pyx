# Local response norm: y = x P^-beta with P = k + a * (the sum of the squares of the channels round one), and its gradient.
#
# An array is (samples, channels, places); a unit is BLOCK places of a sample. Lanes are places where these lie side by
# side in memory, channels where those do; else, and for float64, elements are taken one by one. A sum is taken anew for
# every channel: one that slides, adding a square and taking off another, keeps what a large square left behind.
from libc.math cimport pow, fabs, INFINITY
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport pair, two_sum, scale_for
from power cimport *

cdef enum:
    BLOCK = 256                   # places of a unit
    LANES = 32                    # places that the gradient takes together
    HALO = 64                     # channels beside one whose squares are kept at hand
    ROOM = 512                    # channels of a place that are squared together
    FEW = 4                       # registers whose powers are taken together

cdef struct pool:
    double a, k, beta
    Py_ssize_t before, after, channels
    Py_ssize_t step, near         # bytes from one channel, and from one place, of x to the next
    bint smooth                   # P is a normal number or infinite, and beta above 0: powers by logarithms


cdef inline void survey(pool *p, void *x, Py_ssize_t before, Py_ssize_t after, double a, double beta, double k,
                        bint narrow) noexcept nogil:
    p.a, p.k, p.beta = a, k, beta
    p.channels = size_of(x, -2)
    p.before, p.after = min(before, p.channels - 1), min(after, p.channels - 1)
    p.step, p.near = step_of(x, -2), step_of(x, -1)
    p.smooth = narrow and k > 1e-280 and beta > 0


cdef inline Py_ssize_t first(const pool *p, Py_ssize_t c) noexcept nogil:
    return max(0, c - p.before)


cdef inline Py_ssize_t stop(const pool *p, Py_ssize_t c) noexcept nogil:
    return min(p.channels, c + p.after + 1)


# ---- one element ----

cdef inline double squares(const char *x, const pool *p, Py_ssize_t c, double scale, real *_) noexcept nogil:
    """The sum of the squares round channel c of a place, in units of scale^-2; what roundings lost is added last."""
    cdef pair s, t
    cdef double v
    cdef Py_ssize_t j
    s.hi = s.lo = 0
    for j in range(first(p, c), stop(p, c)):
        v = get(<const real *>(x + j * p.step)) * scale
        t = two_sum(s.hi, v * v)
        s.hi, s.lo = t.hi, s.lo + t.lo
    return s.hi + s.lo if s.hi - s.hi == 0 else s.hi


cdef inline double pooled(const char *x, const pool *p, Py_ssize_t c, double *scale, real *_) noexcept nogil:
    """P in units of scale^-2, which is 1 unless squares of float64 would overflow or vanish."""
    cdef double sum = squares(x, p, c, 1, _), top = 0
    cdef Py_ssize_t j
    scale[0] = 1
    if sizeof(real) == 8 and (sum > 1e270 or (sum < 1e-270 and p.k < 1e-250)):
        for j in range(first(p, c), stop(p, c)): top = max(top, fabs(get(<const real *>(x + j * p.step))))
        scale[0] = scale_for(top, p.k)
        sum = squares(x, p, c, scale[0], _)
    return p.k * scale[0] * scale[0] + p.a * sum


cdef inline double element(const char *x, const pool *p, Py_ssize_t c, real *_) noexcept nogil:
    cdef double scale, P = pooled(x, p, c, &scale, _), v = get(<const real *>(x + c * p.step))
    if scale != 1: v = v * scale * pow(scale, 2 * p.beta - 1)
    return v / pow(P, p.beta)


# ---- several ----

cdef inline void powers(vd *P, vd *gain, const pool *p, int count) noexcept nogil:
    """P^-beta; 0 where P is infinite, NaN where it is NaN."""
    cdef int i
    for i in range(count): gain[i] = P[i]
    vlog2s(gain, count)
    for i in range(count): gain[i] = gain[i] * -p.beta
    vexp2s(gain, count)
    for i in range(count): gain[i] = vwhere_below(P[i], INFINITY, gain[i], 1 / P[i])


# Of n elements that are left; where several registers are taken (`count` is a constant), they are full.
cdef inline vd some(const real *x, Py_ssize_t n, int count) noexcept nogil:
    return vload(x) if count > 1 or n >= VW else vload_first(x, n)


cdef inline void pool_places(const char *x, const pool *p, Py_ssize_t c, Py_ssize_t t, Py_ssize_t m, vd *P, int count,
                             real *_) noexcept nogil:
    """P of channel c at places t and on, of m that lie side by side."""
    cdef const real *row
    cdef vd v
    cdef Py_ssize_t j
    cdef int i
    for i in range(count): P[i] = vset(0)
    for j in range(first(p, c), stop(p, c)):
        row = <const real *>(x + j * p.step)
        for i in range(count):
            v = some(row + t + i * VW, m - t, count)
            P[i] = P[i] + v * v
    for i in range(count): P[i] = P[i] * p.a + p.k


cdef inline void put_some(real *y, vd v, Py_ssize_t n, int count) noexcept nogil:
    if count > 1 or n >= VW: vstore(y, v)
    else: vstore_first(y, v, n)


cdef inline void along(const char *x, real *y, const pool *p, Py_ssize_t c, Py_ssize_t t, Py_ssize_t m, int count,
                       real *_) noexcept nogil:
    cdef vd P[FEW]
    cdef vd gain[FEW]
    cdef const real *own = <const real *>(x + c * p.step) + t
    cdef int i
    pool_places(x, p, c, t, m, P, count, _)
    powers(P, gain, p, count)
    for i in range(count): put_some(y + t + i * VW, some(own + i * VW, m - t, count) * gain[i], m - t, count)


cdef inline void across(const double *square, const real *x, real *y, const pool *p, Py_ssize_t t, Py_ssize_t m, int count,
                        real *_) noexcept nogil:
    """Channels t and on of m; their squares begin `before` farther on, and those of channels that are not there are 0."""
    cdef vd P[FEW]
    cdef vd gain[FEW]
    cdef Py_ssize_t j
    cdef int i
    for i in range(count): P[i] = vset(0)
    for j in range(p.before + p.after + 1):
        for i in range(count): P[i] = P[i] + vload(square + t + j + i * VW)
    for i in range(count): P[i] = P[i] * p.a + p.k
    powers(P, gain, p, count)
    for i in range(count): put_some(y + t + i * VW, some(x + t + i * VW, m - t, count) * gain[i], m - t, count)


cdef void place(const real *x, real *y, const pool *p, double *square) noexcept nogil:
    """All channels of a place, side by side: squares of ROOM of them at once, and of those beside them."""
    cdef Py_ssize_t c = 0, m, j, low, high, t
    cdef vd v
    while c < p.channels:
        m = min(ROOM, p.channels - c)
        low, high = max(0, c - p.before), min(p.channels, c + m + p.after)
        memset(square, 0, (m + p.before + p.after + FEW * 8) * sizeof(double))
        j = low
        while j < high:
            v = some(x + j, high - j, 1)
            vstore(square + j - c + p.before, v * v)
            j += VW
        t = 0
        while t + FEW * VW <= m:
            across(square, x + c, y + c, p, t, m, FEW, <real *>NULL)
            t += FEW * VW
        while t < m:
            across(square, x + c, y + c, p, t, m, 1, <real *>NULL)
            t += VW
        c += m


cdef void respond(Py_ssize_t lo, Py_ssize_t hi, void *ox, Py_ssize_t before, Py_ssize_t after, double a, double beta,
                  double k, void *oy, real *_) noexcept nogil:
    cdef pool p
    cdef Py_ssize_t i, c, j, t, m, n, blocks, size = sizeof(real), sy = step_of(oy, -2), ny = step_of(oy, -1)
    cdef double square[ROOM + 2 * HALO + 64]
    cdef const char *x
    cdef char *y
    survey(&p, ox, before, after, a, beta, k, size < 8)
    n = size_of(ox, -1)
    blocks = (n + BLOCK - 1) // BLOCK
    for i in range(lo, hi):
        j = i % blocks * BLOCK
        m = min(BLOCK, n - j)
        x = bytes_of(ox) + i // blocks * step_of(ox, -3) + j * p.near
        y = bytes_of(oy) + i // blocks * step_of(oy, -3) + j * ny
        if p.smooth and p.near == size and ny == size:
            for c in range(p.channels):
                t = 0
                while t + FEW * VW <= m:
                    along(x, <real *>(y + c * sy), &p, c, t, m, FEW, _)
                    t += FEW * VW
                while t < m:
                    along(x, <real *>(y + c * sy), &p, c, t, m, 1, _)
                    t += VW
        elif p.smooth and p.step == size and sy == size and max(p.before, p.after) <= HALO:
            for t in range(m): place(<const real *>(x + t * p.near), <real *>(y + t * ny), &p, square)
        else:
            for c in range(p.channels):
                for t in range(m): put(<real *>(y + c * sy + t * ny), element(x + t * p.near, &p, c, _))


def local_response_norm(Py_ssize_t lo, Py_ssize_t hi, x, Py_ssize_t before, Py_ssize_t after, double a, double beta,
                        double k, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': respond[float](lo, hi, px, before, after, a, beta, k, po, NULL)
        elif kind == c'd': respond[double](lo, hi, px, before, after, a, beta, k, po, NULL)
        elif kind == c'e': respond[f16](lo, hi, px, before, after, a, beta, k, po, NULL)
        else: respond[bf16](lo, hi, px, before, after, a, beta, k, po, NULL)


# ---- the gradient ----
# dx_j = u_j - 2 beta a x_j * (the sum of t_c over the channels c that see j), with u = g P^-beta and t = u x / P. Both
# are kept for as many channels as a window has.

cdef inline void terms(const char *x, const char *g, Py_ssize_t sg, Py_ssize_t ng, const pool *p, Py_ssize_t c, Py_ssize_t m,
                       double *u, double *t, real *_) noexcept nogil:
    """u and t of channel c at m places."""
    cdef vd P
    cdef vd gain
    cdef vd v
    cdef Py_ssize_t l
    cdef double scale, own, whole
    if p.smooth and p.near == sizeof(real) and ng == sizeof(real):
        l = 0
        while l < m:
            pool_places(x, p, c, l, m, &P, 1, _)
            powers(&P, &gain, p, 1)
            v = some(<const real *>(g + c * sg) + l, m - l, 1) * gain
            vstore(u + l, v)
            vstore(t + l, v * some(<const real *>(x + c * p.step) + l, m - l, 1) / P)
            l += VW
        return
    for l in range(m):
        whole = pooled(x + l * p.near, p, c, &scale, _)
        own = get(<const real *>(x + c * p.step + l * p.near)) * scale
        u[l] = get(<const real *>(g + c * sg + l * ng)) / pow(whole, p.beta)
        if scale != 1: u[l] = u[l] * pow(scale, 2 * p.beta)
        t[l] = u[l] * own / whole * scale


cdef void slopes(Py_ssize_t lo, Py_ssize_t hi, void *og, void *ox, Py_ssize_t before, Py_ssize_t after, double a, double beta,
                 double k, void *od, real *_) noexcept nogil:
    cdef pool p
    cdef Py_ssize_t i, c, j, l, m, q, n, c2, end, blocks, wide, slot, sg = step_of(og, -2), ng = step_of(og, -1)
    cdef Py_ssize_t sd = step_of(od, -2), nd = step_of(od, -1)
    cdef double u[HALO][LANES]
    cdef double t[HALO][LANES]
    cdef double own[LANES]
    cdef double sum[LANES]
    cdef const char *x
    cdef const char *g
    cdef char *d
    survey(&p, ox, before, after, a, beta, k, sizeof(real) < 8)
    n, wide = size_of(ox, -1), p.before + p.after + 1
    blocks = (n + BLOCK - 1) // BLOCK
    for i in range(lo, hi):
        q, end = i % blocks * BLOCK, min(n, i % blocks * BLOCK + BLOCK)
        while q < end:
            m = min(LANES, end - q)
            x = bytes_of(ox) + i // blocks * step_of(ox, -3) + q * p.near
            g = bytes_of(og) + i // blocks * step_of(og, -3) + q * ng
            d = bytes_of(od) + i // blocks * step_of(od, -3) + q * nd
            for c in range(p.channels + p.before):
                if wide <= HALO and c < p.channels: terms(x, g, sg, ng, &p, c, m, u[c % wide], t[c % wide], _)
                j = c - p.before                         # the channels that see it are done
                if j < 0: continue
                memset(sum, 0, sizeof(sum))
                for c2 in range(max(0, j - p.after), min(p.channels, c + 1)):
                    slot = c2 % wide if wide <= HALO else 0
                    if wide > HALO: terms(x, g, sg, ng, &p, c2, m, u[0], t[0], _)
                    if c2 == j:
                        for l in range(m): own[l] = u[slot][l]
                    for l in range(m): sum[l] += t[slot][l]
                for l in range(m):
                    put(<real *>(d + j * sd + l * nd),
                        own[l] - 2 * p.beta * p.a * get(<const real *>(x + j * p.step + l * p.near)) * sum[l])
            q += m


def local_response_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, Py_ssize_t before, Py_ssize_t after, double a,
                            double beta, double k, dx):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pd = <void *>dx
    with nogil:
        if kind == c'f': slopes[float](lo, hi, pg, px, before, after, a, beta, k, pd, NULL)
        elif kind == c'd': slopes[double](lo, hi, pg, px, before, after, a, beta, k, pd, NULL)
        elif kind == c'e': slopes[f16](lo, hi, pg, px, before, after, a, beta, k, pd, NULL)
        else: slopes[bf16](lo, hi, pg, px, before, after, a, beta, k, pd, NULL)
