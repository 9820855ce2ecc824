"""Independent truth: every operator once more, in long double, by plain loops where that is clearest.

Nothing here is imported from the package: these are written from the formulas, not from its code.
"""

import itertools
import math

import numpy as np

WIDE = np.longdouble


def rows_of(x, axis):
    """Return (rows, put_back) with `axis` (int or tuple) moved last and flattened."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    moved = np.moveaxis(x, axes, range(-len(axes), 0))
    kept = moved.shape[: x.ndim - len(axes)]
    rows = moved.reshape(*kept, math.prod(moved.shape[len(kept) :]))
    return rows, lambda y: np.moveaxis(y.reshape(moved.shape), range(-len(axes), 0), axes)


def mean(x):
    return x.sum(axis=-1, keepdims=True) / WIDE(x.shape[-1])


def layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    rows, back = rows_of(x, axis)
    c = rows - mean(rows)
    c = c - mean(c)
    y = c / np.sqrt(mean(c * c) + WIDE(eps))
    y = y if weight is None else y * weight.reshape(-1)
    return back(y if bias is None else y + bias.reshape(-1))


def rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    rows, back = rows_of(x, axis)
    y = rows / np.sqrt(mean(rows * rows) + WIDE(eps))
    return back(y if weight is None else y * weight.reshape(-1))


def softmax(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    e = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return back(e / e.sum(axis=-1, keepdims=True))


def log_softmax(x, *, axis=-1):
    rows, back = rows_of(x, axis)
    z = rows - rows.max(axis=-1, keepdims=True)
    e = np.exp(z)
    np.put_along_axis(e, rows.argmax(axis=-1)[..., None], 0, axis=-1)
    bad = np.isnan(z).any(axis=-1, keepdims=True)
    return back(np.where(bad, np.nan, z - np.log1p(e.sum(axis=-1, keepdims=True))))


def window_cells(shape, window, stride, padding, dilation, ceil_mode):
    """Return, per spatial axis, one (cells inside, cells counted with padding) pair for every window."""
    sizes = shape[2:]
    count = len(sizes)

    def each(value):
        return value if isinstance(value, tuple) else (value,) * count

    window, dilation = each(window), each(dilation)
    stride = window if stride is None else each(stride)
    axes = []
    for n, k, s, d, p in zip(sizes, window, stride, dilation, each(padding), strict=True):
        before, after = p if isinstance(p, tuple) else (p, p)
        windows, start = [], -before
        while True:
            last = start + d * (k - 1)
            left_over = ceil_mode and windows and last - s < n + after - 1 and start < n
            if last >= n + after and not left_over:
                break
            inside = [i for i in range(start, start + d * k, d) if 0 <= i < n]
            counted = sum(1 for i in range(start, start + k) if i < n + after)
            windows.append((inside, counted))
            start += s
        axes.append(windows)
    return axes


def pooled(x, axes, reduce):
    y = np.empty((*x.shape[:2], *map(len, axes)), dtype=WIDE)
    for place in itertools.product(*(range(len(a)) for a in axes)):
        windows = [a[i] for a, i in zip(axes, place, strict=True)]
        block = x[np.ix_(range(x.shape[0]), range(x.shape[1]), *(w[0] for w in windows))]
        flat = block.reshape(*x.shape[:2], math.prod(block.shape[2:]))
        y[(slice(None), slice(None), *place)] = reduce(flat, [w[1] for w in windows])
    return y


def avg_pool(x, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    axes = window_cells(x.shape, window, stride, padding, 1, ceil_mode)

    def reduce(cells, counted):
        return cells.sum(axis=-1) / WIDE(math.prod(counted) if count_include_pad else cells.shape[-1])

    return pooled(x, axes, reduce)


def max_pool(x, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    axes = window_cells(x.shape, window, stride, padding, dilation, ceil_mode)
    return pooled(x, axes, lambda cells, counted: cells.max(axis=-1))


ORACLES = {f.__name__: f for f in (layer_norm, rms_norm, softmax, log_softmax, avg_pool, max_pool)}

# ---- measuring ----

DIGITS = {"float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022)}


def unit(exact, dtype):
    """Return one ulp of `dtype` at each exact value; below the normal range that of the smallest normal."""
    digits, lowest = DIGITS[str(np.dtype(dtype))]
    _, exponent = np.frexp(np.abs(exact))
    return np.ldexp(WIDE(1), np.maximum(exponent - 1, lowest) - digits + 1)


def ulps(got, exact):
    """Return |got - exact| in units in the last place; 0 where both are the same infinity or both NaN."""
    wide = np.asarray(got).astype(WIDE)
    with np.errstate(all="ignore"):
        off = np.abs(wide - exact) / unit(np.where(np.isfinite(exact), exact, 1), got.dtype)
        same = (wide == exact) | (np.isnan(wide) & np.isnan(exact))
    return np.where(same, 0, np.where(np.isnan(off), np.inf, off))


def condition(oracle, arrays, options, dtype, seed=0):
    """Return, per output, by how many ulps the exact answer moves when every input moves by one unit."""
    rng = np.random.default_rng(seed)
    wide = [a if a is None else a.astype(WIDE) for a in arrays]
    exact = oracle(*wide, **options)
    largest = np.zeros_like(exact)
    for _ in range(32):
        moved = [a if a is None else a + unit(a, dtype) * rng.choice([-1, 1], a.shape) for a in wide]
        largest = np.maximum(largest, np.abs(oracle(*moved, **options) - exact))
    return 1 + largest / unit(exact, dtype)
