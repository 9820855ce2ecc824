"""Calls that nobody means well: every kernel gives the formula's answer on a clean copy, or refuses in one line."""

import fuzz_kernels
import numpy as np
import pytest
from oracles import is_float, outputs

import refnorm
from refnorm import OPERATORS
from refnorm._cases import Case, Draw
from refnorm._lanes import cpu_level

pytestmark = pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
NAMES = [name for name in OPERATORS if OPERATORS[name].kernel]
REFUSALS = (TypeError, ValueError, IndexError, MemoryError)


def answered(lane, name, arrays, options):
    """Return the outputs of one lane, or its refusal."""
    with refnorm.lane(lane), np.errstate(all="ignore"):
        try:
            return outputs(OPERATORS[name].function(*arrays, **options))
        except REFUSALS as refusal:
            return refusal


def check_alike(got, wanted, dtype):
    """Two outcomes are the same refusal or answers alike."""
    if isinstance(wanted, Exception) or isinstance(got, Exception):
        assert type(got) is type(wanted), (got, wanted)
        assert "\n" not in str(got)
        return
    for y, w in zip(got, wanted, strict=True):
        assert fuzz_kernels.unlike(y, w, dtype) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_size_of_zero(name):
    """Each size of each case in turn: softmax over the middle axis of (3, 33, 0) once ended the process."""
    for case in OPERATORS[name].cases:
        for n in {n for draw in case.draws if isinstance(draw, Draw) for n in draw.shape}:
            try:
                arrays = [resized(a, n) for a in case.arrays(0)]
            except REFUSALS:
                continue
            check_alike(*(answered(lane, name, arrays, case.options) for lane in ("kernel", "formula")), "float32")
            if OPERATORS[name].gradient:
                check_gradient(name, arrays, case)


def resized(a, n):
    """Return an array with its axes of size `n` emptied."""
    return a if a is None else a[tuple(slice(0 if size == n else None) for size in a.shape)]


def check_gradient(name, arrays, case: Case):
    made = answered("formula", name, arrays, case.options)
    if isinstance(made, Exception):
        return
    floats = tuple(np.ones_like(y) for y in made if is_float(y))
    both = []
    for lane in ("kernel", "formula"):
        with refnorm.lane(lane), np.errstate(all="ignore"):
            try:
                cotangent = floats if len(made) > 1 else floats[0]
                both.append([g for g in outputs(OPERATORS[name].gradient(cotangent, *arrays, **case.options))])
            except REFUSALS as refusal:
                both.append(refusal)
    got, wanted = both
    if not isinstance(got, Exception) and not isinstance(wanted, Exception):
        got, wanted = ([g for g in gs if g is not None] for gs in both)
    check_alike(got, wanted, "float32")


@pytest.mark.parametrize(
    "change", ["misaligned", "byte-swapped", "read-only", "reversed", "every other", "overlapping rows"]
)
@pytest.mark.parametrize("name", NAMES)
def test_memory_of_any_kind(name, change):
    """What no kernel takes goes to the formula; either way the answer is that of a clean copy."""
    for case in OPERATORS[name].cases[:4]:
        arrays = [hostile(a, change) for a in case.arrays(1)]
        clean = [a if a is None else np.array(a, dtype=a.dtype.newbyteorder("=")) for a in arrays]
        before = [a if a is None else a.tobytes() for a in arrays]
        got, wanted = (answered("auto", name, a, case.options) for a in (arrays, clean))
        if isinstance(got, list):
            got = [np.asarray(y).astype(np.asarray(w).dtype) for y, w in zip(got, wanted, strict=True)]
        check_alike(got, wanted, "float32")
        assert before == [a if a is None else a.tobytes() for a in arrays]


def hostile(a, change):
    if a is None or not a.ndim or not a.size:
        return a
    if change == "misaligned":
        view = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    elif change == "byte-swapped":
        return a.astype(a.dtype.newbyteorder(">")) if is_float(a) else a
    elif change == "reversed":
        view = np.zeros_like(a)[tuple(slice(None, None, -1) for _ in a.shape)]
    elif change == "every other":
        view = np.zeros(tuple(2 * n for n in a.shape), a.dtype)[tuple(slice(None, None, 2) for _ in a.shape)]
    elif change == "overlapping rows" and a.ndim > 1 and is_float(a):  # each row begins one number after the one before
        flat = np.resize(a.ravel(), sum(a.shape))
        return np.lib.stride_tricks.as_strided(flat, a.shape, (a.itemsize,) * a.ndim, writeable=False)
    else:
        view = np.zeros_like(a)
    view[...] = a
    view.flags.writeable = change != "read-only"
    return view


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name in ("layer_norm", "rms_norm", "crms_norm", "softmax", "log_softmax")]
)
def test_products_of_sizes_that_overflow(name):
    """One number repeated over more bytes than 64 bits count: refused, before anything is written."""
    case = OPERATORS[name].cases[0]
    x = np.broadcast_to(np.float32(1), (2**40, 2**20))
    with bounded(), refnorm.lane("kernel"), pytest.raises((*REFUSALS, RuntimeError)):
        OPERATORS[name].function(x, **case.options)


class bounded:
    """This process may not take another two gigabytes: a machine with memory to spare would otherwise hand it out."""

    def __enter__(self):
        resource = pytest.importorskip("resource")
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        fuzz_kernels.bound_memory(2**31)

    def __exit__(self, *_):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, self.before)


@pytest.mark.full
@pytest.mark.parametrize("family", fuzz_kernels.families())
def test_random_calls(family):
    with bounded():
        counts = fuzz_kernels.run(family, 150, seed=1)
    assert counts["answered"] > 40


def test_a_wrong_kernel_is_found_out(monkeypatch):
    """Random calls see an answer that is two units off in one lane."""
    right = fuzz_kernels.put

    def put(lane, f, arrays, options):
        y = right(lane, f, arrays, options)
        return y * 1.01 if lane == "kernel" and isinstance(y, np.ndarray) else y

    monkeypatch.setattr(fuzz_kernels, "put", put)
    with pytest.raises(AssertionError, match="is not"):
        fuzz_kernels.run("norm.layer", 100, seed=0)
