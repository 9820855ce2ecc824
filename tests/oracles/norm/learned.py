"""Learned region norm in long double: what a site sees is summed a site at a time, moments a channel and region."""

import numpy as np

from oracles import WIDE


def convolved(maps, weight, bias):
    """Of (C, *spatial) by (1, C, *window), with zeros around: (*spatial)."""
    y = np.zeros(maps.shape[1:], WIDE)
    half = [k // 2 for k in weight.shape[2:]]
    room = np.pad(maps, [(0, 0), *((h, h) for h in half)])
    for c, *tap in np.ndindex(weight.shape[1:]):
        seen = room[c][tuple(slice(t, t + n) for t, n in zip(tap, maps.shape[1:], strict=True))]
        y = y + weight[(0, c, *tap)] * seen
    return y if bias is None else y + bias[0]


def standard(v, places, eps, eps_mode):
    d = v - v.sum() / WIDE(v.size)
    d = d - d.sum() / WIDE(v.size)
    own = WIDE(eps) * (places / WIDE(v.size) if eps_mode == "plane" else 1)
    return d / np.sqrt((d * d).sum() / WIDE(v.size) + own)


def learned_region_norm(
    x, weight, gain_weight, shift_weight, gain_bias=None, shift_bias=None, *, axis=1, threshold=0.8, per_sample=False,
    eps=1e-5, eps_mode="region",
):  # fmt: skip
    planes = np.moveaxis(x, axis, 1)
    n, channels = planes.shape[:2]
    soft, y = np.zeros((n, *planes.shape[2:]), WIDE), np.zeros(planes.shape, WIDE)
    for i in range(n):
        mean = sum(planes[i, c] for c in range(channels)) / WIDE(channels)
        soft[i] = 1 / (1 + np.exp(-convolved(np.stack([mean, planes[i].max(axis=0)]), weight, None)))
    for batch in [slice(i, i + 1) for i in range(n)] if per_sample else [slice(None)]:
        for region in (soft[batch] >= WIDE(threshold), ~(soft[batch] >= WIDE(threshold))):
            for c in range(channels if region.any() else 0):
                y[batch, c][region] = standard(planes[batch, c][region], region.size, eps, eps_mode)
    for i in range(n):
        gamma = convolved(soft[i : i + 1], gain_weight, gain_bias)
        y[i] = y[i] * (1 + gamma) + convolved(soft[i : i + 1], shift_weight, shift_bias)
    return np.moveaxis(y, 1, axis)
