# Channels: where their elements lie in memory, and how a loop walks them, sixteen lanes at a time.
#
# An array is (samples, channels, *rest). `group` neighbouring channels of a sample share their statistics: a unit.
# The axes of the rest are dropped where they have one element, sorted by stride and merged where their strides fit;
# what remains is `rows` rows of `n` elements a channel. Memory decides how they are walked:
#
#   along     the elements of a row are the nearest neighbours: the lanes are elements, a beat goes sixteen elements on;
#   across    the channels are (channels last): the lanes are channels, a beat goes one element on.
#
# A loop sees the same in both: a tile, that is a pointer, beats and the bytes between them. What does not lie side by
# side is copied into a room on the stack first.
from vec cimport *
from arrays cimport *
from rows cimport FAR, PIECE

cdef extern from "beams.h" nogil:
    const int BEAM
    ctypedef struct beam:
        pass
    beam bspread(double)
    beam bnought()
    beam bload(...)
    const double *anew(const double *)
    void bstore(...)
    void bstream(...)
    beam badd(beam, beam)
    beam bsub(beam, beam)
    beam bmul(beam, beam)
    beam bmuladd(beam, beam, beam)
    beam bmulsub(beam, beam, beam)
    void bcarry(beam *hi, beam *lo, beam)
    beam blargest(beam, beam)
    beam blast(beam, Py_ssize_t)
    void bprefetch(const void *, int size)

cdef enum:
    AXES = 66
    LANES = 256                    # channels walked together: runs of memory long enough for the hardware to fetch ahead
    TILE = 32                      # elements of each before the next sixteen of them; as many beats as a PIECE has
    ROOM = 1056                    # PIECE, and a beam before it

cdef struct layout:                # of one array, in bytes
    char *start
    Py_ssize_t sample, channel     # from one to the next
    Py_ssize_t near                # from one element of a row to the next
    Py_ssize_t step[AXES]          # along the other axes

cdef struct field:
    Py_ssize_t samples, channels, group
    Py_ssize_t rows, n             # of a channel in one sample, elements of a row
    int axes                       # that count the rows
    Py_ssize_t size[AXES]
    Py_ssize_t most                # elements of a channel in a tile
    bint across
    bint stream                    # whether y is written past the caches
    layout x, y, g

cdef struct tile:
    const char *at
    Py_ssize_t step, beats
    Py_ssize_t tail                # lanes of one more beat; they end where the row ends, the lanes before them are taken twice


# ---- geometry ----

cdef inline Py_ssize_t apart(Py_ssize_t step) noexcept nogil:
    return -step if step < 0 else step


cdef inline void lay(layout *a, void *array, int core) noexcept nogil:
    """The last `core` axes are those of a channel; before them come the channels and, where there are any, the samples."""
    cdef int axis
    a.start = NULL if array == NULL else bytes_of(array)
    if a.start == NULL: return
    a.channel = step_of(array, -core - 1)
    a.sample = step_of(array, -core - 2) if ndim_of(array) > core + 1 else 0
    for axis in range(core):
        a.step[axis] = step_of(array, axis - core)


cdef inline void move(field *f, int to, int source) noexcept nogil:
    f.size[to] = f.size[source]
    f.x.step[to], f.y.step[to], f.g.step[to] = f.x.step[source], f.y.step[source], f.g.step[source]


cdef inline bint fits(const field *f, int outer, int inner) noexcept nogil:
    """Whether the outer axis goes on where the inner one ends, in every array."""
    cdef Py_ssize_t n = f.size[inner]
    return (f.x.step[outer] == n * f.x.step[inner] and f.y.step[outer] == n * f.y.step[inner]
            and f.g.step[outer] == n * f.g.step[inner])


cdef inline void sort_and_merge(field *f, int core) noexcept nogil:
    cdef int a, b
    f.axes = 0
    for a in range(core):          # insertion into the axes kept so far, the farthest first; AXES - 1 holds the one moved
        if f.size[a] == 1: continue
        move(f, AXES - 1, a)
        b = f.axes
        while b > 0 and apart(f.x.step[b - 1]) < apart(f.x.step[AXES - 1]):
            move(f, b, b - 1)
            b -= 1
        move(f, b, AXES - 1)
        f.axes += 1
    b = 0
    for a in range(1, f.axes):
        if fits(f, b, a):
            f.size[a] *= f.size[b]
            move(f, b, a)
        else:
            b += 1
            move(f, b, a)
    if f.axes: f.axes = b + 1


cdef inline bint in_lines(const field *f, Py_ssize_t size) noexcept nogil:
    """Whether every run of y is whole cache lines: half a line written past the caches costs more than it saves."""
    cdef Py_ssize_t bits = <Py_ssize_t>f.y.start | f.y.sample
    cdef int a
    for a in range(f.axes): bits |= f.y.step[a]
    if f.across: return (bits | f.y.near | f.channels * size) % 64 == 0 and f.y.channel == size and f.channels % BEAM == 0
    return (bits | f.y.channel) % 64 == 0 and f.y.near == size and f.n % BEAM == 0


cdef inline void survey(field *f, void *x, void *g, void *y, int core, Py_ssize_t groups, Py_ssize_t size) noexcept nogil:
    """Fill in f for arrays of one shape; g and y may be None or NULL. No groups: every channel is one."""
    cdef int a
    cdef Py_ssize_t total
    lay(&f.x, x, core)
    f.g = f.y = f.x
    lay(&f.g, g, core)
    lay(&f.y, y, core)
    f.channels = size_of(x, -core - 1)
    f.samples = size_of(x, 0) if ndim_of(x) > core + 1 else 1
    f.group = f.channels // groups if groups else 1
    for a in range(core): f.size[a] = size_of(x, a - core)
    sort_and_merge(f, core)
    f.n, f.rows = 1, 1
    f.x.near = f.y.near = f.g.near = size
    if f.axes:
        f.axes -= 1
        a = f.axes
        f.n, f.x.near, f.y.near, f.g.near = f.size[a], f.x.step[a], f.y.step[a], f.g.step[a]
    for a in range(f.axes): f.rows *= f.size[a]
    f.across = f.channels > 1 and (f.rows * f.n == 1 or 0 < apart(f.x.channel) < apart(f.x.near))
    if f.across: f.most = TILE
    elif f.x.near == size and f.g.near == size and f.y.near == size: f.most = 4 * PIECE
    else: f.most = PIECE           # as much as a room holds
    total = f.samples * f.channels * f.rows * f.n * size * (2 if f.g.start == NULL else 3)
    f.stream = (f.y.start != NULL and size >= 4 and total >= FAR and f.y.start != f.x.start and f.y.start != f.g.start
                and in_lines(f, size))


cdef inline char *row_at(const layout *a, const field *f, Py_ssize_t sample, Py_ssize_t channel, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t offset = sample * a.sample + channel * a.channel, whole
    cdef int axis = f.axes - 1
    while axis > 0:
        whole = row // f.size[axis]
        offset += (row - whole * f.size[axis]) * a.step[axis]
        row = whole
        axis -= 1
    if axis == 0: offset += row * a.step[0]
    return a.start + offset if a.start != NULL else NULL   # of what is absent there is no part


# ---- tiles ----

cdef inline tile tile_of(const layout *a, const char *at, Py_ssize_t m, Py_ssize_t lanes, bint across, real *room) noexcept nogil:
    """m elements from `at` on, of one channel or of `lanes` channels: where they lie, or copied to `room`."""
    cdef tile t
    cdef Py_ssize_t i
    t.step, t.beats, t.tail = BEAM * sizeof(real), m // BEAM, m % BEAM
    if across:
        t.beats, t.tail = m, 0
        if a.channel == sizeof(real) and lanes == BEAM:
            t.step, t.at = a.near, at
            return t
        for i in range(m):
            copy_strided(room + i * BEAM, sizeof(real), at + i * a.near, a.channel, lanes, sizeof(real))
    elif a.near == sizeof(real) and m >= BEAM:
        t.at = at
        return t
    else:
        if m < BEAM: room += BEAM - m
        copy_strided(room, sizeof(real), at, a.near, m, sizeof(real))
    t.at = <const char *>room
    return t


cdef inline real *last_beat(const tile *t, const real *_) noexcept nogil:
    return <real *>(t.at + t.beats * t.step) - (BEAM - t.tail)


cdef inline tile room_for(const layout *a, char *at, Py_ssize_t m, Py_ssize_t lanes, bint across, real *room) noexcept nogil:
    """The same for a tile to be written; give_back brings it to its place."""
    cdef tile t
    t.step, t.beats, t.tail, t.at = BEAM * sizeof(real), m // BEAM, m % BEAM, <const char *>room
    if across:
        t.beats, t.tail = m, 0
        if a.channel == sizeof(real) and lanes == BEAM: t.step, t.at = a.near, at
    elif a.near == sizeof(real) and m >= BEAM: t.at = at
    elif m < BEAM: t.at = <const char *>(room + BEAM - m)
    return t


cdef inline void give_back(const layout *a, char *at, const tile *t, Py_ssize_t m, Py_ssize_t lanes, bint across,
                           real *_) noexcept nogil:
    cdef Py_ssize_t i
    if t.at == at: return
    if not across: copy_strided(at, a.near, t.at, sizeof(real), m, sizeof(real))
    else:
        for i in range(m):
            copy_strided(at + i * a.near, a.channel, t.at + i * t.step, sizeof(real), lanes, sizeof(real))


# ---- units ----

cdef inline Py_ssize_t bundle(const field *f, Py_ssize_t lo, Py_ssize_t hi) noexcept nogil:
    """How many units from lo on are taken together: those of one sample whose channels fit into the lanes."""
    cdef Py_ssize_t groups = f.channels // f.group
    if not f.across: return 1
    return min(min(hi - lo, groups - lo % groups), max(1, LANES // f.group))


cdef inline Py_ssize_t strip(const field *f, Py_ssize_t channels) noexcept nogil:
    """How many of the channels left are walked together."""
    return min(channels, LANES) if f.across else 1
