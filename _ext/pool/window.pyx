# Max and average over windows that slide over planes, and their gradients. planes.pxd tells how a plane is walked.
from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from vec cimport *
from arrays cimport *
from planes cimport *
from rows cimport FAR

cdef enum:
    TAPS = 64
    AHEAD = 1024                   # cells from the one in use to the one to prefetch


# ---- lines ----

cdef inline void fetch_kind(wide *line, const char *row, Py_ssize_t step, Py_ssize_t n, const real *_) noexcept nogil:
    cdef const real *x = <const real *>row
    cdef Py_ssize_t j = 0
    if wide is double:
        while step == sizeof(real) and j + VW <= n:
            vstore(line + j, vload(x + j))
            j += VW
    for j in range(j, n):
        line[j] = <wide>get(<const real *>(row + j * step))


cdef const wide *fetch_copy(int kind, const char *row, Py_ssize_t step, Py_ssize_t n, wide *room) noexcept nogil:
    if kind == c'f': fetch_kind(room, row, step, n, <const float *>NULL)
    elif wide is double:
        if kind == c'd': fetch_kind(room, row, step, n, <const double *>NULL)
        elif kind == c'e': fetch_kind(room, row, step, n, <const f16 *>NULL)
        else: fetch_kind(room, row, step, n, <const bf16 *>NULL)
    return room


# A row as a line: itself where it is one, else a copy in room. Lines of float hold rows of float alone.
cdef inline const wide *fetch(int kind, const char *row, Py_ssize_t step, Py_ssize_t n, wide *room) noexcept nogil:
    if step == sizeof(wide) and kind == (c'f' if sizeof(wide) == 4 else c'd'):
        return <const wide *>row
    return fetch_copy(kind, row, step, n, room)


cdef inline void give_kind(const wide *line, char *row, Py_ssize_t step, Py_ssize_t n, real *_) noexcept nogil:
    cdef real *y = <real *>row
    cdef Py_ssize_t j = 0
    if step == sizeof(real):
        if wide is double:
            while j + VW <= n:
                vstore(y + j, vload(line + j))
                j += VW
        else:
            while j + LINE(line) <= n:
                lstore(<float *>y + j, lload(line + j))
                j += LINE(line)
    for j in range(j, n):
        put(<real *>(row + j * step), line[j])


cdef void give(int kind, const wide *line, char *row, Py_ssize_t step, Py_ssize_t n) noexcept nogil:
    if kind == c'f': give_kind(line, row, step, n, <float *>NULL)
    elif wide is double:
        if kind == c'd': give_kind(line, row, step, n, <double *>NULL)
        elif kind == c'e': give_kind(line, row, step, n, <f16 *>NULL)
        else: give_kind(line, row, step, n, <bf16 *>NULL)


# ---- channels side by side ----

# Where the cells under a row of windows begin, in bytes from x, at most TAPS of them; how many they are.
cdef inline Py_ssize_t taps_under(const Planes *p, Py_ssize_t row, Py_ssize_t *at, Py_ssize_t *offset, Walk *w) noexcept nogil:
    cdef Py_ssize_t t
    offset[0] = under(p, row, w)
    for t in range(w.total):
        at[t] = w.offset
        next_tap(p, w)
    return w.total


# Whether the lanes are channels and the cells under a window few: then each lane is taken through all of them at once.
cdef bint by_cell(const Planes *p, Py_ssize_t item) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t taps = 1
    cdef int a
    for a in range(p.rows): taps *= min(p.axis[a].window, TAPS + 1)
    return p.channels > 1 and lane.near == item and lane.far == item and taps <= TAPS


# ---- max ----

cdef inline wide larger(wide a, wide b) noexcept nogil:      # NaN if either is
    return a if a > b or a != a else b


# The last step goes back over lanes already done: that changes none, also where best is a.
cdef void join(wide *best, const wide *a, const wide *b, const wide *c, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j = 0
    if n < LINE(a):
        for j in range(n):
            best[j] = larger(larger(a[j], b[j]), c[j])
    else:
        while j < n:
            j = min(j, n - LINE(a))
            prefetch(b + j + AHEAD)
            prefetch(c + j + AHEAD)
            lstore(best + j, llarger(llarger(lload(a + j), lload(b + j)), lload(c + j)))
            j += LINE(a)


# Three taps at a time; the last ones again where fewer are left. The first ones find nothing in best yet.
cdef inline void join_columns(wide *best, const wide *seen, const Piece *e, const Axis *lane, bint fresh) noexcept nogil:
    cdef Py_ssize_t t = 0, o, last = e.taps - 1, s = lane.stride
    cdef const wide *a
    cdef const wide *b
    cdef const wide *c
    cdef wide most
    while t <= last:
        a = seen + t * lane.dilation
        b = seen + min(t + 1, last) * lane.dilation
        c = seen + min(t + 2, last) * lane.dilation
        o = 0
        if s == 1:
            while o < e.windows:
                if fresh: lstore(best + o, llarger(llarger(lload(a + o), lload(b + o)), lload(c + o)))
                else: lstore(best + o, llarger(lload(best + o), llarger(llarger(lload(a + o), lload(b + o)), lload(c + o))))
                o += LINE(a)
        elif s == 2:
            while o < e.windows:
                if fresh: lstore(best + o, llarger(llarger(lskip(a + 2 * o), lskip(b + 2 * o)), lskip(c + 2 * o)))
                else: lstore(best + o, llarger(lload(best + o), llarger(llarger(lskip(a + 2 * o), lskip(b + 2 * o)), lskip(c + 2 * o))))
                o += LINE(a)
        else:
            for o in range(e.windows):
                most = larger(larger(a[s * o], b[s * o]), c[s * o])
                best[o] = most if fresh else larger(best[o], most)
        fresh = False
        t += 3


# Where in `line` the span of a piece begins, such that its real cells begin a cache line; its padding is put there.
cdef inline wide *margins(wide *line, const Piece *e) noexcept nogil:
    cdef wide *seen = <wide *>((<size_t>(line + e.first) + 63) & ~<size_t>63) - e.first
    cdef Py_ssize_t t
    for t in range(e.first): seen[t] = -INFINITY
    for t in range(e.stop, e.span): seen[t] = -INFINITY
    return seen


# The cells under a row of windows, the largest of each column; where the row's output begins, in bytes.
cdef inline Py_ssize_t stack(const Planes *p, const char *x, Py_ssize_t row, const Piece *e, wide *cells, wide *room) noexcept nogil:
    cdef Py_ssize_t near = p.axis[p.rows].near, n = e.stop - e.first, t = 1, offset
    cdef const wide *a
    cdef const wide *b
    cdef const wide *c
    cdef Walk w
    offset = under(p, row, &w)
    a = fetch(p.kind, x + e.offset + w.offset, near, n, room)
    while True:
        b = c = a
        if t < w.total:
            next_tap(p, &w)
            b = c = fetch(p.kind, x + e.offset + w.offset, near, n, room + ROOM)
        if t + 1 < w.total:
            next_tap(p, &w)
            c = fetch(p.kind, x + e.offset + w.offset, near, n, room + 2 * ROOM)
        join(cells, a, b, c, n)
        a = cells
        t += 2
        if t >= w.total: return offset


# The columns of a row wait until the next row is stacked: what was stored a moment ago is slow to load.
cdef void max_plane(const Planes *p, const char *x, char *y, const wide *_) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t o = 0, row, rows = count_rows(p, True), j, k
    cdef Py_ssize_t offset[2]
    cdef wide *seen[2]
    cdef wide *more
    cdef Piece e, f
    cdef wide lines[3 * (ROOM + 3 * SLACK)]
    cdef wide best_[ROOM + 2 * SLACK]
    cdef wide room[3 * ROOM]
    cdef wide *best = <wide *>((<size_t>best_ + 63) & ~<size_t>63)
    while o < lane.windows:
        cut(lane, o, 0, &e)
        for k in range(2): seen[k] = margins(lines + k * (ROOM + 3 * SLACK), &e)
        for row in range(rows + 1):
            k = row % 2
            if row < rows: offset[k] = stack(p, x, row, &e, seen[k] + e.first, room)
            if row == 0: continue
            k = 1 - k
            join_columns(best, seen[k], &e, lane, True)
            j = e.taps
            while j < lane.window:                     # wider than a line
                cut(lane, o, j, &f)
                more = margins(lines + 2 * (ROOM + 3 * SLACK), &f)
                stack(p, x, row - 1, &f, more + f.first, room)
                join_columns(best, more, &f, lane, False)
                j += f.taps
            give(p.kind, best, y + offset[k] + o * lane.far, lane.far, e.windows)
        o += e.windows


# The last step goes back over lanes already done.
cdef inline void max_cells(const char *x, const Py_ssize_t *at, Py_ssize_t taps, wide *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j = 0, t
    cdef wide most
    while n >= LINE(y) and j < n:
        j = min(j, n - LINE(y))
        llargest(y + j, x + j * sizeof(wide), at, taps)
        j += LINE(y)
    for j in range(j, n):
        most = (<const wide *>(x + at[0]))[j]
        for t in range(1, taps): most = larger(most, (<const wide *>(x + at[t]))[j])
        y[j] = most


cdef void max_plane_by_cell(const Planes *p, const char *x, char *y, const wide *_) noexcept nogil:
    cdef Py_ssize_t at[TAPS]
    cdef Py_ssize_t row, offset, taps
    cdef Walk w
    for row in range(count_rows(p, True)):
        taps = taps_under(p, row, at, &offset, &w)
        max_cells(x, at, taps, <wide *>(y + offset), p.axis[p.rows].windows)


cdef void max_units(Py_ssize_t lo, Py_ssize_t hi, Planes *p, void *x, void *y, const wide *_) noexcept nogil:
    cdef int n = ndim_of(x) - 2
    cdef Py_ssize_t units
    cdef const char *px
    cdef char *py
    while lo < hi:
        units = bundle(p, lo, hi)
        px, py = bytes_of(x) + offset_of(x, lo, n), bytes_of(y) + offset_of(y, lo, n)
        if by_cell(p, sizeof(wide)) and p.kind == (c'f' if sizeof(wide) == 4 else c'd'): max_plane_by_cell(p, px, py, _)
        else: max_plane(p, px, py, _)
        lo += units


def max_pool(Py_ssize_t lo, Py_ssize_t hi, x, window, stride, dilation, padding, out):
    cdef Planes p
    cdef void *ox = <void *>x
    cdef void *oy = <void *>out
    lay_out(&p, x, x, out, window, stride, dilation, padding, False)
    with nogil:
        if p.kind == c'f': max_units(lo, hi, &p, ox, oy, <const float *>NULL)
        else: max_units(lo, hi, &p, ox, oy, <const double *>NULL)


# ---- average ----

# sum + x, and what its rounding lost added to lost
cdef inline void add(double *sum, double *lost, double x) noexcept nogil:
    cdef double s = sum[0], t = s + x, z = t - s
    lost[0] += (s - (t - z)) + (x - z)
    sum[0] = t


# An overflown sum has lost a NaN.
cdef inline double whole(double sum, double lost) noexcept nogil:
    cdef double t = sum + lost
    return t if t == t else sum


# The next two rows (one, where b is NULL), or the sums of their neighbours by two.
cdef inline void add_rows(double *sum, const real *a, const real *b, Py_ssize_t n, bint pairs, bint first) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd v
    cdef double t
    while pairs and j + VW <= n:
        prefetch(a + 2 * j + AHEAD)
        v = vpairs(a + 2 * j)
        if b:
            prefetch(b + 2 * j + AHEAD)
            v = v + vpairs(b + 2 * j)
        if not first: v = vload(sum + j) + v
        vstore(sum + j, v)
        j += VW
    while not pairs and j + VW <= n:
        prefetch(a + j + AHEAD)
        v = vload(a + j)
        if b:
            prefetch(b + j + AHEAD)
            v = v + vload(b + j)
        if not first: v = vload(sum + j) + v
        vstore(sum + j, v)
        j += VW
    for j in range(j, n):
        t = get(a + 2 * j) + get(a + 2 * j + 1) if pairs else get(a + j)
        if b: t = t + (get(b + 2 * j) + get(b + 2 * j + 1) if pairs else get(b + j))
        if not first: t = sum[j] + t
        sum[j] = t


# The sum of the rows under a row of windows, cell by cell; exact: with what the roundings lost.
cdef void sum_rows(const Planes *p, const char *x, Walk *w, Py_ssize_t n, double *sum, double *lost, double *room,
                   bint exact, bint pairs) noexcept nogil:
    cdef Py_ssize_t near = p.axis[p.rows].near, t = 0, j
    cdef const char *a
    cdef const char *b
    cdef const double *line
    cdef int kind = p.kind
    cdef Py_ssize_t item = 4 if kind == c'f' else 2
    if exact or near != item:
        for j in range(n): sum[j] = lost[j] = 0
        for t in range(w.total):
            line = fetch(kind, x + w.offset, near, n, room)
            for j in range(n): add(sum + j, lost + j, line[j])
            next_tap(p, w)
        return
    if w.total == 0:
        for j in range(n): sum[j] = 0
    while t < w.total:
        a = x + w.offset
        next_tap(p, w)
        b = x + w.offset if t + 1 < w.total else NULL
        if kind == c'f': add_rows(sum, <const float *>a, <const float *>b, n, pairs, t == 0)
        elif kind == c'e': add_rows(sum, <const f16 *>a, <const f16 *>b, n, pairs, t == 0)
        else: add_rows(sum, <const bf16 *>a, <const bf16 *>b, n, pairs, t == 0)
        next_tap(p, w)
        t += 2


# share: the part of its sum that a window takes, by column; times that of the row.
cdef void sum_columns(double *total, const double *sum, const Piece *e, Py_ssize_t s, const double *share, double row,
                      bint first, bint last) noexcept nogil:
    cdef Py_ssize_t o = 0, t
    cdef vd v
    cdef double d
    while s <= 2 and o < e.windows:
        v = vload(sum + o) if s == 1 else vskip(sum + 2 * o)
        for t in range(1, e.taps):
            v = v + (vload(sum + o + t) if s == 1 else vskip(sum + 2 * o + t))
        if not first: v = vload(total + o) + v
        if last: v = v * (vload(share + o) * row)
        vstore(total + o, v)
        o += VW
    for o in range(o, e.windows):
        d = sum[s * o]
        for t in range(1, e.taps): d += sum[s * o + t]
        if not first: d = total[o] + d
        if last: d = d * (share[o] * row)
        total[o] = d


cdef void sum_columns_exactly(double *total, double *rest, const double *sum, const double *lost, const Piece *e,
                              Py_ssize_t s) noexcept nogil:
    cdef Py_ssize_t o, t
    for t in range(e.taps):
        for o in range(e.windows):
            add(total + o, rest + o, sum[s * o + t])
            rest[o] += lost[s * o + t]


# Whether every window is two by two real cells, two columns from the next, in lines that lie as they are needed.
cdef bint in_fours(const Planes *p) noexcept nogil:
    cdef const Axis *rows = &p.axis[0]
    cdef const Axis *lane = &p.axis[1]
    cdef Py_ssize_t item = 4 if p.kind == c'f' else 2
    return (p.kind != c'd' and p.rows == 1 and rows.window == 2 and rows.before == 0
            and rows.windows * rows.stride + 2 <= rows.size + rows.stride and lane.window == 2 and lane.stride == 2
            and lane.before == 0 and 2 * lane.windows <= lane.size and lane.near == item and lane.far == item)


cdef inline void average_fours(const real *a, const real *b, real *y, Py_ssize_t n, bint past_caches) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef vd u, v
    while j + 2 * VW <= n:
        prefetch(a + 2 * j + AHEAD)
        prefetch(b + 2 * j + AHEAD)
        u = (vpairs(a + 2 * j) + vpairs(b + 2 * j)) * 0.25
        v = (vpairs(a + 2 * (j + VW)) + vpairs(b + 2 * (j + VW))) * 0.25
        if past_caches: vstream2(y + j, u, v)
        else: vstore2(y + j, u, v)
        j += 2 * VW
    for j in range(j, n):
        put(y + j, ((get(a + 2 * j) + get(a + 2 * j + 1)) + (get(b + 2 * j) + get(b + 2 * j + 1))) * 0.25)


# The means of fours without lines of sums, walks and shares.
cdef void fours_plane(const Planes *p, const char *x, char *y, bint far, const real *_) noexcept nogil:
    cdef const Axis *rows = &p.axis[0]
    cdef Py_ssize_t row
    cdef const char *a
    cdef char *to
    for row in range(rows.windows):
        a, to = x + row * rows.stride * rows.near, y + row * rows.far
        average_fours(<const real *>a, <const real *>(a + rows.near), <real *>to, p.axis[1].windows,
                      far and <size_t>to % (2 * VW * sizeof(real)) == 0)


cdef inline void average_cells(const char *x, const Py_ssize_t *at, Py_ssize_t taps, real *y, Py_ssize_t n, double share,
                               bint past_caches) noexcept nogil:
    cdef Py_ssize_t j = 0, t
    cdef const real *a
    cdef vd u, v
    cdef double d
    while j + 2 * VW <= n:
        u = v = vset(-0.0)
        for t in range(taps):
            a = <const real *>(x + at[t]) + j
            u, v = u + vload(a), v + vload(a + VW)
        if past_caches: vstream2(y + j, u * share, v * share)
        else: vstore2(y + j, u * share, v * share)
        j += 2 * VW
    for j in range(j, n):
        d = -0.0
        for t in range(taps): d += get(<const real *>(x + at[t]) + j)
        put(y + j, d * share)


cdef void avg_plane_by_cell(const Planes *p, const char *x, char *y, bint far, const real *_) noexcept nogil:
    cdef Py_ssize_t at[TAPS]
    cdef Py_ssize_t row, offset, taps, cells
    cdef real *to
    cdef int a
    cdef Walk w
    for row in range(count_rows(p, True)):
        taps = taps_under(p, row, at, &offset, &w)
        to, cells = <real *>(y + offset), 1
        for a in range(p.rows): cells *= divisor(&p.axis[a], w.place[a], p.padded)
        average_cells(x, at, taps, to, p.axis[p.rows].windows, 1.0 / cells, far and <size_t>to % (2 * VW * sizeof(real)) == 0)


cdef void avg_plane(const Planes *p, const char *x, char *y) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t o = 0, row, rows = count_rows(p, True), t, j, offset
    cdef Py_ssize_t item = 4 if p.kind == c'f' else 2
    cdef bint exact = p.kind == c'd', pairs
    cdef bint in_pairs = not exact and lane.near == item and lane.window == 2 and lane.stride == 2
    cdef double cells
    cdef int a
    cdef Piece e
    cdef Walk w
    cdef double sum[ROOM + SLACK]
    cdef double lost[ROOM + SLACK]
    cdef double total[ROOM]
    cdef double rest[ROOM]
    cdef double share[ROOM]
    cdef double room[ROOM]
    while o < lane.windows:
        cut(lane, o, 0, &e)
        for t in range(e.windows):
            share[t] = divisor(lane, o + t, p.padded)
            if not exact: share[t] = 1 / share[t]
        for row in range(rows):
            if exact:
                for t in range(e.windows): total[t] = rest[t] = 0
            j = 0
            while j < lane.window:
                offset = under(p, row, &w)
                cut(lane, o, j, &e)
                for t in range(e.first): sum[t] = lost[t] = 0
                for t in range(e.stop, e.span): sum[t] = lost[t] = 0
                j += e.taps
                pairs = in_pairs and e.stop - e.first == e.span
                sum_rows(p, x + e.offset, &w, e.windows if pairs else e.stop - e.first, sum + e.first, lost + e.first, room,
                         exact, pairs)
                cells = 1
                for a in range(p.rows): cells *= divisor(&p.axis[a], w.place[a], p.padded)
                if exact:
                    sum_columns_exactly(total, rest, sum, lost, &e, lane.stride)
                elif pairs:
                    e.taps = 1
                    sum_columns(total, sum, &e, 1, share, 1 / cells, True, True)
                else:
                    sum_columns(total, sum, &e, lane.stride, share, 1 / cells, j == e.taps, j == lane.window)
            if exact:
                for t in range(e.windows): total[t] = whole(total[t], rest[t]) / (cells * share[t])
            give(p.kind, total, y + offset + o * lane.far, lane.far, e.windows)
        o += e.windows


cdef inline void avg_units(const Planes *p, const char *x, char *y, bint far, const real *_) noexcept nogil:
    if in_fours(p): fours_plane(p, x, y, far, _)
    elif by_cell(p, sizeof(real)): avg_plane_by_cell(p, x, y, far, _)
    else: avg_plane(p, x, y)


def avg_pool(Py_ssize_t lo, Py_ssize_t hi, x, window, stride, padding, bint count_include_pad, out):
    cdef Planes p
    cdef void *ox = <void *>x
    cdef void *oy = <void *>out
    cdef int n = len(window)
    cdef bint far = x.nbytes >= FAR
    cdef Py_ssize_t units
    cdef const char *px
    cdef char *py
    lay_out(&p, x, x, out, window, stride, None, padding, count_include_pad)
    with nogil:
        while lo < hi:
            units = bundle(&p, lo, hi)
            px, py = bytes_of(ox) + offset_of(ox, lo, n), bytes_of(oy) + offset_of(oy, lo, n)
            if p.kind == c'f': avg_units(&p, px, py, far, <const float *>NULL)
            elif p.kind == c'd': avg_plane(&p, px, py)
            elif p.kind == c'e': avg_units(&p, px, py, False, <const f16 *>NULL)
            else: avg_units(&p, px, py, False, <const bf16 *>NULL)
            lo += units
        if far: fence()


# ---- gradients ----

# winner: which tap of each window is the first of the largest, or the first NaN.
cdef void find_winners(const Planes *p, const char *x, int32_t *winner, Py_ssize_t pitch, const wide *_) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t o = 0, row, rows = count_rows(p, True), t, j, k, start, s = lane.stride
    cdef int32_t number
    cdef int32_t *won
    cdef const wide *line
    cdef bint wins
    cdef wide a, b
    cdef Piece e
    cdef Walk w
    cdef wide seen[ROOM]
    cdef wide best[ROOM]
    cdef wide room[ROOM]
    while o < lane.windows:
        for row in range(rows):
            under(p, row, &w)
            won = winner + row * pitch + o
            cut(lane, o, 0, &e)
            for k in range(e.windows):                      # the first real tap, should all be -inf
                best[k] = -INFINITY
                start = (o + k) * s - lane.before
                won[k] = w.number * lane.window + (0 if start >= 0 else (lane.dilation - 1 - start) // lane.dilation)
            for t in range(w.total):
                j = 0
                while j < lane.window:
                    cut(lane, o, j, &e)
                    for k in range(e.first): seen[k] = -INFINITY
                    for k in range(e.stop, e.span): seen[k] = -INFINITY
                    line = fetch(p.kind, x + e.offset + w.offset, lane.near, e.stop - e.first, room)
                    for k in range(e.stop - e.first): seen[e.first + k] = line[k]
                    line = seen
                    for number in range(w.number * lane.window + j, w.number * lane.window + j + e.taps):
                        for k in range(e.windows):
                            a = best[k]
                            b = line[k * s]
                            wins = (b > a) | ((b != b) & (a == a))
                            best[k] = b if wins else a
                            won[k] = number if wins else won[k]
                        line += lane.dilation
                    j += e.taps
                next_tap(p, &w)
        o += e.windows


# The windows' parts to the cells under one tap: from the first in reach of [0, n) on, `start` being window 0's cell.
cdef void scatter(double *sum, double *lost, Py_ssize_t n, const double *part, Py_ssize_t m, Py_ssize_t start,
                  Py_ssize_t stride, bint exact) noexcept nogil:
    cdef Py_ssize_t k = 0 if start >= 0 else (stride - 1 - start) // stride
    cdef Py_ssize_t stop = min(m, 0 if start >= n else (n - start + stride - 1) // stride)
    if exact:
        for k in range(k, stop): add(sum + start + k * stride, lost + start + k * stride, part[k])
    else:
        for k in range(k, stop): sum[start + k * stride] += part[k]


cdef void keep_won(double *part, const double *line, const int32_t *won, int32_t tap, Py_ssize_t m) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(m): part[k] = line[k] if won[k] == tap else 0


# Each cell takes its part from every window over it: for an average g / divisor, for a maximum (winner given) g from
# the windows it has won.
cdef void spread(const Planes *p, const char *g, const int32_t *winner, Py_ssize_t pitch, char *dx) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t i = 0, n, row, rows = count_rows(p, False), t, j, k, o, m, stop, tap, start, first, offset
    cdef Py_ssize_t s = lane.stride, d = lane.dilation, shared      # the first window whose divisors share holds
    cdef bint exact = p.kind == c'd'
    cdef const double *line
    cdef double cells
    cdef Walk w
    cdef double sum[ROOM]
    cdef double lost[ROOM]
    cdef double part[ROOM]
    cdef double share[ROOM]
    cdef double room[ROOM]
    while i < lane.size:
        n = min(ROOM, lane.size - i)
        shared = -1
        start = i + lane.before - (lane.window - 1) * d
        first = 0 if start <= 0 else (start + s - 1) // s
        stop = min(lane.windows, (i + n - 1 + lane.before) // s + 1)
        for row in range(rows):
            offset = over(p, row, &w)
            for k in range(n): sum[k] = lost[k] = 0
            o = first
            while o < stop:
                m = min(ROOM, stop - o)
                if not winner and shared != o:
                    shared = o
                    for k in range(m): share[k] = divisor(lane, o + k, p.padded)
                for t in range(w.total):
                    walk_to(p, t, &w, &tap, &cells)
                    if tap < 0: continue
                    line = fetch(p.kind, g + w.offset + o * lane.far, lane.far, m, room)
                    if not winner:
                        for k in range(m): part[k] = line[k] / (cells * share[k])
                    for j in range(lane.window - 1, -1, -1):      # windows in ascending order, as the rows take them
                        if winner:
                            keep_won(part, line, winner + w.number * pitch + o, tap * lane.window + j, m)
                        scatter(sum, lost, n, part, m, o * s - lane.before + j * d - i, s, exact)
                o += m
            if exact:
                for k in range(n): sum[k] = whole(sum[k], lost[k])
            give(p.kind, sum, dx + offset + i * lane.near, lane.near, n)
        i += n


def avg_pool_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, window, stride, padding, bint count_include_pad, dx):
    cdef Planes p
    cdef void *og = <void *>cotangent
    cdef void *ox = <void *>dx
    cdef int n = len(window)
    cdef Py_ssize_t units
    lay_out(&p, dx, dx, cotangent, window, stride, None, padding, count_include_pad)
    with nogil:
        while lo < hi:
            units = bundle(&p, lo, hi)
            spread(&p, bytes_of(og) + offset_of(og, lo, n), NULL, 0, bytes_of(ox) + offset_of(ox, lo, n))
            lo += units


# winner: room for one int32 a window.
def max_pool_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, window, stride, dilation, padding, winner, dx):
    cdef Planes p, q
    cdef void *og = <void *>cotangent
    cdef void *ox = <void *>x
    cdef void *od = <void *>dx
    cdef int n = len(window)
    cdef Py_ssize_t units, pitch
    cdef int32_t *room = <int32_t *>bytes_of(<void *>winner)
    cdef int32_t *won
    cdef const char *plane
    lay_out(&p, x, x, cotangent, window, stride, dilation, padding, False)
    lay_out(&q, x, dx, cotangent, window, stride, dilation, padding, False)
    pitch = max(p.channels, p.axis[p.rows].windows)
    with nogil:
        while lo < hi:
            units = bundle(&p, lo, hi)
            bundle(&q, lo, hi)
            won = room + lo // p.channels * count_rows(&p, True) * pitch + lo % p.channels
            plane = bytes_of(ox) + offset_of(ox, lo, n)
            if p.kind == c'f': find_winners(&p, plane, won, pitch, <const float *>NULL)
            else: find_winners(&p, plane, won, pitch, <const double *>NULL)
            spread(&q, bytes_of(og) + offset_of(og, lo, n), won, pitch, bytes_of(od) + offset_of(od, lo, n))
            lo += units
