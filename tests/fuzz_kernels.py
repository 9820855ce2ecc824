"""Put random calls to both lanes: ``python tests/fuzz_kernels.py [n] [seed] [wing.idea]``, n to each kernel family.

A call starts from a written case; its sizes, dtype, values, strides, options and gradient are then changed at random.
Both lanes must refuse it with the same kind of error, or give answers alike. Answers of half types and float32 may be
one unit in the last place apart, or 2**-44 of the largest number; float64 2**-40 of it (the suite holds it to its
condition). Gradients, in which large terms cancel, are measured against the largest number, or the cotangent's times
those of the parameters; with NaN or infinities in the call they need only come back, and what the formula makes NaN is
not compared: it has multiplied by the zero of a branch that the kernel does not take. Indices out of range the kernel
refuses; the formula leaves them to its library. What no lane should do is printed with the number of its call, and the
run ends with 1.
"""

from __future__ import annotations

import sys
import time
import warnings
import zlib
from collections import Counter, defaultdict

import numpy as np
from fuzz_readers import bound_memory
from libraries import DTYPES
from oracles import DIGITS, is_float, outputs

import refnorm
from refnorm import OPERATORS

SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100, 257)
LARGE = 4096  # elements that an array may have; what is larger is thinned
NUMBERS = (0.0, 1e-9, 1e-6, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0, 1e30, -1.0, float("nan"), float("inf"))
ODD = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)


def families() -> dict[str, list]:
    """Return the operators that have a kernel, by the module whose engine they share."""
    book = defaultdict(list)
    for operator in OPERATORS.values():
        if operator.kernel:
            book[f"{operator.wing}.{operator.idea}"].append(operator)
    return book


def main(n: int = 1000, seed: int = 0, only: str = "") -> None:
    """Run and print the counts."""
    bound_memory(2**30)
    apart = False
    for family in [only] if only else families():
        started = time.monotonic()
        counts = run(family, n, seed, stop=False)
        apart |= bool(counts["apart"])
        said = ", ".join(f"{counts[key]:,} {key}" for key in ("answered", "refused", "apart"))
        print(f"{family:20} {n:,} calls: {said}; {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(apart)


def run(family: str, n: int, seed: int, stop: bool = True) -> Counter:
    """Put `n` calls to the operators of a family; AssertionError at the first on which the lanes do not agree, or a
    line for each if the run is not to `stop`."""
    counts = Counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for i in range(n):
            try:
                counts[one(family, i, seed)] += 1
            except AssertionError as error:
                if stop:
                    raise
                counts["apart"] += 1
                print(str(error)[:300], flush=True)
    return counts


def one(family: str, i: int, seed: int) -> str:
    """Put call number `i` to both lanes and return what became of it: "answered" or "refused"."""
    rng = np.random.default_rng([seed, i, zlib.crc32(family.encode())])
    f, arrays, options, dtype = random_call(families_once()[family], rng)
    where = f"{f.__name__}, call {i} of seed {seed}"
    wanted, got = (put(lane, f, arrays, options) for lane in ("formula", "kernel"))
    if too_large(wanted):  # the formula's way takes more memory, and there is nothing to compare with
        return "refused"
    if isinstance(got, IndexError):
        return "refused"
    if isinstance(wanted, Exception) or isinstance(got, Exception):
        assert type(wanted) is type(got), f"{where}: formula {wanted!r}, kernel {got!r}"
        return "refused"
    gradient = f.__name__.endswith("_vjp")
    if gradient and not all(np.isfinite(a.astype("float64")).all() for b in arrays for a in flat(b) if is_float(a)):
        return "answered"
    for y, w in zip(flat(got), flat(wanted), strict=True):
        complaint = unlike(y, w, dtype, gradient and size_of_terms(*arrays))
        assert complaint is None, f"{where}: {complaint}"
    return "answered"


_BOOK: dict = {}


def families_once() -> dict:
    if not _BOOK:
        _BOOK.update(families())
    return _BOOK


def put(lane, f, arrays, options):
    """Return the answer or the refusal of one lane; anything but a refusal goes on its way up."""
    with refnorm.lane(lane):
        try:
            return f(*arrays, **options)
        except (TypeError, ValueError, IndexError, MemoryError) as refusal:
            return refusal


def too_large(answer) -> bool:
    """Return whether NumPy refused an array of this size."""
    said = ("array is too big", "Maximum allowed dimension", "cannot reshape array of size 0")
    return isinstance(answer, MemoryError) or (isinstance(answer, ValueError) and str(answer).startswith(said))


def flat(answer) -> list:
    return [y for y in outputs(answer) if y is not None and not isinstance(y, int)]


def size_of_terms(cotangent, x, *parameters) -> float:
    """Return how large the terms of a gradient may be that cancel: cotangents times parameters; 1 at least."""
    size = max(1.0, *(largest(g) for g in flat(cotangent)))
    for a in flat(parameters):
        size *= max(1.0, largest(a)) if is_float(a) else 1.0
    return size


def largest(a) -> float:
    a = np.abs(a.astype("float64"))
    return float(np.max(a, where=np.isfinite(a), initial=0))


def unlike(y, w, dtype, gradient=0.0) -> str | None:
    """Return what keeps two answers from being alike; `gradient` is 0, or the size of what cancels in one."""
    y, w = np.asarray(y), np.asarray(w)
    if y.shape != w.shape or y.dtype != w.dtype:
        return f"{y.dtype}{y.shape} is not {w.dtype}{w.shape}"
    if not is_float(y):
        return None if np.array_equal(y, w) else "whole numbers differ"
    wide, exact = y.astype("float64"), w.astype("float64")
    same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
    same |= bool(gradient) & (np.isnan(exact) | (~np.isfinite(wide) & ~np.isfinite(exact)))
    if same.all():
        return None
    top = max(largest(exact), gradient)
    digits, lowest = DIGITS[dtype]
    if gradient and dtype != "float64":
        allowed = top * 2.0 ** (1 - digits)
    elif dtype == "float64":
        allowed = top * 2.0**-40
    else:
        unit = np.ldexp(1.0, np.maximum(np.frexp(exact)[1] - 1, lowest) - digits + 1)
        allowed = np.maximum(unit, top * 2.0**-44)
    off = np.where(same, 0, np.abs(wide - exact))
    bad = ~(off <= allowed)
    if not bad.any():
        return None
    k = np.unravel_index(np.argmax(bad), bad.shape)
    return f"{dtype}: at {tuple(map(int, k))} of {y.shape} {wide[k]!r} is not {exact[k]!r}; the largest is {top!r}"


# ---- calls ----


def random_call(operators, rng):
    """Return (function, arrays, options, dtype)."""
    operator = operators[rng.integers(len(operators))]
    case = operator.cases[rng.integers(len(operator.cases))]
    dtype = list(DTYPES)[rng.integers(4)]
    sizes, changes = {}, rng.random() < 0.8
    arrays = [drawn(draw, rng, sizes, changes, DTYPES[dtype]) for draw in case.draws]
    options = {key: odd_option(value, rng) for key, value in case.options.items()}
    if np.max(options.get("p", 0)) > 1e4:  # no float64 knows the ratio of two numbers to such a power
        options["p"] = case.options["p"]
    f = operator.function
    if operator.gradient and rng.random() < 0.4:
        made = put("formula", f, arrays, options)
        if not isinstance(made, Exception):
            ys = [rng.normal(size=np.shape(y)).astype(DTYPES[dtype]) for y in outputs(made) if is_float(y)]
            arrays = [odd_values(tuple(ys) if isinstance(made, tuple) else ys[0], rng), *arrays]
            f = operator.gradient
    return f, [odd_layout(a, rng) for a in arrays], options, dtype


def drawn(draw, rng, sizes, changes, dtype):
    """Return the array of a draw, each size of the case exchanged for another, the same throughout the call."""
    if draw is None or isinstance(draw, list):
        return None if draw is None else [drawn(d, rng, sizes, changes, dtype) for d in draw]
    shape = draw.shape
    if changes:
        for n in shape:
            if n not in sizes:
                sizes[n] = n if rng.random() < 0.5 else int(rng.choice(SIZES))
        shape = tuple(sizes[n] for n in shape)
        if rng.random() < 0.03:  # a shape that does not belong
            shape = shape[1:] if shape and rng.random() < 0.5 else (*shape, 2)
    if np.prod(shape) > LARGE:
        shape = draw.shape
    try:
        values = np.asarray(draw.make(rng, shape))
    except (ValueError, IndexError, np.linalg.LinAlgError):  # no such draw of this shape
        values = np.asarray(draw.make(rng, draw.shape))
    return odd_values(values.astype(dtype), rng) if values.dtype.kind == "f" else odd_indices(values, rng)


def odd_values(a, rng):
    """Return floats as they are, at another scale, with special values among them, all equal, or beside a huge mean."""
    if isinstance(a, tuple):
        return tuple(odd_values(y, rng) for y in a)
    kind = rng.integers(8)
    if not a.size or kind < 4:
        return a
    with np.errstate(all="ignore"):
        if kind == 4:
            return (a.astype("float64") * 10.0 ** rng.integers(-8, 9)).astype(a.dtype)
        if kind == 5:
            a.flat[rng.integers(a.size, size=rng.integers(1, 4))] = rng.choice(ODD)
        elif kind == 6:
            a[...] = a.flat[0]
        else:
            a = (a.astype("float64") + 10.0 ** rng.integers(0, 4)).astype(a.dtype)
    return a


def odd_indices(a, rng):
    """Return whole numbers as they are, in another width, or with one of them far outside."""
    if a.dtype.kind in "iu" and a.size and rng.random() < 0.15:
        a = a.copy()
        a.flat[rng.integers(a.size)] = rng.choice([-1, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63)])
    elif a.dtype.kind == "i" and rng.random() < 0.3:
        a = a.astype(rng.choice(["int8", "int32", "uint16"]))
    return a


def odd_option(value, rng):
    """Return a number exchanged for another now and then."""
    if isinstance(value, bool) or rng.random() > 0.1:
        return (not value) if isinstance(value, bool) and rng.random() < 0.3 else value
    if isinstance(value, float):
        return float(rng.choice(NUMBERS))
    if isinstance(value, int):
        return int(rng.choice([value + 1, value - 1, 0, -1, 1, 2, 3, 2**31, 2**63 - 1, -(2**63)]))
    return value


def odd_layout(a, rng):
    """Return the same numbers in other memory: reversed, every third, transposed, repeated, at the end of its own."""
    if isinstance(a, tuple | list):
        return type(a)(odd_layout(y, rng) for y in a)
    kind = rng.integers(7)
    if a is None or not a.ndim or kind < 2:
        return a
    if kind == 2:
        return np.ascontiguousarray(a[::-1])[::-1]
    if kind == 3:
        room = np.zeros((*a.shape[:-1], 3 * a.shape[-1]), a.dtype)
        room[..., ::3] = a
        return room[..., ::3]
    if kind == 4:
        return np.asfortranarray(a)
    if kind == 5:
        axis = rng.integers(a.ndim)
        return np.broadcast_to(a.take([0], axis), a.shape) if a.shape[axis] else a
    room = np.empty(a.size + 1, a.dtype)[1:].reshape(a.shape)  # aligned to the element and no further
    room[...] = a
    room.flags.writeable = False
    return room


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
