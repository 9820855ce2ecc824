# Slices of a weight brought to lengths of their own: y = x / (||x|| + eps) * gain, and its gradient. The kept axis comes
# first; to the walk it is the channels of one sample, and the sums are those of batch norm taken about zero.
from standard cimport *
from rows cimport inverse_of

cdef enum:
    BEAMS = 16                     # room for a beam on any CPU


cdef inline pair root_of(pair q) noexcept nogil:
    """sqrt(q), with what the rounding of the root lost."""
    cdef pair r
    r.hi, r.lo = sqrt(q.hi), 0
    if 0 < r.hi < INFINITY: r.lo = 0.5 * (fma(-r.hi, r.hi, q.hi) + q.lo) / r.hi
    return r


cdef inline void add_squares(const tile *x, double *high, double *low, real *_) noexcept nogil:
    """Half the work of add_moments, which would sum up x beside."""
    cdef beam q = bnought(), t
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    if x.tail:
        t = blast(bload(last_beat(x, _)), x.tail)
        q = bmul(t, t)
    for i in range(x.beats):
        t = bload(<const real *>p)
        q = bmuladd(t, t, q)
        p += step
    add_tile(high, low, &q)


cdef inline pair squares_along(const field *f, Py_ssize_t channel, real *_) noexcept nogil:
    """The sum of the squares of a slice whose elements are the nearest neighbours."""
    cdef real room[ROOM]
    cdef double high[BEAMS]
    cdef double low[BEAMS]
    cdef tile x
    cdef const char *at
    cdef Py_ssize_t row, j, m
    memset(high, 0, sizeof(high))
    memset(low, 0, sizeof(low))
    for row in range(f.rows):
        at, j = row_at(&f.x, f, 0, channel, row), 0
        while j < f.n:
            m = min(f.most, f.n - j)
            x = tile_of(&f.x, at + j * f.x.near, m, 1, False, room)
            add_squares(&x, high, low, _)
            j += m
    return folded(high, low, BEAM, False)


cdef inline void scale_beats(const tile *x, char *y, Py_ssize_t stride, double gain, Py_ssize_t ahead, bint stream, real *_) noexcept nogil:
    cdef beam by = bspread(gain), t
    cdef const char *p = x.at
    cdef Py_ssize_t i, step = x.step
    for i in range(x.beats):
        t = bmul(bload(<const real *>p), by)
        bprefetch(p + ahead, sizeof(real))
        if stream: bstream(<real *>y, t)
        else: bstore(<real *>y, t)
        p += step
        y += stride


cdef inline void write_along(const field *f, Py_ssize_t channel, double gain, Py_ssize_t ahead, real *_) noexcept nogil:
    """y = x * gain, of a slice whose elements are the nearest neighbours; a third less work than write_units."""
    cdef real rx[ROOM]
    cdef real ry[ROOM]
    cdef real spare[2 * 8]
    cdef const char *at
    cdef char *to
    cdef tile x, y, last
    cdef Py_ssize_t row, j, m
    for row in range(f.rows):
        at, to, j = row_at(&f.x, f, 0, channel, row), row_at(&f.y, f, 0, channel, row), 0
        while j < f.n:
            m = min(f.most, f.n - j)
            x = tile_of(&f.x, at + j * f.x.near, m, 1, False, rx)
            y = room_for(&f.y, to + j * f.y.near, m, 1, False, ry)
            if x.tail:
                last = last_of(&x, _)
                scale_beats(&last, <char *>spare, 0, gain, 0, False, _)
            if f.stream: scale_beats(&x, <char *>y.at, y.step, gain, ahead, True, _)
            else: scale_beats(&x, <char *>y.at, y.step, gain, ahead, False, _)
            if x.tail: memcpy(last_beat(&y, _), spare, BEAM * sizeof(real))
            give_back(&f.y, to + j * f.y.near, &y, m, 1, False, _)
            j += m


cdef inline void measure_lengths(const field *f, int also, Py_ssize_t first, Py_ssize_t units, double eps, unit *u,
                                 double *parts, real *_) noexcept nogil:
    """Set s to the norm and root to 1 / (norm + eps), both of the scaled slice; on the way sum up g and g * x."""
    cdef Py_ssize_t k
    cdef pair n
    cdef bint again = False
    for k in range(units):
        clear(&u[k])
        u[k].scale, u[k].near, u[k].far = 1, 0, 0
    if sizeof(real) == 8: sum_units(f, SQUARES | also, first, units, u, NULL, parts, _)
    elif also or f.across: sum_units(f, MOMENTS | also, first, units, u, NULL, parts, _)
    else: u.q = squares_along(f, first, _)
    for k in range(units): again = again or not tame(u[k].q.hi)
    if sizeof(real) == 8 and again:
        for k in range(units): u[k].s.hi = 0
        sum_units(f, LARGEST, first, units, u, NULL, NULL, _)
        for k in range(units):
            if not tame(u[k].q.hi): u[k].scale = scale_for(u[k].s.hi, eps * eps)
            clear(&u[k])
        sum_units(f, SQUARES | also, first, units, u, NULL, parts, _)
    for k in range(units):
        u[k].s = root_of(plus(u[k].q, 0, 0))
        n = plus(u[k].s, eps * u[k].scale, 0)
        u[k].root = inverse_of(n)
        if sizeof(real) < 8: u[k].root.hi, u[k].root.lo = u[k].root.hi + u[k].root.lo, 0


cdef void lengthen(Py_ssize_t lo, Py_ssize_t hi, void *x, int core, void *gains, double eps, void *out, real *_) noexcept nogil:
    cdef field f
    cdef unit u[LANES]
    cdef Py_ssize_t i = lo, units
    survey(&f, x, NULL, out, core, 0, sizeof(real))
    while i < hi:
        units = bundle(&f, i, hi)
        measure_lengths(&f, 0, i, units, eps, u, NULL, _)
        if sizeof(real) == 8 or f.across: write_units(&f, i, units, u, gains, NULL, distance(&f, i, hi), _)
        else: write_along(&f, i, u.root.hi * factor(gains, i, 1, _), distance(&f, i, hi), _)
        i += units
    if f.stream: fence()


def weight_norm(Py_ssize_t lo, Py_ssize_t hi, x, gains, double eps, out):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *px = <void *>x
    cdef void *pg = <void *>gains
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': lengthen[float](lo, hi, px, core, pg, eps, po, NULL)
        elif kind == c'd': lengthen[double](lo, hi, px, core, pg, eps, po, NULL)
        elif kind == c'e': lengthen[f16](lo, hi, px, core, pg, eps, po, NULL)
        else: lengthen[bf16](lo, hi, px, core, pg, eps, po, NULL)


# ---- the gradient ----
# dx = (c - x / norm * dg) * gain / (norm + eps) with dg = <c, x> / (norm + eps), which parts receives.

cdef void unlengthen(Py_ssize_t lo, Py_ssize_t hi, void *c, void *x, int core, void *gains, double eps, void *dx, double *parts,
                     real *_) noexcept nogil:
    cdef field f
    cdef unit u[LANES]
    cdef lines l
    cdef Py_ssize_t i = lo, k, units
    cdef pair turn
    cdef double tilt
    survey(&f, x, c, dx, core, 0, sizeof(real))
    while i < hi:
        units = bundle(&f, i, hi)
        measure_lengths(&f, PRODUCTS, i, units, eps, u, parts, _)
        for k in range(units):
            parts[i + k] *= u[k].root.hi + u[k].root.lo
            turn = times(times(u[k].root, u[k].scale), factor(gains, i + k, 1, _))
            tilt = parts[i + k] / u[k].s.hi
            if u[k].s.hi == 0 and eps > 0: tilt = 0        # a slice of zeros has no direction
            elif f.rows * f.n == 1:                        # nothing but eps is left: without this difference
                turn, tilt = times(product(turn, u[k].root), eps * u[k].scale), 0
            draw(&l, k, &u[k], -tilt * turn.hi, turn.lo, -0.0, turn.hi, f.across)
            if not f.across: write_strip(&f, 0, i + k, 1, &l, True, distance(&f, i, hi), _)
        if f.across:
            blank(&l, units)
            write_strip(&f, 0, i, units, &l, True, distance(&f, i, hi), _)
        i += units
    if f.stream: fence()


def weight_norm_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, gains, double eps, dx, parts):
    cdef int kind = kind_of(<void *>x), core = ndim_of(<void *>x) - 1
    cdef void *pc = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *pg = <void *>gains
    cdef void *pd = <void *>dx
    cdef double *pp = <double *><void *>bytes_of(<void *>parts)
    with nogil:
        if kind == c'f': unlengthen[float](lo, hi, pc, px, core, pg, eps, pd, pp, NULL)
        elif kind == c'd': unlengthen[double](lo, hi, pc, px, core, pg, eps, pd, pp, NULL)
        elif kind == c'e': unlengthen[f16](lo, hi, pc, px, core, pg, eps, pd, pp, NULL)
        else: unlengthen[bf16](lo, hi, pc, px, core, pg, eps, pd, pp, NULL)
