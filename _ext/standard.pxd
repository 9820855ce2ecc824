# Units of channels brought to mean zero and variance one, and the gradient: what batch, group and instance norm share.
#
# float32 and halves take their moments in one pass in double, about an element of the unit; float64 takes the mean
# first and then the squares about it, with the rounding errors carried along. Sums are kept lane by lane in arrays,
# so that channels which are lanes, and elements which are, run through the same loops.
from libc.math cimport sqrt, fabs, fma, nextafter, INFINITY
from libc.string cimport memcpy, memset
from channels cimport *
from rows cimport pair, two_sum, over, inverse_root, tame, scale_for

cdef struct lines:                # by lane: t = x * scale - near, y = t * gain + rest, dx = g * turn + t * gain + rest
    double scale[LANES]           # 1 but for float64 near the ends of its range
    double near[LANES]
    double gain[LANES]
    double low[LANES]             # what rounding took from gain, or from turn; float64 only
    double rest[LANES]
    double turn[LANES]

cdef struct sums:                 # by lane, each with its rounding errors; these only for float64
    double a[LANES]
    double a_low[LANES]
    double b[LANES]
    double b_low[LANES]

cdef struct unit:
    double scale
    double near                   # the mean in two parts: one number cannot hold what is left of a mean of 1e6
    double far
    pair root                     # 1 / sqrt(var + eps) of the scaled elements
    pair s, q                     # sums of x * scale - near and of its square
    double level, tilt            # sums of h and of h * (x * scale - near) with h = g * weight

cdef enum:                        # what a walk sums up
    MOMENTS = 1                   # a: x - near, b: its square
    MEAN = 2                      # a: x * scale
    SQUARES = 4                   # b: the square of x * scale - near - far
    LARGEST = 8                   # a: |x|
    PRODUCTS = 16                 # a: g, b: g * (x * scale - near)


# ---- sums of one tile ----

cdef inline void add_tile(double *high, double *low, const beam *v) noexcept nogil:
    """Sums of short sums, exactly: a million elements one after the other would cost three digits."""
    cdef beam hi = bload(high), lo = bload(low)
    bcarry(&hi, &lo, v[0])
    bstore(high, hi)
    bstore(low, lo)


cdef inline void add_moments(const tile *x, const double *near, double one, sums *to, Py_ssize_t lane, const char *ahead, real *_) noexcept nogil:
    """x * one - near is a subtraction that goes to the multipliers: the adders have the conversion and the sum to do."""
    cdef beam s = bnought(), q = bnought(), t, unity = bspread(one)
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    if x.tail:
        s = blast(bsub(bload(last_beat(x, _)), bload(near)), x.tail)
        q = bmul(s, s)
    for i in range(x.beats):
        prefetch(ahead)
        t = bmulsub(bload(<const real *>p), unity, bload(anew(near)))
        s = badd(s, t)
        q = bmuladd(t, t, q)
        p += step
        ahead += step
    add_tile(to.a + lane, to.a_low + lane, &s)
    add_tile(to.b + lane, to.b_low + lane, &q)


cdef inline void add_products(const tile *g, const tile *x, const double *near, double one, sums *to, Py_ssize_t lane,
                              real *_) noexcept nogil:
    cdef beam s = bnought(), q = bnought(), v, unity = bspread(one)
    cdef const char *p = x.at
    cdef const char *o = g.at
    cdef Py_ssize_t i, step = x.step, stride = g.step
    if x.tail:
        s = blast(bload(last_beat(g, _)), x.tail)
        q = bmul(s, blast(bsub(bload(last_beat(x, _)), bload(near)), x.tail))
    for i in range(x.beats):
        v = bload(<const real *>o)
        s = badd(s, v)
        q = bmuladd(v, bmulsub(bload(<const real *>p), unity, bload(anew(near))), q)
        p += step
        o += stride
    add_tile(to.a + lane, to.a_low + lane, &s)
    add_tile(to.b + lane, to.b_low + lane, &q)


cdef inline void add_wide(int what, const tile *g, const tile *x, const lines *l, sums *to, Py_ssize_t lane, real *_) noexcept nogil:
    """Any of the sums of float64."""
    cdef beam a = bload(to.a + lane), a_low = bload(to.a_low + lane), b = bload(to.b + lane), b_low = bload(to.b_low + lane)
    cdef beam scale = bload(l.scale + lane), near = bload(l.near + lane), far = bload(l.rest + lane), v, t
    cdef Py_ssize_t i
    for i in range(x.beats + (x.tail > 0)):
        if i < x.beats: v, t = bload(<const real *>(g.at + i * g.step)), bload(<const real *>(x.at + i * x.step))
        else: v, t = blast(bload(last_beat(g, _)), x.tail), bload(last_beat(x, _))
        if what == LARGEST: a = blargest(a, v)
        elif what == MEAN: bcarry(&a, &a_low, bmul(v, scale))
        else:
            t = bmulsub(t, scale, near)
            if what == SQUARES: t = bsub(t, far)
            if i == x.beats: t = blast(t, x.tail)
            if what == SQUARES: bcarry(&b, &b_low, bmul(t, t))
            else:
                bcarry(&a, &a_low, v)
                bcarry(&b, &b_low, bmul(v, t))
    bstore(to.a + lane, a)
    bstore(to.a_low + lane, a_low)
    bstore(to.b + lane, b)
    bstore(to.b_low + lane, b_low)


# ---- sums of a strip of channels, then of units ----

cdef inline void sum_strip(const field *f, int what, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t lanes, const lines *l,
                           sums *moments, sums *products, real *_) noexcept nogil:
    cdef real rx[ROOM]
    cdef real rg[ROOM]
    cdef const char *px
    cdef const char *pg
    cdef Py_ssize_t row, j, m, lane, k, leap, most = f.most
    cdef bint products_too = what & PRODUCTS
    cdef int about_x = what & ~PRODUCTS
    cdef tile x, g
    for row in range(f.rows):
        px = row_at(&f.x, f, sample, channel, row)
        pg = row_at(&f.g, f, sample, channel, row)
        if f.across: leap = most * f.x.near                # the next tile, or the next row
        else: leap = row_at(&f.x, f, sample, channel, row + 1) - px if row + 1 < f.rows else 0
        j = 0
        while j < f.n:
            m = min(most, f.n - j)
            lane = 0
            while lane < lanes:
                k = min(BEAM, lanes - lane)
                x = tile_of(&f.x, px + j * f.x.near + lane * f.x.channel, m, k, f.across, rx)
                if products_too: g = tile_of(&f.g, pg + j * f.g.near + lane * f.g.channel, m, k, f.across, rg)
                else: g = x
                if sizeof(real) < 8:
                    if about_x: add_moments(&x, l.near + lane, l.scale[lane], moments, lane, x.at + leap, _)
                    if products_too: add_products(&g, &x, l.near + lane, l.scale[lane], products, lane, _)
                else:
                    if about_x == MEAN: add_wide(MEAN, &x, &x, l, moments, lane, _)
                    elif about_x == SQUARES: add_wide(SQUARES, &x, &x, l, moments, lane, _)
                    elif about_x: add_wide(LARGEST, &x, &x, l, moments, lane, _)
                    if products_too: add_wide(PRODUCTS, &g, &x, l, products, lane, _)
                lane += BEAM
            j += m


cdef inline Py_ssize_t in_beams(Py_ssize_t lanes) noexcept nogil:
    return (lanes + BEAM - 1) // BEAM * BEAM


cdef inline void zero(sums *to, Py_ssize_t lanes) noexcept nogil:
    memset(to.a, 0, lanes * sizeof(double))
    memset(to.b, 0, lanes * sizeof(double))
    memset(to.a_low, 0, lanes * sizeof(double))
    memset(to.b_low, 0, lanes * sizeof(double))


cdef inline pair plus(pair a, double hi, double lo) noexcept nogil:
    cdef pair p = two_sum(a.hi, hi)
    if p.hi - p.hi == 0: p.lo += a.lo + lo
    else: p.lo = 0                # an infinity or a NaN is the whole answer: its rounding error is none
    return p


cdef inline pair folded(const double *high, const double *low, Py_ssize_t lanes, bint wide) noexcept nogil:
    """One channel's sum: one lane, or a beam of them."""
    cdef pair p
    cdef Py_ssize_t k
    p.hi, p.lo = high[0], low[0]
    for k in range(1, lanes):
        if wide: p = plus(p, high[k], low[k])
        else: p.hi, p.lo = p.hi + high[k], p.lo + low[k]
    return p


cdef inline double largest(const double *v, Py_ssize_t lanes) noexcept nogil:
    cdef double top = 0
    cdef Py_ssize_t k
    for k in range(lanes):
        if v[k] > top: top = v[k]
    return top


cdef inline double factor(void *weight, Py_ssize_t channel, double absent, real *_) noexcept nogil:
    """An element of a weight; `absent` where there is none: 1 for a factor, -0 for a summand."""
    if weight == NULL or bytes_of(weight) == NULL: return absent
    return get(<const real *>(bytes_of(weight) + channel * step_of(weight, 0)))


cdef inline void spread(double *lanes, double v) noexcept nogil:
    bstore(lanes, bspread(v))


cdef inline void aim(const field *f, lines *l, Py_ssize_t lanes, const unit *u) noexcept nogil:
    """Set what the sums are taken about, for channels from the first of u on; a strip begins with a unit or inside one."""
    cdef Py_ssize_t lane, ends = f.group
    if not f.across:
        spread(l.scale, u.scale)
        spread(l.near, u.near)
        spread(l.rest, u.far)
        return
    for lane in range(lanes):
        if lane == ends: u, ends = u + 1, ends + f.group
        l.scale[lane], l.near[lane], l.rest[lane] = u.scale, u.near, u.far
    for lane in range(lanes, in_beams(lanes)): l.scale[lane] = l.near[lane] = l.rest[lane] = 0


cdef inline void sum_units(const field *f, int what, Py_ssize_t first, Py_ssize_t units, unit *u, void *weight, double *parts,
                           real *_) noexcept nogil:
    """Add up what is asked for over all elements of some units; the sums of g go to `parts` channel by channel."""
    cdef lines l
    cdef sums moments, products
    cdef pair s, q
    cdef unit *this
    cdef Py_ssize_t groups = f.channels // f.group, sample = first // groups, c = first % groups * f.group
    cdef Py_ssize_t end = c + units * f.group, start = c, lanes, lane, ends, fold = 1 if f.across else BEAM
    cdef bint wide = sizeof(real) == 8
    while c < end:
        lanes = strip(f, end - c)
        aim(f, &l, lanes, u + (c - start) // f.group)
        zero(&moments, in_beams(lanes))
        if what & PRODUCTS: zero(&products, in_beams(lanes))
        sum_strip(f, what, sample, c, lanes, &l, &moments, &products, _)
        this = u + (c - start) // f.group
        ends = f.group
        for lane in range(lanes):
            if lane == ends: this, ends = this + 1, ends + f.group
            if what & LARGEST: this.s.hi = max(this.s.hi, largest(moments.a + lane, fold))
            elif what & ~PRODUCTS:
                s, q = folded(moments.a + lane, moments.a_low + lane, fold, wide), folded(moments.b + lane, moments.b_low + lane, fold, wide)
                this.s, this.q = plus(this.s, s.hi, s.lo), plus(this.q, q.hi, q.lo)
            if what & PRODUCTS:
                s, q = folded(products.a + lane, products.a_low + lane, fold, wide), folded(products.b + lane, products.b_low + lane, fold, wide)
                parts[c + lane], parts[f.channels + c + lane] = q.hi + q.lo, s.hi + s.lo
                this.level += factor(weight, c + lane, 1, _) * (s.hi + s.lo)
                this.tilt += factor(weight, c + lane, 1, _) * (q.hi + q.lo)
        c += lanes


# ---- statistics ----

cdef inline double middle(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


cdef inline double some_element(const field *f, Py_ssize_t sample, Py_ssize_t channel, real *_) noexcept nogil:
    """The median of three is no lone outlier, against which everything else would cancel."""
    cdef Py_ssize_t c = channel + f.group // 2, d = channel + f.group - 1
    return middle(get(<const real *>row_at(&f.x, f, sample, channel, 0)),
                  get(<const real *>(row_at(&f.x, f, sample, c, f.rows // 2) + f.n // 2 * f.x.near)),
                  get(<const real *>(row_at(&f.x, f, sample, d, f.rows - 1) + (f.n - 1) * f.x.near)))


cdef inline void clear(unit *u) noexcept nogil:
    u.s.hi, u.s.lo, u.q.hi, u.q.lo, u.level, u.tilt = 0, 0, 0, 0, 0, 0


cdef inline void narrow(const field *f, int also, Py_ssize_t first, Py_ssize_t units, double eps, unit *u, void *weight,
                        double *parts, real *_) noexcept nogil:
    """The moments of float32 and halves: x - near is exact, the sums of doubles have digits to spare."""
    cdef Py_ssize_t k, n = f.group * f.rows * f.n, groups = f.channels // f.group
    for k in range(units):
        clear(&u[k])
        u[k].scale, u[k].far = 1, 0
        u[k].near = some_element(f, first // groups, (first % groups + k) * f.group, _)
        if not fabs(u[k].near) < INFINITY: u[k].near = 0   # the mean of infinities is no distance to one of them
    sum_units(f, MOMENTS | also, first, units, u, weight, parts, _)
    for k in range(units):
        u[k].far = (u[k].s.hi + u[k].s.lo) / n
        u[k].q.hi, u[k].q.lo = (u[k].q.hi + u[k].q.lo) / n - u[k].far * u[k].far, 0
        u[k].root.hi, u[k].root.lo = 1 / sqrt(u[k].q.hi + eps), 0


cdef inline void wide_mean(const field *f, Py_ssize_t first, Py_ssize_t units, unit *u, real *_) noexcept nogil:
    cdef Py_ssize_t k
    cdef pair mean
    for k in range(units):
        clear(&u[k])
        u[k].near, u[k].far = 0, 0
    sum_units(f, MEAN, first, units, u, NULL, NULL, _)
    for k in range(units):
        mean = over(u[k].s, f.group * f.rows * f.n)
        clear(&u[k])
        u[k].near, u[k].far = mean.hi, mean.lo


cdef inline void wide(const field *f, int also, Py_ssize_t first, Py_ssize_t units, double eps, unit *u, void *weight,
                      double *parts, real *_) noexcept nogil:
    """The moments of float64; again on a scale of its own where a unit's squares leave the range."""
    cdef Py_ssize_t k
    cdef bint again = False
    for k in range(units): u[k].scale = 1
    wide_mean(f, first, units, u, _)
    sum_units(f, SQUARES | also, first, units, u, weight, parts, _)
    for k in range(units): again = again or not tame(u[k].q.hi)
    if again:
        for k in range(units): u[k].s.hi = 0
        sum_units(f, LARGEST, first, units, u, NULL, NULL, _)
        for k in range(units): u[k].scale = 1 if tame(u[k].q.hi) else scale_for(u[k].s.hi, eps)
        wide_mean(f, first, units, u, _)
        sum_units(f, SQUARES | also, first, units, u, weight, parts, _)
    for k in range(units):
        u[k].q = over(u[k].q, f.group * f.rows * f.n)
        u[k].root = inverse_root(u[k].q, eps * u[k].scale * u[k].scale)


cdef inline void measure(const field *f, int also, Py_ssize_t first, Py_ssize_t units, double eps, unit *u, void *weight,
                         double *parts, real *_) noexcept nogil:
    """Find near, far, root and q, now the variance, of some units, and on the way the sums of g if PRODUCTS are wanted."""
    if sizeof(real) == 8: wide(f, also, first, units, eps, u, weight, parts, _)
    else: narrow(f, also, first, units, eps, u, weight, parts, _)


cdef inline double mean_of(const unit *u) noexcept nogil:
    return (u.near + u.far) / u.scale


cdef inline double variance_of(const unit *u) noexcept nogil:
    return (u.q.hi + u.q.lo) / u.scale / u.scale


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
        px, pg, py = row_at(&f.x, f, sample, channel, row), row_at(&f.g, f, sample, channel, row), row_at(&f.y, f, sample, channel, row)
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


cdef inline void draw(lines *l, Py_ssize_t lane, const unit *u, double gain, double low, double rest, double turn, bint across) noexcept nogil:
    """Set a lane, or all lanes of a beam where it is one channel."""
    if across: l.scale[lane], l.near[lane], l.gain[lane], l.low[lane], l.rest[lane], l.turn[lane] = u.scale, u.near, gain, low, rest, turn
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


cdef inline void write_units(const field *f, Py_ssize_t first, Py_ssize_t units, unit *u, void *weight, void *bias,
                             Py_ssize_t ahead, real *_) noexcept nogil:
    """y = (x - mean) * root * weight + bias. The far part of the mean goes into the constant: one rounding less."""
    cdef lines l
    cdef unit this
    cdef double w, rest
    cdef pair gain
    cdef Py_ssize_t groups = f.channels // f.group, sample = first // groups, c = first % groups * f.group
    cdef Py_ssize_t end = c + units * f.group, ends = c + f.group, lanes, lane, k = 0
    while c < end:
        lanes = strip(f, end - c)
        for lane in range(lanes):
            if c + lane == ends: k, ends = k + 1, ends + f.group
            this = u[k]
            w = factor(weight, c + lane, 1, _)
            if not fabs(w) < INFINITY:                     # its sign decides alone: nothing may be subtracted afterwards
                this.near, this.far = this.near + this.far, 0
            rest = factor(bias, c + lane, -0.0, _)
            if this.far != 0: rest = rest - this.far * this.root.hi * w
            gain = times(this.root, w)
            if sizeof(real) == 8: gain = of_one_sign(gain)
            draw(&l, lane, &this, gain.hi, gain.lo, rest, 0, f.across)
        if f.across: blank(&l, lanes)
        write_strip(f, sample, c, lanes, &l, False, ahead, _)
        c += lanes


cdef inline Py_ssize_t distance(const field *f, Py_ssize_t unit_, Py_ssize_t hi) noexcept nogil:
    """Bytes from a unit of x to the next, 0 after the last; across, from one tile to the next."""
    cdef Py_ssize_t groups = f.channels // f.group
    if f.across: return f.most * f.x.near
    if unit_ + 1 >= hi: return 0
    if (unit_ + 1) % groups: return f.group * f.x.channel
    return f.x.sample - (f.channels - f.group) * f.x.channel


# ---- the operators ----

cdef inline void normalize(Py_ssize_t lo, Py_ssize_t hi, void *x, int core, Py_ssize_t groups, void *weight, void *bias, double eps,
                           void *y, double *stats, real *_) noexcept nogil:
    cdef field f
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo, k, units
    survey(&f, x, NULL, y, core, groups, sizeof(real))
    if f.rows * f.n == 0: return
    while i < hi:
        units = bundle(&f, i, hi)
        measure(&f, 0, i, units, eps, u, NULL, NULL, _)
        if stats != NULL:
            for k in range(units): stats[i + k], stats[f.channels + i + k] = mean_of(&u[k]), variance_of(&u[k])
        write_units(&f, i, units, u, weight, bias, distance(&f, i, hi), _)
        i += units
    if f.stream: fence()


cdef inline void differentiate(Py_ssize_t lo, Py_ssize_t hi, void *g, void *x, int core, Py_ssize_t groups, void *weight, void *gmean,
                               void *gvar, double eps, void *dx, double *parts, real *_) noexcept nogil:
    """dx = (h - mean(h) - xhat * mean(h * xhat)) / sqrt(var + eps) + gmean / n + 2 gvar (x - mean) / n, h = g * weight;
    parts receives the sums of g * xhat and of g, channel by channel and sample by sample."""
    cdef field f
    cdef unit u[LANES]
    cdef lines l
    cdef Py_ssize_t i = lo, k, units, per, sample, c, start, end, ends, lane, lanes, n
    cdef double *own
    cdef double rest, gain
    cdef pair root, turn, tilt, level
    survey(&f, x, g, dx, core, groups, sizeof(real))
    if f.rows * f.n == 0: return
    per, n = f.channels // f.group, f.group * f.rows * f.n
    while i < hi:
        units = bundle(&f, i, hi)
        sample, start = i // per, i % per * f.group
        own, end = parts + sample * 2 * f.channels, start + units * f.group
        measure(&f, 0 if f.g.start == NULL else PRODUCTS, i, units, eps, u, weight, own, _)
        c, ends, k = start, start + f.group, 0
        while c < end:
            lanes = strip(&f, end - c)
            for lane in range(lanes):
                if c + lane == ends: k, ends = k + 1, ends + f.group
                if f.g.start == NULL: u[k].root.hi, u[k].root.lo = 0, 0       # no cotangent, not even 0 / 0
                else: own[c + lane] = u[k].root.hi * (own[c + lane] - u[k].far * own[f.channels + c + lane])
                root = times(u[k].root, u[k].scale)
                turn = times(root, factor(weight, c + lane, 1, _))
                tilt = product(product(times(u[k].root, (u[k].tilt - u[k].far * u[k].level) / n), u[k].root), root)
                level = times(root, u[k].level / n)
                if n == 1: turn.hi = turn.lo = tilt.hi = tilt.lo = level.hi = level.lo = 0       # exactly
                gain = 2 * factor(gvar, c + lane, 0, _) / n / u[k].scale - (tilt.hi + tilt.lo)
                rest = factor(gmean, c + lane, 0, _) / n - (level.hi + level.lo) - u[k].far * gain
                draw(&l, lane, &u[k], gain, turn.lo, rest, turn.hi, f.across)
            if f.across: blank(&l, lanes)
            write_strip(&f, sample, c, lanes, &l, f.g.start != NULL, distance(&f, i, hi), _)
            c += lanes
        i += units
    if f.stream: fence()
