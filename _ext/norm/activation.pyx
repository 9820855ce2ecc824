# EvoNorm: the statistics of standard.pxd, and an output that they bend.
#
# The S series has units of a sample and group, as group norm. The B series has units of a channel, as batch norm: its
# variance over the batch is taken first, by a walk to which the samples are one more axis of a channel, and then every
# sample's own.
from standard cimport *
from rows cimport inverse_of

cdef extern from "beams.h" nogil:
    beam bdivide(beam, beam)
    beam bmax(beam, beam)          # the second where one is NaN
    beam bgate(beam top, beam z, beam slope, bint tame, bint fine)   # top / (1 + 2^(z * slope)), of float
    beam bgate_fine(beam x, beam z)                         # x / (1 + e^-z)

cdef enum:                         # what bends
    MAXIMUM = 0                    # y = x / max(floor, x * slope + own) * gain + rest
    GATE = 1                       # y = x * scale * logistic(x * slope) * gain + rest; scale as in `unit`
    TAME = 2                       # the same, no exponent near the ends of the doubles

cdef enum:                         # what a unit's own statistic is
    DEVIATION = 0                  # sqrt(var + eps): B0, S0, S1
    LENGTH = 1                     # sqrt(mean square + eps): B1, S2
    LENGTH_LESS_X = 2              # the same, with x taken off: B2

cdef struct curve:                 # by lane
    double scale[LANES]
    double slope[LANES]            # of a gate of float, times -log2(e)
    double floor[LANES]
    double own[LANES]
    double gain[LANES]
    double rest[LANES]


cdef inline void set_lane(double *lanes, Py_ssize_t lane, double v, bint across) noexcept nogil:
    """Set a lane, or all lanes of a beam where it is one channel."""
    if across: lanes[lane] = v
    else: spread(lanes, v)


# One loop for each: where `how` was a question inside one loop, gcc merged what the answers share and fused nothing.

cdef inline void maximum_beats(const tile *x, char *y, Py_ssize_t stride, const curve *l, Py_ssize_t lane, const char *ahead,
                               bint stream, real *_) noexcept nogil:
    cdef beam t
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    for i in range(x.beats):
        t = bload(<const real *>p)
        t = bdivide(t, bmax(bload(anew(l.floor + lane)), bmuladd(t, bload(anew(l.slope + lane)), bload(anew(l.own + lane)))))
        t = bmuladd(t, bload(anew(l.gain + lane)), bload(anew(l.rest + lane)))
        bprefetch(ahead, sizeof(real))
        if stream: bstream(<real *>y, t)
        else: bstore(<real *>y, t)
        p += step
        ahead += step
        y += stride


cdef inline void gate_beats(const tile *x, char *y, Py_ssize_t stride, const curve *l, Py_ssize_t lane, const char *ahead,
                            bint stream, real *_) noexcept nogil:
    cdef beam t
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    for i in range(x.beats):
        t = bload(<const real *>p)
        if sizeof(real) == 8: t = bgate_fine(bmul(t, bload(anew(l.scale + lane))), bmul(t, bload(anew(l.slope + lane))))
        else: t = bgate(t, t, bload(anew(l.slope + lane)), False, True)
        t = bmuladd(t, bload(anew(l.gain + lane)), bload(anew(l.rest + lane)))
        bprefetch(ahead, sizeof(real))
        if stream: bstream(<real *>y, t)
        else: bstore(<real *>y, t)
        p += step
        ahead += step
        y += stride


cdef inline void tame_beats(const tile *x, char *y, Py_ssize_t stride, const curve *l, Py_ssize_t lane, const char *ahead,
                            bint stream, real *_) noexcept nogil:
    cdef beam t
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    for i in range(x.beats):
        t = bload(<const real *>p)
        t = bgate(t, t, bload(anew(l.slope + lane)), True, True)
        t = bmuladd(t, bload(anew(l.gain + lane)), bload(anew(l.rest + lane)))
        bprefetch(ahead, sizeof(real))
        if stream: bstream(<real *>y, t)
        else: bstore(<real *>y, t)
        p += step
        ahead += step
        y += stride


cdef inline void bend_beats(const tile *x, char *y, Py_ssize_t stride, const curve *l, Py_ssize_t lane, int how,
                            const char *ahead, bint stream, real *_) noexcept nogil:
    if how == MAXIMUM: maximum_beats(x, y, stride, l, lane, ahead, stream, _)
    elif how == GATE or sizeof(real) == 8: gate_beats(x, y, stride, l, lane, ahead, stream, _)
    else: tame_beats(x, y, stride, l, lane, ahead, stream, _)


cdef inline void bend_tile(const tile *x, const tile *y, const curve *l, Py_ssize_t lane, int how, Py_ssize_t ahead, bint stream,
                           real *_) noexcept nogil:
    """The last beat is computed first and written last: y may be x, and that beat begins before the others end."""
    cdef real spare[2 * 8]
    cdef tile last
    if x.tail:
        last = last_of(x, _)
        bend_beats(&last, <char *>spare, 0, l, lane, how, last.at, False, _)
    bend_beats(x, <char *>y.at, y.step, l, lane, how, x.at + ahead, stream, _)
    if x.tail: memcpy(last_beat(y, _), spare, BEAM * sizeof(real))


cdef inline void bend_strip(const field *f, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t lanes, const curve *l, int how,
                            Py_ssize_t ahead, real *_) noexcept nogil:
    cdef real rx[ROOM]
    cdef real ry[ROOM]
    cdef const char *px
    cdef char *py
    cdef char *to
    cdef Py_ssize_t row, j, m, lane, k
    cdef tile x, y
    for row in range(f.rows):
        px, py = row_at(&f.x, f, sample, channel, row), row_at(&f.y, f, sample, channel, row)
        j = 0
        while j < f.n:
            m = min(f.most, f.n - j)
            lane = 0
            while lane < lanes:
                k = min(BEAM, lanes - lane)
                to = py + j * f.y.near + lane * f.y.channel
                x = tile_of(&f.x, px + j * f.x.near + lane * f.x.channel, m, k, f.across, rx)
                y = room_for(&f.y, to, m, k, f.across, ry)
                bend_tile(&x, &y, l, lane, how, ahead, f.stream, _)
                give_back(&f.y, to, &y, m, k, f.across, _)
                lane += BEAM
            j += m


cdef inline void about_zero(unit *u, double eps) noexcept nogil:
    """Set root to that of the mean square, which is the variance and the square of the mean."""
    cdef double m = u.near + u.far
    cdef pair q = two_sum(u.q.hi, m * m)
    q.lo += u.q.lo + fma(m, m, -m * m)
    u.root = inverse_root(q, eps * u.scale * u.scale)


cdef inline double deviation(const unit *u) noexcept nogil:
    """sqrt(var + eps)"""
    cdef pair p = inverse_of(u.root)
    return (p.hi + p.lo) / u.scale


cdef inline double reach(const field *f, const unit *u) noexcept nogil:
    """What no |x| of the unit exceeds: nothing is farther from the mean than sqrt(n var)."""
    return fabs(mean_of(u)) + sqrt(variance_of(u) * (f.group * f.rows * f.n))


cdef inline void bend_units(const field *f, Py_ssize_t first, Py_ssize_t units, const unit *u, const unit *whole, void *v,
                            int own_is, void *weight, void *bias, Py_ssize_t ahead, real *_) noexcept nogil:
    """The S series, or the B series where there is a `whole`, the statistics of the batch, of as many channels."""
    cdef curve l
    cdef Py_ssize_t groups = f.channels // f.group, sample = first // groups, c = first % groups * f.group
    cdef Py_ssize_t end = c + units * f.group, ends = c + f.group, lanes, lane, at, k = 0
    cdef double w, slope, floor, own
    cdef pair gain
    cdef int how
    while c < end:
        lanes = strip(f, end - c)
        how = TAME if whole == NULL else MAXIMUM
        for lane in range(lanes):
            if c + lane == ends: k, ends = k + 1, ends + f.group
            w, slope = factor(weight, c + lane, 1, _), factor(v, c + lane, 1, _)
            if whole == NULL:
                gain = times(u[k].root, w)
                w = gain.hi + gain.lo
                if sizeof(real) < 8: slope = slope * -1.4426950408889634         # log2(e)
                if not fabs(slope) * reach(f, &u[k]) < 1000: how = GATE
                set_lane(l.scale, lane, u[k].scale, f.across)
            else:
                floor, own = deviation(&whole[k]), deviation(&u[k])
                if floor != floor: own = floor                                   # the second of bmax
                if own_is == LENGTH: slope = own
                if own_is == LENGTH_LESS_X: slope = -1
                set_lane(l.floor, lane, floor, f.across)
                set_lane(l.own, lane, own, f.across)
            set_lane(l.slope, lane, slope, f.across)
            set_lane(l.gain, lane, w, f.across)
            set_lane(l.rest, lane, factor(bias, c + lane, -0.0, _), f.across)
        if f.across:
            for at in range(lanes, in_beams(lanes)):       # computed too and thrown away
                l.scale[at] = l.slope[at] = l.gain[at] = l.rest[at] = l.own[at] = 0
                l.floor[at] = 1
        bend_strip(f, sample, c, lanes, &l, how, ahead, _)
        c += lanes


cdef void s_series(Py_ssize_t lo, Py_ssize_t hi, void *x, void *v, void *weight, void *bias, Py_ssize_t groups, int own_is, double eps,
             void *out, real *_) noexcept nogil:
    cdef field f
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo, k, units
    survey(&f, x, NULL, out, ndim_of(x) - 2, groups, sizeof(real))
    while i < hi:
        units = bundle(&f, i, hi)
        measure(&f, 0, i, units, eps, u, NULL, NULL, _)
        if own_is != DEVIATION:
            for k in range(units): about_zero(&u[k], eps)
        bend_units(&f, i, units, u, NULL, v, own_is, weight, bias, distance(&f, i, hi), _)
        i += units
    if f.stream: fence()


def evonorm_s(Py_ssize_t lo, Py_ssize_t hi, x, v, weight, bias, Py_ssize_t groups, int own_is, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pv = <void *>v
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': s_series[float](lo, hi, px, pv, pw, pb, groups, own_is, eps, po, NULL)
        elif kind == c'd': s_series[double](lo, hi, px, pv, pw, pb, groups, own_is, eps, po, NULL)
        elif kind == c'e': s_series[f16](lo, hi, px, pv, pw, pb, groups, own_is, eps, po, NULL)
        else: s_series[bf16](lo, hi, px, pv, pw, pb, groups, own_is, eps, po, NULL)


cdef void b_series(Py_ssize_t lo, Py_ssize_t hi, void *x, void *by_channel, void *v, void *weight, void *bias, void *var, int own_is,
             double eps, void *out, real *_) noexcept nogil:
    cdef field f, batch
    cdef unit u[LANES]
    cdef unit whole[LANES]
    cdef Py_ssize_t i = lo, k, n, units
    survey(&f, x, NULL, out, ndim_of(x) - 2, 0, sizeof(real))
    survey(&batch, by_channel, NULL, NULL, ndim_of(x) - 1, 0, sizeof(real))
    while i < hi:
        units = bundle(&f, i, hi)
        if bytes_of(var) == NULL: measure(&batch, 0, i, units, eps, whole, NULL, NULL, _)
        else:
            for k in range(units):
                whole[k].scale = 1
                whole[k].root = inverse_root(pair(factor(var, i + k, 0, _), 0), eps)
        for n in range(f.samples):
            measure(&f, 0, n * f.channels + i, units, eps, u, NULL, NULL, _)
            if own_is != DEVIATION:
                for k in range(units): about_zero(&u[k], eps)
            bend_units(&f, n * f.channels + i, units, u, whole, v, own_is, weight, bias, 0, _)
        i += units
    if f.stream: fence()


def evonorm_b(Py_ssize_t lo, Py_ssize_t hi, x, by_channel, v, weight, bias, var, int own_is, double eps, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pc = <void *>by_channel
    cdef void *pv = <void *>v
    cdef void *pw = <void *>weight
    cdef void *pb = <void *>bias
    cdef void *ps = <void *>var
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': b_series[float](lo, hi, px, pc, pv, pw, pb, ps, own_is, eps, po, NULL)
        elif kind == c'd': b_series[double](lo, hi, px, pc, pv, pw, pb, ps, own_is, eps, po, NULL)
        elif kind == c'e': b_series[f16](lo, hi, px, pc, pv, pw, pb, ps, own_is, eps, po, NULL)
        else: b_series[bf16](lo, hi, px, pc, pv, pw, pb, ps, own_is, eps, po, NULL)
