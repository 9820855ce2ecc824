"""Modulated norms in long double: convolutions by loops over filters and taps, lookups a point at a time."""

import itertools

import numpy as np

from oracles import WIDE


def standard(v, eps):
    m = v.sum() / WIDE(v.size)
    d = v - m
    d = d - d.sum() / WIDE(v.size)
    return d / np.sqrt((d * d).sum() / WIDE(v.size) + WIDE(eps))


def convolved(x, weight, bias):
    """Of (C, *spatial), with zeros around; windows are not turned round."""
    window = weight.shape[2:]
    room = np.zeros((len(x), *(n + k - 1 for n, k in zip(x.shape[1:], window, strict=True))), WIDE)
    room[(slice(None), *(slice(k // 2, k // 2 + n) for n, k in zip(x.shape[1:], window, strict=True)))] = x
    y = np.zeros((len(weight), *x.shape[1:]), WIDE)
    for o in range(len(weight)):
        for c in range(len(x)):
            for tap in np.ndindex(window):
                seen = room[c][tuple(slice(t, t + n) for t, n in zip(tap, x.shape[1:], strict=True))]
                y[o] = y[o] + weight[(o, c, *tap)] * seen
        y[o] = y[o] if bias is None else y[o] + bias[o]
    return y


def nearest(guide, sizes):
    y = np.empty((len(guide), *sizes), WIDE)
    for at in np.ndindex(*sizes):
        y[(slice(None), *at)] = guide[(slice(None), *(i * h // w for i, h, w in zip(at, guide.shape[1:], sizes)))]  # noqa: B905
    return y


def spade(
    x, guide, weight, gain_weight, shift_weight, bias=None, gain_bias=None, shift_bias=None, *, axis=1, groups=None,
    activation="relu", eps=1e-5,
):  # fmt: skip
    planes, maps = np.moveaxis(x, axis, 1), np.moveaxis(guide, axis, 1)
    z, y = np.empty(planes.shape, WIDE), np.empty(planes.shape, WIDE)
    if groups is None:
        for c in range(planes.shape[1]):
            z[:, c] = standard(planes[:, c], eps)
    else:
        size = planes.shape[1] // groups
        for n, g in itertools.product(range(len(planes)), range(groups)):
            z[n, g * size : (g + 1) * size] = standard(planes[n, g * size : (g + 1) * size], eps)
    for n in range(len(planes)):
        hidden = convolved(nearest(maps[n], planes.shape[2:]), weight, bias)
        hidden = np.where(hidden < 0, 0, hidden) if activation == "relu" else hidden / (1 + np.exp(-hidden))
        y[n] = z[n] * (1 + convolved(hidden, gain_weight, gain_bias)) + convolved(hidden, shift_weight, shift_bias)
    return np.moveaxis(y, 1, axis)


def looked_up(grid, at):
    """Return a grid (G, *sizes) at one point."""
    if np.isnan(at).any():
        return np.full(len(grid), np.nan, WIDE)
    places = [(min(max(c, WIDE(-1)), WIDE(1)) + 1) / 2 * (n - 1) for c, n in zip(at, grid.shape[1:], strict=True)]
    y = np.zeros(len(grid), WIDE)
    for corner in itertools.product((0, 1), repeat=len(places)):
        share, index = WIDE(1), []
        for place, far, n in zip(places, corner, grid.shape[1:], strict=True):
            low = np.floor(place)
            share = share * (place - low if far else 1 - (place - low))
            index.append(min(int(low) + far, n - 1))
        y = y + share * grid[(slice(None), *index)]
    return y


def coordinate_modulated_norm(x, coordinates, gain, shift, *, axis=-1, eps=1e-5):
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))
    y = np.empty(x.shape, WIDE)
    for i in np.ndindex(*(1 if a in axes else n for a, n in enumerate(x.shape))):
        here = tuple(slice(None) if a in axes else i[a] for a in range(x.ndim))
        y[here] = standard(x[here], eps)
    for p in np.ndindex(x.shape[:-1]):
        y[p] = looked_up(gain, coordinates[p]) * y[p] + looked_up(shift, coordinates[p])
    return y
