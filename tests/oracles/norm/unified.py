"""Unified norm in long double: mean squares a channel at a time, geometric means by logarithms as in the paper."""

import numpy as np

from oracles import WIDE


def tokens_of(x, axis):
    """Return the data as (tokens, C)."""
    last = np.moveaxis(x, axis, -1)
    return last.reshape(-1, last.shape[-1])


def back(rows, x, axis):
    return np.moveaxis(rows.reshape(np.moveaxis(x, axis, -1).shape), -1, axis)


def mean_squares(rows, shown):
    picked = [row for row, on in zip(rows, shown, strict=True) if on]
    total = sum((row * row for row in picked), start=np.zeros(rows.shape[1], WIDE))
    return total / WIDE(len(picked))


def statistic(x, var, variances, mask, step, axis, warmup, skip_outliers):
    """Return (the mean square divided by, the window after the step, whether the batch was left out)."""
    rows = tokens_of(x, axis)
    shown = np.ones(len(rows), bool) if mask is None else mask.reshape(-1)
    window, k = variances.copy(), len(variances)
    own = mean_squares(rows, shown)
    roots = np.sqrt(window).reshape(-1)
    centre = sum(roots) / WIDE(len(roots))
    spread = sum((r - centre) ** 2 for r in roots) / WIDE(len(roots) - 1)
    window[step % k] = own
    geometric = np.exp(np.log(window).sum(axis=0) / WIDE(k))
    left_out = False
    if skip_outliers and step >= warmup:
        left_out = bool(((window.sum(axis=0) / WIDE(k) - geometric) > k * spread).any())
    if left_out:
        window[step % k] = var
    alone = left_out or step <= k or step < warmup
    return own if alone else geometric, window, left_out


def unified_norm(
    x, var, variances, weight=None, bias=None, mask=None, *, step, axis=-1, warmup=4000, momentum=0.9,
    skip_outliers=False, eps=1e-5,
):  # fmt: skip
    square, window, _ = statistic(x, var, variances, mask, step, axis, warmup, skip_outliers)
    rows = tokens_of(x, axis) / np.sqrt(square + WIDE(eps))
    rows = rows if weight is None else rows * weight
    rows = rows if bias is None else rows + bias
    return back(rows, x, axis), WIDE(momentum) * var + (1 - WIDE(momentum)) * square, window


def unified_norm_vjp(
    cotangent, x, var, variances, tilt, tilts, weight=None, mask=None, *, step, axis=-1, warmup=4000, momentum=0.9,
    skip_outliers=False, eps=1e-5,
):  # fmt: skip
    square, _, left_out = statistic(x, var, variances, mask, step, axis, warmup, skip_outliers)
    s = np.sqrt(square + WIDE(eps))
    q = np.ones_like(s)
    if not left_out and step > 1000 and step > warmup:
        q = np.clip(s / np.sqrt(var + WIDE(eps)), WIDE(1) / 5, WIDE(5))
    z, g = tokens_of(x, axis) / s, tokens_of(cotangent, axis)
    h = g * q * (1 if weight is None else weight)
    own = sum(h * z) / WIDE(len(z))
    window, k = tilts.copy(), len(tilts)
    window[step % k] = tilt if left_out else own
    alone = left_out or step <= k or step < warmup
    mean = own if alone else window.sum(axis=0) / WIDE(k)
    after = WIDE(momentum) * tilt + (1 - WIDE(momentum)) * mean
    dx = (h - (own if left_out else after) * z) / s
    return back(dx, x, axis), sum(g * q * z), sum(g), after, window
