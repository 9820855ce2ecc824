# Sinkhorn's scaling of matrices by factors, and its gradient.
#
#   P = u K v,   K = exp(x / tau - m - c),   u = 1 / (K v),   v = R / C / (u K)
#
# m are the maxima of rows, and c those of columns after that: no element of K is above one, and each line has a one. So
# no sum of a line vanishes or overflows, but for factors that run away over many iterations: where one is outside
# LEAST .. MOST the matrix is given up, and the caller takes logarithms.
#
# K lies in tiles of ROWS rows and one register, those of the same rows one after the other, filled up with ones whose
# factors are zero. A walk over it serves an iteration: rows that have given their factors are still in cache when they
# go to the sums of columns. A sum is one of short sums, and carries what rounding took from it. What is missing then is
# what the elements of K lack themselves: for float64 it is kept too, and the last iteration takes it and every product
# whole. Of the earlier ones only means are left by then.
from libc.math cimport copysign, exp, fabs, fma, log, INFINITY
from libc.string cimport memset
from vec cimport *
from rows cimport *
from arrays cimport *

cdef enum:
    ROWS = 8
    SHORT = 8                      # tiles of a short sum

cdef double TINY = 1e-290          # an element of K below has lost digits
cdef double LEAST = 1e-100, MOST = 1e100


cdef struct plan:
    Py_ssize_t rows, columns       # filled up to whole tiles: high, wide
    Py_ssize_t high, wide, tiles
    double tau, above, below       # what a column sums to: above / below
    const char *x
    Py_ssize_t down, near          # its steps
    double *k
    double *low                    # what rounding took from it; NULL where that is far below the answer's
    double *m                      # by row
    double *c                      # by column: less the maximum
    double *rest_u                 # what rounding took from the factors
    double *rest_v
    double *sum                    # of columns, and what rounding took from them
    double *lost
    double *line                   # a row
    double *by
    double *rest
    double *turn                   # of the gradient: cotangents of the factors' logarithms
    double *across
    double *u                      # factors of rows: those of each iteration, where they are kept
    double *w                      # of the gradient, as many
    double *v                      # factors of columns: the first ones, and as many
    double *a                      # of the gradient, as many


cdef inline double *lay_out(plan *p, void *x, double tau, double above, double below, Py_ssize_t kept, double *room,
                            bint fine) noexcept nogil:
    """Give a plan its places in `room`; return what is behind them."""
    p.rows, p.columns = size_of(x, -2), size_of(x, -1)
    p.down, p.near = step_of(x, -2), step_of(x, -1)
    p.tau, p.above, p.below = tau, above, below
    p.high, p.wide = (p.rows + ROWS - 1) // ROWS * ROWS, (p.columns + 7) // 8 * 8
    p.tiles = p.wide // VW
    p.k = room
    p.low = p.k + p.high * p.wide if fine else NULL
    p.m = p.k + (2 if fine else 1) * p.high * p.wide
    p.rest_u, p.turn, p.u = p.m + p.high, p.m + 2 * p.high, p.m + 3 * p.high
    p.w = p.u + kept * p.high
    p.c = p.w + kept * p.high
    p.rest_v, p.sum, p.lost, p.line = p.c + p.wide, p.c + 2 * p.wide, p.c + 3 * p.wide, p.c + 4 * p.wide
    p.by, p.rest, p.across, p.v = p.c + 5 * p.wide, p.c + 6 * p.wide, p.c + 7 * p.wide, p.c + 8 * p.wide
    p.a = p.v + (kept + 1) * p.wide
    return p.a + kept * p.wide


cdef inline Py_ssize_t at(const plan *p, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Where element i, j of K lies."""
    return ((i // ROWS * p.tiles + j // VW) * ROWS + i % ROWS) * VW + j % VW


cdef inline vpair exponent(vd k, vd m, vd c) noexcept nogil:
    """k - m + c in two parts; where the second one is more than one, x has no digits for its exponent."""
    cdef vpair z
    z.hi, z.lo = k, vset(0)
    add(&z, -m)
    add(&z, c)
    z.lo = vwhere_below(vabs(z.lo), 1, z.lo, vset(0))
    return z


cdef inline void fetch_rows(const plan *p, const char *x, double *k, Py_ssize_t rows, double *most, real *_) noexcept nogil:
    """Lay ROWS rows of x / tau down in tiles; the maximum of each."""
    cdef Py_ssize_t j = 0, c, r
    cdef vd v, tau = vset(p.tau)
    cdef vd top[ROWS]
    for r in range(ROWS): top[r] = vset(-INFINITY)
    if p.near == sizeof(real):
        while j + VW <= p.columns:
            for r in range(rows):
                v = vload(<const real *>(x + r * p.down) + j) / tau
                top[r] = vmax(top[r], v)
                vstore(k + r * VW, v)
            k += ROWS * VW
            j += VW
    for r in range(rows): most[r] = vlargest(top[r])
    while j < p.wide:
        for c in range(VW):
            for r in range(rows):
                if j + c >= p.columns: k[r * VW + c] = -INFINITY
                else:
                    k[r * VW + c] = get(<const real *>(x + r * p.down + (j + c) * p.near)) / p.tau
                    if k[r * VW + c] > most[r]: most[r] = k[r * VW + c]
        k += ROWS * VW
        j += VW


cdef void fetch(const plan *p, real *_) noexcept nogil:
    """Lay x / tau down in tiles; find the maxima."""
    cdef Py_ssize_t i = 0, j = 0, r, rows
    cdef const double *k = p.k
    cdef vd top, none = vset(-INFINITY)
    while j < p.wide:
        vstore(p.c + j, none)
        j += VW
    while i < p.high:
        rows = min(ROWS, p.rows - i)
        fetch_rows(p, p.x + i * p.down, p.k + i * p.wide, rows, p.m + i, _)
        j = 0
        while j < p.wide:
            top = vload(p.c + j)
            for r in range(rows): top = vmax(top, vload(k + r * VW) - vset(p.m[i + r]))
            vstore(p.c + j, top)
            k += ROWS * VW
            j += VW
        i += ROWS
    for j in range(p.wide): p.c[j] = -p.c[j] if p.c[j] > -INFINITY else 0


cdef void raise_all(const plan *p) noexcept nogil:
    """K, and the factors of columns that it starts from."""
    cdef Py_ssize_t i = 0, j, r, k = 0
    cdef vpair z, e
    while i < p.high:
        j = 0
        while j < p.wide:
            for r in range(ROWS):
                z = exponent(vload(p.k + k), vset(p.m[i + r]), vload(p.c + j))
                if p.low == NULL: vstore(p.k + k, vexp_fine(z.hi, z.lo))
                else:
                    e.hi = vexp_pair(z.hi, z.lo, &e.lo)
                    vstore(p.k + k, e.hi)
                    vstore(p.low + k, e.lo)
                k += VW
            j += VW
        i += ROWS
    for i in range(p.high):
        for j in range(p.columns if i < p.rows else 0, p.wide):
            p.k[at(p, i, j)] = 1
            if p.low != NULL: p.low[at(p, i, j)] = 0
    j = 0
    while j < p.wide:
        e.hi = vexp_pair(-vload(p.c + j), vset(0), &e.lo)
        vstore(p.v + j, e.hi)
        vstore(p.rest_v + j, e.lo)
        j += VW
    for j in range(p.columns, p.wide): p.v[j] = p.rest_v[j] = 0


cdef inline void dots(const double *k, const double *v, Py_ssize_t tiles, pair *to) noexcept nogil:
    """The sums of ROWS rows of K times v."""
    cdef vpair sums[ROWS]
    cdef vd part[ROWS]
    cdef vd a
    cdef Py_ssize_t t = 0, end
    cdef int r
    for r in range(ROWS): sums[r].hi = sums[r].lo = vset(0)
    while t < tiles:
        end = min(tiles, t + SHORT)
        for r in range(ROWS): part[r] = vset(0)
        while t < end:
            a = vload(v + t * VW)
            for r in range(ROWS): part[r] = part[r] + vload(k + r * VW) * a
            k += ROWS * VW
            t += 1
        for r in range(ROWS): add(&sums[r], part[r])
    for r in range(ROWS): to[r] = total(sums[r])


cdef inline void collect(const plan *p, const double *k, const double *by) noexcept nogil:
    """Put ROWS rows of K, each times its factor, into the sums of columns."""
    cdef Py_ssize_t t
    cdef vpair s
    cdef vd part
    cdef vd factor[ROWS]
    cdef int r
    for r in range(ROWS): factor[r] = vset(by[r])
    for t in range(p.tiles):
        part = vset(0)
        for r in range(ROWS): part = part + vload(k + r * VW) * factor[r]
        s.hi, s.lo = vload(p.sum + t * VW), vload(p.lost + t * VW)
        add(&s, part)
        vstore(p.sum + t * VW, s.hi)
        vstore(p.lost + t * VW, s.lo)
        k += ROWS * VW


cdef inline void add_whole(vpair *s, vd k, vd low, vd v, vd rest) noexcept nogil:
    """Add (k + low) (v + rest), v being half as long as a double."""
    cdef vd upper = vhalf(k)
    add(s, upper * v)
    s.lo = s.lo + (upper * rest + ((k - upper) + low) * (v + rest))


cdef inline void dots_whole(const plan *p, Py_ssize_t i, pair *to) noexcept nogil:
    """The sums of ROWS rows from i on of K times (by + rest)."""
    cdef vpair sums[ROWS]
    cdef Py_ssize_t j = 0, k = at(p, i, 0)
    cdef vd v, rest
    cdef int r
    for r in range(ROWS): sums[r].hi = sums[r].lo = vset(0)
    while j < p.wide:
        v, rest = vload(p.by + j), vload(p.rest + j)
        for r in range(ROWS): add_whole(&sums[r], vload(p.k + k + r * VW), vload(p.low + k + r * VW), v, rest)
        k += ROWS * VW
        j += VW
    for r in range(ROWS): to[r] = total(sums[r])


cdef inline void collect_whole(const plan *p, Py_ssize_t i, const double *by, const double *rest) noexcept nogil:
    """Put ROWS rows of K from i on, each times its by + rest, into the sums of columns."""
    cdef Py_ssize_t j = 0, k = at(p, i, 0)
    cdef vpair s
    cdef vd u[ROWS]
    cdef vd low[ROWS]
    cdef int r
    for r in range(ROWS):
        u[r] = vhalf(vset(by[r]))
        low[r] = (vset(by[r]) - u[r]) + vset(rest[r])
    while j < p.wide:
        s.hi, s.lo = vload(p.sum + j), vload(p.lost + j)
        for r in range(ROWS): add_whole(&s, vload(p.k + k + r * VW), vload(p.low + k + r * VW), u[r], low[r])
        vstore(p.sum + j, s.hi)
        vstore(p.lost + j, s.lo)
        k += ROWS * VW
        j += VW


cdef inline void clear(const plan *p) noexcept nogil:
    memset(p.sum, 0, 2 * p.wide * sizeof(double))     # and what they lost, which lies behind


cdef inline pair joined(double sum, double lost) noexcept nogil:
    """The same with the first part rounded: of whole products it is half as long as a double."""
    cdef pair s
    s.hi, s.lo = sum, 0
    if sum - sum == 0: s = two_sum(sum, lost)
    return s


cdef inline bint astray(double factor) noexcept nogil:
    return factor < LEAST or MOST < factor < INFINITY


cdef inline void halve(const plan *p, const double *v) noexcept nogil:
    """by + rest = factors of columns, the first half as long as a double."""
    cdef Py_ssize_t j = 0
    cdef vd a, upper
    while j < p.wide:
        a = vload(v + j)
        upper = vhalf(a)
        vstore(p.by + j, upper)
        vstore(p.rest + j, (a - upper) + vload(p.rest_v + j))
        j += VW


cdef inline bint scale(const plan *p, double *u, const double *before, double *v, bint whole) noexcept nogil:
    """One iteration; whether the factors are where nothing that counts is lost."""
    cdef Py_ssize_t i = 0, j
    cdef pair s, q
    cdef pair sums[ROWS]
    cdef bint good = True
    cdef int r
    clear(p)
    if whole: halve(p, before)
    while i < p.high:
        if whole: dots_whole(p, i, sums)
        else: dots(p.k + i * p.wide, before, p.tiles, sums)
        for r in range(ROWS):
            q = inverse_of(joined(sums[r].hi, sums[r].lo))
            u[i + r], p.rest_u[i + r] = q.hi, q.lo
            if i + r >= p.rows: u[i + r] = p.rest_u[i + r] = 0
            elif astray(q.hi): good = False
        if whole: collect_whole(p, i, u + i, p.rest_u + i)
        else: collect(p, p.k + i * p.wide, u + i)
        i += ROWS
    for j in range(p.columns):
        s = joined(p.sum[j], p.lost[j])
        q.hi = s.hi * p.below
        q.lo = fma(s.hi, p.below, -q.hi) + s.lo * p.below
        q = inverse_of(q)
        v[j] = q.hi * p.above
        p.rest_v[j] = fma(q.hi, p.above, -v[j]) + q.lo * p.above
        if astray(v[j]): good = False
    for j in range(p.columns, p.wide): v[j] = 0
    return good


cdef inline bint iterate(const plan *p, Py_ssize_t iterations, bint keep, real *_) noexcept nogil:
    """Scale from the start on; keep the factors of each iteration, or the last ones only."""
    cdef Py_ssize_t t, high = p.high if keep else 0, wide = p.wide if keep else 0
    fetch(p, _)
    raise_all(p)
    for t in range(iterations):
        if not scale(p, p.u + t * high, p.v + t * wide, p.v + (t + 1) * wide, p.low != NULL and t == iterations - 1):
            return False
    return True


cdef inline void times(const plan *p, Py_ssize_t i, real *_) noexcept nogil:
    """line = K (by + rest), row i; where K has lost digits, by an exponential of its own."""
    cdef Py_ssize_t j = 0, k = at(p, i, 0)
    cdef vpair z
    cdef vd v, by, top = vset(-1)
    cdef double least[8]
    while j < p.wide:
        v, by = vload(p.k + k), vload(p.by + j)
        top = vmax(top, -v)
        vstore(p.line + j, v * by if p.low == NULL else v * by + (v * vload(p.rest + j) + vload(p.low + k) * by))
        k += ROWS * VW
        j += VW
    if vlargest(top) <= -TINY: return
    for j in range(p.columns):
        if p.k[at(p, i, j)] < TINY and p.by[j] != 0:
            z = exponent(vset(get(<const real *>(p.x + i * p.down + j * p.near)) / p.tau), vset(p.m[i]), vset(p.c[j]))
            vstore(least, z.hi + (z.lo + log(fabs(p.by[j]))))
            p.line[j] = copysign(exp(least[0]), p.by[j])


cdef inline void plan_row(const plan *p, Py_ssize_t i, const double *u, const double *v, real *_) noexcept nogil:
    """line = row i of the plan."""
    cdef Py_ssize_t j = 0
    while j < p.wide:
        vstore(p.by + j, vload(v + j) * vset(u[i]))
        j += VW
    if p.low != NULL:
        for j in range(p.wide):
            p.rest[j] = fma(u[i], v[j], -p.by[j]) + (u[i] * p.rest_v[j] + p.rest_u[i] * v[j])
    times(p, i, _)


cdef inline pair sum_of_line(const plan *p) noexcept nogil:
    cdef Py_ssize_t j
    cdef vpair s
    s.hi = s.lo = vset(0)
    j = 0
    while j < p.wide:
        add(&s, vload(p.line + j))
        j += VW
    return total(s)


cdef inline void write(const plan *p, char *to, Py_ssize_t step, real *_) noexcept nogil:
    cdef Py_ssize_t j = 0
    if step == sizeof(real):
        while j + VW <= p.columns:
            vstore(<real *>to + j, vload(p.line + j))
            j += VW
    for j in range(j, p.columns): put(<real *>(to + j * step), p.line[j])


cdef void plans(Py_ssize_t lo, Py_ssize_t hi, void *x, double tau, double above, double below, Py_ssize_t iterations,
                void *room, void *y, void *sums, real *_) noexcept nogil:
    """A unit is a share of the matrices. What a matrix has for sums ends with whether it was given up."""
    cdef Py_ssize_t share, shares = size_of(room, 0), matrices = units_of(x, 2), i, m
    cdef double *to
    cdef char *py
    cdef pair s
    cdef plan p
    for share in range(lo, hi):
        lay_out(&p, x, tau, above, below, 1, <double *>bytes_of(room) + share * size_of(room, 1), sizeof(real) == 8)
        for m in range(matrices * share // shares, matrices * (share + 1) // shares):
            p.x, py = bytes_of(x) + offset_of(x, m, 2), bytes_of(y) + offset_of(y, m, 2)
            to = <double *>bytes_of(sums) + m * (p.rows + 1)
            to[p.rows] = not iterate(&p, iterations, False, _)
            if to[p.rows]: continue
            for i in range(p.rows):
                plan_row(&p, i, p.u, p.v, _)
                s = sum_of_line(&p)
                to[i] = s.hi + s.lo
                write(&p, py + i * step_of(y, -2), step_of(y, -1), _)


def sinkhorn(Py_ssize_t lo, Py_ssize_t hi, x, double tau, double above, double below, Py_ssize_t iterations, room, y, sums):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pr = <void *>room
    cdef void *py = <void *>y
    cdef void *ps = <void *>sums
    with nogil:
        if kind == c'f': plans[float](lo, hi, px, tau, above, below, iterations, pr, py, ps, NULL)
        elif kind == c'd': plans[double](lo, hi, px, tau, above, below, iterations, pr, py, ps, NULL)
        elif kind == c'e': plans[f16](lo, hi, px, tau, above, below, iterations, pr, py, ps, NULL)
        else: plans[bf16](lo, hi, px, tau, above, below, iterations, pr, py, ps, NULL)


# ---- the gradient: back through every iteration, all of which share K ----
#
# Each iteration takes  K (u a + w v)  off the cotangent of x / tau: a is what its columns have of the cotangents of
# their factors, w what its rows have. They are found by the two sums that scale, and put together at the end.

cdef inline void start(const plan *p, Py_ssize_t last, const char *g, Py_ssize_t down, Py_ssize_t near, const char *of_sums,
                       Py_ssize_t step, real *_) noexcept nogil:
    """turn and across = the sums of the plan times its cotangent, by row and column."""
    cdef Py_ssize_t i, j
    cdef double whole
    cdef const double *u = p.u + (last - 1) * p.high
    cdef const double *v = p.v + last * p.wide
    cdef vpair s
    cdef pair q
    memset(p.turn, 0, p.high * sizeof(double))
    clear(p)
    for i in range(p.rows):
        plan_row(p, i, u, v, _)
        whole = 0 if of_sums == NULL else get(<const real *>(of_sums + i * step))
        for j in range(p.columns):
            p.line[j] *= whole + (0 if g == NULL else get(<const real *>(g + i * down + j * near)))
        j = 0
        while j < p.wide:
            s.hi, s.lo = vload(p.sum + j), vload(p.lost + j)
            add(&s, vload(p.line + j))
            vstore(p.sum + j, s.hi)
            vstore(p.lost + j, s.lo)
            j += VW
        q = sum_of_line(p)
        p.turn[i] = q.hi + q.lo
    for j in range(p.wide):
        q = joined(p.sum[j], p.lost[j])
        p.across[j] = q.hi


cdef inline void go_back(const plan *p, const double *u, double *w, const double *before, const double *after,
                         double *a) noexcept nogil:
    """One iteration: a and w from turn and across, which become those of the one before."""
    cdef Py_ssize_t i = 0, j
    cdef const double *k = p.k
    cdef pair sums[ROWS]
    cdef int r
    for j in range(p.wide): a[j] = p.across[j] * after[j] * (p.below / p.above)
    clear(p)
    while i < p.high:
        dots(k, a, p.tiles, sums)
        for r in range(ROWS): w[i + r] = u[i + r] * (p.turn[i + r] - u[i + r] * (sums[r].hi + sums[r].lo))
        collect(p, k, w + i)
        k += ROWS * p.wide
        i += ROWS
    memset(p.turn, 0, p.high * sizeof(double))
    for j in range(p.wide): p.across[j] = -before[j] * (p.sum[j] + p.lost[j])


cdef inline void pack(const plan *p, Py_ssize_t iterations, double *to) noexcept nogil:
    """Lay a and v of all iterations down register by register."""
    cdef Py_ssize_t j, t
    j = 0
    while j < p.wide:
        for t in range(iterations):
            vstore(to, vload(p.a + t * p.wide + j))
            vstore(to + VW, vload(p.v + t * p.wide + j))
            to += 2 * VW
        j += VW


cdef inline void put_together(const plan *p, Py_ssize_t i, Py_ssize_t iterations, const double *packed,
                              double *to) noexcept nogil:
    """The sums over all iterations of u a + w v: ROWS rows, one after the other."""
    cdef Py_ssize_t j, t
    cdef vd s[ROWS]
    cdef vd a, v
    cdef const double *u
    cdef const double *w
    cdef int r
    j = 0
    while j < p.wide:
        for r in range(ROWS): s[r] = vset(0)
        for t in range(iterations):
            a, v = vload(packed), vload(packed + VW)
            u, w = p.u + t * p.high + i, p.w + t * p.high + i
            for r in range(ROWS): s[r] = s[r] + (a * vset(u[r]) + v * vset(w[r]))
            packed += 2 * VW
        for r in range(ROWS): vstore(to + r * p.wide + j, s[r])
        j += VW


cdef void slopes(Py_ssize_t lo, Py_ssize_t hi, void *g, void *of_sums, void *x, double tau, double above, double below,
                 Py_ssize_t iterations, void *room, void *dx, void *lost, real *_) noexcept nogil:
    cdef Py_ssize_t share, shares = size_of(room, 0), matrices = units_of(x, 2), i, j, m, t, r
    cdef const char *pg
    cdef const char *ps
    cdef char *pd
    cdef double *packed
    cdef double *both
    cdef double *v
    cdef double whole
    cdef plan p
    for share in range(lo, hi):
        packed = lay_out(&p, x, tau, above, below, iterations, <double *>bytes_of(room) + share * size_of(room, 1),
                         sizeof(real) == 8)
        both = packed + 2 * iterations * p.wide
        memset(p.rest_v, 0, p.wide * sizeof(double))
        v = p.v + iterations * p.wide
        for m in range(matrices * share // shares, matrices * (share + 1) // shares):
            p.x, pd = bytes_of(x) + offset_of(x, m, 2), bytes_of(dx) + offset_of(dx, m, 2)
            pg = NULL if bytes_of(g) == NULL else bytes_of(g) + offset_of(g, m, 2)
            ps = NULL if bytes_of(of_sums) == NULL else bytes_of(of_sums) + offset_of(of_sums, m, 1)
            if not iterate(&p, iterations, True, _):
                (<double *>bytes_of(lost))[m] = 1
                continue
            start(&p, iterations, pg, 0 if pg == NULL else step_of(g, -2), 0 if pg == NULL else step_of(g, -1), ps,
                  0 if ps == NULL else step_of(of_sums, -1), _)
            for t in range(iterations - 1, -1, -1):
                go_back(&p, p.u + t * p.high, p.w + t * p.high, p.v + t * p.wide, p.v + (t + 1) * p.wide, p.a + t * p.wide)
            pack(&p, iterations, packed)
            memset(p.rest, 0, p.wide * sizeof(double))
            i = 0
            while i < p.high:
                put_together(&p, i, iterations, packed, both)
                for r in range(min(ROWS, p.rows - i)):
                    whole = 0 if ps == NULL else get(<const real *>(ps + (i + r) * step_of(of_sums, -1)))
                    for j in range(p.columns):
                        p.by[j] = whole + (0 if pg == NULL else get(<const real *>(pg + (i + r) * step_of(g, -2) + j * step_of(g, -1))))
                        p.by[j] = p.u[(iterations - 1) * p.high + i + r] * v[j] * p.by[j] - both[r * p.wide + j]
                    times(&p, i + r, _)
                    j = 0
                    while j < p.wide:
                        vstore(p.line + j, vload(p.line + j) / vset(tau))
                        j += VW
                    write(&p, pd + (i + r) * step_of(dx, -2), step_of(dx, -1), _)
                i += ROWS


def sinkhorn_vjp(Py_ssize_t lo, Py_ssize_t hi, x, cotangent, of_sums, double tau, double above, double below,
                 Py_ssize_t iterations, room, dx, lost):
    cdef int kind = kind_of(<void *>x)
    cdef void *pg = <void *>cotangent
    cdef void *ps = <void *>of_sums
    cdef void *px = <void *>x
    cdef void *pr = <void *>room
    cdef void *pd = <void *>dx
    cdef void *pl = <void *>lost
    with nogil:
        if kind == c'f': slopes[float](lo, hi, pg, ps, px, tau, above, below, iterations, pr, pd, pl, NULL)
        elif kind == c'd': slopes[double](lo, hi, pg, ps, px, tau, above, below, iterations, pr, pd, pl, NULL)
        elif kind == c'e': slopes[f16](lo, hi, pg, ps, px, tau, above, below, iterations, pr, pd, pl, NULL)
        else: slopes[bf16](lo, hi, pg, ps, px, tau, above, below, iterations, pr, pd, pl, NULL)
