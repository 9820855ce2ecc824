"""The calls a candidate is asked: an operator's cases, the same on hard data, and on special values."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .._cases import Case
from .._registry import Operator
from . import measure

__all__ = ["Call", "hard", "mapped", "of_case", "plain", "special"]

FLOATS = ("float16", "float32", "float64")


def mapped(f: Callable, arrays):
    """Apply `f` to every array of a call; None stays None, lists stay lists."""
    return [a if a is None else mapped(f, a) if isinstance(a, list) else f(a) for a in arrays]


@dataclass
class Call:
    """One call of an operator, and what the reference and known mistakes say of it: worked out once, and kept."""

    operator: Operator
    label: str
    dtype: str
    arrays: list
    options: dict
    layout: Callable = field(default=np.array, repr=False)
    strict_only: bool = False
    guesses: dict = field(default_factory=dict, repr=False)

    def handed(self) -> list:
        """Return fresh copies for a candidate to read, in the layout this call is about."""
        return mapped(self.layout, self.arrays)

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(self.label.encode()))

    @property
    def size(self) -> int:
        return self.arrays[0].size

    @cached_property
    def answer(self):
        return measure.answer(self.operator, self.arrays, self.options)

    @cached_property
    def wanted(self) -> np.ndarray:
        return measure.packed(self.answer)

    @property
    def shapes(self) -> tuple:
        return measure.shapes(self.answer)

    @cached_property
    def yardstick(self) -> np.ndarray:
        return measure.yardstick(self)

    @cached_property
    def baseline(self) -> float:
        return measure.baseline_error(self)

    @cached_property
    def reach(self) -> int:
        return measure.reach(self)


def of_case(operator: Operator, case: Case, seed: int, dtype: str, variant: str = "", recipe=None) -> Call:
    """Return the call of a case; `recipe` changes the float64 values of its first array before they are rounded."""
    label = f"{case.label} + {variant}" if variant else case.label
    arrays = case.arrays(seed, "float64")
    if recipe is not None:
        # its own generator: a variant that is a scaling of the plain draw would let a cached answer's scaling pass
        rng = np.random.default_rng([seed, zlib.crc32(label.encode())])
        fresh = case.arrays(int(rng.integers(2**31)), "float64")
        arrays = [recipe(fresh[0], np.finfo(dtype)), *fresh[1:]]
    with measure.quiet():  # what is too large for the type is drawn as an infinity
        rounded = mapped(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, arrays)
    return Call(operator, label, dtype, rounded, case.options)


def plain(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield the operator's own cases: the floor of a run."""
    for case in operator.cases:
        yield of_case(operator, case, seed, dtype)


def hard(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield every case that has numbers in it with a far mean, and far below and above one."""
    large = 1e2 if dtype == "float16" else 1e4
    recipes = {
        f"mean {large:.0e}": lambda x, info: x + large,
        f"scale {1 / large:.0e}": lambda x, info: x / large,
        f"scale {large:.0e}": lambda x, info: x * large,
    }
    for case in operator.cases:
        for variant, recipe in recipes.items():
            if 0 not in case.draws[0].shape:
                yield of_case(operator, case, seed, dtype, variant, recipe)


def one_place(value):
    """Return the recipe that puts `value` in the middle of the array."""

    def put(x, info):
        x = x.copy()
        x.flat[x.size // 2] = value
        return x

    return put


def signed_zeros(x, info):
    x = x.copy()
    x.flat[::2], x.flat[1::4] = 0.0, -0.0
    return x


def offset(power):
    return lambda x, info: x + 10.0**power


ANYWHERE = {
    "a NaN": one_place(np.nan),
    "an infinity": one_place(np.inf),
    "a negative infinity": one_place(-np.inf),
    "signed zeros": signed_zeros,
    "all zeros": lambda x, info: x * 0,
    "denormals": lambda x, info: x * float(info.smallest_normal) / 16,
    "all -inf": lambda x, info: x * 0 - np.inf,
    "all equal": lambda x, info: np.full_like(x, 1.7),
}
# Beyond the root of the largest number squares overflow: honest code in one type may do that, so it is a finding.
OVERFLOWING = {"squares overflow": lambda x, info: x * 4 * float(info.max) ** 0.5}


def special(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield special values in every case that has numbers in it; offsets in its first case and its fullest."""
    cases = [c for c in operator.cases if 0 not in c.draws[0].shape]
    fullest = max(cases, key=lambda c: (len(c.draws), len(c.draws[0].shape)))
    powers = range(1, 5 if dtype == "float16" else 7)
    offsets = {f"offset 10^{p}": offset(p) for p in powers}
    for case in cases:
        recipes = ANYWHERE | OVERFLOWING | (offsets if case in (cases[0], fullest) else {})
        for variant, recipe in recipes.items():
            call = of_case(operator, case, seed, dtype, variant, recipe)
            call.strict_only = variant in OVERFLOWING
            yield call
