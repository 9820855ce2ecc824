# The bins of several levels of every plane: their maxima or means. The edges of all bins cut a plane into a grid, whose
# cells are taken once; a bin is some of them. The rows of a cell are taken together first, in a line of doubles on the
# stack, and the columns after.
# A plan holds how many rows and columns the grid has and where they are cut, and of each level how many bins it has by
# row and by column, and where they start and stop in the grid.
from libc.math cimport INFINITY
from vec cimport *
from arrays cimport *
from rows cimport PIECE, pair, take, two_sum

cdef enum: GRID = 4096             # cells of a grid at most
ctypedef const Py_ssize_t *places


cdef inline double larger(double a, double b) noexcept nogil:
    """NaN if either is; the one branch is foreseen."""
    cdef double most = a if a > b else b
    return a if a != a else most


# ---- the rows of a cell, column by column ----

cdef inline void stack(const char *x, Py_ssize_t down, Py_ssize_t rows, Py_ssize_t n, bint largest, double *line,
                       real *_) noexcept nogil:
    """n columns that lie side by side, each through all rows in a register."""
    cdef const real *at = <const real *>x
    cdef Py_ssize_t j = 0, r
    cdef vd v
    cdef double d
    while j + VW <= n:
        v = vload(at + j)
        for r in range(1, rows):
            if largest: v = llarger(v, vload(<const real *>(x + r * down) + j))
            else: v = v + vload(<const real *>(x + r * down) + j)
        vstore(line + j, v)
        j += VW
    for j in range(j, n):
        d = get(at + j)
        for r in range(1, rows):
            if largest: d = larger(d, get(<const real *>(x + r * down) + j))
            else: d += get(<const real *>(x + r * down) + j)
        line[j] = d


cdef inline void stack_apart(const char *x, Py_ssize_t down, Py_ssize_t near, Py_ssize_t rows, Py_ssize_t n, bint largest,
                             double *line, double *lost, real *_) noexcept nogil:
    """n columns of any stride; of doubles with what the roundings lost."""
    cdef Py_ssize_t r, j
    cdef const real *row
    cdef real room[PIECE]
    cdef pair s
    for r in range(rows):
        row = take(x + r * down, near, 0, n, room)
        for j in range(n):
            if r == 0: line[j], lost[j] = get(row + j), 0
            elif largest: line[j] = larger(line[j], get(row + j))
            else:
                s = two_sum(line[j], get(row + j))
                line[j], lost[j] = s.hi, lost[j] + s.lo


# ---- what is in a cell, what is in a bin ----

cdef inline void put_in(pair *s, double hi, double lo, bint largest, real *_) noexcept nogil:
    cdef pair t
    if largest: s.hi = larger(s.hi, hi)
    elif sizeof(real) < 8: s.hi += hi
    else:
        t = two_sum(s.hi, hi)
        s.hi, s.lo = t.hi, s.lo + t.lo + lo


cdef inline void gather(pair *cell, const double *line, const double *lost, Py_ssize_t n, bint largest, real *_) noexcept nogil:
    """Put columns into a cell, two chains of them where their order is free."""
    cdef Py_ssize_t j = 0
    cdef pair s = cell[0]
    cdef double other = -INFINITY if largest else -0.0
    if sizeof(real) < 8 or largest:
        while j + 2 <= n:
            s.hi = larger(s.hi, line[j]) if largest else s.hi + line[j]
            other = larger(other, line[j + 1]) if largest else other + line[j + 1]
            j += 2
        s.hi = larger(s.hi, other) if largest else s.hi + other
    for j in range(j, n): put_in(&s, line[j], 0 if largest or sizeof(real) < 8 else lost[j], largest, _)
    cell[0] = s


cdef inline void fill_grid(const char *x, Py_ssize_t down, Py_ssize_t near, Py_ssize_t rows, Py_ssize_t columns, places row,
                           places column, bint largest, pair *grid, real *_) noexcept nogil:
    cdef double line[PIECE]
    cdef double lost[PIECE]
    cdef Py_ssize_t r, k, c, n, a, b, w = column[columns]
    cdef const char *at
    cdef pair *cell
    for r in range(rows):
        cell = grid + r * columns
        for k in range(columns): cell[k].hi, cell[k].lo = -INFINITY if largest else -0.0, 0
        c = k = 0
        while c < w:
            n = min(PIECE, w - c)
            at = x + row[r] * down + c * near
            if near == sizeof(real) and (sizeof(real) < 8 or largest): stack(at, down, row[r + 1] - row[r], n, largest, line, _)
            else: stack_apart(at, down, near, row[r + 1] - row[r], n, largest, line, lost, _)
            while k < columns and column[k] < c + n:
                a, b = max(column[k], c) - c, min(column[k + 1], c + n) - c
                gather(cell + k, line + a, lost + a, b - a, largest, _)
                k += 1
            c += n
            k -= k > 0 and column[k] > c           # it goes on in the next piece


cdef inline void answer(real *y, const pair *grid, Py_ssize_t columns, places row, places column, Py_ssize_t a, Py_ssize_t b,
                        Py_ssize_t c, Py_ssize_t d, bint largest, real *_) noexcept nogil:
    """The bin of rows a to b and columns c to d of the grid."""
    cdef pair s
    cdef double v
    cdef Py_ssize_t i, j
    s.hi, s.lo = -INFINITY if largest else -0.0, 0
    for i in range(a, b):
        for j in range(c, d): put_in(&s, grid[i * columns + j].hi, grid[i * columns + j].lo, largest, _)
    v = s.hi + s.lo
    if v != v: v = s.hi            # an overflown sum has lost a NaN
    put(y, v if largest else v / ((row[b] - row[a]) * (column[d] - column[c])))


cdef inline void planes(Py_ssize_t lo, Py_ssize_t hi, void *x, places plan, Py_ssize_t levels, bint largest, bint tokens, void *y,
                 real *_) noexcept nogil:
    cdef Py_ssize_t channels = size_of(x, 1), down = step_of(x, 2), near = step_of(x, 3), rows = plan[0], columns = plan[1]
    cdef Py_ssize_t sample = step_of(y, 0), step = step_of(y, 1), channel = step_of(y, -1) if tokens else 0
    cdef places row = plan + 2, column = plan + 3 + rows, at
    cdef Py_ssize_t i, level, c, m, n, j, k, before
    cdef char *to
    cdef pair grid[GRID]
    for i in range(lo, hi):
        fill_grid(bytes_of(x) + offset_of(x, i, 2), down, near, rows, columns, row, column, largest, grid, _)
        c, at, before = i % channels, column + columns + 1, 0
        for level in range(levels):
            m, n = at[0], at[1]
            at += 2
            to = bytes_of(y) + i // channels * sample
            to += before * step + c * channel if tokens else (before * channels + c * m * n) * step
            for j in range(m):
                for k in range(n):
                    answer(<real *>(to + (j * n + k) * step), grid, columns, row, column, at[j], at[m + j],
                           at[2 * m + k], at[2 * m + n + k], largest, _)
            at += 2 * (m + n)
            before += m * n


cdef void either(Py_ssize_t lo, Py_ssize_t hi, void *x, places plan, Py_ssize_t levels, bint largest, bint tokens, void *y,
                 real *_) noexcept nogil:
    """A loop for each, so that no cell asks which."""
    if largest: planes(lo, hi, x, plan, levels, True, tokens, y, _)
    else: planes(lo, hi, x, plan, levels, False, tokens, y, _)


def spatial_pyramid_pool(Py_ssize_t lo, Py_ssize_t hi, x, plan, Py_ssize_t levels, bint largest, bint tokens, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *po = <void *>out
    cdef places at = <places>bytes_of(<void *>plan)
    with nogil:
        if kind == c'f': either[float](lo, hi, px, at, levels, largest, tokens, po, NULL)
        elif kind == c'd': either[double](lo, hi, px, at, levels, largest, tokens, po, NULL)
        elif kind == c'e': either[f16](lo, hi, px, at, levels, largest, tokens, po, NULL)
        else: either[bf16](lo, hi, px, at, levels, largest, tokens, po, NULL)


# ---- the gradient ----

cdef struct spot:                  # a cell of a plane
    Py_ssize_t row, column


cdef inline spot winner(const char *x, Py_ssize_t down, Py_ssize_t near, Py_ssize_t a, Py_ssize_t b, Py_ssize_t c,
                        Py_ssize_t d, real *_) noexcept nogil:
    """The first of the largest cells in rows a to b and columns c to d, or the first NaN."""
    cdef spot found
    cdef double most, v
    cdef Py_ssize_t i, j
    found.row, found.column = a, c
    most = get(<const real *>(x + a * down + c * near))
    for i in range(a, b):
        for j in range(c, d):
            v = get(<const real *>(x + i * down + j * near))
            if not v <= most and most == most: most, found.row, found.column = v, i, j
    return found


cdef inline void add_to(double *line, double *lost, double v) noexcept nogil:
    cdef pair s = two_sum(line[0], v)
    line[0] = s.hi
    lost[0] += s.lo


cdef inline void backwards(Py_ssize_t lo, Py_ssize_t hi, void *x, void *g, places plan, Py_ssize_t levels, bint largest,
                           bint tokens, void *dx, real *_) noexcept nogil:
    """Row by row: each takes from the bins that hold it, or whose winner is in it."""
    cdef Py_ssize_t channels = size_of(x, 1), height = size_of(x, 2), width = size_of(x, 3)
    cdef Py_ssize_t down = step_of(x, 2), near = step_of(x, 3), below = step_of(dx, 2), beside = step_of(dx, 3)
    cdef Py_ssize_t sample = step_of(g, 0), step = step_of(g, 1), channel = step_of(g, -1) if tokens else 0
    cdef places row = plan + 2, column = plan + 3 + plan[0], at
    cdef Py_ssize_t i, level, c, m, n, j, k, b, r, w, p, q, before, size
    cdef const char *px
    cdef const char *pg
    cdef real *to
    cdef double v
    cdef double line[PIECE]
    cdef double lost[PIECE]
    cdef spot won[GRID]
    for i in range(lo, hi):
        c, px = i % channels, bytes_of(x) + offset_of(x, i, 2)
        for r in range(-1 if largest else 0, height):          # the winners are looked for before the first row
            w = 0
            while w < width:
                size = min(PIECE, width - w)
                for j in range(size): line[j] = lost[j] = 0
                at, before = column + plan[1] + 1, 0
                for level in range(levels):
                    m, n = at[0], at[1]
                    at += 2
                    pg = bytes_of(g) + i // channels * sample
                    pg += before * step + c * channel if tokens else (before * channels + c * m * n) * step
                    for b in range(m * n):
                        j, k = b // n, b % n
                        if largest and r < 0:
                            won[before + b] = winner(px, down, near, row[at[j]], row[at[m + j]], column[at[2 * m + k]],
                                                     column[at[2 * m + n + k]], _)
                        elif largest:
                            p = won[before + b].column - w
                            if won[before + b].row == r and 0 <= p < size:
                                add_to(line + p, lost + p, get(<const real *>(pg + b * step)))
                        elif row[at[j]] <= r < row[at[m + j]]:
                            p, q = column[at[2 * m + k]], column[at[2 * m + n + k]]
                            v = get(<const real *>(pg + b * step)) / ((row[at[m + j]] - row[at[j]]) * (q - p))
                            for q in range(max(p, w) - w, min(q, w + size) - w): add_to(line + q, lost + q, v)
                    at += 2 * (m + n)
                    before += m * n
                for j in range(size if r >= 0 else 0):
                    to = <real *>(bytes_of(dx) + offset_of(dx, i, 2) + r * below + (w + j) * beside)
                    v = line[j] + lost[j]
                    put(to, line[j] if v != v else v)
                w += size


cdef void either_backwards(Py_ssize_t lo, Py_ssize_t hi, void *x, void *g, places plan, Py_ssize_t levels, bint largest,
                           bint tokens, void *dx, real *_) noexcept nogil:
    if largest: backwards(lo, hi, x, g, plan, levels, True, tokens, dx, _)
    else: backwards(lo, hi, x, g, plan, levels, False, tokens, dx, _)


def spatial_pyramid_pool_vjp(Py_ssize_t lo, Py_ssize_t hi, x, cotangent, plan, Py_ssize_t levels, bint largest, bint tokens, dx):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pg = <void *>cotangent
    cdef void *pd = <void *>dx
    cdef places at = <places>bytes_of(<void *>plan)
    with nogil:
        if kind == c'f': either_backwards[float](lo, hi, px, pg, at, levels, largest, tokens, pd, NULL)
        elif kind == c'd': either_backwards[double](lo, hi, px, pg, at, levels, largest, tokens, pd, NULL)
        elif kind == c'e': either_backwards[f16](lo, hi, px, pg, at, levels, largest, tokens, pd, NULL)
        else: either_backwards[bf16](lo, hi, px, pg, at, levels, largest, tokens, pd, NULL)
