# Units of channels brought to mean zero and variance one, and the gradient: what batch, group and instance norm share.
from libc.math cimport fabs, fma, nextafter, INFINITY
from libc.string cimport memcpy
from moments cimport *
from rows cimport pair

# ---- what is written ----

cdef inline void write_beats(const tile *x, char *y, Py_ssize_t stride, const lines *l, Py_ssize_t lane, const char *ahead,
                             bint stream, real *_) noexcept nogil:
    """y = (x * scale - near) * gain + rest, and in float64 + (x * scale - near) * low"""
    cdef beam gain = bload(l.gain + lane), t
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    for i in range(x.beats):
        t = bload(<const real *>p)
        if sizeof(real) < 8: t = bmuladd(bsub(t, bload(anew(l.near + lane))), gain, bload(anew(l.rest + lane)))
        else:
            t = bmulsub(t, bload(anew(l.scale + lane)), bload(anew(l.near + lane)))
            t = bmuladd(t, gain, bmuladd(t, bload(anew(l.low + lane)), bload(anew(l.rest + lane))))
        bprefetch(ahead, sizeof(real))
        if stream: bstream(<real *>y, t)
        else: bstore(<real *>y, t)
        p += step
        ahead += step
        y += stride


cdef inline void turn_beats(const tile *g, const tile *x, char *y, Py_ssize_t stride, const lines *l, Py_ssize_t lane,
                            Py_ssize_t ahead, bint stream, real *_) noexcept nogil:
    """dx = g * turn + ((x * scale - near) * gain + rest), and in float64 + g * low"""
    cdef beam turn = bload(l.turn + lane), gain = bload(l.gain + lane), t, v, rest
    cdef const char *p = x.at
    cdef const char *q = g.at
    cdef Py_ssize_t i, step = x.step, leap = g.step
    for i in range(x.beats):
        t, v, rest = bload(<const real *>p), bload(<const real *>q), bload(anew(l.rest + lane))
        if sizeof(real) < 8: t = bsub(t, bload(anew(l.near + lane)))
        else:
            t = bmulsub(t, bload(anew(l.scale + lane)), bload(anew(l.near + lane)))
            rest = bmuladd(v, bload(anew(l.low + lane)), rest)
        t = bmuladd(v, turn, bmuladd(t, gain, rest))
        bprefetch(p + ahead, sizeof(real))
        bprefetch(q + ahead, sizeof(real))
        if stream: bstream(<real *>y, t)
        else: bstore(<real *>y, t)
        p += step
        q += leap
        y += stride


cdef inline tile last_of(const tile *t, real *_) noexcept nogil:
    """The beat that ends the row, as a tile of its own."""
    cdef tile last
    last.at, last.step, last.beats, last.tail = <const char *>last_beat(t, _), 0, 1, 0
    return last


cdef inline void write_tile(const tile *g, const tile *x, const tile *y, const lines *l, Py_ssize_t lane, Py_ssize_t ahead,
                            bint stream, real *_) noexcept nogil:
    """The last beat is computed first and written last: y may be x, and that beat begins before the others end."""
    cdef real spare[2 * 8]
    cdef tile x_last, g_last
    if x.tail: x_last = last_of(x, _)
    if g == NULL:
        if x.tail: write_beats(&x_last, <char *>spare, 0, l, lane, x_last.at, False, _)
        if stream: write_beats(x, <char *>y.at, y.step, l, lane, x.at + ahead, True, _)
        else: write_beats(x, <char *>y.at, y.step, l, lane, x.at + ahead, False, _)
    else:
        if x.tail:
            g_last = last_of(g, _)
            turn_beats(&g_last, &x_last, <char *>spare, 0, l, lane, 0, False, _)
        if stream: turn_beats(g, x, <char *>y.at, y.step, l, lane, ahead, True, _)
        else: turn_beats(g, x, <char *>y.at, y.step, l, lane, ahead, False, _)
    if x.tail: memcpy(last_beat(y, _), spare, BEAM * sizeof(real))


cdef inline void write_strip(const field *f, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t lanes, const lines *l,
                             bint turned, Py_ssize_t ahead, real *_) noexcept nogil:
    cdef real rx[ROOM]
    cdef real rg[ROOM]
    cdef real ry[ROOM]
    cdef const char *px
    cdef const char *pg
    cdef char *py
    cdef char *to
    cdef Py_ssize_t row, j, m, lane, k, most = f.most
    cdef tile x, g, y
    for row in range(f.rows):
        px, pg = row_at(&f.x, f, sample, channel, row), row_at(&f.g, f, sample, channel, row)
        py = row_at(&f.y, f, sample, channel, row)
        j = 0
        while j < f.n:
            m = min(most, f.n - j)
            lane = 0
            while lane < lanes:
                k = min(BEAM, lanes - lane)
                to = py + j * f.y.near + lane * f.y.channel
                x = tile_of(&f.x, px + j * f.x.near + lane * f.x.channel, m, k, f.across, rx)
                y = room_for(&f.y, to, m, k, f.across, ry)
                if turned: g = tile_of(&f.g, pg + j * f.g.near + lane * f.g.channel, m, k, f.across, rg)
                write_tile(&g if turned else NULL, &x, &y, l, lane, ahead, f.stream, _)
                give_back(&f.y, to, &y, m, k, f.across, _)
                lane += BEAM
            j += m


cdef inline void draw(lines *l, Py_ssize_t lane, const unit *u, double gain, double low, double rest, double turn,
                      bint across) noexcept nogil:
    """Set a lane, or all lanes of a beam where it is one channel."""
    if across:
        l.scale[lane], l.near[lane], l.gain[lane] = u.scale, u.near, gain
        l.low[lane], l.rest[lane], l.turn[lane] = low, rest, turn
    else:
        spread(l.scale, u.scale)
        spread(l.near, u.near)
        spread(l.gain, gain)
        spread(l.low, low)
        spread(l.rest, rest)
        spread(l.turn, turn)


cdef inline pair times(pair a, double w) noexcept nogil:
    """a * w to about twice the digits of a double"""
    cdef pair p
    p.hi = a.hi * w
    p.lo = a.lo * w + fma(a.hi, w, -p.hi)
    if p.hi - p.hi != 0: p.lo = 0
    return p


cdef inline pair product(pair a, pair b) noexcept nogil:
    cdef pair p = times(a, b.hi)
    p.lo += a.hi * b.lo
    return p


cdef inline pair of_one_sign(pair a) noexcept nogil:
    """The same number in parts of one sign: an infinity times it is infinite, never inf - inf or inf * 0."""
    cdef double hi = a.hi + a.lo
    if a.lo != 0:
        a.lo -= hi - a.hi                                  # now below half a unit of hi, so that one step is enough
        a.hi = hi
        if (a.lo < 0) != (hi < 0):
            a.hi = nextafter(hi, 0)
            a.lo += hi - a.hi
    if a.lo == 0: a.lo = a.hi * 2.0 ** -200
    return a


cdef inline void blank(lines *l, Py_ssize_t lanes) noexcept nogil:
    """The lanes behind the last channel are computed too and thrown away."""
    cdef Py_ssize_t k
    for k in range(lanes, in_beams(lanes)): l.scale[k] = l.near[k] = l.gain[k] = l.low[k] = l.rest[k] = l.turn[k] = 0


cdef inline void write_units(const field *f, const span *some, unit *u, void *weight, void *bias,
                             real *_) noexcept nogil:
    """y = (x - mean) * root * weight + bias. The far part of the mean goes into the constant: one rounding less."""
    cdef lines l
    cdef unit this
    cdef double w, rest
    cdef pair gain
    cdef Py_ssize_t c = some.start, ends = c + f.group, lanes, lane
    while c < some.stop:
        lanes = strip(f, some.stop - c)
        for lane in range(lanes):
            if c + lane == ends: u, ends = u + 1, ends + f.group
            this = u[0]
            w = factor(weight, c + lane, 1, _)
            if not fabs(w) < INFINITY:                     # its sign decides alone: nothing may be subtracted afterwards
                this.near, this.far = this.near + this.far, 0
            rest = factor(bias, c + lane, -0.0, _)
            if this.far != 0: rest = rest - this.far * this.root.hi * w
            gain = times(this.root, w)
            if sizeof(real) == 8: gain = of_one_sign(gain)
            draw(&l, lane, &this, gain.hi, gain.lo, rest, 0, f.across)
        if f.across: blank(&l, lanes)
        write_strip(f, some.sample, c, lanes, &l, False, some.ahead, _)
        c += lanes


cdef inline void turn_units(const field *f, const span *some, unit *u, void *weight, void *gmean, void *gvar, double *parts,
                            real *_) noexcept nogil:
    """dx = h * root - (mean(h) + xhat * mean(h * xhat)) * root + what comes from the statistics; g * xhat in parts."""
    cdef lines l
    cdef pair root, turn, tilt, level
    cdef double rest, gain
    cdef Py_ssize_t c = some.start, ends = c + f.group, n = f.group * f.rows * f.n, lanes, lane
    while c < some.stop:
        lanes = strip(f, some.stop - c)
        for lane in range(lanes):
            if c + lane == ends: u, ends = u + 1, ends + f.group
            if f.g.start == NULL: u.root.hi, u.root.lo = 0, 0                 # no cotangent, not even 0 / 0
            else: parts[c + lane] = u.root.hi * (parts[c + lane] - u.far * parts[f.channels + c + lane])
            root = times(u.root, u.scale)
            turn = times(root, factor(weight, c + lane, 1, _))
            tilt = product(product(times(u.root, (u.tilt - u.far * u.level) / n), u.root), root)
            level = times(root, u.level / n)
            if n == 1: turn.hi = turn.lo = tilt.hi = tilt.lo = level.hi = level.lo = 0           # exactly
            gain = 2 * factor(gvar, c + lane, 0, _) / n / u.scale - (tilt.hi + tilt.lo)
            rest = factor(gmean, c + lane, 0, _) / n - (level.hi + level.lo) - u.far * gain
            draw(&l, lane, u, gain, turn.lo, rest, turn.hi, f.across)
        if f.across: blank(&l, lanes)
        write_strip(f, some.sample, c, lanes, &l, f.g.start != NULL, some.ahead, _)
        c += lanes


# ---- the operators ----

cdef inline void normalize(Py_ssize_t lo, Py_ssize_t hi, void *x, int core, Py_ssize_t groups, void *weight, void *bias, double eps,
                           void *y, double *stats, real *_) noexcept nogil:
    cdef field f
    cdef span some
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo, k
    survey(&f, x, NULL, y, core, groups, sizeof(real))
    if f.rows * f.n == 0: return
    while i < hi:
        some = span_of(&f, i, hi)
        measure(&f, 0, &some, eps, u, NULL, NULL, _)
        if stats != NULL:
            for k in range(some.units): stats[i + k], stats[f.channels + i + k] = mean_of(&u[k]), variance_of(&u[k])
        write_units(&f, &some, u, weight, bias, _)
        i += some.units
    if f.stream: fence()


cdef inline void differentiate(Py_ssize_t lo, Py_ssize_t hi, void *g, void *x, int core, Py_ssize_t groups, void *weight, void *gmean,
                               void *gvar, double eps, void *dx, double *parts, real *_) noexcept nogil:
    """dx = (h - mean(h) - xhat * mean(h * xhat)) / sqrt(var + eps) + gmean / n + 2 gvar (x - mean) / n, h = g * weight;
    parts receives the sums of g * xhat and of g, channel by channel and sample by sample."""
    cdef field f
    cdef span some
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo
    survey(&f, x, g, dx, core, groups, sizeof(real))
    if f.rows * f.n == 0: return
    while i < hi:
        some = span_of(&f, i, hi)
        measure(&f, 0 if f.g.start == NULL else PRODUCTS, &some, eps, u, weight, parts + some.sample * 2 * f.channels, _)
        turn_units(&f, &some, u, weight, gmean, gvar, parts + some.sample * 2 * f.channels, _)
        i += some.units
    if f.stream: fence()
