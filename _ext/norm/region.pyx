# Two regions of every channel, told apart by a mask, brought to mean zero and variance one each, and the gradient.
#
# x is (samples, channels, sites). A unit is a channel of one sample, or, pooled, of all samples. The mask comes as bytes
# of -1 and 0 and as a table: the first true site of a sample, its first false one, how many are true. Whatever has two
# values, one a region, is a pair of doubles here: [0] where the mask is false, [1] where it is true.
from libc.math cimport sqrt, fabs, frexp, ldexp, INFINITY
from vec cimport *
from arrays cimport *
from rows cimport FAR, pair, vpair, add, total, two_sum

cdef extern from "<math.h>" nogil:
    long double sqrtl(long double)

cdef enum:
    PIECE = 1024
    AHEAD = 256                    # elements from the one in use to the one to prefetch

cdef struct view:
    const char *start
    Py_ssize_t sample, channel, site

cdef struct field:
    view x, g, y
    const signed char *mask
    const Py_ssize_t *table
    Py_ssize_t samples, channels, sites
    bint pooled
    bint stream                    # whether y is written past the caches

# The statistics of the two regions: x * scale - near - far is centred, and root its inverse deviation.
cdef struct unit:
    double scale[2]
    double near[2]
    double far[2]
    long double root[2]
    Py_ssize_t n[2]

cdef struct sums:
    double first[2]
    double rest[2]                 # what rounding took from the first, and more from the second
    double second[2]
    double more[2]


# ---- where things are ----

cdef inline view look(void *a) noexcept nogil:
    cdef view v
    v.start, v.sample, v.channel, v.site = NULL, 0, 0, 0
    if a != NULL: v.start, v.sample, v.channel, v.site = bytes_of(a), step_of(a, 0), step_of(a, 1), step_of(a, 2)
    return v


cdef inline const char *at(const view *v, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t site) noexcept nogil:
    return v.start + sample * v.sample + channel * v.channel + site * v.site


cdef inline const real *take(const view *v, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t site, Py_ssize_t m, real *room) noexcept nogil:
    cdef const char *p = at(v, sample, channel, site)
    if v.site == sizeof(real): return <const real *>p
    copy_strided(room, sizeof(real), p, v.site, m, sizeof(real))
    return room


cdef inline field survey(void *x, void *g, void *y, void *mask, void *table, bint pooled) noexcept nogil:
    cdef field f
    f.x, f.g, f.y = look(x), look(g), look(y)
    f.mask = <const signed char *>bytes_of(mask)
    f.table = <const Py_ssize_t *><void *>bytes_of(table)
    f.samples, f.channels, f.sites, f.pooled = size_of(x, 0), size_of(x, 1), size_of(x, 2), pooled
    f.stream = f.y.start != f.x.start and 2 * f.samples * f.channels * f.sites * f.y.site >= FAR
    return f


# ---- sums ----

cdef inline void keep(double *s, double *rest, pair p) noexcept nogil:
    cdef pair q = two_sum(s[0], p.hi)
    s[0] = q.hi
    rest[0] += q.lo + p.lo


cdef inline void sum_piece(const real *x, const signed char *mask, Py_ssize_t m, const unit *u, sums *s) noexcept nogil:
    """The sums of d = x * scale - near and of d^2 over each region; float64 keeps what rounding takes from them"""
    cdef vd s0, s1, q0, q1, t0, t1, p0, p1, w, d, a, b, zero = vset(0)
    cdef vd near0 = vset(u.near[0]), near1 = vset(u.near[1]), scale0 = vset(u.scale[0]), scale1 = vset(u.scale[1])
    cdef vpair k0, k1, l0, l1
    cdef Py_ssize_t j = 0
    cdef double e
    cdef int r
    s0 = s1 = q0 = q1 = t0 = t1 = p0 = p1 = zero
    if sizeof(real) == 8:
        k0.hi = k0.lo = k1.hi = k1.lo = l0.hi = l0.lo = l1.hi = l1.lo = zero
        while j + VW <= m:
            w = vsites(mask + j)
            d = vload(x + j) * vpick(w, scale1, scale0) - vpick(w, near1, near0)
            a, b = vinside(w, d), voutside(w, d)
            add(&k1, a)
            add(&k0, b)
            add(&l1, a * a)
            add(&l0, b * b)
            j += VW
        keep(&s.first[0], &s.rest[0], total(k0))
        keep(&s.first[1], &s.rest[1], total(k1))
        keep(&s.second[0], &s.more[0], total(l0))
        keep(&s.second[1], &s.more[1], total(l1))
    else:
        while j + 2 * VW <= m:
            prefetch(x + j + AHEAD)
            w = vsites(mask + j)
            d = vload(x + j) - vpick(w, near1, near0)
            a, b = vinside(w, d), voutside(w, d)
            s1, s0, q1, q0 = s1 + a, s0 + b, q1 + a * a, q0 + b * b
            w = vsites(mask + j + VW)
            d = vload(x + j + VW) - vpick(w, near1, near0)
            a, b = vinside(w, d), voutside(w, d)
            t1, t0, p1, p0 = t1 + a, t0 + b, p1 + a * a, p0 + b * b
            j += 2 * VW
        s.first[0] += vsum(s0 + t0)
        s.first[1] += vsum(s1 + t1)
        s.second[0] += vsum(q0 + p0)
        s.second[1] += vsum(q1 + p1)
    while j < m:
        r = mask[j] != 0
        e = get(x + j) * u.scale[r] - u.near[r]
        keep(&s.first[r], &s.rest[r], pair(e, 0))
        keep(&s.second[r], &s.more[r], pair(e * e, 0))
        j += 1


cdef inline sums sum_unit(const field *f, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t channel, const unit *u, real *_) noexcept nogil:
    cdef real room[PIECE]
    cdef sums s
    cdef Py_ssize_t n, j, m
    s.first[0] = s.first[1] = s.rest[0] = s.rest[1] = s.more[0] = s.more[1] = s.second[0] = s.second[1] = 0
    for n in range(lo, hi):
        j = 0
        while j < f.sites:
            m = min(PIECE, f.sites - j)
            sum_piece(take(&f.x, n, channel, j, m, room), f.mask + n * f.sites + j, m, u, &s)
            j += m
    return s


cdef inline void settle_scale(const field *f, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t channel, double eps, unit *u, real *_) noexcept nogil:
    """A power of two for each region, 1 as a rule, such that no square overflows or vanishes beside eps."""
    cdef double largest[2]
    cdef double e
    cdef Py_ssize_t n, j
    cdef int r, power
    largest[0] = largest[1] = sqrt(eps)
    for n in range(lo, hi):
        for j in range(f.sites):
            r = f.mask[n * f.sites + j] != 0
            e = fabs(get(<const real *>at(&f.x, n, channel, j)))
            if e > largest[r] and e < INFINITY: largest[r] = e
    for r in range(2):
        if largest[r] > 0 and not 1e-70 < largest[r] < 1e70:
            frexp(largest[r], &power)
            u.scale[r] = ldexp(1, -power if power > -1000 else 1000)


cdef inline void measure(const field *f, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t channel, double eps, bint plane, unit *u, real *_) noexcept nogil:
    """Sums are taken of the distance to the first site of a region; in float64 again of that to the mean."""
    cdef sums s
    cdef Py_ssize_t n, first
    cdef long double mean, variance, own, places = <long double>((hi - lo) * f.sites)
    cdef int r, again
    u.n[0] = u.n[1] = 0
    for r in range(2): u.scale[r], u.near[r], u.far[r], u.root[r] = 1, 0, 0, 0
    if sizeof(real) == 8: settle_scale(f, lo, hi, channel, eps, u, _)
    for n in range(lo, hi):
        for r in range(2):
            first = f.table[3 * n + 1 - r]
            if u.n[r] == 0 and f.sites and (f.mask[n * f.sites + first] != 0) == r:
                u.near[r] = get(<const real *>at(&f.x, n, channel, first)) * u.scale[r]
            u.n[r] += f.table[3 * n + 2] if r else f.sites - f.table[3 * n + 2]
    for again in range(2 if sizeof(real) == 8 else 1):
        if again:
            for r in range(2): u.near[r] = u.near[r] + u.far[r]
        s = sum_unit(f, lo, hi, channel, u, _)
        for r in range(2):
            if u.n[r] == 0: continue
            mean = (<long double>s.first[r] + s.rest[r]) / u.n[r]
            variance = (<long double>s.second[r] + s.more[r]) / u.n[r] - mean * mean
            if variance < 0: variance = 0
            own = eps * (places / u.n[r] if plane else 1)
            u.far[r] = <double>mean
            u.root[r] = 1 / sqrtl(variance + own * u.scale[r] * u.scale[r])


# ---- the answer ----

cdef struct lines:
    double scale[2]
    double near[2]
    double gain[2]
    double low[2]
    double rest[2]
    double turn[2]


cdef inline void write_piece(const real *g, const real *x, const signed char *mask, Py_ssize_t j, Py_ssize_t m, const lines *l, real *y) noexcept nogil:
    """From element j on: y = (x * scale - near) * gain + rest, and where there is a cotangent, + g * turn"""
    cdef vd w, d, v, near0 = vset(l.near[0]), near1 = vset(l.near[1]), gain0 = vset(l.gain[0]), gain1 = vset(l.gain[1])
    cdef vd rest0 = vset(l.rest[0]), rest1 = vset(l.rest[1]), turn0 = vset(l.turn[0]), turn1 = vset(l.turn[1])
    cdef vd scale0 = vset(l.scale[0]), scale1 = vset(l.scale[1]), low0 = vset(l.low[0]), low1 = vset(l.low[1])
    cdef double e, t
    cdef int r
    while j + VW <= m:
        w = vsites(mask + j)
        d = vload(x + j)
        if sizeof(real) == 8: d = d * vpick(w, scale1, scale0)
        d = d - vpick(w, near1, near0)
        v = vpick(w, rest1, rest0)
        if sizeof(real) == 8: v = d * vpick(w, low1, low0) + v
        if g != NULL: v = vload(g + j) * vpick(w, turn1, turn0) + v
        vstore(y + j, d * vpick(w, gain1, gain0) + v)
        j += VW
    while j < m:
        r = mask[j] != 0
        e = get(x + j)
        if sizeof(real) == 8: e = e * l.scale[r]
        e = e - l.near[r]
        t = l.rest[r]
        if sizeof(real) == 8: t = e * l.low[r] + t
        if g != NULL: t = get(g + j) * l.turn[r] + t
        put(y + j, e * l.gain[r] + t)
        j += 1


cdef inline Py_ssize_t write_pairs(const real *x, const signed char *mask, Py_ssize_t m, const lines *l, real *y, bint flat,
                                   bint stream) noexcept nogil:
    """Two vectors at once make one store: what most calls do. Return how many elements are written. Where it is `flat`,
    nothing has to be taken off x first."""
    cdef vd w, d, v, near0 = vset(l.near[0]), near1 = vset(l.near[1]), gain0 = vset(l.gain[0]), gain1 = vset(l.gain[1])
    cdef vd rest0 = vset(l.rest[0]), rest1 = vset(l.rest[1])
    cdef Py_ssize_t j = 0
    while j + 2 * VW <= m:
        prefetch(x + j + AHEAD)
        d, v, w = vload(x + j), vload(x + j + VW), vsites(mask + j)
        if not flat: d = d - vpick(w, near1, near0)
        d = d * vpick(w, gain1, gain0) + vpick(w, rest1, rest0)
        w = vsites(mask + j + VW)
        if not flat: v = v - vpick(w, near1, near0)
        v = v * vpick(w, gain1, gain0) + vpick(w, rest1, rest0)
        if stream: vstream2(y + j, d, v)
        else: vstore2(y + j, d, v)
        j += 2 * VW
    return j


cdef inline Py_ssize_t begin_piece(const real *x, const signed char *mask, Py_ssize_t m, const lines *l, real *y, bint stream) noexcept nogil:
    cdef bint flat = l.near[0] == 0 and l.near[1] == 0
    if flat and stream: return write_pairs(x, mask, m, l, y, True, True)
    if flat: return write_pairs(x, mask, m, l, y, True, False)
    if stream: return write_pairs(x, mask, m, l, y, False, True)
    return write_pairs(x, mask, m, l, y, False, False)


cdef inline void write_unit(const field *f, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t channel, const lines *l, real *_) noexcept nogil:
    cdef real xs[PIECE]
    cdef real gs[PIECE]
    cdef real ys[PIECE]
    cdef Py_ssize_t n, j, m, done
    cdef char *to
    cdef const real *x
    cdef const real *g = NULL
    cdef real *y
    cdef bint straight = f.y.site == sizeof(real), stream = f.stream and straight and sizeof(real) == 4
    for n in range(hi - 1, lo - 1, -1):                    # the last one summed may still be in cache
        j = 0
        while j < f.sites:
            m = min(PIECE, f.sites - j)
            to, done = <char *>at(&f.y, n, channel, j), 0
            x, y = take(&f.x, n, channel, j, m, xs), <real *>to if straight else ys
            if f.g.start != NULL: g = take(&f.g, n, channel, j, m, gs)
            elif sizeof(real) < 8: done = begin_piece(x, f.mask + n * f.sites + j, m, l, y, stream and (<size_t>y) % 64 == 0)
            write_piece(g, x, f.mask + n * f.sites + j, done, m, l, y)
            if not straight: copy_strided(to, f.y.site, ys, sizeof(real), m, sizeof(real))
            j += m


cdef inline double number(void *a, int row, Py_ssize_t channel, double absent, real *_) noexcept nogil:
    if bytes_of(a) == NULL: return absent
    return get(<const real *>(bytes_of(a) + row * step_of(a, 0) + channel * step_of(a, 1)))


cdef void normalize(Py_ssize_t lo, Py_ssize_t hi, void *x, void *mask, void *table, void *weight, void *bias, bint pooled, bint plane,
                    bint leaks, double eps, void *out, real *_) noexcept nogil:
    cdef field f = survey(x, NULL, out, mask, table, pooled)
    cdef Py_ssize_t i, first, end, channel
    cdef unit u
    cdef lines l
    cdef long double gain
    cdef double w, b
    cdef int r
    for i in range(lo, hi):
        channel = i if pooled else i % f.channels
        first = 0 if pooled else i // f.channels
        end = f.samples if pooled else first + 1
        measure(&f, first, end, channel, eps, plane, &u, _)
        for r in range(2):
            w = number(weight, r, channel, 1, _)
            b = number(bias, 0, channel, 0, _) + number(bias, 1, channel, 0, _) if leaks else number(bias, r, channel, 0, _)
            if not fabs(w) < INFINITY:                     # its sign decides alone: nothing may be subtracted afterwards
                u.near[r], u.far[r] = u.near[r] + u.far[r], 0
            elif sizeof(real) < 8 and u.far[r] != 0 and fabs(u.near[r] + u.far[r]) * u.root[r] < 16:
                u.near[r], u.far[r] = 0, u.near[r] + u.far[r]    # x is not much larger than x - mean: one rounding will do; equal x are 0
            gain = u.root[r] * w
            l.scale[r], l.near[r], l.gain[r], l.turn[r] = u.scale[r], u.near[r], <double>gain, 0
            l.low[r] = <double>(gain - l.gain[r]) if fabs(l.gain[r]) < INFINITY else 0
            l.rest[r] = <double>(b - u.far[r] * gain) if u.far[r] != 0 else b
        write_unit(&f, first, end, channel, &l, _)
    if f.stream: fence()


def region_norm(Py_ssize_t lo, Py_ssize_t hi, x, mask, table, weight, bias, bint pooled, bint plane, bint leaks, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pm = <void *>mask
    cdef void *pt = <void *>table
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': normalize[float](lo, hi, px, pm, pt, pw, pb, pooled, plane, leaks, eps, po, NULL)
        elif kind == c'd': normalize[double](lo, hi, px, pm, pt, pw, pb, pooled, plane, leaks, eps, po, NULL)
        elif kind == c'e': normalize[f16](lo, hi, px, pm, pt, pw, pb, pooled, plane, leaks, eps, po, NULL)
        else: normalize[bf16](lo, hi, px, pm, pt, pw, pb, pooled, plane, leaks, eps, po, NULL)


# ---- the gradient ----

cdef inline void meet_piece(const real *g, const real *x, const signed char *mask, Py_ssize_t m, const unit *u, sums *s) noexcept nogil:
    """The sums of g and of g * (x * scale - near) over each region"""
    cdef vd s0, s1, q0, q1, w, d, v, a, b, zero = vset(0)
    cdef vd near0 = vset(u.near[0]), near1 = vset(u.near[1]), scale0 = vset(u.scale[0]), scale1 = vset(u.scale[1])
    cdef Py_ssize_t j = 0
    cdef double e, t
    cdef int r
    s0 = s1 = q0 = q1 = zero
    while j + VW <= m:
        w = vsites(mask + j)
        d = vload(x + j)
        v = vload(g + j)
        if sizeof(real) == 8: d = d * vpick(w, scale1, scale0)
        d = v * (d - vpick(w, near1, near0))
        s1, s0, q1, q0 = s1 + vinside(w, v), s0 + voutside(w, v), q1 + vinside(w, d), q0 + voutside(w, d)
        j += VW
    s.first[0] += vsum(s0)
    s.first[1] += vsum(s1)
    s.second[0] += vsum(q0)
    s.second[1] += vsum(q1)
    while j < m:
        r = mask[j] != 0
        e = get(x + j)
        t = get(g + j)
        if sizeof(real) == 8: e = e * u.scale[r]
        s.first[r] += t
        s.second[r] += t * (e - u.near[r])
        j += 1


cdef inline sums meet_unit(const field *f, Py_ssize_t lo, Py_ssize_t hi, Py_ssize_t channel, const unit *u, real *_) noexcept nogil:
    cdef real xs[PIECE]
    cdef real gs[PIECE]
    cdef sums s
    cdef Py_ssize_t n, j, m
    s.first[0] = s.first[1] = s.rest[0] = s.rest[1] = s.more[0] = s.more[1] = s.second[0] = s.second[1] = 0
    for n in range(lo, hi):
        j = 0
        while j < f.sites:
            m = min(PIECE, f.sites - j)
            meet_piece(take(&f.g, n, channel, j, m, gs), take(&f.x, n, channel, j, m, xs), f.mask + n * f.sites + j, m, u, &s)
            j += m
    return s


cdef void differentiate(Py_ssize_t lo, Py_ssize_t hi, void *g, void *x, void *mask, void *table, void *weight, bint pooled, bint plane,
                        bint leaks, double eps, void *dx, double *parts, real *_) noexcept nogil:
    """dx = root (h - mean(h) - xhat mean(h xhat)), h = g * weight; parts receives the sums of g * xhat and of g, each
    of the false region and then of the true one, channel by channel and, where they stand alone, sample by sample."""
    cdef field f = survey(x, g, dx, mask, table, pooled)
    cdef Py_ssize_t i, first, end, channel
    cdef unit u
    cdef lines l
    cdef sums s
    cdef long double root, level, tilt, gain
    cdef double *own
    cdef double w
    cdef int r
    for i in range(lo, hi):
        channel = i if pooled else i % f.channels
        first = 0 if pooled else i // f.channels
        end = f.samples if pooled else first + 1
        own = parts + (0 if pooled else first * 4 * f.channels) + channel
        measure(&f, first, end, channel, eps, plane, &u, _)
        s = meet_unit(&f, first, end, channel, &u, _)
        for r in range(2):
            w, root = number(weight, r, channel, 1, _), u.root[r]
            tilt = level = 0
            if u.n[r]:
                tilt = root * (s.second[r] - <long double>u.far[r] * s.first[r])
                own[r * f.channels] = <double>tilt
                own[(2 + r) * f.channels] = s.first[0] + s.first[1] if leaks else s.first[r]
                level, tilt = s.first[r] * <long double>w / u.n[r], tilt * w / u.n[r]
            elif leaks: own[(2 + r) * f.channels] = s.first[0] + s.first[1]
            root = root * u.scale[r]
            gain = -root * u.root[r] * tilt
            l.scale[r], l.near[r], l.gain[r], l.turn[r] = u.scale[r], u.near[r], <double>gain, <double>(root * w)
            l.low[r] = <double>(gain - l.gain[r]) if fabs(l.gain[r]) < INFINITY else 0
            l.rest[r] = <double>(-root * level - u.far[r] * gain)
            if u.n[r] == 1: l.gain[r] = l.low[r] = l.rest[r] = l.turn[r] = 0     # exactly
        write_unit(&f, first, end, channel, &l, _)


def region_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, g, x, mask, table, weight, bint pooled, bint plane, bint leaks, double eps, dx, parts):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>g
    cdef void *px = <void *>x
    cdef void *pm = <void *>mask
    cdef void *pt = <void *>table
    cdef void *pw = <void *>weight
    cdef void *pd = <void *>dx
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': differentiate[float](lo, hi, pg, px, pm, pt, pw, pooled, plane, leaks, eps, pd, pp, NULL)
        elif kind == c'd': differentiate[double](lo, hi, pg, px, pm, pt, pw, pooled, plane, leaks, eps, pd, pp, NULL)
        elif kind == c'e': differentiate[f16](lo, hi, pg, px, pm, pt, pw, pooled, plane, leaks, eps, pd, pp, NULL)
        else: differentiate[bf16](lo, hi, pg, px, pm, pt, pw, pooled, plane, leaks, eps, pd, pp, NULL)
