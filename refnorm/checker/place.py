"""Say where answers are wrong: a boolean mask in a few words, such as "only in the last row"."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["place", "place_in"]


def place(wrong: np.ndarray) -> str:
    """Return where a mask is true, in the narrowest words that fit.

    "Only in the last row" means that nothing outside of it is true; where not all within it is, "5 of 8 elements there"
    follows. A row of an array of any number of axes is what differs in the last index alone.

    >>> import numpy as np
    >>> from refnorm.checker.place import place
    >>> wrong = np.zeros((4, 8), bool)
    >>> wrong[-1] = True
    >>> place(wrong)
    'only in the last row (index 3 of axis 0)'
    """
    wrong = np.asarray(wrong, bool)
    count = int(wrong.sum())
    if count == 0:
        return "nowhere"
    if count == wrong.size:
        return "everywhere"
    first = _index(int(wrong.argmax()), wrong.shape)
    if count == 1:
        return f"one element, {first}"
    return _row(wrong) or _axes(wrong) or _line(wrong) or f"{count} of {wrong.size} elements, the first at {first}"


def place_in(wrong: np.ndarray, shapes: tuple) -> str:
    """Return the same for an answer of several outputs, laid end to end in `wrong`; `shapes` are theirs."""
    if not shapes or not isinstance(shapes[0], tuple):
        return place(np.reshape(wrong, shapes))
    shapes = tuple((0,) if shape is None else shape for shape in shapes)
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(wrong, ends[:-1]), shapes, strict=True)]
    said = [f"output {i} {place(part)}" for i, part in enumerate(parts) if part.any()]
    return "; ".join(said) or "nowhere"


def _index(flat: int, shape: tuple) -> tuple:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def _row(wrong: np.ndarray) -> str:
    """Return which row it is, where all lies in one of several."""
    rows = wrong.reshape(-1, wrong.shape[-1])
    touched = np.flatnonzero(rows.any(axis=1))
    if len(rows) < 2 or len(touched) > 1:
        return ""
    row = int(touched[0])
    name = "the first row" if row == 0 else "the last row" if row == len(rows) - 1 else "one row"
    at = f"index {row} of axis 0" if wrong.ndim == 2 else f"index {_index(row, wrong.shape[:-1])}"
    return f"only in {name} ({at}){_share(int(rows[row].sum()), wrong.shape[-1])}"


def _axes(wrong: np.ndarray) -> str:
    """Return what is touched along each axis of which less than all is touched, and in a regular way."""
    said, region = [], 1
    for axis, length in enumerate(wrong.shape):
        touched = wrong.any(axis=tuple(a for a in range(wrong.ndim) if a != axis))
        words = _along(touched, "" if wrong.ndim == 1 else f" of axis {axis}")
        region *= int(touched.sum()) if words else length
        if words:
            said.append(words)
    count = int(wrong.sum())
    if not said or 4 * count < region:  # a few elements always share something by chance
        return ""
    return f"only {' and '.join(said)}{_share(count, region)}"


def _line(wrong: np.ndarray) -> str:
    """Return what is touched of the elements as they lie one behind the other, C order."""
    words = _along(wrong.reshape(-1), " in memory order")
    return f"only {words}" if words else ""


def _along(touched: np.ndarray, of: str) -> str:
    """Return which elements of a line are true: one, the first or last few, some in the middle, every so many."""
    n, at = len(touched), np.flatnonzero(touched)
    low, high, count = int(at[0]), int(at[-1]), len(at)
    if count == n:
        return ""
    if count == 1:
        return f"at {'the first index' if low == 0 else 'the last index' if low == n - 1 else f'index {low}'}{of}"
    if high - low == count - 1:
        if low == 0 or high == n - 1:
            return f"in the {'first' if low == 0 else 'last'} {count} elements{of}"
        return f"in elements {low} to {high}{of}"
    step = int(at[1]) - low
    if count > 2 and low < step and high + step >= n and np.all(np.diff(at) == step):
        return f"in every {'other' if step == 2 else f'{step}th'} element{of}, from index {low} on"
    return ""


def _share(count: int, region: int) -> str:
    return f", {count} of {region} elements there" if count < region else ""
