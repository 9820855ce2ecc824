# Max and average over windows that slide over planes, and their gradients.
#
# A plane is walked in lines of lanes: its last spatial axis, or, where the channels lie side by side in memory,
# the channels, which then are one more axis, with windows of one cell. Rows are taken together first, columns after,
# in a line on the stack. A window too wide for that line is taken in pieces.
from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from vec cimport *
from arrays cimport *

cdef enum:
    ROOM = 1024      # cells of a line on the stack
    AXES = 66

ctypedef fused wide:
    float
    double

cdef struct Axis:
    Py_ssize_t size, windows, window, stride, dilation, before, after
    Py_ssize_t near                # bytes from one cell to the next: x, dx
    Py_ssize_t far                 # bytes from one window to the next: out, cotangent

cdef struct Planes:
    int rows                       # number of axes before the lanes
    Axis axis[AXES]
    Py_ssize_t channels            # 1 unless they are the lanes
    bint padded                    # whether padding counts in an average

# The partners of one row: taps of a window's row, or windows over a cell's row. first and count by axis.
cdef struct Reach:
    Py_ssize_t total
    Py_ssize_t at[AXES]
    Py_ssize_t first[AXES]
    Py_ssize_t count[AXES]


# ---- geometry ----

cdef int lay_out(Planes *p, x, y, window, stride, dilation, padding, bint padded) except -1:
    cdef int a, n = len(window)
    cdef void *ox = <void *>x
    cdef void *oy = <void *>y
    cdef Py_ssize_t item = x.itemsize
    p.padded = padded
    p.rows = n - 1
    p.channels = 1
    for a in range(n):
        p.axis[a] = Axis(size_of(ox, a - n), size_of(oy, a - n), window[a], stride[a], dilation[a] if dilation else 1,
                         padding[a][0], padding[a][1], step_of(ox, a - n), step_of(oy, a - n))
    if step_of(ox, -n - 1) == item and step_of(ox, -1) != item:
        p.rows = n
        p.channels = size_of(ox, -n - 1)
        p.axis[n] = Axis(1, 1, 1, 1, 1, 0, 0, item, step_of(oy, -n - 1))
    return 0


# Units that are walked together from unit lo on.
cdef inline Py_ssize_t bundle(Planes *p, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    cdef Py_ssize_t n = 1
    if p.channels > 1:
        n = min(hi - lo, p.channels - lo % p.channels)
        p.axis[p.rows].size = p.axis[p.rows].windows = n
    return n


cdef inline Py_ssize_t count_rows(const Planes *p, bint windows) noexcept nogil:
    cdef Py_ssize_t n = 1
    cdef int a
    for a in range(p.rows):
        n *= p.axis[a].windows if windows else p.axis[a].size
    return n


# Cells that a window's sum is divided by along one axis. Cells beyond the padding never count.
cdef inline Py_ssize_t divisor(const Axis *a, Py_ssize_t window, bint padded) noexcept nogil:
    cdef Py_ssize_t start = window * a.stride - a.before, stop = start + a.window
    if padded:
        return min(stop, a.size + a.after) - start
    return min(stop, a.size) - max(start, 0)


# Real taps of the windows of one row of windows; returns that row's byte offset.
cdef inline Py_ssize_t taps_of(const Planes *p, Py_ssize_t row, Reach *r) noexcept nogil:
    cdef Py_ssize_t at, start, first, stop, offset = 0
    cdef const Axis *axis
    cdef int a
    r.total = 1
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        at = row
        if a:
            row = at // axis.windows
            at -= row * axis.windows
        offset += at * axis.far
        start = at * axis.stride - axis.before
        first = 0
        stop = axis.window
        if start < 0:
            first = (axis.dilation - 1 - start) // axis.dilation
        if start + (stop - 1) * axis.dilation >= axis.size:
            stop = max(first, (axis.size - start + axis.dilation - 1) // axis.dilation)
        r.at[a] = at
        r.first[a] = first
        r.count[a] = stop - first
        r.total *= stop - first
    return offset


# Byte offset of the row of x under tap number t of the real ones; the tap's number among all of the window.
cdef inline Py_ssize_t tap_row(const Planes *p, const Reach *r, Py_ssize_t t, Py_ssize_t *number) noexcept nogil:
    cdef Py_ssize_t tap, offset = 0, weight = 1
    cdef const Axis *axis
    cdef int a
    number[0] = 0
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        tap = t
        if a:
            t = tap // r.count[a]
            tap -= t * r.count[a]
        tap += r.first[a]
        offset += (r.at[a] * axis.stride - axis.before + tap * axis.dilation) * axis.near
        number[0] += tap * weight
        weight *= axis.window
    return offset


# Windows that may hold the cells of one row of cells; returns that row's byte offset.
cdef inline Py_ssize_t windows_of(const Planes *p, Py_ssize_t row, Reach *r) noexcept nogil:
    cdef Py_ssize_t at, start, first, offset = 0
    cdef const Axis *axis
    cdef int a
    r.total = 1
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        at = row
        if a:
            row = at // axis.size
            at -= row * axis.size
        offset += at * axis.near
        start = at + axis.before - (axis.window - 1) * axis.dilation
        first = 0 if start <= 0 else (start + axis.stride - 1) // axis.stride
        r.at[a] = at
        r.first[a] = first
        r.count[a] = max(0, min(axis.windows, (at + axis.before) // axis.stride + 1) - first)
        r.total *= r.count[a]
    return offset


# Byte offset of window row number t of those; its number among all, the tap that meets the cell, and the divisor.
# The tap is -1 where dilation steps over the cell.
cdef inline Py_ssize_t window_row(const Planes *p, const Reach *r, Py_ssize_t t, Py_ssize_t *number, Py_ssize_t *tap,
                                  double *cells) noexcept nogil:
    cdef Py_ssize_t window, distance, offset = 0, weight = 1, tap_weight = 1
    cdef const Axis *axis
    cdef int a
    cdef bint met = True
    number[0] = tap[0] = 0
    cells[0] = 1
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        window = t
        if a:
            t = window // r.count[a]
            window -= t * r.count[a]
        window += r.first[a]
        distance = r.at[a] + axis.before - window * axis.stride
        if axis.dilation != 1:
            met = met and distance % axis.dilation == 0
            distance //= axis.dilation
        offset += window * axis.far
        number[0] += window * weight
        tap[0] += distance * tap_weight
        cells[0] *= divisor(axis, window, p.padded)
        weight *= axis.windows
        tap_weight *= axis.window
    if not met:
        tap[0] = -1
    return offset


# Columns [first, stop) of a line of windows whose tap lands in [0, size), where window 0 puts it at start.
cdef inline void landing(Py_ssize_t start, Py_ssize_t stride, Py_ssize_t size, Py_ssize_t *first,
                         Py_ssize_t *stop) noexcept nogil:
    first[0] = 0 if start >= 0 else (stride - 1 - start) // stride
    stop[0] = min(stop[0], 0 if start >= size else (size - start + stride - 1) // stride)


# ---- lines ----

cdef inline void fetch(wide *line, const char *row, Py_ssize_t step, Py_ssize_t n, const real *_) noexcept nogil:
    cdef const real *x = <const real *>row
    cdef Py_ssize_t j = 0
    if step == sizeof(real):
        if wide is double:
            while j + VW <= n:
                vstore(line + j, vload(x + j))
                j += VW
        for j in range(j, n):
            line[j] = <wide>get(x + j)
    else:
        for j in range(n):
            line[j] = <wide>get(<const real *>(row + j * step))


# The row itself where it already is a line, else a copy in room.
cdef inline const wide *line_of(const char *row, Py_ssize_t step, Py_ssize_t n, wide *room,
                                const real *_) noexcept nogil:
    if (real is float and wide is float) or (real is double and wide is double):
        if step == sizeof(real):
            return <const wide *>row
    fetch(room, row, step, n, _)
    return room


cdef inline void give(char *row, Py_ssize_t step, const wide *line, Py_ssize_t n, const real *_) noexcept nogil:
    cdef real *y = <real *>row
    cdef Py_ssize_t j = 0
    if step == sizeof(real):
        if wide is double:
            while j + VW <= n:
                vstore(y + j, vload(line + j))
                j += VW
        for j in range(j, n):
            put(y + j, line[j])
    else:
        for j in range(n):
            put(<real *>(row + j * step), line[j])


# ---- max ----

cdef inline wide larger(wide a, wide b) noexcept nogil:      # NaN if either is
    cdef wide m = a if a > b else b
    return a if a != a else m


cdef inline void join(wide *best, const wide *a, const wide *b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        best[j] = larger(a[j], b[j])


cdef inline void fold(wide *best, const wide *a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        best[j] = larger(best[j], a[j])


cdef inline void columns(wide *best, const wide *seen, Py_ssize_t m, Py_ssize_t stride, Py_ssize_t dilation,
                         Py_ssize_t taps) noexcept nogil:
    cdef Py_ssize_t j, o
    for j in range(taps):
        if stride == 1:
            fold(best, seen, m)
        elif stride == 2:
            for o in range(m):
                best[o] = larger(best[o], seen[2 * o])
        else:
            for o in range(m):
                best[o] = larger(best[o], seen[stride * o])
        seen += dilation


cdef void max_plane(const Planes *p, const char *x, char *y, const real *_, const wide *__) noexcept nogil:
    cdef const Axis *lane = &p.axis[p.rows]
    cdef Py_ssize_t s = lane.stride, d = lane.dilation, near = lane.near, rows = count_rows(p, True)
    cdef Py_ssize_t most = min(lane.windows, 1 + (ROOM // 2 - 1) // s), taps = 1 + (ROOM - 1 - (most - 1) * s) // d
    cdef Py_ssize_t m, o, row, t, j, k, start, span, a, b, offset, number
    cdef const char *origin
    cdef Reach r
    cdef wide seen[ROOM]
    cdef wide best[ROOM]
    cdef wide room[ROOM]
    cdef wide other[ROOM]
    o = 0
    while o < lane.windows:
        m = min(most, lane.windows - o)
        for row in range(rows):
            offset = taps_of(p, row, &r)
            for t in range(m): best[t] = -INFINITY
            j = 0
            while j < lane.window:
                k = min(taps, lane.window - j)
                start = o * s - lane.before + j * d
                span = (m - 1) * s + (k - 1) * d + 1
                a = min(span, max(0, -start))
                b = max(a, min(span, lane.size - start))
                for t in range(a): seen[t] = -INFINITY
                for t in range(b, span): seen[t] = -INFINITY
                origin = x + (start + a) * near
                if r.total == 1:
                    fetch(seen + a, origin + tap_row(p, &r, 0, &number), near, b - a, _)
                else:
                    join(seen + a, line_of(origin + tap_row(p, &r, 0, &number), near, b - a, room, _),
                         line_of(origin + tap_row(p, &r, 1, &number), near, b - a, other, _), b - a)
                for t in range(2, r.total):
                    fold(seen + a, line_of(origin + tap_row(p, &r, t, &number), near, b - a, room, _), b - a)
                columns(best, seen, m, s, d, k)
                j += k
            give(y + offset + o * lane.far, lane.far, best, m, _)
        o += m


cdef void max_units(Py_ssize_t lo, Py_ssize_t hi, Planes *p, void *x, void *y, const real *_,
                    const wide *__) noexcept nogil:
    cdef int n = ndim_of(x) - 2
    cdef Py_ssize_t units
    while lo < hi:
        units = bundle(p, lo, hi)
        max_plane(p, bytes_of(x) + offset_of(x, lo, n), bytes_of(y) + offset_of(y, lo, n), _, __)
        lo += units


def max_pool(Py_ssize_t lo, Py_ssize_t hi, x, window, stride, dilation, padding, out):
    cdef Planes p
    cdef int kind = kind_of(<void *>x)
    cdef void *ox = <void *>x
    cdef void *oy = <void *>out
    lay_out(&p, x, out, window, stride, dilation, padding, False)
    with nogil:
        if kind == c'f': max_units(lo, hi, &p, ox, oy, <const float *>NULL, <const float *>NULL)
        elif kind == c'd': max_units(lo, hi, &p, ox, oy, <const double *>NULL, <const double *>NULL)
        elif kind == c'e': max_units(lo, hi, &p, ox, oy, <const f16 *>NULL, <const double *>NULL)
        else: max_units(lo, hi, &p, ox, oy, <const bf16 *>NULL, <const double *>NULL)
