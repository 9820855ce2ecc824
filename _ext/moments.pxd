# The moments of units of channels, and the sums that their gradient needs.
#
# float32 and halves take their moments in one pass in double, about an element of the unit; float64 takes the mean
# first and then the squares about it, with the rounding errors carried along. Sums are kept lane by lane in arrays,
# so that channels which are lanes, and elements which are, run through the same loops.
from libc.math cimport sqrt, fabs, INFINITY
from channels cimport *
from rows cimport pair, two_sum, over, inverse_root, tame, scale_for

cdef struct lines:                # by lane: t = x * scale - near, y = t * gain + rest, dx = g * turn + t * gain + rest
    double scale[LANES]           # 1 but for float64 near the ends of its range
    double near[LANES]
    double gain[LANES]
    double low[LANES]             # what rounding took from gain, or from turn; float64 only
    double rest[LANES]
    double turn[LANES]

cdef struct sums:                 # by lane, each in two parts: for float64 sum and rounding errors, elsewhere long and short sum
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

cdef inline void add_moments(const tile *x, const double *near, double one, sums *to, Py_ssize_t lane, const char *ahead,
                             real *_) noexcept nogil:
    """x * one - near is a subtraction that goes to the multipliers: the adders have the conversion and the sum to do."""
    cdef beam s = bload(to.a_low + lane), q = bload(to.b_low + lane), t, unity = bspread(one)
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    if x.tail:
        t = blast(bsub(bload(last_beat(x, _)), bload(near)), x.tail)
        s = badd(s, t)
        q = bmuladd(t, t, q)
    for i in range(x.beats):
        prefetch(ahead)
        t = bmulsub(bload(<const real *>p), unity, bload(anew(near)))
        s = badd(s, t)
        q = bmuladd(t, t, q)
        p += step
        ahead += step
    bstore(to.a_low + lane, s)
    bstore(to.b_low + lane, q)


cdef inline void add_products(const tile *g, const tile *x, const double *near, double one, sums *to, Py_ssize_t lane,
                              real *_) noexcept nogil:
    cdef beam s = bload(to.a_low + lane), q = bload(to.b_low + lane), v, unity = bspread(one)
    cdef const char *p = x.at
    cdef const char *o = g.at
    cdef Py_ssize_t i, step = x.step, stride = g.step
    if x.tail:
        v = blast(bload(last_beat(g, _)), x.tail)
        s = badd(s, v)
        q = bmuladd(v, blast(bsub(bload(last_beat(x, _)), bload(near)), x.tail), q)
    for i in range(x.beats):
        v = bload(<const real *>o)
        s = badd(s, v)
        q = bmuladd(v, bmulsub(bload(<const real *>p), unity, bload(anew(near))), q)
        p += step
        o += stride
    bstore(to.a_low + lane, s)
    bstore(to.b_low + lane, q)


cdef inline void add_wide(int what, const tile *g, const tile *x, const lines *l, sums *to, Py_ssize_t lane,
                          real *_) noexcept nogil:
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

cdef inline void zero(sums *to, Py_ssize_t lanes) noexcept nogil:
    cdef Py_ssize_t k = 0
    while k < lanes:
        bstore(to.a + k, bspread(0))
        bstore(to.b + k, bspread(0))
        bstore(to.a_low + k, bspread(0))
        bstore(to.b_low + k, bspread(0))
        k += BEAM


cdef inline void settle(sums *to, Py_ssize_t lanes) noexcept nogil:
    """Put the short sums to the long ones: a million elements one after the other would cost three digits."""
    cdef Py_ssize_t k = 0
    while k < lanes:
        bstore(to.a + k, badd(bload(to.a + k), bload(to.a_low + k)))
        bstore(to.b + k, badd(bload(to.b + k), bload(to.b_low + k)))
        bstore(to.a_low + k, bspread(0))
        bstore(to.b_low + k, bspread(0))
        k += BEAM


cdef inline void sum_strip(const field *f, int what, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t lanes, const lines *l,
                           sums *moments, sums *products, real *_) noexcept nogil:
    cdef real rx[ROOM]
    cdef real rg[ROOM]
    cdef const char *px
    cdef const char *pg
    cdef Py_ssize_t row, j, m, lane, k, leap, most = f.most, brief = 0
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
            brief += x.beats + 1
            if sizeof(real) < 8 and brief >= 64:
                if about_x: settle(moments, lanes)
                if products_too: settle(products, lanes)
                brief = 0


cdef inline pair plus(pair a, double hi, double lo) noexcept nogil:
    cdef pair p = two_sum(a.hi, hi)
    if p.hi - p.hi == 0: p.lo += a.lo + lo
    else: p.lo = 0                # an infinity or a NaN is the whole answer: its rounding error is none
    return p


cdef inline pair folded(const double *high, const double *low, Py_ssize_t lanes, bint wide) noexcept nogil:
    """One channel's sum: one lane, or a beam of them."""
    cdef pair p
    cdef double v[16]
    cdef Py_ssize_t k, half = lanes // 2
    p.hi, p.lo = high[0], low[0]
    if wide:
        for k in range(1, lanes): p = plus(p, high[k], low[k])
    elif half:
        for k in range(lanes): v[k] = high[k] + low[k]
        while half:
            for k in range(half): v[k] += v[k + half]
            half //= 2
        p.hi, p.lo = v[0], 0
    return p


cdef inline double largest(const double *v, Py_ssize_t lanes) noexcept nogil:
    cdef double top = 0
    cdef Py_ssize_t k
    for k in range(lanes):
        if v[k] > top: top = v[k]
    return top


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


cdef inline void sum_units(const field *f, int what, const span *some, unit *u, void *weight, double *parts,
                           real *_) noexcept nogil:
    """Add up what is asked for over all elements of some units; the sums of g go to `parts` channel by channel."""
    cdef lines l
    cdef sums moments, products
    cdef pair s, q
    cdef Py_ssize_t c = some.start, ends = c + f.group, lanes, lane, fold = 1 if f.across else BEAM
    cdef bint wide = sizeof(real) == 8
    while c < some.stop:
        if c == ends: u, ends = u + 1, ends + f.group
        lanes = strip(f, some.stop - c)
        aim(f, &l, lanes, u)
        zero(&moments, in_beams(lanes))
        if what & PRODUCTS: zero(&products, in_beams(lanes))
        sum_strip(f, what, some.sample, c, lanes, &l, &moments, &products, _)
        for lane in range(lanes):
            if c + lane == ends: u, ends = u + 1, ends + f.group
            if what & LARGEST: u.s.hi = max(u.s.hi, largest(moments.a + lane, fold))
            elif what & ~PRODUCTS:
                s = folded(moments.a + lane, moments.a_low + lane, fold, wide)
                q = folded(moments.b + lane, moments.b_low + lane, fold, wide)
                u.s, u.q = plus(u.s, s.hi, s.lo), plus(u.q, q.hi, q.lo)
            if what & PRODUCTS:
                s = folded(products.a + lane, products.a_low + lane, fold, wide)
                q = folded(products.b + lane, products.b_low + lane, fold, wide)
                parts[c + lane], parts[f.channels + c + lane] = q.hi + q.lo, s.hi + s.lo
                u.level += factor(weight, c + lane, 1, _) * (s.hi + s.lo)
                u.tilt += factor(weight, c + lane, 1, _) * (q.hi + q.lo)
        c += lanes


# ---- statistics ----

cdef inline double middle(double a, double b, double c) noexcept nogil:
    return max(min(a, b), min(max(a, b), c))


cdef inline double some_element(const field *f, Py_ssize_t sample, Py_ssize_t channel, real *_) noexcept nogil:
    """The median of three is no lone outlier, against which everything else would cancel. The second of them lies where
    no sample, row or plane is likely to begin."""
    cdef Py_ssize_t row = 5 * (f.rows - 1) // 13, place = 5 * (f.n - 1) // 13, c = channel + f.group // 2
    cdef char *first = row_at(&f.x, f, sample, channel, 0)
    cdef char *second = row_at(&f.x, f, sample, c, row) + place * f.x.near
    cdef char *third = row_at(&f.x, f, sample, channel + f.group - 1, f.rows - 1) + (f.n - 1) * f.x.near
    return middle(get(<const real *>first), get(<const real *>second), get(<const real *>third))


cdef inline void clear(unit *u) noexcept nogil:
    u.s.hi, u.s.lo, u.q.hi, u.q.lo, u.level, u.tilt = 0, 0, 0, 0, 0, 0


cdef inline void narrow(const field *f, int also, const span *some, double eps, unit *u, void *weight,
                        double *parts, real *_) noexcept nogil:
    """The moments of float32 and halves: x - near is exact, the sums of doubles have digits to spare."""
    cdef Py_ssize_t k, n = f.group * f.rows * f.n
    for k in range(some.units):
        clear(&u[k])
        u[k].scale, u[k].far = 1, 0
        u[k].near = some_element(f, some.sample, some.start + k * f.group, _)
        if not fabs(u[k].near) < INFINITY: u[k].near = 0   # the mean of infinities is no distance to one of them
    sum_units(f, MOMENTS | also, some, u, weight, parts, _)
    for k in range(some.units):
        u[k].far = (u[k].s.hi + u[k].s.lo) / n
        u[k].q.hi, u[k].q.lo = (u[k].q.hi + u[k].q.lo) / n - u[k].far * u[k].far, 0
        u[k].root.hi, u[k].root.lo = 1 / sqrt(u[k].q.hi + eps), 0


cdef inline void wide_mean(const field *f, const span *some, unit *u, real *_) noexcept nogil:
    cdef Py_ssize_t k
    cdef pair mean
    for k in range(some.units):
        clear(&u[k])
        u[k].near, u[k].far = 0, 0
    sum_units(f, MEAN, some, u, NULL, NULL, _)
    for k in range(some.units):
        mean = over(u[k].s, f.group * f.rows * f.n)
        clear(&u[k])
        u[k].near, u[k].far = mean.hi, mean.lo


cdef inline void wide(const field *f, int also, const span *some, double eps, unit *u, void *weight,
                      double *parts, real *_) noexcept nogil:
    """The moments of float64; again on a scale of its own where a unit's squares leave the range."""
    cdef Py_ssize_t k
    cdef bint again = False
    for k in range(some.units): u[k].scale = 1
    wide_mean(f, some, u, _)
    sum_units(f, SQUARES | also, some, u, weight, parts, _)
    for k in range(some.units): again = again or not tame(u[k].q.hi)
    if again:
        for k in range(some.units): u[k].s.hi = 0
        sum_units(f, LARGEST, some, u, NULL, NULL, _)
        for k in range(some.units): u[k].scale = 1 if tame(u[k].q.hi) else scale_for(u[k].s.hi, eps)
        wide_mean(f, some, u, _)
        sum_units(f, SQUARES | also, some, u, weight, parts, _)
    for k in range(some.units):
        u[k].q = over(u[k].q, f.group * f.rows * f.n)
        u[k].root = inverse_root(u[k].q, eps * u[k].scale * u[k].scale)


cdef inline void measure(const field *f, int also, const span *some, double eps, unit *u, void *weight,
                         double *parts, real *_) noexcept nogil:
    """Find near, far, root and q, now the variance, of some units, and on the way the sums of g if PRODUCTS are wanted."""
    if sizeof(real) == 8: wide(f, also, some, eps, u, weight, parts, _)
    else: narrow(f, also, some, eps, u, weight, parts, _)


cdef inline double mean_of(const unit *u) noexcept nogil:
    return (u.near + u.far) / u.scale


cdef inline double variance_of(const unit *u) noexcept nogil:
    return (u.q.hi + u.q.lo) / u.scale / u.scale
