"""Red zones and poison: every fault is told with its place, and nothing else is."""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from refnorm.checker.zones import Zone, guarded, patterns, unwritten

FLOATS = ["float16", ml_dtypes.bfloat16, "float32", "float64"]
DTYPES = [*FLOATS, "int16", "int32", "int64", "uint64", "bool"]
POSIX = pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="memory protection of Linux or macOS")
FENCES = [False, pytest.param(True, marks=POSIX)]


def beyond(array, *places):
    """Return the elements at these places as if the memory of a C-ordered array went on."""
    step = array.itemsize
    return [np.ndarray((), array.dtype, array.base, whole_offset(array) + p * step) for p in places]


def whole_offset(array):
    return array.ctypes.data - array.base.ctypes.data


# ---- outputs ----


@pytest.mark.parametrize("fence", FENCES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 8), (3,), (), (0, 4), (2, 1, 5)])
def test_a_whole_answer_has_no_fault(shape, dtype, fence):
    zone = Zone(shape, dtype, fence=fence)
    assert zone.array.shape == shape
    assert zone.array.dtype == dtype
    assert zone.array.flags.c_contiguous
    zone.array[...] = 1
    assert zone.faults() == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_cells_left_out_are_named(dtype):
    zone = Zone((4, 8), dtype)
    zone.array[:3] = 1
    zone.array[3, :7] = 1
    assert zone.faults() == ["leaves cells of the output unwritten: 1 of 32, the first at (3, 7)"]
    zone = Zone((4, 8), dtype, name="output 1")
    zone.array[:3] = 1
    assert zone.faults() == [
        "leaves cells of output 1 unwritten: 8 of 32, the first at (3, 0), only in the last row (index 3 of axis 0)"
    ]


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_nan_that_was_written_is_no_unwritten_cell(dtype):
    """Not NumPy's own, not one of another sign, and not what arithmetic makes of the poison itself."""
    zone = Zone((4,), dtype)
    with np.errstate(invalid="ignore"):
        zone.array[:2] = np.nan, -np.nan
        poison = zone.array[2].copy()
        zone.array[2] = poison + poison.dtype.type(1)
        zone.array[3] = poison * poison.dtype.type(2)
    assert np.isnan(zone.array.astype("float64")).all()
    assert zone.faults() == []


@pytest.mark.parametrize("narrow", ["float16", ml_dtypes.bfloat16, "float32"])
def test_poison_that_was_cast_is_no_poison(narrow):
    with np.errstate(invalid="ignore"):
        cast = Zone((3,), "float64").array.astype(narrow)
    assert not unwritten(cast).any()


def test_poison_is_a_signalling_nan_and_red_zones_are_another():
    quiet = {"float16": 0x0200, "bfloat16": 0x0040, "float32": 0x0040_0000, "float64": 0x0008_0000_0000_0000}
    for dtype in FLOATS:
        bits = patterns(dtype)
        assert len(set(bits)) == 2
        for one in bits:
            assert not one & quiet[np.dtype(dtype).name]
            with np.errstate(invalid="ignore"):
                assert np.isnan(np.array(one, f"u{np.dtype(dtype).itemsize}").view(dtype))


def test_bytes_have_no_value_to_spare_and_their_cells_are_not_looked_at():
    assert Zone((4,), "int8").faults() == []
    assert Zone((4,), "uint8").faults() == []


def test_a_dtype_without_a_pattern_is_refused():
    with pytest.raises(ValueError, match="no pattern for complex64"):
        Zone((4,), "complex64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([32], "past the end: 1 element changed, the first 0 elements after it (as if at index (4, 0))"),
        ([35, 36, 40], "past the end: 3 elements changed, the first 3 elements after it (as if at index (4, 3))"),
        ([-1], "before the start: 1 element changed, the nearest 1 element before it (as if at index (-1, 7))"),
        ([-2, -9], "before the start: 2 elements changed, the nearest 2 elements before it (as if at index (-1, 6))"),
    ],
)
def test_writes_outside_are_named(dtype, places, said):
    zone = Zone((4, 8), dtype)
    zone.array[...] = 1
    for element in beyond(zone.array, *places):
        element[...] = 0
    assert zone.faults() == ["writes " + said.replace(":", " of the output:", 1)]


def test_one_byte_outside_is_enough():
    zone = Zone((4, 8), "float64")
    zone.array[...] = 1
    zone.array.base[whole_offset(zone.array) + 32 * 8 + 7] += 1
    (said,) = zone.faults()
    assert "1 element changed, the first 0 elements after it" in said


def test_a_whole_long_row_past_the_end_is_still_our_memory():
    zone = Zone((2, 5000), "float64")
    zone.array[...] = 1
    for element in beyond(zone.array, 10_000, 14_999):
        element[...] = 0
    assert zone.faults() == [
        "writes past the end of the output: 2 elements changed, the first 0 elements after it (as if at index (2, 0))"
    ]


def test_a_number_and_an_empty_array_have_no_index_outside():
    for shape in ((), (3, 0)):
        zone = Zone(shape, "float32")
        zone.array[...] = 1
        (outside,) = beyond(zone.array, zone.array.size)
        outside[...] = 0
        assert zone.faults() == ["writes past the end of the output: 1 element changed, the first 0 elements after it"]


# ---- inputs ----

X = np.arange(1.0, 25.0).reshape(4, 6)
LAYOUTS = {
    "plain": X,
    "reversed": X[::-1, ::-1],
    "transposed": X.T,
    "gaps": np.repeat(X, 2, axis=1)[:, ::2],
    "repeated": np.broadcast_to(X[:1], (4, 6)),
    "off a boundary": np.arange(25.0)[1:].reshape(4, 6),
    "a number": np.array(2.0),
    "empty": X[:0],
    "bfloat16": X.astype(ml_dtypes.bfloat16)[::-1],
    "indices": np.arange(6)[::-1],
}


@pytest.mark.parametrize("fence", FENCES)
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_an_input_keeps_values_strides_and_alignment(layout, fence):
    array = LAYOUTS[layout]
    held = guarded(array, fence=fence)
    assert held.array.tobytes() == array.tobytes()
    assert (held.array.shape, held.array.strides, held.array.dtype) == (array.shape, array.strides, array.dtype)
    assert not np.shares_memory(held.array, array)
    if not fence and array.size:
        assert (held.array.ctypes.data - array.ctypes.data) % 64 == 0
    assert held.faults() == []


@pytest.mark.parametrize("layout", [name for name, array in LAYOUTS.items() if array.ndim == 2 and array.size])
def test_a_write_into_an_input_is_named(layout):
    held = guarded(LAYOUTS[layout], name="input 0")
    held.array.flags.writeable = True
    held.array[2, 3] += 1
    (said,) = held.faults()
    first = (0, 3) if layout == "repeated" else (2, 3)
    assert said.startswith(f"overwrites input 0: {4 if layout == 'repeated' else 1} of 24, the first at {first}")


def test_writes_round_an_input_and_into_its_gaps_are_told_apart():
    held = guarded(LAYOUTS["gaps"], name="input 1")
    memory, start = held.memory.bytes, held.memory.start
    memory[start + 8 : start + 16] = 0
    memory[held.memory.stop] += 1
    memory[start - 1] += 1
    assert held.faults() == [
        "writes before the start of input 1: 1 element changed, the nearest 1 element before it",
        "writes past the end of input 1: 1 element changed, the first 0 elements after it",
        "writes between the cells of input 1: 8 bytes changed",
    ]


@pytest.mark.parametrize("dtype", FLOATS)
def test_who_reads_past_an_input_or_into_its_gaps_reads_nan(dtype):
    held = guarded(np.ones((2, 6), dtype)[:, ::2])
    memory = np.ndarray((16,), dtype, held.memory.bytes, held.memory.start - 2 * held.array.itemsize)
    with np.errstate(invalid="ignore"):
        nan = np.isnan(memory).tolist()
    assert nan == [True, True, *[False, True] * 5, False, True, True, True]


# ---- fences ----

READ = """
import ctypes, numpy as np
from refnorm.checker.zones import Zone, guarded
held = {made}
end = held.array.ctypes.data + held.array.nbytes
print(ctypes.c_float.from_address(end - 4).value >= 0 or True, flush=True)
ctypes.c_float.from_address(end + {by}).value
print("alive", flush=True)
"""


@POSIX
@pytest.mark.parametrize("made", ["guarded(np.ones((3, 5), 'float32'), fence={})", "Zone((3, 5), 'float32', fence={})"])
def test_a_read_past_a_fence_ends_the_process(made):
    def run(fence, by):
        code = READ.format(made=made.format(fence), by=by)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    stopped = run(True, 0)
    assert stopped.stdout == "True\n", stopped.stderr
    assert stopped.returncode < 0
    assert run(False, 0).stdout == "True\nalive\n"
    assert run(True, -4).stdout == "True\nalive\n"
