"""The same numbers in other memory: every layout an array may come in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["LAYOUTS", "TALL", "laid", "mapped", "repeated"]

TALL = 2**23  # rows of one row's memory


def mapped(f: Callable, arrays):
    """Apply `f` to every array of a call; None stays None, lists stay lists."""
    return [a if a is None else mapped(f, a) if isinstance(a, list) else f(a) for a in arrays]


def negative(a):
    return np.flip(np.flip(a).copy())


def transposed(a):
    return a.T.copy().T


def gaps(a):
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def displaced(a):
    line = np.zeros(a.size + 1, a.dtype)
    line[1:] = a.reshape(-1)
    return line[1:].reshape(a.shape)


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def repeated(a):
    """Return `a` with stride 0 along its first axis."""
    return np.broadcast_to(a[:1], a.shape)


def tall(a):
    return np.broadcast_to(a[:1], (TALL, *a.shape[1:]))


# 0-d arrays, such as a scalar parameter, have one layout only
LAYOUTS = {
    "as drawn": np.array,
    "negative strides": negative,
    "transposed memory": transposed,
    "strides with gaps": lambda a: gaps(a) if a.ndim else a.copy(),
    "memory that starts off a boundary": displaced,
    "read-only arrays": read_only,
    "strides of zero": lambda a: repeated(a) if a.ndim else a.copy(),
    "2^23 rows": tall,
}


def laid(arrays: list, layout: str) -> list:
    """Return copies of the arrays in a layout; many rows are of the data alone."""
    if layout == "2^23 rows":
        return [tall(arrays[0]), *mapped(np.array, arrays[1:])]
    return mapped(LAYOUTS[layout], arrays)
