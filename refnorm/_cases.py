"""Draws and cases: a call written down as data, so that tests, checker and benchmarks make the same one."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

__all__ = [
    "Case", "Draw", "booleans", "boxes", "case", "integers", "normal", "orthonormal",
    "permutation", "positive", "simplex", "sorted_ids", "uniform",
]  # fmt: skip


@dataclass(frozen=True)
class Draw:
    """A recipe for one array: called with a generator it returns float64, integer or boolean NumPy values."""

    shape: tuple[int, ...]
    make: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = field(repr=False)
    name: str = ""

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        return self.make(rng, self.shape)


def normal(*shape: int, mean: float = 0.0, std: float = 1.0) -> Draw:
    return Draw(shape, lambda rng, s: rng.normal(mean, std, s), "normal")


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Draw:
    return Draw(shape, lambda rng, s: rng.uniform(low, high, s), "uniform")


def positive(*shape: int) -> Draw:
    return Draw(shape, lambda rng, s: rng.gamma(2.0, 1.0, s) + 0.05, "positive")


def simplex(*shape: int) -> Draw:
    return Draw(shape, lambda rng, s: rng.dirichlet(np.ones(s[-1]), s[:-1]), "simplex")


def integers(*shape: int, low: int = 0, high: int) -> Draw:
    return Draw(shape, lambda rng, s: rng.integers(low, high, s), "integers")


def sorted_ids(n: int, *, groups: int) -> Draw:
    """Segment ids 0..groups-1 in order; some groups may be empty."""
    return Draw((n,), lambda rng, s: np.sort(rng.integers(0, groups, s)), "sorted_ids")


def booleans(*shape: int, chance: float = 0.5) -> Draw:
    return Draw(shape, lambda rng, s: rng.random(s) < chance, "booleans")


def permutation(n: int) -> Draw:
    return Draw((n,), lambda rng, s: rng.permutation(s[0]), "permutation")


def orthonormal(n: int, k: int) -> Draw:
    """An (n, k) matrix with orthonormal columns."""
    return Draw((n, k), lambda rng, s: np.linalg.qr(rng.normal(size=s))[0], "orthonormal")


def boxes(n: int, *, height: float, width: float) -> Draw:
    """Boxes (x0, y0, x1, y1) with x0 < x1 <= width and y0 < y1 <= height."""

    def make(rng, s):
        x = np.sort(rng.uniform(0, width, (s[0], 2)), axis=1)
        y = np.sort(rng.uniform(0, height, (s[0], 2)), axis=1)
        return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)

    return Draw((n, 4), make, "boxes")


@dataclass(frozen=True)
class Case:
    """A labelled call: draws for the arrays (None and lists of draws too) and options as they are."""

    label: str
    draws: tuple
    options: dict

    def arrays(self, seed: int = 0, dtype="float32") -> list:
        """Return the arrays of this case as NumPy values rounded to `dtype`; integers and booleans as drawn."""
        rng = np.random.default_rng([seed, zlib.crc32(self.label.encode())])
        return [_made(draw, rng, np.dtype(dtype)) for draw in self.draws]


def _made(draw, rng, dtype):
    if draw is None:
        return None
    if isinstance(draw, list):
        return [_made(d, rng, dtype) for d in draw]
    values = np.asarray(draw(rng))
    return values.astype(dtype) if values.dtype.kind == "f" else values


def case(label: str, *draws, **options) -> Case:
    """Write down one call: ``case("weight", normal(2, 3, 8), normal(8), eps=0.5)``."""
    return Case(label, draws, options)
