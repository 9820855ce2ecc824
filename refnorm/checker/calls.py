"""The calls a candidate is asked: an operator's cases, the same on hard data, and on special values."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .._cases import Case
from .._registry import Operator
from . import measure
from .layouts import laid, mapped
from .wire import dtype_of

__all__ = ["FLOATS", "Call", "gradient_of", "gradients", "hard", "of_case", "plain", "recipes", "special", "thinned"]

FLOATS = ("float16", "bfloat16", "float32", "float64")
HALVES = ("float16", "bfloat16")


@dataclass
class Call:
    """One call of an operator, and what the reference and known mistakes say of it: worked out once, and kept."""

    operator: Operator
    label: str
    dtype: str
    arrays: list
    options: dict
    layout: str = "as drawn"
    strict_only: bool = False
    vjp: bool = False
    case: Case | None = field(default=None, repr=False)
    variant: str = ""
    guesses: dict = field(default_factory=dict, repr=False)

    def handed(self) -> list:
        """Return fresh copies for a candidate to read, in the layout this call is about."""
        return laid(self.arrays, self.layout)

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(self.label.encode()))

    @property
    def data(self) -> np.ndarray:
        """The array that the operator is about: the first one that is no cotangent."""
        return self.arrays[1] if self.vjp else self.arrays[0]

    @property
    def size(self) -> int:
        return self.data.size

    @cached_property
    def answer(self):
        return measure.answer(self.operator, self.arrays, self.options, self.vjp)

    @cached_property
    def wanted(self) -> np.ndarray:
        return measure.packed(self._judged)

    @property
    def shapes(self) -> tuple:
        return measure.shapes(self.answer)

    @property
    def judged_shapes(self) -> tuple:
        return measure.shapes(self._judged)

    @cached_property
    def _judged(self):
        return self.answer if self.vjp else measure.judged(self.operator, self.answer)

    @cached_property
    def condition(self) -> measure.Condition:
        return measure.condition(self)

    @cached_property
    def second_look(self) -> measure.Condition | None:
        """The condition by many more nudges, where the answer holds places: a few may miss that two are level."""
        outputs = self.answer if isinstance(self.answer, tuple) else (self.answer,)
        holds_places = any(np.asarray(part).dtype.kind in "iu" for part in outputs if part is not None)
        return measure.condition(self, 16 * measure.DRAWS) if holds_places else None

    @property
    def yardstick(self) -> np.ndarray:
        return self.condition.yardstick

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
        arrays = [recipe(fresh[0], measure.limits(dtype_of(dtype))), *fresh[1:]]
    return Call(operator, label, dtype, rounded(arrays, dtype), case.options, case=case, variant=variant)


def thinned(calls: list[Call], n: float, seed: int) -> list[Call]:
    """Return `n` of the calls, chosen by the seed and in their order, or all of them where they are no more."""
    if n >= len(calls):
        return calls
    return [calls[i] for i in sorted(random.Random(seed).sample(range(len(calls)), max(int(n), 1)))]


def rounded(arrays, dtype: str) -> list:
    """Return the arrays with their floating numbers in `dtype`; what is too large for it becomes an infinity."""
    with measure.quiet():
        return mapped(lambda a: a.astype(dtype_of(dtype)) if a.dtype.kind == "f" else a, arrays)


def plain(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield the operator's own cases: the floor of a run."""
    for case in operator.cases:
        yield of_case(operator, case, seed, dtype)


def hard(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield every case that has numbers in it with a far mean, and far below and above one."""
    for case in operator.cases:
        for variant, recipe in far(dtype).items():
            if 0 not in case.draws[0].shape:
                yield of_case(operator, case, seed, dtype, variant, recipe)


def far(dtype: str) -> dict:
    """Return the recipes of hard data."""
    large = 1e2 if dtype in HALVES else 1e4
    return {
        f"mean {large:.0e}": lambda x, info: x + large,
        f"scale {1 / large:.0e}": lambda x, info: x / large,
        f"scale {large:.0e}": lambda x, info: x * large,
    }


def gradients(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield the gradient of every case that has numbers in it, at cotangents drawn for it."""
    if operator.gradient is None:
        return
    for call in (*plain(operator, seed, dtype), *(c for c in hard(operator, seed, dtype) if "mean" in c.variant)):
        if call.size:
            yield gradient_of(call, seed)


def gradient_of(call: Call, seed: int) -> Call:
    """Return the call of the gradient at the arrays of a call."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{call.label}, gradient".encode())])
    with measure.quiet():
        drawn = _cotangents(call.answer, rng)
    arrays = [*rounded([drawn], call.dtype), *call.arrays]
    return replace(call, label=f"gradient of {call.label}", arrays=arrays, vjp=True, guesses={})


def _cotangents(answer, rng):
    if isinstance(answer, tuple):
        return [rng.normal(size=np.shape(part)) for part in answer if not isinstance(part, int)]
    return rng.normal(size=np.shape(answer))


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


def offsets(dtype: str) -> dict:
    return {f"offset 10^{p}": offset(p) for p in range(1, {"float16": 5, "bfloat16": 3}.get(dtype, 7))}


def recipes(dtype: str) -> dict:
    """Return every recipe by the name of its variant."""
    return far(dtype) | ANYWHERE | OVERFLOWING | offsets(dtype)


def special(operator: Operator, seed: int, dtype: str) -> Iterator[Call]:
    """Yield special values in every case that has numbers in it; offsets in its first case and its fullest."""
    cases = [c for c in operator.cases if 0 not in c.draws[0].shape]
    fullest = max(cases, key=lambda c: (len(c.draws), len(c.draws[0].shape)))
    for case in cases:
        chosen = ANYWHERE | OVERFLOWING | (offsets(dtype) if case in (cases[0], fullest) else {})
        for variant, recipe in chosen.items():
            call = of_case(operator, case, seed, dtype, variant, recipe)
            call.strict_only = variant in OVERFLOWING
            yield call
