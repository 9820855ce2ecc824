# Generalized means along the last axis of x, y = (mean of c^p)^(1/p) with c = max(x, eps), and their gradients.
#
# c is raised relative to m, the largest c of a mean with p > 0 and the smallest with p < 0, so that no exponent is
# above 0: y = m (mean of (c / m)^p)^(1/p). Where p is nearly 0, y = m exp(log1p(p d) / p) with d the mean of
# expm1(p log(c / m)) / p, which no division by p spoils; at p = 0 that is the geometric mean.
#
# Lanes are channels where these lie side by side in memory, each with an exponent of its own; else they are elements
# of one row, LANES at a time.
from libc.float cimport DBL_MAX, DBL_MIN
from libc.math cimport exp, expm1, floor, log, log1p, nextafter, pow, fabs, sqrt, INFINITY
from libc.string cimport memset
from vec cimport *
from arrays cimport *
from rows cimport PIECE, give, pair, take, two_sum
from power cimport *

cdef enum:
    WIDTH = 256                   # channels, or rows, that are finished together
    LANES = 32                    # that a row is summed in: one order on every CPU
    ANY = 0                       # by logarithms; 1 .. 6: by products
    SMALL = -1                    # |p| < 2^-11
    AHEAD = 512                   # elements from what is added to what is fetched

cdef double LOG2 = 0.6931471805599453
cdef double FEW = 1e-10           # an exponent below it is as good as 0: its square is lost

cdef struct means:
    double p[WIDTH]
    double top[WIDTH]             # the largest c; NaN if there is one
    double low[WIDTH]             # the smallest
    double base[WIDTH]            # m
    double log_base[WIDTH]        # log2 m
    double sum[WIDTH]
    double y[WIDTH]


# ---- exponents ----

cdef inline int way(double p) noexcept nogil:
    if 1 <= p <= 6 and p == floor(p): return <int>p
    return SMALL if fabs(p) < 1.0 / 2048 else ANY


# How many exponents from the first on are taken as it is: what is done to one depends on no other.
cdef inline Py_ssize_t alike(const double *p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(1, n):
        if way(p[i]) != way(p[0]): return i
    return n


cdef inline double exponent(void *each, double p, Py_ssize_t c) noexcept nogil:
    cdef const char *at
    cdef int kind
    if each == NULL: return p
    at = bytes_of(each) + c * step_of(each, 0)
    kind = kind_of(each)
    if kind == c'f': return get(<const float *>at)
    if kind == c'd': return get(<const double *>at)
    if kind == c'e': return get(<const f16 *>at)
    return get(<const bf16 *>at)


cdef inline void spread(double *lane, Py_ssize_t n, double a) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n): lane[i] = a


# ---- passes over lanes; `ring` - 1 is the mask that brings an element to its lane ----

cdef inline vd clamped(const real *x, Py_ssize_t j, Py_ssize_t n, vd eps) noexcept nogil:
    return vat_least(vload(x + j) if j + VW <= n else vload_first(x + j, n - j), eps)


cdef inline vd product(vd c, int k) noexcept nogil:
    cdef vd w = c * c
    if k == 0: return vset(1)
    if k == 1: return c
    if k == 2: return w
    if k == 3: return w * c
    if k == 4: return w * w
    if k == 5: return w * w * c
    return w * w * w


cdef inline void add_products(const real *x, Py_ssize_t n, int k, double eps, double *sum) noexcept nogil:
    cdef vd least = vset(eps)
    cdef Py_ssize_t j = 0
    while j < n:
        vstore(sum + j, vload(<const double *>sum + j) + product(clamped(x, j, n, least), k))
        j += VW


# A row: its lanes stay in registers. Behind its end nothing is added.
cdef inline void add_row_products(const real *x, Py_ssize_t n, int k, double eps, double *sum) noexcept nogil:
    cdef vd least = vset(eps)
    cdef vd a[LANES]
    cdef double rest[LANES]
    cdef Py_ssize_t j = 0
    cdef int i
    for i in range(LANES // VW): a[i] = vload(<const double *>sum + i * VW)
    while j + LANES <= n:
        prefetch(x + j + AHEAD)
        prefetch(x + j + AHEAD + LANES // 2)
        for i in range(LANES // VW): a[i] = a[i] + product(vat_least(vload(x + j + i * VW), least), k)
        j += LANES
    for i in range(LANES // VW): vstore(sum + i * VW, a[i])
    i = 0
    while j < n:
        vstore(rest, product(clamped(x, j, n, least), k))
        for i in range(i, i + <int>min(VW, n - j)): sum[i] += rest[i % VW]
        i += 1
        j += VW


cdef void add_products_of(const real *x, Py_ssize_t n, int k, double eps, double *sum, bint row) noexcept nogil:
    if row:
        if k == 3: add_row_products(x, n, 3, eps, sum)
        elif k == 2: add_row_products(x, n, 2, eps, sum)
        elif k == 1: add_row_products(x, n, 1, eps, sum)
        else: add_row_products(x, n, k, eps, sum)
    elif k == 3: add_products(x, n, 3, eps, sum)
    elif k == 2: add_products(x, n, 2, eps, sum)
    elif k == 1: add_products(x, n, 1, eps, sum)
    else: add_products(x, n, k, eps, sum)


cdef void bound(const real *x, Py_ssize_t n, double eps, double *top, double *low, Py_ssize_t ring) noexcept nogil:
    cdef vd least = vset(eps), c
    cdef Py_ssize_t j = 0, a
    while j < n:
        a = j & (ring - 1)
        c = clamped(x, j, n, least)
        if j + VW <= n:
            vstore(top + a, vlarger(vload(<const double *>top + a), c))
            vstore(low + a, vmin(c, vload(<const double *>low + a)))
        else:
            vstore_first(top + a, vlarger(vload(<const double *>top + a), c), n - j)
            vstore_first(low + a, vmin(c, vload(<const double *>low + a)), n - j)
        j += VW


# (c / m)^p; where p is small expm1(p log(c / m)) / p. What infinity adds where p < 0 is 0 and -1 / p.
cdef inline void terms(vd *v, bint small, bint based, const double *p, const double *log_base) noexcept nogil:
    cdef vd q
    cdef int i
    vlog2s(v, 4)
    if based:
        for i in range(4): v[i] = v[i] - vload(log_base + i * VW)
    if small:
        for i in range(4):
            q = vload(p + i * VW)
            v[i] = v[i] * LOG2
            v[i] = vwhere_below(v[i] * q, -0.5, -1 / q, v[i] * vgrowth(v[i] * q))
    else:
        for i in range(4): v[i] = v[i] * vload(p + i * VW)
        vexp2s(v, 4)


cdef inline void add_powers(const real *x, Py_ssize_t n, bint small, bint based, double eps, const double *p,
                            const double *log_base, double *sum, Py_ssize_t ring) noexcept nogil:
    cdef vd least = vset(eps)
    cdef vd v[4]
    cdef double *s
    cdef Py_ssize_t j = 0, a
    cdef int i
    while j + 4 * VW <= n:
        a = j & (ring - 1)
        for i in range(4): v[i] = vat_least(vload(x + j + i * VW), least)
        terms(v, small, based, p + a, log_base + a)
        for i in range(4): vstore(sum + a + i * VW, vload(<const double *>sum + a + i * VW) + v[i])
        j += 4 * VW
    if j < n:
        a = j & (ring - 1)
        for i in range(4): v[i] = clamped(x, j + i * VW, n, least) if j + i * VW < n else vset(1)
        terms(v, small, based, p + a, log_base + a)
        for i in range(4): vstore(sum + a + i * VW, vload(<const double *>sum + a + i * VW) + v[i])


cdef void add_powers_of(const real *x, Py_ssize_t n, int k, bint based, double eps, const double *p,
                        const double *log_base, double *sum, Py_ssize_t ring) noexcept nogil:
    if k == SMALL: add_powers(x, n, True, True, eps, p, log_base, sum, ring)
    elif based: add_powers(x, n, False, True, eps, p, log_base, sum, ring)
    else: add_powers(x, n, False, False, eps, p, log_base, sum, ring)


# Whether powers of float32 and halves need no base: none is near an end of the doubles, only that of an infinity.
cdef inline bint within(double p, double eps) noexcept nogil:
    return 1.0 / 64 <= fabs(p) <= 6.5 and eps >= 1e-45


# ---- from sums to means ----

cdef inline void choose(means *b, Py_ssize_t n, double eps) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    for j in range(n):
        b.base[j] = 1 if within(b.p[j], eps) else (b.low[j] if b.p[j] < -FEW else b.top[j])
        if within(b.p[j], eps): b.top[j] = 1
    spread(b.base + n, -n & (VW - 1), 1)
    j = 0
    while j < n:
        v = vload(<const double *>b.base + j)
        vlog2s(&v, 1)
        vstore(b.log_base + j, v)
        j += VW


cdef inline double mean_of(const means *b, Py_ssize_t j, int k, double n) noexcept nogil:
    cdef double p = b.p[j], s = b.sum[j] / n
    if k == 1: return s
    if k == 2: return sqrt(s)
    if b.top[j] != b.top[j] or b.base[j] == INFINITY: return b.top[j]
    return b.base[j] * exp(s - p * s * s / 2 if fabs(p) < FEW else log1p(p * s) / p)


# The means of the first `count` lanes of one way; n elements each.
cdef void finish(means *b, Py_ssize_t count, int k, double n) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v, p
    if k <= 2 and k != ANY:
        for j in range(count): b.y[j] = mean_of(b, j, k, n)
        return
    spread(b.sum + count, -count & (VW - 1), 1)
    spread(b.p + count, -count & (VW - 1), 1)
    while j < count:
        v = vload(<const double *>b.sum + j) * (1 / n)
        vlog2s(&v, 1)
        v = vmin(vset(1023), v / vload(<const double *>b.p + j))
        vexp2s(&v, 1)
        if k == ANY: v = v * vload(<const double *>b.base + j)
        vstore(b.y + j, v)
        j += VW
    if k != ANY: return
    for j in range(count):
        if b.top[j] != b.top[j] or b.base[j] == INFINITY: b.y[j] = b.top[j]


# One row into lane `at`. A last run that is not whole is summed apart: the lanes behind it count nothing.
cdef void row_sum(const char *row, Py_ssize_t step, Py_ssize_t n, double eps, means *b, Py_ssize_t at,
                  real *room) noexcept nogil:
    cdef double p[LANES]
    cdef double log_base[LANES]
    cdef double sum[LANES]
    cdef double rest[LANES]
    cdef means one
    cdef const real *x
    cdef Py_ssize_t j = 0, m, i, whole
    cdef int k = way(b.p[at])
    cdef bint based = k == SMALL or (k == ANY and not within(b.p[at], eps))
    b.base[at] = b.top[at] = 1
    if k <= 0: spread(p, LANES, b.p[at])
    if based:
        spread(p, LANES, 0)
        spread(rest, LANES, INFINITY)
        while j < n:
            m = min(PIECE, n - j)
            bound(take(row, step, j, m, room), m, eps, p, rest, LANES)
            j += m
        b.top[at], b.low[at] = p[0], rest[0]
        for i in range(1, LANES):
            if p[i] > b.top[at] or p[i] != p[i]: b.top[at] = p[i]
            if rest[i] < b.low[at]: b.low[at] = rest[i]
        one.p[0], one.top[0], one.low[0] = b.p[at], b.top[at], b.low[at]
        choose(&one, 1, eps)
        b.base[at] = one.base[0]
        spread(p, LANES, b.p[at])
        spread(log_base, LANES, one.log_base[0])
    memset(sum, 0, sizeof(sum))
    if k <= 0: memset(rest, 0, sizeof(rest))
    j = 0
    while j < n:
        m = min(PIECE, n - j)
        x, whole = take(row, step, j, m, room), m & ~<Py_ssize_t>(LANES - 1)
        if k > 0: add_products_of(x, m, k, eps, sum, True)
        else:
            add_powers_of(x, whole, k, based, eps, p, log_base, sum, LANES)
            add_powers_of(x + whole, m - whole, k, based, eps, p, log_base, rest, LANES)
            for i in range(m - whole): sum[i] += rest[i]
        j += m
    i = LANES // 2
    while i:
        for m in range(i): sum[m] += sum[m + i]
        i //= 2
    b.sum[at] = sum[0]


# `count` channels side by side, n elements `step` bytes apart, all of one way.
cdef void channel_sums(const char *x, Py_ssize_t step, Py_ssize_t n, Py_ssize_t count, int k, double eps, means *b,
                       real *_) noexcept nogil:
    cdef Py_ssize_t j
    cdef bint based = k == SMALL
    memset(b.sum, 0, sizeof(b.sum))
    for j in range(count): based = based or not within(b.p[j], eps)
    if k > 0:
        for j in range(n): add_products_of(<const real *>(x + j * step), count, k, eps, b.sum, False)
        return
    spread(b.base, count, 1)
    spread(b.top, count, 1)
    if based:
        spread(b.top, count, 0)
        spread(b.low, count, INFINITY)
        for j in range(n): bound(<const real *>(x + j * step), count, eps, b.top, b.low, WIDTH)
        choose(b, count, eps)
    for j in range(n): add_powers_of(<const real *>(x + j * step), count, k, based, eps, b.p, b.log_base, b.sum, WIDTH)


# ---- float64: the mean by the same formula, and one Newton step, from which no exponent or logarithm is far ----

cdef inline double held(double x, double eps) noexcept nogil:
    return eps if x <= eps else x


cdef inline double log_ratio(double a, double b) noexcept nogil:
    return log(a / b) if DBL_MIN <= a / b <= DBL_MAX else log(a) - log(b)


cdef inline double whole_power(double r, int k) noexcept nogil:
    cdef double t = r
    cdef int i
    for i in range(1, k): t *= r
    return t


# The mean of ((c / base)^p - 1) / p, or its limit.
cdef double drift(const double *row, Py_ssize_t step, Py_ssize_t n, double p, double eps, double base, int k) noexcept nogil:
    cdef pair s, t
    cdef double c, l
    cdef Py_ssize_t j
    s.hi = s.lo = 0
    for j in range(n):
        c = held((<const double *>(<const char *>row + j * step))[0], eps)
        if k > 0: l = whole_power(c / base, k) - 1
        else:
            l = log_ratio(c, base)
            l = l + p * l * l / 2 if fabs(p) < FEW else expm1(p * l)
        t = two_sum(s.hi, l)
        s.hi, s.lo = t.hi, s.lo + t.lo
    return (s.hi + s.lo) / n / (1 if fabs(p) < FEW else p)


cdef double wide_mean(const char *row, Py_ssize_t step, Py_ssize_t n, double p, double eps) noexcept nogil:
    cdef const double *x = <const double *>row
    cdef double top = 0, low = INFINITY, sum = 0, c, d, base
    cdef int k = way(p)
    cdef Py_ssize_t j
    for j in range(n):
        c = held((<const double *>(row + j * step))[0], eps)
        if c != c: return c
        top, low = max(top, c), min(low, c)
    base = low if p < -FEW else top
    if base == INFINITY: return base
    d = drift(x, step, n, p, eps, base, k)
    if fabs(p) < FEW: c = base * exp(d - p * d * d / 2)
    elif p * d > -0.5: c = base * exp(log1p(p * d) / p)
    else:
        for j in range(n):
            c = held((<const double *>(row + j * step))[0], eps)
            sum += whole_power(c / base, k) if k > 0 else exp(p * log_ratio(c, base))
        c = base * pow(sum / n, 1 / p)
    if c < INFINITY: c += c * drift(x, step, n, p, eps, c, k)
    return c


# ---- the means ----

# Whether the channels, the last axis but one of x, are the lanes.
cdef inline bint lanes_are_channels(void *ox, real *_) noexcept nogil:
    if ndim_of(ox) < 2 or size_of(ox, -2) == 1 or sizeof(real) == 8: return False
    return step_of(ox, -2) == sizeof(real) and step_of(ox, -1) != sizeof(real)


# The means of `count` channels from unit `unit` on, all of one way.
cdef void some_means(void *ox, Py_ssize_t unit, Py_ssize_t count, double eps, means *b, real *room) noexcept nogil:
    cdef Py_ssize_t n = size_of(ox, -1), step = step_of(ox, -1), i
    cdef Py_ssize_t apart = step_of(ox, -2) if ndim_of(ox) > 1 else 0
    cdef const char *x = bytes_of(ox) + offset_of(ox, unit, 1)
    cdef int k = way(b.p[0])
    if sizeof(real) == 8:
        for i in range(count): b.y[i] = wide_mean(x + i * apart, step, n, b.p[i], eps)
        return
    if lanes_are_channels(ox, room): channel_sums(x, step, n, count, k, eps, b, room)
    else:
        for i in range(count): row_sum(x + i * apart, step, n, eps, b, i, room)
    finish(b, count, k, n)


cdef void units(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *each, double p, double eps, void *oy, real *_) noexcept nogil:
    cdef Py_ssize_t channels = size_of(ox, -2) if ndim_of(ox) > 1 else 1, count, i
    cdef Py_ssize_t apart = step_of(oy, -1) if ndim_of(oy) > 0 else 0
    cdef means b
    cdef real room[PIECE]
    cdef char *y
    while lo < hi:
        count = min(min(hi - lo, channels - lo % channels), WIDTH)
        for i in range(count): b.p[i] = exponent(each, p, lo % channels + i)
        count = alike(b.p, count)
        some_means(ox, lo, count, eps, &b, room)
        y = bytes_of(oy) + offset_of(oy, lo, 0)
        for i in range(count): put(<real *>(y + i * apart), b.y[i])
        lo += count


# A positive eps below the normal numbers counts as the smallest of them: it has a logarithm and an inverse.
cdef inline double normal(double eps) noexcept nogil:
    return max(eps, DBL_MIN)


def gem_pool(Py_ssize_t lo, Py_ssize_t hi, x, p, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *each = NULL
    cdef void *po = <void *>out
    cdef double one = 0
    if isinstance(p, (int, float)): one = p
    else: each = <void *>p
    with nogil:
        eps = normal(eps)
        if kind == c'f': units[float](lo, hi, px, each, one, eps, po, NULL)
        elif kind == c'd': units[double](lo, hi, px, each, one, eps, po, NULL)
        elif kind == c'e': units[f16](lo, hi, px, each, one, eps, po, NULL)
        else: units[bf16](lo, hi, px, each, one, eps, po, NULL)


# ---- the gradient ----
# dx = g / n (c / y)^(p - 1) where x is above eps, dp = g y times the mean of l^2 curve(p l) with l = log(c / y).

cdef struct slopes:               # by lane
    double p[WIDTH]
    double g[WIDTH]               # the cotangent over n
    double inverse[WIDTH]         # 1 / y
    double log_y[WIDTH]
    double curve[WIDTH]           # the sum of l^2 curve(p l)


cdef inline void slope(const real *x, real *dx, Py_ssize_t n, int k, double eps, slopes *s, Py_ssize_t ring,
                       bint curved) noexcept nogil:
    cdef vd least = vset(eps), c, v, l, t
    cdef double above = nextafter(eps, INFINITY)
    cdef Py_ssize_t j = 0, a
    while j < n:
        a = j & (ring - 1)
        c = clamped(x, j, n, least)
        if k > 0 and not curved: v = product(c * vload(<const double *>s.inverse + a), k - 1)
        else:
            v = c
            vlog2s(&v, 1)
            l = v - vload(<const double *>s.log_y + a)
            v = l * (vload(<const double *>s.p + a) - 1)
            vexp2s(&v, 1)
            if curved:
                t = l * vload(<const double *>s.p + a)
                c = t
                vexp2s(&c, 1)
                l, t = l * LOG2, t * LOG2
                t = l * l * vcurve(t, c)
                if j + VW <= n: vstore(s.curve + a, vload(<const double *>s.curve + a) + t)
                else: vstore_first(s.curve + a, vload(<const double *>s.curve + a) + t, n - j)
                c = clamped(x, j, n, least)
        v = vwhere_below(c, above, vset(0), v * vload(<const double *>s.g + a))
        if j + VW <= n: vstore(dx + j, v)
        else: vstore_first(dx + j, v, n - j)
        j += VW


cdef void slope_of(const real *x, real *dx, Py_ssize_t n, int k, double eps, slopes *s, Py_ssize_t ring,
                   bint curved) noexcept nogil:
    if curved: slope(x, dx, n, ANY, eps, s, ring, True)
    elif k == 3: slope(x, dx, n, 3, eps, s, ring, False)
    elif k > 0: slope(x, dx, n, k, eps, s, ring, False)
    else: slope(x, dx, n, ANY, eps, s, ring, False)


cdef void row_slope(const char *x, Py_ssize_t sx, char *d, Py_ssize_t sd, Py_ssize_t n, int k, double eps, slopes *s,
                    bint curved, real *rx, real *rd_) noexcept nogil:
    cdef Py_ssize_t j = 0, m
    cdef bint beside = sd == sizeof(real)
    while j < n:
        m = min(PIECE, n - j)
        slope_of(take(x, sx, j, m, rx), <real *>d + j if beside else rd_, m, k, eps, s, LANES, curved)
        if not beside: give(d, sd, j, m, rd_)
        j += m


# One row of float64; the sum of l^2 curve(p l).
cdef double wide_slope(const char *x, Py_ssize_t sx, char *d, Py_ssize_t sd, Py_ssize_t n, double p, double eps, double g,
                       double y, bint curved) noexcept nogil:
    cdef double c, l, t, sum = 0
    cdef Py_ssize_t j
    for j in range(n):
        c = (<const double *>(x + j * sx))[0]
        t = 0 if c <= eps else (g if p == 1 else g * pow(c / y, p - 1))
        (<double *>(d + j * sd))[0] = t
        if curved:
            l = log_ratio(held(c, eps), y)
            t = p * l
            sum += l * l * (0.5 + t / 3 + t * t / 8 if fabs(t) < 1e-4 else (t * exp(t) - expm1(t)) / (t * t))
    return sum


cdef void some_slopes(void *ox, void *od, Py_ssize_t unit, Py_ssize_t count, double eps, means *b, slopes *s, bint curved,
                      real *rx) noexcept nogil:
    cdef Py_ssize_t n = size_of(ox, -1), sx = step_of(ox, -1), sd = step_of(od, -1), ax = 0, ad = 0, i, j
    cdef const char *x = bytes_of(ox) + offset_of(ox, unit, 1)
    cdef char *d = bytes_of(od) + offset_of(od, unit, 1)
    cdef int k = way(b.p[0])
    cdef slopes one
    cdef real room[PIECE]
    cdef vd v
    if ndim_of(ox) > 1: ax, ad = step_of(ox, -2), step_of(od, -2)
    memset(s.curve, 0, sizeof(s.curve))
    if sizeof(real) == 8:
        for i in range(count):
            s.curve[i] = wide_slope(x + i * ax, sx, d + i * ad, sd, n, b.p[i], eps, s.g[i], b.y[i], curved)
        return
    i = 0
    spread(b.y + count, -count & (VW - 1), 1)
    while i < count:
        v = vload(<const double *>b.y + i)
        vstore(s.inverse + i, 1 / v)
        vlog2s(&v, 1)
        vstore(s.log_y + i, v)
        i += VW
    for i in range(count): s.p[i] = b.p[i]
    if lanes_are_channels(ox, rx) and ad == sizeof(real):
        for j in range(n):
            slope_of(<const real *>(x + j * sx), <real *>(d + j * sd), count, k, eps, s, WIDTH, curved)
        return
    for i in range(count):
        spread(one.p, LANES, s.p[i])
        spread(one.g, LANES, s.g[i])
        spread(one.inverse, LANES, s.inverse[i])
        spread(one.log_y, LANES, s.log_y[i])
        spread(one.curve, LANES, 0)
        row_slope(x + i * ax, sx, d + i * ad, sd, n, k, eps, &one, curved, rx, room)
        for j in range(LANES): s.curve[i] += one.curve[j]


# Unit number u is rows u * block .. of the cotangent: all channels, and a share of what comes before them.
cdef void blocks(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *og, void *each, double p, double eps, Py_ssize_t block,
                 void *od, void *op, real *_) noexcept nogil:
    cdef Py_ssize_t channels = size_of(ox, -2) if ndim_of(ox) > 1 else 1, n = size_of(ox, -1), rows = 1, u, r, c, i, count
    cdef int axis
    cdef means b
    cdef slopes s
    cdef real room[PIECE]
    cdef double *dp = NULL
    for axis in range(ndim_of(ox) - 2): rows *= size_of(ox, axis)
    for u in range(lo, hi):
        if op != NULL: dp = <double *><void *>bytes_of(op) + u * channels
        for r in range(u * block, min((u + 1) * block, rows)):
            c = 0
            while c < channels:
                count = min(WIDTH, channels - c)
                for i in range(count): b.p[i] = exponent(each, p, c + i)
                count = alike(b.p, count)
                for i in range(count):
                    s.g[i] = get(<const real *>(bytes_of(og) + offset_of(og, r * channels + c + i, 0))) / n
                some_means(ox, r * channels + c, count, eps, &b, room)
                some_slopes(ox, od, r * channels + c, count, eps, &b, &s, op != NULL, room)
                if op != NULL:
                    for i in range(count): dp[c + i] += s.g[i] * b.y[i] * s.curve[i]
                c += count


def gem_pool_vjp(Py_ssize_t lo, Py_ssize_t hi, x, cotangent, p, double eps, Py_ssize_t block, dx, parts=None):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pg = <void *>cotangent
    cdef void *each = NULL
    cdef void *pd = <void *>dx
    cdef void *pp = NULL
    cdef double one = 0
    if isinstance(p, (int, float)): one = p
    else: each = <void *>p
    if parts is not None: pp = <void *>parts
    with nogil:
        eps = normal(eps)
        if kind == c'f': blocks[float](lo, hi, px, pg, each, one, eps, block, pd, pp, NULL)
        elif kind == c'd': blocks[double](lo, hi, px, pg, each, one, eps, block, pd, pp, NULL)
        elif kind == c'e': blocks[f16](lo, hi, px, pg, each, one, eps, block, pd, pp, NULL)
        else: blocks[bf16](lo, hi, px, pg, each, one, eps, block, pd, pp, NULL)
