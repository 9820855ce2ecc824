# Means over bins that cover planes, and their gradient: as the bins that take a cell follow the same rule as the cells
# that a bin takes, forward and backward are one sum. The rows under a row of bins are added up first, in a line of
# doubles on the stack, and the columns after. bins.pxd tells how a plane is walked.
from vec cimport *
from arrays cimport *
from bins cimport *
from rows cimport add, pair, total, two_sum, vpair, widen

cdef enum:
    AHEAD = 2048                   # bytes from the cells in use to those to prefetch: of rows; half of it for runs


# ---- rows ----

# One more row. One at a time, in the order of memory: with several at once the sums stay in registers, but the hardware
# no longer sees what comes next, and planes from main memory take up to 1.7 times as long.
cdef inline void add_run(double *sum, const real *x, Py_ssize_t n, bint first) noexcept nogil:
    cdef Py_ssize_t j = 0
    while j + 2 * VW <= n:
        prefetch(<const char *>(x + j) + AHEAD)
        vstore(sum + j, vload(x + j) if first else vload(sum + j) + vload(x + j))
        vstore(sum + j + VW, vload(x + j + VW) if first else vload(sum + j + VW) + vload(x + j + VW))
        j += 2 * VW
    while j + VW <= n:
        vstore(sum + j, vload(x + j) if first else vload(sum + j) + vload(x + j))
        j += VW
    for j in range(j, n): sum[j] = get(x + j) if first else sum[j] + get(x + j)


# The same, exactly: with what the roundings lost.
cdef inline void add_run_exactly(double *sum, double *lost, const double *x, Py_ssize_t n, bint first) noexcept nogil:
    cdef Py_ssize_t j
    cdef double t, s, z
    for j in range(n):
        if first:
            sum[j], lost[j] = x[j], 0
        else:
            s = sum[j]
            t = s + x[j]
            z = t - s
            lost[j] += (s - (t - z)) + (x[j] - z)
            sum[j] = t


cdef void sum_rows(const Planes *p, const char *x, Walk *w, Py_ssize_t n, const double *share, double *sum,
                   double *lost, real *_) noexcept nogil:
    cdef Py_ssize_t near = p.axis[p.rows].near, t, j
    cdef const double *line
    cdef double divisor
    cdef double room[ROOM]
    for t in range(w.total):
        if sizeof(real) < 8 and not p.back and near == sizeof(real):
            add_run(sum, <const real *>(x + w.offset), n, t == 0)
        else:
            line = widen(x + w.offset, near, 0, n, 1, room, _)
            if p.back:
                divisor = shared_by(p, w)
                for j in range(n): room[j] = line[j] / (divisor * share[j])
                line = room
            if sizeof(real) == 8: add_run_exactly(sum, lost, line, n, t == 0)
            else: add_run(sum, line, n, t == 0)
        next_row(p, w)


# ---- columns ----

cdef inline double sum_run(const real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd a = vset(0), b = a, c = a, d = a
    cdef double s = 0
    while j + 4 * VW <= n:
        prefetch(<const char *>(x + j) + AHEAD // 2)
        if 4 * VW * sizeof(real) > 64: prefetch(<const char *>(x + j + 2 * VW) + AHEAD // 2)
        a = a + vload(x + j)
        b = b + vload(x + j + VW)
        c = c + vload(x + j + 2 * VW)
        d = d + vload(x + j + 3 * VW)
        j += 4 * VW
    while j + VW <= n:
        a = a + vload(x + j)
        j += VW
    if j: s = vsum((a + b) + (c + d))
    for j in range(j, n): s += get(x + j)
    return s


cdef inline pair sum_run_exactly(const double *x, const double *lost, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vpair v
    cdef pair s, q
    v.hi = v.lo = vset(0)
    while j + VW <= n:
        add(&v, vload(x + j))
        v.lo = v.lo + vload(lost + j)
        j += VW
    s = total(v)
    for j in range(j, n):
        q = two_sum(s.hi, x[j])
        s.hi, s.lo = q.hi, s.lo + q.lo + lost[j]
    return s


# By column: how many bins it has taken part in, from cell c on.
cdef inline void count_shares(const Axis *lane, Py_ssize_t c, Py_ssize_t n, bint single, double *share) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        share[j] = 1 if single else end(c + j, lane.bins, lane.cells) - begin(c + j, lane.bins, lane.cells)


# The sums of m bins of a row: from the rows under them, walked to by w. start NULL: of m cells, each a bin.
cdef void sum_bins(const Planes *p, const char *x, Walk *w, Py_ssize_t o, Py_ssize_t m, const Py_ssize_t *start,
                   const Py_ssize_t *stop, double *share, double *answer, real *_) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t c = start[0] if start else o, last = stop[m - 1] if start else o + m, n, t, a, b
    cdef bint same = start and start[0] == start[m - 1] and stop[0] == stop[m - 1]         # one cell for all of them
    cdef bint wide = last - c > ROOM                                  # one bin, in pieces
    cdef pair s, q
    cdef double sum[ROOM]
    cdef double lost[ROOM]
    if start and w.total == 1 and sizeof(real) < 8 and not p.back and lane.near == sizeof(real):
        for t in range(m): answer[t] = sum_run(<const real *>(x + w.offset) + start[t], stop[t] - start[t])
        return
    s.hi = s.lo = 0
    while c < last:
        n = min(ROOM, last - c)
        if p.back and wide: count_shares(lane, c, n, False, share)
        sum_rows(p, x + c * lane.near, w, n, share, sum, lost, _)
        for t in range(1 if same else m):
            if not start:
                s.hi, s.lo = sum[t], lost[t] if sizeof(real) == 8 else 0
            elif t and start[t] == start[t - 1] and stop[t] == stop[t - 1]:
                answer[t] = answer[t - 1]
                continue
            else:
                a, b = max(0, start[t] - c), min(n, stop[t] - c)
                if sizeof(real) < 8:
                    s.hi += sum_run(<const double *>sum + a, b - a)
                else:
                    q = sum_run_exactly(sum + a, lost + a, b - a)
                    s.lo += q.lo
                    q = two_sum(s.hi, q.hi)
                    s.hi, s.lo = q.hi, s.lo + q.lo
                if c + n < last: break
            answer[t] = s.hi + s.lo if sizeof(real) == 8 else s.hi
            if sizeof(real) == 8 and answer[t] != answer[t]: answer[t] = s.hi        # an overflown sum has lost a NaN
            s.hi = s.lo = 0
        c += n
    for t in range(1 if same else m, m): answer[t] = answer[0]


# ---- planes ----

cdef inline void give(const double *line, char *y, Py_ssize_t step, Py_ssize_t n, real *_) noexcept nogil:
    cdef Py_ssize_t j = 0
    while step == sizeof(real) and j + VW <= n:
        vstore(<real *>y + j, vload(line + j))
        j += VW
    for j in range(j, n): put(<real *>(y + j * step), line[j])


cdef void bin_plane(const Planes *p, const char *x, char *y, Py_ssize_t o, Py_ssize_t m, const Py_ssize_t *start,
                    const Py_ssize_t *stop, real *_) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t row, t, offset
    cdef double rows
    cdef Walk w
    cdef double answer[ROOM]
    cdef double share[ROOM]
    if p.back and start: count_shares(lane, start[0], min(ROOM, stop[m - 1] - start[0]), False, share)
    elif p.back: count_shares(lane, o, m, True, share)
    w.total = 0
    for row in range(count_rows(p)):
        offset = under(p, row, &w) + o * lane.far
        if not w.same:
            rows = w.total
            sum_bins(p, x, &w, o, m, start, stop, share, answer, _)
            if sizeof(real) == 8 and not p.back:
                for t in range(m): answer[t] = answer[t] / (rows * (stop[t] - start[t] if start else 1))
            elif not p.back:
                for t in range(m): answer[t] = answer[t] * (1 / (rows * (stop[t] - start[t] if start else 1)))
        give(answer, y + offset, lane.far, m, _)


# The mean of each whole plane that is one run of memory: where planes are small, their geometry would cost more.
cdef void mean_units(Py_ssize_t lo, Py_ssize_t hi, const Planes *p, void *x, void *y, real *_) noexcept nogil:
    cdef Py_ssize_t n = p.axis[0].cells, channels = size_of(x, 1), channel
    cdef const char *a
    cdef char *b
    while lo < hi:
        a = bytes_of(x) + offset_of(x, lo, ndim_of(x) - 2)
        b = bytes_of(y) + offset_of(y, lo, ndim_of(x) - 2)
        for channel in range(lo % channels, min(channels, lo % channels + hi - lo)):
            put(<real *>b, sum_run(<const real *>a, n) * (1. / n))
            a += step_of(x, 1)
            b += step_of(y, 1)
            lo += 1


cdef void bin_units(Py_ssize_t lo, Py_ssize_t hi, Planes *p, void *x, void *y, real *_) noexcept nogil:
    cdef Axis *lane = &p.axis[p.rows]
    cdef int core = ndim_of(x) - 2
    cdef Py_ssize_t o = 0, m, unit, n
    cdef Py_ssize_t start[ROOM]
    cdef Py_ssize_t stop[ROOM]
    if p.rows == 0 and lane.bins == 1 and lane.near == sizeof(real) and sizeof(real) < 8 and not p.back:
        mean_units(lo, hi, p, x, y, _)
        return
    while p.channels > 1 and lo < hi:                  # as many as lie together
        n = min(hi - lo, p.channels - lo % p.channels)
        o = 0
        while o < n:
            m = min(ROOM, n - o)
            bin_plane(p, bytes_of(x) + offset_of(x, lo, core), bytes_of(y) + offset_of(y, lo, core), o, m, NULL,
                      NULL, _)
            o += m
        lo += n
    while p.channels == 1 and o < lane.bins:
        m = cut(lane, o, start, stop)
        for unit in range(lo, hi):
            bin_plane(p, bytes_of(x) + offset_of(x, unit, core), bytes_of(y) + offset_of(y, unit, core), o, m,
                      NULL if lane.cells == lane.bins else start, stop, _)
        o += m


cdef void run(Py_ssize_t lo, Py_ssize_t hi, void *x, void *y, void *like, bint back) noexcept nogil:
    cdef Planes p
    cdef int kind = kind_of(x)
    lay_out(&p, x, y, like, 4 if kind == c'f' else 8 if kind == c'd' else 2, back)
    if kind == c'f': bin_units(lo, hi, &p, x, y, <float *>NULL)
    elif kind == c'd': bin_units(lo, hi, &p, x, y, <double *>NULL)
    elif kind == c'e': bin_units(lo, hi, &p, x, y, <f16 *>NULL)
    else: bin_units(lo, hi, &p, x, y, <bf16 *>NULL)


def adaptive_avg_pool(Py_ssize_t lo, Py_ssize_t hi, x, out):
    cdef void *ox = <void *>x
    cdef void *oy = <void *>out
    with nogil: run(lo, hi, ox, oy, ox, False)


def adaptive_avg_pool_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, dx):
    cdef void *og = <void *>cotangent
    cdef void *ox = <void *>dx
    with nogil: run(lo, hi, og, ox, ox, True)
