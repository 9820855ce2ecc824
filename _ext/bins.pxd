# Bins that cover planes: their geometry.
#
# Bin i of m over n cells takes every cell that overlaps i n / m .. (i + 1) n / m; the bins that take a cell follow the
# same rule with n and m changed round. A plane is walked in lines: along its last axis, or, where the channels lie side
# by side in memory, along the channels, which then are one more axis, each a bin of its own.
from arrays cimport *

cdef enum:
    ROOM = 1024                    # cells of a line
    AXES = 66

cdef struct Axis:
    Py_ssize_t cells, bins
    Py_ssize_t near, far           # bytes from one cell to the next, from one bin to the next

cdef struct Planes:
    bint back                      # the gradient: what is summed are cotangents, each divided by the size of its bin
    int rows                       # number of axes before the line
    Py_ssize_t channels            # 1 unless they are the line
    Axis axis[AXES]

# The rows under a row of bins.
cdef struct Walk:
    Py_ssize_t total
    Py_ssize_t offset              # in bytes, of the row walked to
    bint same                      # as under the row of bins before
    Py_ssize_t first[AXES]         # by axis: the first cell, how many, how many are behind
    Py_ssize_t count[AXES]
    Py_ssize_t at[AXES]


# ---- geometry ----

cdef inline Py_ssize_t begin(Py_ssize_t i, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    return i * n // m


cdef inline Py_ssize_t end(Py_ssize_t i, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    return ((i + 1) * n + m - 1) // m


# Two axes that lie behind one another in memory and have one bin each (or one cell each) are one axis.
cdef inline bint merge(Axis *a, const Axis *b) noexcept nogil:
    cdef bint cells = a.bins == b.bins == 1 and a.near == b.near * b.cells
    cdef bint bins = a.cells == b.cells == 1 and a.far == b.far * b.bins
    if not (cells or bins): return False
    a.cells, a.bins, a.near, a.far = a.cells * b.cells, a.bins * b.bins, b.near, b.far
    return True


cdef inline void lay_out(Planes *p, void *x, void *y, void *like, Py_ssize_t item, bint back) noexcept nogil:
    cdef int a, n = ndim_of(x) - 2
    p.back = back
    p.rows = -1
    p.channels = 1
    for a in range(2, n + 2):
        p.rows += 1
        p.axis[p.rows] = Axis(size_of(x, a), size_of(y, a), step_of(x, a), step_of(y, a))
        if p.rows and merge(&p.axis[p.rows - 1], &p.axis[p.rows]): p.rows -= 1
    if step_of(like, 1) == item and step_of(like, -1) != item:
        p.rows += 1
        p.channels = size_of(x, 1)
        p.axis[p.rows] = Axis(p.channels, p.channels, step_of(x, 1), step_of(y, 1))


cdef inline Py_ssize_t count_rows(const Planes *p) noexcept nogil:
    cdef Py_ssize_t n = 1
    cdef int a
    for a in range(p.rows): n *= p.axis[a].bins
    return n


# Walk to the first row under a row of bins; where the answer of that row begins, in bytes.
cdef inline Py_ssize_t under(const Planes *p, Py_ssize_t row, Walk *w) noexcept nogil:
    cdef Py_ssize_t place, first, count, offset = 0
    cdef const Axis *axis
    cdef int a
    w.same = w.total > 0
    w.total = 1
    w.offset = 0
    for a in range(p.rows - 1, -1, -1):
        axis = &p.axis[a]
        place = row
        if a:
            row = place // axis.bins
            place -= row * axis.bins
        first = begin(place, axis.cells, axis.bins)
        count = end(place, axis.cells, axis.bins) - first
        w.same = w.same and first == w.first[a] and count == w.count[a]
        w.first[a], w.count[a], w.at[a] = first, count, 0
        w.total *= count
        w.offset += first * axis.near
        offset += place * axis.far
    return offset


cdef inline void next_row(const Planes *p, Walk *w) noexcept nogil:
    cdef int a
    for a in range(p.rows - 1, -1, -1):
        w.at[a] += 1
        w.offset += p.axis[a].near
        if w.at[a] < w.count[a]: return
        w.at[a] = 0
        w.offset -= w.count[a] * p.axis[a].near


# How many bins the row walked to has taken part in: what its cotangents are divided by, but for the columns.
cdef inline double shared_by(const Planes *p, const Walk *w) noexcept nogil:
    cdef double n = 1
    cdef Py_ssize_t i
    cdef int a
    for a in range(p.rows):
        i = w.first[a] + w.at[a]
        n *= end(i, p.axis[a].bins, p.axis[a].cells) - begin(i, p.axis[a].bins, p.axis[a].cells)
    return n


# The bins from o on whose cells fit a line together; one at least, however wide.
cdef inline Py_ssize_t cut(const Axis *lane, Py_ssize_t o, Py_ssize_t *start, Py_ssize_t *stop) noexcept nogil:
    cdef Py_ssize_t m = 0
    while m < ROOM and o + m < lane.bins:
        start[m] = begin(o + m, lane.cells, lane.bins)
        stop[m] = end(o + m, lane.cells, lane.bins)
        if m and stop[m] - start[0] > ROOM: break
        m += 1
    return m
