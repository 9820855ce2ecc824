"""Sliding windows over any number of axes: their geometry, and reductions one axis at a time."""

from __future__ import annotations

import itertools
import math
import operator
from typing import NamedTuple

from .._xp import device
from .sums import two_sum

__all__ = [
    "Window", "around", "cells", "cells_back", "divisors", "per_axis", "same_padding", "slide", "spread",
    "spread_to_first", "window_sum", "windows",
]  # fmt: skip


class Window(NamedTuple):
    """Windows along one axis: output o reads inputs ``o * stride - before + j * dilation``, j < length."""

    size: int
    length: int
    stride: int
    dilation: int
    before: int
    after: int
    outputs: int

    @property
    def reach(self) -> int:
        """Positions from the first tap of a window to its last, both counted."""
        return self.dilation * (self.length - 1) + 1


# ---- reading and refusing the options ----


def windows(shape, window, stride, padding, dilation=1, ceil_mode=False) -> list[Window]:
    """Return the windows along every spatial axis of (N, C, *spatial); refuse what no window fits."""
    if len(shape) < 3:
        raise ValueError(f"x must have shape (N, C, *spatial) with at least one spatial axis, got {tuple(shape)}")
    sizes = shape[2:]
    lengths = _per_axis("window", window, len(sizes), 1)
    strides = lengths if stride is None else _per_axis("stride", stride, len(sizes), 1)
    dilations = _per_axis("dilation", dilation, len(sizes), 1)
    paddings = _paddings(padding, len(sizes))
    rows = zip(sizes, lengths, strides, dilations, paddings, strict=True)
    return [_window(axis, *row, ceil_mode) for axis, row in enumerate(rows, start=2)]


def _per_axis(name: str, value, count: int, least: int) -> tuple[int, ...]:
    given = value if isinstance(value, tuple | list) else (value,) * count
    try:
        numbers = tuple(operator.index(v) for v in given)
    except TypeError:
        raise TypeError(f"{name} must be an int or {count} ints, got {value!r}") from None
    if len(numbers) != count:
        raise ValueError(f"{name} must have one entry for each of the {count} spatial axes, got {value!r}")
    if any(v < least for v in numbers):
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return numbers


def _paddings(padding, count: int) -> list[tuple[int, int]]:
    if isinstance(padding, tuple | list) and any(isinstance(p, tuple | list) for p in padding):
        if len(padding) != count:
            raise ValueError(f"padding must have one entry for each of the {count} spatial axes, got {padding!r}")
        return [_per_axis("padding", p, 2, 0) for p in padding]
    return [(p, p) for p in _per_axis("padding", padding, count, 0)]


def _window(axis, size, length, stride, dilation, padding, ceil_mode) -> Window:
    before, after = padding
    w = Window(size, length, stride, dilation, before, after, 0)
    room = before + size + after - w.reach
    where = f"axis {axis} of size {size} padded by {before} and {after}"
    if size < 1 or room < 0:
        raise ValueError(f"a window reaching over {w.reach} does not fit {where}")
    if max(padding) >= w.reach:
        raise ValueError(f"padding must be smaller than the {w.reach} a window reaches over, got {where}")
    outputs = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (outputs - 1) * stride >= size + before:
        outputs -= 1  # the last window must start inside the input or its left padding
    w = w._replace(outputs=outputs)
    for o in range(outputs):
        if not any(0 <= i < size for i in range(o * stride - before, o * stride - before + w.reach, dilation)):
            raise ValueError(f"window {o} would see nothing but padding: {where}, reach {w.reach}, stride {stride}")
    return w


def around(shape, window, dilation=1, stride=1) -> list[Window]:
    """Return windows of odd lengths with a site of (N, C, *spatial) in the middle of each; refuse others."""
    if len(shape) < 3 or 0 in shape[2:]:
        raise ValueError(f"x must have shape (N, C, *spatial) with no empty spatial axis, got {tuple(shape)}")
    lengths = _per_axis("window", window, len(shape) - 2, 1)
    if not all(n % 2 for n in lengths):
        raise ValueError(f"window must be odd: it has a cell in its middle, got {window!r}")
    return [
        Window(size, n, stride, dilation, dilation * (n // 2), dilation * (n // 2), (size - 1) // stride + 1)
        for size, n in zip(shape[2:], lengths, strict=True)
    ]


def same_padding(shape, window, stride=None, dilation=1) -> tuple[tuple[int, int], ...]:
    """Return the padding that TensorFlow and Keras call SAME: ceil(size / stride) outputs, the odd cell at the end.

    `shape` holds the spatial sizes. Averages under SAME leave the padding out: ``count_include_pad=False``.

    >>> import refnorm
    >>> refnorm.pool.same_padding((5, 6), window=2, stride=2)
    ((0, 1), (0, 0))
    """
    sizes = tuple(shape)
    lengths = _per_axis("window", window, len(sizes), 1)
    strides = lengths if stride is None else _per_axis("stride", stride, len(sizes), 1)
    dilations = _per_axis("dilation", dilation, len(sizes), 1)
    needed = [
        max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        for n, k, s, d in zip(sizes, lengths, strides, dilations, strict=True)
    ]
    return tuple((n // 2, n - n // 2) for n in needed)


# ---- reductions ----


def _padded(xp, x, axis, w: Window, fill):
    """Return `x` with `fill` along `axis` as far as its windows reach, and no farther."""
    end = (w.outputs - 1) * w.stride + w.reach - w.before - w.size

    def block(width):
        shape = x.shape[:axis] + (width,) + x.shape[axis + 1 :]
        return [xp.full(shape, fill, dtype=x.dtype, device=device(x))] if width > 0 else []

    blocks = [*block(w.before), x, *block(end)]
    return x if len(blocks) == 1 else xp.concat(blocks, axis=axis)


def taps(xp, x, axis, w: Window, fill):
    """Yield, for each tap of the window, the inputs that all outputs see there."""
    x = _padded(xp, x, axis, w, fill)
    for j in range(w.length):
        start = j * w.dilation
        along = slice(start, start + (w.outputs - 1) * w.stride + 1, w.stride)
        yield x[(slice(None),) * axis + (along, ...)]


def slide(xp, x, axes: list[Window], fill, combine):
    """Reduce every window with an associative `combine`, one axis after the other."""
    for axis, w in enumerate(axes, start=2):
        first, *rest = taps(xp, x, axis, w, fill)
        x = first
        for tap in rest:
            x = combine(x, tap)
    return x


def cells(xp, x, axes: list[Window], fill):
    """Return what every window sees on a new last axis, in row-major order; `fill` where it sees padding."""
    for axis, w in enumerate(axes, start=2):
        x = xp.stack(list(taps(xp, x, axis, w, fill)), axis=-1)
    spatial = len(axes) + 2
    return xp.reshape(x, (*x.shape[:spatial], math.prod(x.shape[spatial:])))


def window_sum(xp, x, axes: list[Window], *, roomy):
    """Return the sum of every window; without spare precision each addition's rounding is carried along."""
    if roomy:
        return slide(xp, x, axes, 0.0, xp.add)
    lost = xp.zeros_like(x)
    for axis, w in enumerate(axes, start=2):
        pairs = zip(taps(xp, x, axis, w, 0.0), taps(xp, lost, axis, w, 0.0), strict=True)
        x, lost = next(pairs)
        for tap, residue in pairs:
            x, error = two_sum(xp, x, tap)
            lost = lost + (residue + error)
    return x + lost


def divisors(axes: list[Window], count_include_pad: bool) -> list[list[int]]:
    """Return, per axis, how many cells each window counts. Cells that only ceil_mode added never count."""
    counts = []
    for w in axes:
        starts = [o * w.stride - w.before for o in range(w.outputs)]
        low, high = (-w.before, w.size + w.after) if count_include_pad else (0, w.size)
        counts.append([min(s + w.length, high) - max(s, low) for s in starts])
    return counts


def per_axis(xp, values, dtype, like):
    """Return the product of one list a spatial axis, as an array that broadcasts over (N, C, *spatial)."""
    rank = len(values)
    product = None
    for axis, row in enumerate(values):
        row = xp.reshape(
            xp.asarray(row, dtype=dtype, device=device(like)), (1,) * axis + (-1,) + (1,) * (rank - 1 - axis)
        )
        product = row if product is None else product * row
    return product


# ---- the same, turned round, for gradients ----


def scatter(xp, y, axis, w: Window, tap: int):
    """Return `y`, one value an output, at the input positions that tap number `tap` reads; zero elsewhere."""
    if w.stride > 1:  # zeros between the outputs
        gaps = xp.zeros(y.shape[: axis + 1] + (w.stride - 1,) + y.shape[axis + 1 :], dtype=y.dtype, device=device(y))
        y = xp.concat([xp.expand_dims(y, axis=axis + 1), gaps], axis=axis + 1)
        y = xp.reshape(y, y.shape[:axis] + (w.outputs * w.stride,) + y.shape[axis + 2 :])
    start = tap * w.dilation - w.before  # where output 0 lands
    low, high = max(0, -start), min(y.shape[axis], w.size - start)
    y = y[(slice(None),) * axis + (slice(low, max(low, high)), ...)]
    return _padded(xp, y, axis, Window(y.shape[axis], 1, 1, 1, min(max(0, start), w.size), 0, w.size), 0.0)


def spread(xp, y, axes: list[Window]):
    """Return, at every input, the sum of `y` over the windows that see it."""
    for axis, w in enumerate(axes, start=2):
        parts = [scatter(xp, y, axis, w, tap) for tap in range(w.length)]
        y = sum(parts[1:], parts[0])
    return y


def cells_back(xp, y, axes: list[Window]):
    """Return, at every input, the sum of what `y` holds for it in the windows that see it: `cells` turned round."""
    y = xp.reshape(y, (*y.shape[:-1], *(w.length for w in axes)))
    for axis, w in reversed(list(enumerate(axes, start=2))):
        parts = [scatter(xp, y[..., tap], axis, w, tap) for tap in range(w.length)]
        y = sum(parts[1:], parts[0])
    return y


def spread_to_first(xp, g, x, y, axes: list[Window]):
    """Return `g` at the first cell, in row-major order of its window, that equals the maximum `y` (or is NaN)."""
    for axis, w in enumerate(axes, start=2):
        x = _padded(xp, x, axis, w, 0.0)
    total, taken = None, None
    for offsets in itertools.product(*(range(w.length) for w in axes)):
        along = [
            slice(j * w.dilation, j * w.dilation + (w.outputs - 1) * w.stride + 1, w.stride)
            for j, w in zip(offsets, axes, strict=True)
        ]
        tap = x[(slice(None), slice(None), *along)]
        reads = [
            [o * w.stride - w.before + j * w.dilation for o in range(w.outputs)]
            for j, w in zip(offsets, axes, strict=True)
        ]
        real = per_axis(
            xp, [[float(0 <= i < w.size) for i in row] for row, w in zip(reads, axes, strict=True)], x.dtype, x
        )
        hit = ((tap == y) | xp.isnan(tap)) & (real > 0)
        fresh = hit if taken is None else hit & ~taken
        taken = hit if taken is None else hit | taken
        part = xp.where(fresh, g, xp.zeros_like(g))
        for axis, (j, w) in enumerate(zip(offsets, axes, strict=True), start=2):
            part = scatter(xp, part, axis, w, j)
        total = part if total is None else total + part
    return total
