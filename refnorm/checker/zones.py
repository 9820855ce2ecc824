"""Memory that tells where it was written to: red zones round an array, poison in its cells.

A `Zone` is memory for an output. Its cells hold poison until they are written, and before and behind it lie red
zones. `guarded` puts a copy of an input between red zones, in the layout that it had. After the call, `faults()`
says by place what should not have happened. Nothing here knows of C: any candidate that is handed its output
(`out=`) can be asked so.

Poison of a floating type is a signalling NaN of an unusual payload. Arithmetic never gives one: whatever NaN it
returns has the quiet bit set, even where it read poison. So a NaN that was written and a cell that was not are told
apart in one run, in float16 (9 bits of payload) and bfloat16 (6) too: the quiet bit alone would do. Integers of 16
bits and more are poisoned with a rare number, a boolean with a byte that is neither; an 8-bit integer has no number
to spare, and its unwritten cells go unseen.

Red zones hold a signalling NaN as well, of another payload: who reads past the end of an input gets NaN in that
place of the answer, where zeros would pass for luck.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os

import numpy as np

from .place import place

__all__ = ["Guarded", "Zone", "guarded", "unwritten"]

PAGE = mmap.PAGESIZE
LINE = 64  # bytes of a cache line
RED_LIMIT = 1 << 20

# dtype -> bits of poison, bits of red zones
PATTERNS = {
    "float16": (0x7DB5, 0x7D6D),
    "bfloat16": (0x7FAD, 0x7FB5),
    "float32": (0x7FA5C3AD, 0x7F96B4C3),
    "float64": (0x7FF4A5C3ADB51E87, 0x7FF2D4C396E1B578),
    "bool": (0xA5, 0x5A),
}
INTEGERS = (0xA5C3ADB51E87D2F1, 0x96E1B578D4C35A3C)


def bits_of(array: np.ndarray) -> np.ndarray:
    """Return the same memory as unsigned numbers: bits are compared, since no NaN equals itself."""
    return array.view(f"u{array.dtype.itemsize}")


def patterns(dtype) -> tuple[int, int]:
    """Return the bits of poison and of red zones for a dtype."""
    dtype = np.dtype(dtype)
    if dtype.name in PATTERNS:
        return PATTERNS[dtype.name]
    if dtype.kind in "iu":
        return tuple(bits >> (64 - 8 * dtype.itemsize) for bits in INTEGERS)
    raise ValueError(f"no pattern for {dtype}: expected floats up to 64 bits, bfloat16, integers or booleans")


def unwritten(array: np.ndarray) -> np.ndarray:
    """Return where an answer still holds the poison of its zone.

    >>> import numpy as np
    >>> from refnorm.checker.zones import Zone, unwritten
    >>> zone = Zone((3,), "float32")
    >>> zone.array[:2] = 1.0, np.nan
    >>> unwritten(zone.array)
    array([False, False,  True])
    """
    if (array.dtype.itemsize == 1 and array.dtype.kind != "b") or array.dtype.itemsize > 8:  # no zone is of such
        return np.zeros(array.shape, bool)
    return bits_of(array) == patterns(array.dtype)[0]


# ---- memory ----


class _Memory:
    """Bytes with a red zone on either side, all filled with the pattern of red zones.

    With `fence` the page behind the last byte is not to be touched at all: reading it ends the process (SIGSEGV),
    which only a process of its own should be let do. The red zone behind is then empty.
    """

    def __init__(self, size: int, dtype, row: int, lean: int = 0, fence: bool = False):
        # a row more or less is the usual fault, and must not reach memory that is somebody's
        red = min(max(PAGE, row), RED_LIMIT)
        if fence:
            self.bytes, self.start = _fenced(red, size)
        else:
            self.bytes = np.empty(red + LINE + size + red, np.uint8)
            self.start = red + (lean - self.bytes.ctypes.data - red) % LINE
        self.stop = self.start + size
        self.unit = np.dtype(dtype).itemsize
        self.pattern = np.array([patterns(dtype)[1]], f"u{self.unit}").view(np.uint8)
        self.bytes[:] = self._red(0, self.bytes.size)

    def _red(self, low: int, high: int) -> np.ndarray:
        """Return what red bytes hold, in step with the array: an element past its end is a whole NaN."""
        step = np.roll(self.pattern, (self.start - low) % self.unit)
        return np.tile(step, -(-(high - low) // self.unit))[: high - low]

    def view(self, shape, dtype, strides, offset: int = 0) -> np.ndarray:
        return np.ndarray(shape, dtype, self.bytes, self.start + offset, strides)

    def around(self, name: str, shape=()) -> list[str]:
        """Return what was written outside, in elements; `shape` says what index they would have had."""
        found = []
        if (off := self._changed(0, self.start)).size:
            near = int(off.max())
            found.append(
                f"writes before the start of {name}: {_elements(off.size)} changed, the nearest "
                f"{_elements(-near)} before it{_as_if(shape, near)}"
            )
        if (off := self._changed(self.stop, self.bytes.size)).size:
            near = int(off.min())
            found.append(
                f"writes past the end of {name}: {_elements(off.size)} changed, the first "
                f"{_elements(near)} after it{_as_if(shape, math.prod(shape) + near)}"
            )
        return found

    def _changed(self, low: int, high: int) -> np.ndarray:
        """Return the elements of a red zone in which a byte is not what it was: 0 is the first one behind the array."""
        bytes_off = low + np.flatnonzero(self.bytes[low:high] != self._red(low, high))
        return np.unique((bytes_off - (self.start if low < self.start else self.stop)) // self.unit)


def _fenced(red: int, size: int) -> tuple[np.ndarray, int]:
    """Return memory that ends where a page begins that nobody may touch, and where `size` bytes before it start."""
    if os.name != "posix":
        raise ValueError("a fence needs the memory protection of Linux or macOS")
    pages = -(-(red + size) // PAGE) * PAGE
    memory = np.frombuffer(mmap.mmap(-1, pages + PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    if protect(ctypes.c_void_p(memory.ctypes.data + pages), ctypes.c_size_t(PAGE), 0):
        raise OSError(ctypes.get_errno(), "the page behind an array could not be protected")
    return memory[:pages], pages - size


def _elements(n: int) -> str:
    return f"{n} element" if n == 1 else f"{n} elements"


def _as_if(shape, flat: int) -> str:
    """Return the index that an element outside would have if the first axis went on."""
    inner = math.prod(shape[1:])
    if not shape or not inner:
        return ""
    row, rest = divmod(flat, inner)
    index = (row, *(int(i) for i in np.unravel_index(rest, shape[1:]))) if shape[1:] else (row,)
    return f" (as if at index {index})"


def _cells(where: np.ndarray) -> str:
    """Return how many cells of a mask are true, the first of them, and what they have in common."""
    first = tuple(int(i) for i in np.argwhere(where)[0])
    count = int(where.sum())
    common = f", {place(where)}" if count > 1 else ""
    return f"{count} of {where.size}, the first at {first}{common}"


# ---- an output, an input ----


class Zone:
    """Memory for an output, in C order: hand out `array`, then ask for `faults()`.

    >>> from refnorm.checker.zones import Zone
    >>> zone = Zone((4, 8), "float64")
    >>> zone.array[:] = 1.0  # what a candidate does
    >>> zone.faults()
    []
    """

    def __init__(self, shape, dtype, *, name: str = "the output", fence: bool = False):
        self.name, dtype, shape = name, np.dtype(dtype), tuple(shape)
        row = dtype.itemsize * (shape[-1] if shape else 1)
        self.memory = _Memory(math.prod(shape) * dtype.itemsize, dtype, row, fence=fence)
        self.array = self.memory.view(shape, dtype, None)
        bits_of(self.array)[...] = patterns(dtype)[0]

    def faults(self) -> list[str]:
        """Return what is wrong with the writing: outside of the array, or not everywhere within it."""
        found = self.memory.around(self.name, self.array.shape)
        missed = unwritten(self.array)
        if missed.any():
            found.append(f"leaves cells of {self.name} unwritten: {_cells(missed)}")
        return found


class Guarded:
    """A copy of an input between red zones, its gaps red too: hand out `array`, then ask for `faults()`."""

    def __init__(self, array: np.ndarray, *, name: str = "the input", fence: bool = False):
        self.name = name
        reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)] if array.size else []
        self.low, high = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0)
        size = high - self.low + array.itemsize if array.size else 0
        row = abs(array.strides[-1]) * array.shape[-1] if array.ndim else 0
        # the same place in a cache line, so that memory "off a boundary" stays so
        self.memory = _Memory(size, array.dtype, row, lean=array.ctypes.data + self.low, fence=fence)
        self.array = self.memory.view(array.shape, array.dtype, array.strides, -self.low)
        bits_of(self.array)[...] = bits_of(array)
        self.before = self._inside().copy()

    def _inside(self) -> np.ndarray:
        return self.memory.bytes[self.memory.start : self.memory.stop]

    def _cells_in(self, buffer: np.ndarray) -> np.ndarray:
        """Return the cells of this input as they lie in other memory of the same extent."""
        return np.ndarray(self.array.shape, f"u{self.array.itemsize}", buffer, -self.low, self.array.strides)

    def faults(self) -> list[str]:
        """Return what was written, anywhere: an input is not written to."""
        found = self.memory.around(self.name)
        changed = bits_of(self.array) != self._cells_in(self.before)
        if changed.any():
            found.append(f"overwrites {self.name}: {_cells(changed)}")
        apart = self._inside() != self.before
        self._cells_in(apart)[...] = 0  # what differs now lies between the cells
        if apart.any():
            found.append(f"writes between the cells of {self.name}: {int(apart.sum())} bytes changed")
        return found


def guarded(array: np.ndarray, *, name: str = "the input", fence: bool = False) -> Guarded:
    """Return a copy of an array between red zones, with the strides it has: negative, zero, with gaps."""
    return Guarded(array, name=name, fence=fence)
