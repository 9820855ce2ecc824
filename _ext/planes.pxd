# Windows that slide over planes: their geometry.
#
# A plane is walked in lines of lanes: along its last axis, or, where the channels lie side by side in memory, along
# the channels, which then are one more axis, with windows of one cell. The rows under a window are taken together
# first and the columns after, in lines on the stack. What is too wide for such a line is taken in pieces.
from vec cimport *
from arrays cimport *

cdef enum:
    ROOM = 1024                    # cells of a line
    SLACK = 32                     # cells that the last step of 64 bytes may run over
    AXES = 66

ctypedef fused wide:
    float
    double

cdef struct Axis:
    Py_ssize_t size, windows, window, stride, dilation, before, after
    Py_ssize_t near, far           # bytes from one cell to the next (x, dx), from one window to the next (out, cotangent)
    Py_ssize_t most, taps          # windows and taps that a piece can hold

cdef struct Planes:
    int kind
    bint padded                    # whether padding counts in an average
    int rows                       # number of axes before the lanes
    Py_ssize_t channels            # 1 unless they are the lanes
    Axis axis[AXES]

# The partners of a row: the rows of cells under a row of windows, or the rows of windows over a row of cells.
cdef struct Walk:
    Py_ssize_t total
    Py_ssize_t offset              # in bytes, of the partner walked to
    Py_ssize_t number              # of its tap, or of its row of windows
    Py_ssize_t place[AXES]         # by axis: of the row, the first partner, how many, how many are behind
    Py_ssize_t first[AXES]
    Py_ssize_t count[AXES]
    Py_ssize_t at[AXES]

# A part of a line of windows, and of their taps, and the cells under it.
cdef struct Piece:
    Py_ssize_t windows, taps, span
    Py_ssize_t first, stop         # cells of the span that are not padding
    Py_ssize_t offset              # of the first, in bytes


# ---- geometry ----

# The channels are the lanes where they lie side by side in `like`.
cdef inline int lay_out(Planes *p, like, x, y, window, stride, dilation, padding, bint padded) except -1:
    cdef int a, n = len(window)
    cdef void *ox = <void *>x
    cdef void *oy = <void *>y
    cdef Axis *axis
    p.kind = kind_of(ox)
    p.padded = padded
    p.rows = n - 1
    p.channels = 1
    for a in range(n):
        p.axis[a] = Axis(size_of(ox, a - n), size_of(oy, a - n), window[a], stride[a], dilation[a] if dilation else 1,
                         padding[a][0], padding[a][1], step_of(ox, a - n), step_of(oy, a - n), 0, 0)
    if step_of(<void *>like, -n - 1) == x.itemsize and step_of(<void *>like, -1) != x.itemsize:
        p.rows = n
        p.channels = size_of(ox, -n - 1)
        p.axis[n] = Axis(1, 1, 1, 1, 1, 0, 0, step_of(ox, -n - 1), step_of(oy, -n - 1), 0, 0)
    axis = &p.axis[p.rows]
    axis.most = 1 + (ROOM // 2 - 1) // axis.stride
    axis.taps = 1 + (ROOM - 1 - (axis.most - 1) * axis.stride) // axis.dilation
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


# What a window's sum is divided by along one axis. Cells beyond the padding never count.
cdef inline Py_ssize_t divisor(const Axis *axis, Py_ssize_t window, bint padded) noexcept nogil:
    cdef Py_ssize_t start = window * axis.stride - axis.before, stop = start + axis.window
    if padded:
        return min(stop, axis.size + axis.after) - start
    return min(stop, axis.size) - max(start, 0)


# Walk to the first real tap under a row of windows; their offset in bytes.
cdef inline Py_ssize_t under(const Planes *p, Py_ssize_t row, Walk *w) noexcept nogil:
    cdef Py_ssize_t place, start, first, stop, offset = 0, weight = 1
    cdef const Axis *axis
    cdef int a
    w.total = 1
    w.offset = w.number = 0
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        place = row
        if a:
            row = place // axis.windows
            place -= row * axis.windows
        start = place * axis.stride - axis.before
        first = 0 if start >= 0 else (axis.dilation - 1 - start) // axis.dilation
        stop = axis.window
        if start + (stop - 1) * axis.dilation >= axis.size:
            stop = max(first, (axis.size - start + axis.dilation - 1) // axis.dilation)
        w.place[a] = place
        w.first[a] = first
        w.count[a] = stop - first
        w.at[a] = 0
        w.total *= stop - first
        w.offset += (start + first * axis.dilation) * axis.near
        w.number += first * weight
        weight *= axis.window
        offset += place * axis.far
    return offset


cdef inline void next_tap(const Planes *p, Walk *w) noexcept nogil:
    cdef Py_ssize_t weight = 1
    cdef const Axis *axis
    cdef int a
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        w.at[a] += 1
        w.offset += axis.dilation * axis.near
        w.number += weight
        if w.at[a] < w.count[a]:
            return
        w.at[a] = 0
        w.offset -= w.count[a] * axis.dilation * axis.near
        w.number -= w.count[a] * weight
        weight *= axis.window


# Count the rows of windows that may hold a row of cells; that row's offset in bytes.
cdef inline Py_ssize_t over(const Planes *p, Py_ssize_t row, Walk *w) noexcept nogil:
    cdef Py_ssize_t place, start, first, offset = 0
    cdef const Axis *axis
    cdef int a
    w.total = 1
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        place = row
        if a:
            row = place // axis.size
            place -= row * axis.size
        start = place + axis.before - (axis.window - 1) * axis.dilation
        first = 0 if start <= 0 else (start + axis.stride - 1) // axis.stride
        w.place[a] = place
        w.first[a] = first
        w.count[a] = max(0, min(axis.windows, (place + axis.before) // axis.stride + 1) - first)
        w.total *= w.count[a]
        offset += place * axis.near
    return offset


# Walk to row number t of those windows. tap is the one that meets the cells, -1 where dilation steps over them.
cdef inline void walk_to(const Planes *p, Py_ssize_t t, Walk *w, Py_ssize_t *tap, double *cells) noexcept nogil:
    cdef Py_ssize_t window, distance, windows = 1, taps = 1
    cdef const Axis *axis
    cdef bint met = True
    cdef int a
    w.offset = w.number = tap[0] = 0
    cells[0] = 1
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        window = t
        if a:
            t = window // w.count[a]
            window -= t * w.count[a]
        window += w.first[a]
        distance = w.place[a] + axis.before - window * axis.stride
        if axis.dilation > 1:
            met = met and distance % axis.dilation == 0
            distance //= axis.dilation
        w.offset += window * axis.far
        w.number += window * windows
        tap[0] += distance * taps
        cells[0] *= divisor(axis, window, p.padded)
        windows *= axis.windows
        taps *= axis.window
    if not met:
        tap[0] = -1


cdef inline void cut(const Axis *lane, Py_ssize_t window, Py_ssize_t tap, Piece *e) noexcept nogil:
    cdef Py_ssize_t start = window * lane.stride - lane.before + tap * lane.dilation
    e.windows = min(lane.most, lane.windows - window)
    e.taps = min(lane.taps, lane.window - tap)
    e.span = (e.windows - 1) * lane.stride + (e.taps - 1) * lane.dilation + 1
    e.first = min(e.span, max(0, -start))
    e.stop = max(e.first, min(e.span, lane.size - start))
    e.offset = (start + e.first) * lane.near
