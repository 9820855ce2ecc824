# Every channel over the root of a weighted sum of squares of all channels at its site, and the gradient.
#
# x is (samples, channels, sites). Sites are taken in tiles: the energies of a tile, in double, are a matrix that the
# weight is multiplied by. A unit is a share of all tiles, with scratch of its own. Tiles are packed for matrix.h: strips
# of SPAN vectors of sites, in each channel after channel. The weight comes in packed rows, ROWS at a time, and,
# for the gradient, in packed columns; the rows behind the last channel are zeros.
from libc.math cimport fabs, frexp, ldexp, INFINITY
from vec cimport *
from arrays cimport *

cdef extern from "matrix.h" nogil:
    const int ROWS
    const int SPAN
    void block_sums(double *sums, const double *first, const double *rows, const double *span, Py_ssize_t steps)

cdef enum:
    MOST = 240                     # sites of a tile; a multiple of 48, which is whole strips at every level

cdef struct view:
    char *start
    Py_ssize_t sample, channel, site

cdef struct layer:
    view x, g, y
    const double *rows             # of the weight, packed
    const double *columns
    const double *bias
    Py_ssize_t samples, n, sites, padded, most
    bint inverse, simplified

cdef struct tile:                  # of one array: channel after channel, the sites side by side in each
    char *at
    Py_ssize_t step

cdef struct room:                  # the scratch of a unit
    double *energy
    double *t
    double *direct
    double *turned
    double *x
    double *g
    double *y
    double unscale[MOST]           # powers of two that keep the squares of float64 in its range, 1 as a rule
    bint scaled
    Py_ssize_t width               # the sites of the tile at hand, in whole strips


# ---- where things are ----

cdef inline view look(void *a) noexcept nogil:
    cdef view v
    v.start, v.sample, v.channel, v.site = NULL, 0, 0, 0
    if a != NULL: v.start, v.sample, v.channel, v.site = bytes_of(a), step_of(a, 0), step_of(a, 1), step_of(a, 2)
    return v


cdef inline layer survey(void *x, void *g, void *y, void *rows, void *columns, void *bias, Py_ssize_t most, bint inverse, bint simplified) noexcept nogil:
    cdef layer l
    l.x, l.g, l.y = look(x), look(g), look(y)
    l.rows = <const double *><void *>bytes_of(rows)
    l.columns = NULL
    if columns != NULL: l.columns = <const double *><void *>bytes_of(columns)
    l.bias = <const double *><void *>bytes_of(bias)
    l.samples, l.n, l.sites = size_of(x, 0), size_of(x, 1), size_of(x, 2)
    l.padded = (l.n + ROWS - 1) // ROWS * ROWS
    l.most, l.inverse, l.simplified = most, inverse, simplified
    return l


cdef inline room furnish(void *scratch, Py_ssize_t unit) noexcept nogil:
    cdef room r
    cdef Py_ssize_t part = size_of(scratch, 2) - 8, k  # whole cache lines, and one to begin on
    cdef size_t start = <size_t>(bytes_of(scratch) + unit * step_of(scratch, 0))
    cdef double *at = <double *>((start + 63) // 64 * 64)  # vectors that cross cache lines cost a third
    r.energy, r.x, r.y = at, at + part, at + 2 * part
    r.t = r.direct = r.turned = r.g = NULL
    if size_of(scratch, 1) > 3: r.t, r.direct, r.turned, r.g = at + 3 * part, at + 4 * part, at + 5 * part, at + 6 * part
    for k in range(MOST): r.unscale[k] = 1
    r.scaled, r.width = False, 0
    return r


cdef inline tile in_room(const layer *l, double *spare, real *_) noexcept nogil:
    cdef tile t
    t.at, t.step = <char *>spare, l.most * sizeof(real)
    return t


cdef inline void begin(room *r, Py_ssize_t m) noexcept nogil:
    r.width = (m + SPAN * VW - 1) // (SPAN * VW) * (SPAN * VW)


cdef inline tile taken(const view *v, const layer *l, Py_ssize_t sample, Py_ssize_t first, Py_ssize_t m, Py_ssize_t width,
                       double *spare, real *_) noexcept nogil:
    """A copy of a tile, with zeros behind the last site: where it lies its rows, often a power of two apart, would throw
    one another out of cache."""
    cdef tile t = in_room(l, spare, _)
    cdef Py_ssize_t c, k
    cdef const char *at = v.start + sample * v.sample + first * v.site
    for c in range(l.n):
        copy_strided(t.at + c * t.step, sizeof(real), at + c * v.channel, v.site, m, sizeof(real))
        for k in range(m, width): put(<real *>(t.at + c * t.step) + k, 0)
    return t


cdef inline void give(const view *v, const layer *l, Py_ssize_t sample, Py_ssize_t first, Py_ssize_t m, const tile *t, real *_) noexcept nogil:
    cdef Py_ssize_t c
    cdef char *at = v.start + sample * v.sample + first * v.site
    for c in range(l.n): copy_strided(at + c * v.channel, v.site, t.at + c * t.step, sizeof(real), m, sizeof(real))


cdef inline const real *row_of(const tile *t, Py_ssize_t channel, Py_ssize_t site, real *_) noexcept nogil:
    return <const real *>(t.at + channel * t.step) + site


# ---- energies ----

cdef inline double fill(const layer *l, const tile *x, room *r, real *_) noexcept nogil:
    """Set the energies of a tile; in float64 return their sum, which shows whether one is too large."""
    cdef Py_ssize_t c, first, strip = SPAN * VW, number
    cdef double *to = r.energy
    cdef int i
    cdef vd v, sum = vset(0)
    for number in range(r.width // strip):
        first = number * strip
        for c in range(l.n):
            for i in range(SPAN):
                v = vload(row_of(x, c, first, _) + i * VW)
                if r.scaled: v = v * vload(r.unscale + first + i * VW)
                v = vabs(v) if l.simplified else v * v
                if sizeof(real) == 8: sum = sum + v
                vstore(to + i * VW, v)
            to += strip
    return vsum(sum)


cdef inline void find_scales(const layer *l, const tile *x, room *r, real *_) noexcept nogil:
    cdef Py_ssize_t c, k
    cdef double top, v
    cdef int power
    for k in range(r.width):
        top = 0
        for c in range(l.n):
            v = fabs(get(row_of(x, c, k, _)))
            if not v <= top: top = v
            if top != top: break
        r.unscale[k] = 1
        if 1e77 < top < INFINITY:
            frexp(top, &power)
            r.unscale[k] = ldexp(1, -power)


cdef inline void measure(const layer *l, const tile *x, room *r, real *_) noexcept nogil:
    cdef double all
    r.scaled = False
    all = fill(l, x, r, _)
    if sizeof(real) == 8 and not all < (1e77 if l.simplified else 1e154):
        find_scales(l, x, r, _)
        r.scaled = True
        fill(l, x, r, _)


# ---- the answer ----

cdef inline const double *first_of(const layer *l, const room *r, Py_ssize_t row) noexcept nogil:
    """What the sums of a block begin with: the bias, where it has not to be scaled site by site."""
    if r.scaled: return NULL
    return l.bias + row


cdef inline vd pool_of(const layer *l, const room *r, const double *sums, Py_ssize_t row, Py_ssize_t site) noexcept nogil:
    cdef vd p = vload(sums), u
    if r.scaled:
        u = vload(r.unscale + site)
        p = p + (vset(l.bias[row]) * u if l.simplified else vset(l.bias[row]) * u * u)
    return p


cdef inline double finish(const layer *l, const room *r, const double *sums, Py_ssize_t row, Py_ssize_t site, const tile *x,
                          const tile *y, bint quick, real *_) noexcept nogil:
    """Divide a block of channels by their roots; a quick root tells by a large number that it was none."""
    cdef Py_ssize_t c
    cdef const real *source
    cdef real *to
    cdef vd n, v, off = vset(0)
    cdef int i
    for c in range(row, min(row + ROWS, l.n)):
        source, to = row_of(x, c, site, _), <real *>row_of(y, c, site, _)
        for i in range(SPAN):
            n, v = pool_of(l, r, sums, c, site + i * VW), vload(source + i * VW)
            if quick:
                if l.inverse: v = v * n
                v = v * vinverse_root(n, &off)
            else:
                if not l.simplified: n = vsqrt(n)
                if l.inverse: v = v * n / vload(r.unscale + site + i * VW)
                else: v = v * vload(r.unscale + site + i * VW) / n
            vstore(to + i * VW, v)
            sums += VW
    return vsum(off)


cdef inline void divide_tile(const layer *l, room *r, const tile *x, const tile *y, const char *after, real *_) noexcept nogil:
    """`after` is where the next tile lies: its lines are fetched row by row while this one is worked on."""
    cdef double sums[12 * 8]
    cdef Py_ssize_t strip, of_rows, row, site, fetched = 0, number = 0, blocks = r.width // (SPAN * VW) * (l.padded // ROWS), k
    measure(l, x, r, _)
    for strip in range(r.width // (SPAN * VW)):
        for of_rows in range(l.padded // ROWS):
            row, site = of_rows * ROWS, strip * (SPAN * VW)
            block_sums(sums, first_of(l, r, row), l.rows + row * l.n, r.energy + site * l.n, l.n)
            if sizeof(real) == 8 or l.simplified or not finish(l, r, sums, row, site, x, y, True, _) < 1e-4:
                finish(l, r, sums, row, site, x, y, False, _)
            number += 1
            while fetched * blocks < number * l.n:
                for k in range(0, r.width * sizeof(real), 64): prefetch(after + fetched * l.x.channel + k)
                fetched += 1


cdef void normalize(Py_ssize_t lo, Py_ssize_t hi, void *x, void *rows, void *bias, void *scratch, Py_ssize_t most, bint inverse, bint simplified,
                    void *out, real *_) noexcept nogil:
    cdef layer l = survey(x, NULL, out, rows, NULL, bias, most, inverse, simplified)
    cdef Py_ssize_t each = (l.sites + l.most - 1) // l.most, units = size_of(scratch, 0), unit, i, sample, first, m
    cdef const char *after
    cdef room r
    cdef tile from_, to
    for unit in range(lo, hi):
        r = furnish(scratch, unit)
        for i in range(l.samples * each * unit // units, l.samples * each * (unit + 1) // units):
            sample, first = i // each, i % each * l.most
            m = min(l.most, l.sites - first)
            begin(&r, m)
            after = l.x.start + sample * l.x.sample + (first + l.most if first + l.most < l.sites else 0) * l.x.site
            from_ = taken(&l.x, &l, sample, first, m, r.width, r.x, _)
            to = in_room(&l, r.y, _)
            divide_tile(&l, &r, &from_, &to, after, _)
            give(&l.y, &l, sample, first, m, &to, _)


def generalized_divisive_norm(Py_ssize_t lo, Py_ssize_t hi, x, rows, bias, scratch, Py_ssize_t most, bint inverse, bint simplified, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pw = <void *>rows
    cdef void *pb = <void *>bias
    cdef void *ps = <void *>scratch
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': normalize[float](lo, hi, px, pw, pb, ps, most, inverse, simplified, po, NULL)
        elif kind == c'd': normalize[double](lo, hi, px, pw, pb, ps, most, inverse, simplified, po, NULL)
        elif kind == c'e': normalize[f16](lo, hi, px, pw, pb, ps, most, inverse, simplified, po, NULL)
        else: normalize[bf16](lo, hi, px, pw, pb, ps, most, inverse, simplified, po, NULL)


# ---- the gradient ----
# With P the pool, e the energy and n the root: gain = 1 / n or n, t = -+ g x gain / (2 P),
# dx_j = g_j gain_j + e'_j sum_i w_ij t_i. The weight receives the sum of t_i e_j over sites, the bias that of t_i.

cdef inline void cast(const layer *l, room *r, const tile *x, const tile *g, Py_ssize_t m, double *dbias, real *_) noexcept nogil:
    """Set t, and g * gain in `direct`, both packed as the energies are; add the sums of t to dbias."""
    cdef double sums[12 * 8]
    cdef Py_ssize_t number, site, row, here, c, k, strip = SPAN * VW
    cdef int i
    cdef vd p, n, u, v, gain
    cdef double side = (1 if l.simplified else 0.5) * (1 if l.inverse else -1), s
    for number in range(r.width // strip * (l.padded // ROWS)):
        site, row = number // (l.padded // ROWS) * strip, number % (l.padded // ROWS) * ROWS
        block_sums(sums, first_of(l, r, row), l.rows + row * l.n, r.energy + site * l.n, l.n)
        for i in range(SPAN * <int>min(ROWS, l.n - row)):
            c, here = row + i // SPAN, site + i % SPAN * VW
            p = pool_of(l, r, sums + i * VW, c, here)
            n = p if l.simplified else vsqrt(p)
            u = vload(r.unscale + here)
            v = vload(row_of(g, c, here, _))
            gain = n / u if l.inverse else u / n
            k = (site // strip * l.n + c) * strip + i % SPAN * VW
            vstore(r.direct + k, v * gain)
            vstore(r.t + k, v * vload(row_of(x, c, here, _)) * gain / p * side)
    for c in range(l.n):
        s = 0
        for k in range(r.width):
            here = (k // strip * l.n + c) * strip + k % strip
            if k >= m: r.t[here] = 0                       # no site, and 0 / 0 where there is no bias
            s += r.t[here] * r.unscale[k] if l.simplified else r.t[here] * r.unscale[k] * r.unscale[k]
        dbias[c] += s


cdef inline void pull(const layer *l, room *r, const tile *x, const tile *dx, real *_) noexcept nogil:
    cdef double sums[12 * 8]
    cdef Py_ssize_t number, site, row, here, c, k, strip = SPAN * VW
    cdef int i
    cdef vd v, u
    for number in range(r.width // strip * (l.padded // ROWS)):
        site, row = number // (l.padded // ROWS) * strip, number % (l.padded // ROWS) * ROWS
        block_sums(sums, NULL, l.columns + row * l.n, r.t + site * l.n, l.n)
        for i in range(SPAN * <int>min(ROWS, l.n - row)):
            c, here = row + i // SPAN, site + i % SPAN * VW
            u, v = vload(r.unscale + here), vload(row_of(x, c, here, _))
            if l.simplified: v = vwhere_below(v, 0, vset(-1), vwhere_below(-v, 0, vset(1), v))
            else: v = v * u * 2
            k = (site // strip * l.n + c) * strip + i % SPAN * VW
            vstore(<real *>row_of(dx, c, here, _), v * u * vload(sums + i * VW) + vload(r.direct + k))


cdef inline void turn(const layer *l, Py_ssize_t sites, const double *source, double *to, int width) noexcept nogil:
    """Pack channels in place of sites: `width` channels side by side, site after site; zeros behind the last."""
    cdef Py_ssize_t c, k, strip = SPAN * VW
    for c in range((l.n + width - 1) // width * width):
        for k in range(sites):
            to[(c // width * sites + k) * width + c % width] = source[(k // strip * l.n + c) * strip + k % strip] if c < l.n else 0


cdef inline void gather(const layer *l, room *r, double *dweight) noexcept nogil:
    """Add the products of t and the energies over a tile; `direct` is read no more."""
    cdef double sums[12 * 8]
    cdef Py_ssize_t number, row, column, i, j, strip = SPAN * VW
    turn(l, r.width, r.t, r.direct, ROWS)
    turn(l, r.width, r.energy, r.turned, SPAN * VW)
    for number in range((l.n + strip - 1) // strip * (l.padded // ROWS)):
        column, row = number // (l.padded // ROWS) * strip, number % (l.padded // ROWS) * ROWS
        block_sums(sums, NULL, r.direct + row * r.width, r.turned + column * r.width, r.width)
        for i in range(min(ROWS, l.n - row)):
            for j in range(min(strip, l.n - column)): dweight[(row + i) * l.n + column + j] += sums[i * strip + j]


cdef void differentiate(Py_ssize_t lo, Py_ssize_t hi, void *g, void *x, void *rows, void *columns, void *bias, void *scratch, Py_ssize_t most,
                        bint inverse, bint simplified, void *dx, double *parts, real *_) noexcept nogil:
    cdef layer l = survey(x, g, dx, rows, columns, bias, most, inverse, simplified)
    cdef Py_ssize_t each = (l.sites + l.most - 1) // l.most, units = size_of(scratch, 0), unit, i, sample, first, m
    cdef double *own
    cdef room r
    cdef tile from_, beside, to
    for unit in range(lo, hi):
        r = furnish(scratch, unit)
        own = parts + unit * l.n * (l.n + 1)
        for i in range(l.samples * each * unit // units, l.samples * each * (unit + 1) // units):
            sample, first = i // each, i % each * l.most
            m = min(l.most, l.sites - first)
            begin(&r, m)
            from_ = taken(&l.x, &l, sample, first, m, r.width, r.x, _)
            beside = taken(&l.g, &l, sample, first, m, r.width, r.g, _)
            to = in_room(&l, r.y, _)
            measure(&l, &from_, &r, _)
            cast(&l, &r, &from_, &beside, m, own + l.n * l.n, _)
            pull(&l, &r, &from_, &to, _)
            gather(&l, &r, own)
            give(&l.y, &l, sample, first, m, &to, _)


def generalized_divisive_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, g, x, rows, columns, bias, scratch, Py_ssize_t most, bint inverse, bint simplified, dx,
                                  parts):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>g
    cdef void *px = <void *>x
    cdef void *pw = <void *>rows
    cdef void *pv = <void *>columns
    cdef void *pb = <void *>bias
    cdef void *ps = <void *>scratch
    cdef void *pd = <void *>dx
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': differentiate[float](lo, hi, pg, px, pw, pv, pb, ps, most, inverse, simplified, pd, pp, NULL)
        elif kind == c'd': differentiate[double](lo, hi, pg, px, pw, pv, pb, ps, most, inverse, simplified, pd, pp, NULL)
        elif kind == c'e': differentiate[f16](lo, hi, pg, px, pw, pv, pb, ps, most, inverse, simplified, pd, pp, NULL)
        else: differentiate[bf16](lo, hi, pg, px, pw, pv, pb, ps, most, inverse, simplified, pd, pp, NULL)
