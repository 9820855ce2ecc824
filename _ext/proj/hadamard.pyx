# scale * H x for rows of n = 2^levels elements; Fastfood's chain H G P H S x; and the gradients.
#
# A row is read in tiles of 64, which go through six levels in registers, and lies in a line of doubles from there on.
# Tiles are joined to blocks of 512 and these to the row, three levels at a time; the last three write the answer.
# float64 has no digits to spare: a row is split into high parts, whose sums are all exact, and the low rest.
from libc.math cimport sqrt, INFINITY
from libc.string cimport memcpy, memset
from vec cimport *
from arrays cimport *
from rows cimport *

cdef extern from "hadamard.h" nogil:
    enum: TILE
    enum: TILED
    vd hpick(const double *, const Py_ssize_t *)
    void hstream(void *, const void *, Py_ssize_t)
    void htile(vd *)
    void htile_short(vd *, int)
    void across2(double *, Py_ssize_t)
    void across4(double *, Py_ssize_t)
    void across8(double *, Py_ssize_t)
    void finish1(...)
    void finish2(...)
    void finish4(...)
    void finish8(...)

cdef enum:
    LINE_BYTES = 64                # of a cache line: columns that may share one are taken together

# What a thread works in: lines of doubles, each of a row or of a tile where the row is shorter.
cdef struct Room:
    double *a
    double *b
    double *c
    double *signs
    double *gains
    char *line                     # of the elements themselves

cdef struct Row:
    int levels                     # n = 2^levels
    int last                       # how many of them are left for the last pass
    Py_ssize_t n
    Py_ssize_t size                # of a line: n, or a tile


cdef inline Row row_of(Py_ssize_t n) noexcept nogil:
    cdef Row r
    r.n, r.levels = n, 0
    while n > <Py_ssize_t>1 << r.levels: r.levels += 1
    r.last = max(0, min(3, r.levels - 6))
    r.size = max(n, TILE)
    return r


cdef inline Room room_in(void *room, Py_ssize_t slot, Py_ssize_t size) noexcept nogil:
    cdef Room a
    cdef double *p = <double *><void *>(bytes_of(room) + slot * step_of(room, 0))
    p += (-<size_t>p % 64) // sizeof(double)
    a.a, a.b, a.c, a.signs, a.gains = p, p + size, p + 2 * size, p + 3 * size, p + 4 * size
    a.line = <char *>(p + 2 * size)
    return a


# ---- levels above a tile ----

cdef inline void across(double *b, int radix, Py_ssize_t h) noexcept nogil:
    if radix == 3: across8(b, h)
    elif radix == 2: across4(b, h)
    elif radix == 1: across2(b, h)


cdef void rise(double *b, int low, int high) noexcept nogil:
    """From pieces of 2^low that are done to one of 2^high; each part is finished in cache before the next is begun."""
    cdef int radix = min(3, high - low), k
    if radix <= 0: return
    for k in range(1 << radix): rise(b + (<Py_ssize_t>k << (high - radix)), low, high - radix)
    across(b, radix, <Py_ssize_t>1 << (high - radix))


cdef inline void complete(double *b, const Row *r) noexcept nogil:
    across(b, r.last, r.size >> r.last)


cdef inline void finish(const double *b, const double *rest, const Row *r, double scale, real *y) noexcept nogil:
    """The last levels, from a line of doubles to a line of elements."""
    cdef Py_ssize_t h = r.size >> r.last
    if r.last == 3: finish8(b, rest, h, scale, y)
    elif r.last == 2: finish4(b, rest, h, scale, y)
    elif r.last == 1: finish2(b, rest, h, scale, y)
    else: finish1(b, rest, h, scale, y)


cdef inline int block_of(const Row *r) noexcept nogil:
    return min(9, r.levels - r.last)


cdef inline void join(double *b, Py_ssize_t j, const Row *r) noexcept nogil:
    """After the tile at j: what is complete now, up to a block and up to what the last pass takes."""
    cdef Py_ssize_t end = j + TILE
    cdef int block = block_of(r), high
    if end & ((<Py_ssize_t>1 << block) - 1) or r.levels <= 6: return
    rise(b + end - (<Py_ssize_t>1 << block), 6, block)
    high = r.levels - r.last
    if high > block and not end & ((<Py_ssize_t>1 << high) - 1):
        rise(b + end - (<Py_ssize_t>1 << high), block, high)


# ---- tiles ----

cdef inline void lift(vd *v, int levels) noexcept nogil:
    if levels >= 6: htile(v)
    else: htile_short(v, levels)


cdef inline const real *padded(const char *row, Py_ssize_t step, Py_ssize_t j, Py_ssize_t count, real *room) noexcept nogil:
    """The tile at j of a row of `count` elements, zeros after the last of them."""
    if j + TILE <= count: return take(row, step, j, TILE, room)
    memset(room, 0, TILE * sizeof(real))
    if j < count: copy_strided(room, sizeof(real), row + j * step, step, count - j, sizeof(real))
    return room


cdef void sow(const char *row, Py_ssize_t step, Py_ssize_t count, const double *by, double *b, const Row *r,
              const char *ahead, real *_) noexcept nogil:
    """All levels but the last of a row, times `by` where that is given; the row `ahead` is fetched meanwhile."""
    cdef real room[TILE]
    cdef vd v[TILED]
    cdef const real *x
    cdef Py_ssize_t j = 0, k
    while j < r.size:
        x = padded(row, step, j, count, room)
        for k in range(TILED): v[k] = vload(x + k * VW)
        for k in range(0, TILE * sizeof(real), 64): prefetch(ahead + j * sizeof(real) + k)
        if by != NULL:
            for k in range(TILED): v[k] = v[k] * vload(by + j + k * VW)
        lift(v, r.levels)
        for k in range(TILED): vstore(b + j + k * VW, v[k])
        join(b, j, r)
        j += TILE


cdef void sow_picked(const double *w, const Py_ssize_t *at, const double *by, double *b, const Row *r) noexcept nogil:
    """The same of w[at] * by, for rows of a tile or more."""
    cdef vd v[TILED]
    cdef Py_ssize_t j = 0, k
    while j < r.n:
        for k in range(TILED): v[k] = hpick(w, at + j + k * VW) * vload(by + j + k * VW)
        htile(v)
        for k in range(TILED): vstore(b + j + k * VW, v[k])
        join(b, j, r)
        j += TILE


cdef void sow_split(double *x, double far, double *b, const Row *r) noexcept nogil:
    """The same of both parts of x: the high ones, whole multiples of the last digit of `far`, to b, the rest in place."""
    cdef vd v[TILED]
    cdef vd low[TILED]
    cdef Py_ssize_t j = 0, k
    while j < r.size:
        for k in range(TILED):
            low[k] = vload(x + j + k * VW)
            v[k] = (low[k] + far) - far
            low[k] = low[k] - v[k]
        lift(v, r.levels)
        lift(low, r.levels)
        for k in range(TILED):
            vstore(b + j + k * VW, v[k])
            vstore(x + j + k * VW, low[k])
        join(b, j, r)
        join(x, j, r)
        j += TILE


# ---- rows ----

cdef void fold_wide(double *x, double *b, const Row *r, double scale, double *y) noexcept nogil:
    """scale * H x for a line x of doubles, which is used up; y may be b. Every sum of high parts is below `far`, so
    exact. Near the end of the doubles the row is made smaller for the time being."""
    cdef vd top = vset(0)
    cdef Py_ssize_t j = 0
    cdef double most, far, shrink = 1
    while j < r.size:
        top = vmax(top, vabs(vload(x + j)))
        j += VW
    most = vlargest(top)
    far = most * (4 * r.n)
    if most < INFINITY and not far < INFINITY:
        shrink, far = 1.0 / (4 * r.n), most
        for j in range(r.size): x[j] = x[j] * shrink
    if 0 < far < INFINITY:
        sow_split(x, far, b, r)
        complete(b, r)
        finish(x, b, r, scale, y)
    else:                          # an infinity or a NaN, or nothing but zeros
        sow(<const char *>x, sizeof(double), r.size, NULL, b, r, <const char *>x, <double *>NULL)
        finish(b, NULL, r, scale, y)
    if shrink < 1:
        for j in range(r.size): y[j] = y[j] / shrink


cdef inline void widen_row(const char *row, Py_ssize_t step, Py_ssize_t count, const double *by, double *x,
                           const Row *r, real *_) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(count): x[j] = get(<const real *>(row + j * step))
    for j in range(count, r.size): x[j] = 0
    if by != NULL:
        for j in range(r.size): x[j] = x[j] * by[j]


cdef inline void fold(const char *row, Py_ssize_t step, Py_ssize_t count, const Row *r, double scale, real *y,
                      const Room *room, const char *ahead) noexcept nogil:
    """scale * H x of one row, or of several short ones side by side, to a line y."""
    if sizeof(real) == 8:
        widen_row(row, step, count, NULL, room.a, r, y)
        fold_wide(room.a, room.b, r, scale, <double *><void *>y)
    else:
        sow(row, step, count, NULL, room.b, r, ahead, y)
        finish(room.b, NULL, r, scale, y)


cdef inline void out(real *line, Py_ssize_t n, char *y, Py_ssize_t step, bint far) noexcept nogil:
    if far and step == sizeof(real) and (<size_t>y) % 64 == 0 and n * sizeof(real) % 64 == 0:
        hstream(y, line, n * sizeof(real))
    elif step == sizeof(real): memcpy(y, line, n * sizeof(real))
    else: copy_strided(y, step, line, sizeof(real), n, sizeof(real))


cdef inline bint dense(void *array) noexcept nogil:
    """Whether an array lies in memory as it is counted, without gaps."""
    cdef int axis
    for axis in range(1, ndim_of(array)):
        if step_of(array, axis - 1) != step_of(array, axis) * size_of(array, axis): return False
    return True


cdef inline bint neighbours(char **p, Py_ssize_t count, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(1, count):
        if p[k] - p[0] != k * size: return False
    return count * size == LINE_BYTES


cdef void columns(char **x, Py_ssize_t sx, char **y, Py_ssize_t sy, Py_ssize_t count, const Row *r, double scale,
                  const Room *room, real *line, bint far) noexcept nogil:
    """Rows with gaps, copied together: where they are columns of a matrix, cache lines are read and written whole."""
    cdef Py_ssize_t j, k, pitch = r.size + LINE_BYTES // sizeof(real)      # no power of two: they would share one set
    cdef real across[LINE_BYTES]
    cdef bint stream = far and (<size_t>y[0]) % LINE_BYTES == 0 and sy % LINE_BYTES == 0
    stream = stream and neighbours(y, count, sizeof(real))
    if neighbours(x, count, sizeof(real)):
        for j in range(r.n):
            prefetch(x[0] + min(j + 16, r.n - 1) * sx)
            for k in range(LINE_BYTES // sizeof(real)): line[k * pitch + j] = (<const real *>(x[0] + j * sx))[k]
    else:
        for j in range(r.n):
            for k in range(count): line[k * pitch + j] = (<const real *>(x[k] + j * sx))[0]
    for k in range(count):
        fold(<const char *>(line + k * pitch), sizeof(real), r.n, r, scale, line + k * pitch, room, room.line)
    if stream:
        for j in range(r.n):
            for k in range(LINE_BYTES // sizeof(real)): across[k] = line[k * pitch + j]
            hstream(y[0] + j * sy, across, LINE_BYTES)
    else:
        for j in range(r.n):
            for k in range(count): (<real *>(y[k] + j * sy))[0] = line[k * pitch + j]


cdef void rows(Py_ssize_t lo, Py_ssize_t hi, void *ox, double scale, Py_ssize_t lot, void *oroom, void *oy, real *_) noexcept nogil:
    cdef Row r = row_of(size_of(ox, -1))
    cdef Room room = room_in(oroom, lo, r.size)
    cdef real *line = <real *><void *>room.line
    cdef Py_ssize_t sx = step_of(ox, -1), sy = step_of(oy, -1), i = lo * lot, end = min(hi * lot, units_of(ox, 1)), k
    cdef Py_ssize_t group = 1, row = r.n * sizeof(real)
    cdef bint far = bytes_in(oy) >= FAR, beside = sx == sizeof(real) and sy == sizeof(real)
    cdef bint packed = r.n < TILE and sizeof(real) < 8 and beside and dense(ox) and dense(oy)
    cdef char *x[TILE]
    cdef char *y[TILE]
    if r.n < TILE:
        if sizeof(real) < 8: group = TILE // r.n
    elif not beside: group = LINE_BYTES // sizeof(real)
    while i < end:
        group = min(group, end - i)
        if packed and group * r.n == TILE:
            x[0], y[0] = bytes_of(ox) + i * row, bytes_of(oy) + i * row
            fold(x[0], sx, TILE, &r, scale, <real *><void *>y[0], &room, x[0])
            i += group
            continue
        for k in range(group):
            x[k] = bytes_of(ox) + offset_of(ox, i + k, 1)
            y[k] = bytes_of(oy) + offset_of(oy, i + k, 1)
        if r.n < TILE:             # as many short rows as a tile holds
            for k in range(group): copy_strided(line + k * r.n, sizeof(real), x[k], sx, r.n, sizeof(real))
            fold(room.line, sizeof(real), group * r.n, &r, scale, line, &room, room.line)
            for k in range(group): copy_strided(y[k], sy, line + k * r.n, sizeof(real), r.n, sizeof(real))
        elif beside:
            fold(x[0], sx, r.n, &r, scale, line if far else <real *><void *>y[0], &room,
                 bytes_of(ox) + offset_of(ox, min(i + 1, end - 1), 1))
            if far: out(line, r.n, y[0], sy, True)
        else: columns(x, sx, y, sy, group, &r, scale, &room, line, far)
        i += group
    if far: fence()


# Units are lots of rows. room: 10 lines for each lot and a few cache lines.
def walsh_hadamard_transform(Py_ssize_t lo, Py_ssize_t hi, x, double scale, Py_ssize_t lot, room, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *pr = <void *>room
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': rows[float](lo, hi, px, scale, lot, pr, po, NULL)
        elif kind == c'd': rows[double](lo, hi, px, scale, lot, pr, po, NULL)
        elif kind == c'e': rows[f16](lo, hi, px, scale, lot, pr, po, NULL)
        else: rows[bf16](lo, hi, px, scale, lot, pr, po, NULL)


walsh_hadamard_transform_vjp = walsh_hadamard_transform     # H is symmetric


# ---- Fastfood: y = H(g * (H(s * x))[p]) / sqrt(n * size), with g the gains over their root mean square ----

cdef void prepare(void *osigns, void *ogains, const Row *r, Room *room, real *_) noexcept nogil:
    """Signs and gains as doubles, the gains over their root mean square."""
    cdef vpair sum
    cdef Py_ssize_t j = 0, step = step_of(ogains, 0)
    cdef real some[PIECE]
    cdef double scale = 1, root
    widen_row(bytes_of(osigns), step_of(osigns, 0), r.n, NULL, room.signs, r, _)
    widen_row(bytes_of(ogains), step, r.n, NULL, room.gains, r, _)
    if sizeof(real) == 8:
        scale = scale_for(largest_of(bytes_of(ogains), step, r.n, some), 0)
        for j in range(r.n): room.gains[j] = room.gains[j] * scale
    sum.hi = sum.lo = vset(0)
    j = 0
    while j < r.size:
        if sizeof(real) == 8: add(&sum, vload(room.gains + j) * vload(room.gains + j))
        else: sum.hi = sum.hi + vload(room.gains + j) * vload(room.gains + j)
        j += VW
    root = sqrt(sum_of(sum, sizeof(real) == 8) / r.n)
    for j in range(r.n): room.gains[j] = room.gains[j] / root


cdef void project(Py_ssize_t lo, Py_ssize_t hi, void *ox, void *osigns, void *opermutation, void *ogains, Py_ssize_t lot,
                  void *oroom, void *oy, real *_) noexcept nogil:
    cdef Row r = row_of(size_of(osigns, 0))
    cdef Room room = room_in(oroom, lo, r.size)
    cdef Py_ssize_t sx = step_of(ox, -1), sy = step_of(oy, -1), d = size_of(ox, -1), size = size_of(oy, -1), i, j
    cdef Py_ssize_t end = min(hi * lot, units_of(ox, 1))
    cdef const Py_ssize_t *at = <const Py_ssize_t *><void *>bytes_of(opermutation)
    cdef bint far = bytes_in(oy) >= FAR
    cdef real *line = <real *><void *>(room.gains + r.size)
    cdef const char *x
    cdef char *y
    prepare(osigns, ogains, &r, &room, _)
    for i in range(lo * lot, end):
        x = bytes_of(ox) + offset_of(ox, i, 1)
        y = bytes_of(oy) + offset_of(oy, i, 1)
        if sizeof(real) == 8 or r.n < TILE:
            widen_row(x, sx, d, room.signs, room.a, &r, _)
            fold_wide(room.a, room.b, &r, 1 / sqrt(<double>r.n), room.b)
            for j in range(r.n): room.a[j] = room.b[at[j]] * room.gains[j]
            for j in range(r.n, r.size): room.a[j] = 0
            fold_wide(room.a, room.b, &r, 1 / sqrt(<double>size), room.b)
            for j in range(size): put(line + j, room.b[j])
        else:
            sow(x, sx, d, room.signs, room.a, &r, bytes_of(ox) + offset_of(ox, min(i + 1, end - 1), 1), _)
            complete(room.a, &r)
            sow_picked(room.a, at, room.gains, room.b, &r)
            finish(room.b, NULL, &r, 1 / sqrt(<double>r.n * size), line)
        out(line, size, y, sy, far)
    if far: fence()


# room: 6 lines for each lot and a cache line.
def fastfood_project(Py_ssize_t lo, Py_ssize_t hi, x, signs, permutation, gains, Py_ssize_t lot, room, out):
    cdef int kind = kind_of(<void *>x)
    cdef void *px = <void *>x
    cdef void *ps = <void *>signs
    cdef void *pp = <void *>permutation
    cdef void *pg = <void *>gains
    cdef void *pr = <void *>room
    cdef void *po = <void *>out
    with nogil:
        if kind == c'f': project[float](lo, hi, px, ps, pp, pg, lot, pr, po, NULL)
        elif kind == c'd': project[double](lo, hi, px, ps, pp, pg, lot, pr, po, NULL)
        elif kind == c'e': project[f16](lo, hi, px, ps, pp, pg, lot, pr, po, NULL)
        else: project[bf16](lo, hi, px, ps, pp, pg, lot, pr, po, NULL)


cdef void pull_back(Py_ssize_t lo, Py_ssize_t hi, void *ocotangent, void *ox, void *osigns, void *opermutation,
                    void *ogains, Py_ssize_t lot, void *oroom, void *odx, void *oparts, real *_) noexcept nogil:
    cdef Row r = row_of(size_of(osigns, 0))
    cdef Room room = room_in(oroom, lo, r.size)
    cdef Py_ssize_t sg = step_of(ocotangent, -1), sx = step_of(ox, -1), sd = step_of(odx, -1)
    cdef Py_ssize_t d = size_of(ox, -1), size = size_of(ocotangent, -1), unit, i, j, last = units_of(ox, 1)
    cdef const Py_ssize_t *at = <const Py_ssize_t *><void *>bytes_of(opermutation)
    cdef const char *x
    cdef char *dx
    cdef double *dgains
    cdef double *dsigns
    cdef double by = 1 / sqrt(<double>r.n * size), v
    prepare(osigns, ogains, &r, &room, _)
    for unit in range(lo, hi):
        dgains = <double *><void *>bytes_of(oparts) + unit * 2 * r.n
        dsigns = dgains + r.n
        for i in range(unit * lot, min((unit + 1) * lot, last)):
            x = bytes_of(ox) + offset_of(ox, i, 1)
            dx = bytes_of(odx) + offset_of(odx, i, 1)
            sow(bytes_of(ocotangent) + offset_of(ocotangent, i, 1), sg, size, NULL, room.a, &r, x, _)
            complete(room.a, &r)
            sow(x, sx, d, room.signs, room.b, &r, x, _)
            complete(room.b, &r)
            memset(room.c, 0, r.size * sizeof(double))
            for j in range(r.n):
                v = room.a[j] * by
                dgains[j] += v * room.b[at[j]]
                room.c[at[j]] += v * room.gains[j]
            sow(<const char *>room.c, sizeof(double), r.size, NULL, room.a, &r, x, <double *>NULL)
            complete(room.a, &r)
            for j in range(d):
                put(<real *>(dx + j * sd), room.signs[j] * room.a[j])
                dsigns[j] += get(<const real *>(x + j * sx)) * room.a[j]


# room as above. parts receives the cotangents of the gains over their root mean square, and of the signs.
def fastfood_project_vjp(Py_ssize_t lo, Py_ssize_t hi, cotangent, x, signs, permutation, gains, Py_ssize_t lot, room, dx, parts):
    cdef int kind = kind_of(<void *>x)
    cdef void *pc = <void *>cotangent
    cdef void *px = <void *>x
    cdef void *ps = <void *>signs
    cdef void *pp = <void *>permutation
    cdef void *pg = <void *>gains
    cdef void *pr = <void *>room
    cdef void *pd = <void *>dx
    cdef void *pq = <void *>parts
    with nogil:
        if kind == c'f': pull_back[float](lo, hi, pc, px, ps, pp, pg, lot, pr, pd, pq, NULL)
        elif kind == c'd': pull_back[double](lo, hi, pc, px, ps, pp, pg, lot, pr, pd, pq, NULL)
        elif kind == c'e': pull_back[f16](lo, hi, pc, px, ps, pp, pg, lot, pr, pd, pq, NULL)
        else: pull_back[bf16](lo, hi, pc, px, ps, pp, pg, lot, pr, pd, pq, NULL)
