"""Numbers as distributions over bins, in long double."""

import numpy as np

from oracles import WIDE


def two_hot_project(x, *, low, high, count):
    """By the interval each number lies in."""
    low, high = WIDE(low), WIDE(high)
    step, p = (high - low) / (count - 1), np.zeros((*x.shape, count), WIDE)
    y = np.clip(x, low, high)
    left = np.minimum(np.floor((np.where(np.isnan(y), low, y) - low) / step), count - 2)
    left = left - (y < low + left * step)  # y - low was rounded up
    for i in range(count - 1):
        here = left == i
        p[..., i] = np.where(here, (low + (i + 1) * step - y) / step, p[..., i])
        p[..., i + 1] = np.where(here, (y - (low + i * step)) / step, p[..., i + 1])
    return np.where(np.isnan(y)[..., None], np.nan, p)


def categorical_project(x, atoms, *, low, high, count):
    shares = two_hot_project(atoms, low=low, high=high, count=count)
    m = np.zeros((*x.shape[:-1], count), WIDE)
    for j in range(x.shape[-1]):
        m = m + x[..., j, None] * shares[..., j, :]
    return m


def hl_gauss_project(x, *, low, high, count, std):
    """By erf within the bin of a number and by erfc on its sides, over what the latter is at the end of the range."""
    low, high, std = WIDE(low), WIDE(high), WIDE(std)
    y = np.clip(x, low - 1e4 * std * max(1, std / (high - low)), high + 1e4 * std * max(1, std / (high - low)))
    d = [(low - y + i * (high - low) / count) / std for i in range(count + 1)]
    off = np.maximum(np.maximum(d[0], -d[-1]), 0)
    tails = [np.exp(-(abs(v) - off) * (abs(v) + off) / 2) * scaled_erfc(abs(v) / np.sqrt(WIDE(2))) for v in d]
    sides = [np.where(abs(v) < 1, near_zero(abs(v) / np.sqrt(WIDE(2))), 1 - t) for v, t in zip(d, tails, strict=True)]
    masses = [
        np.where((d[i] < 0) & (d[i + 1] > 0), sides[i] + sides[i + 1], abs(tails[i + 1] - tails[i]))
        for i in range(count)
    ]
    whole = sum(masses)
    return np.stack([m / whole for m in masses], axis=-1)


def near_zero(x):
    """erf(x) = 2 / sqrt(pi) exp(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...): nothing cancels."""
    x = np.minimum(x, 1.5)
    term, total = x, 0 * x
    for n in range(60):
        total = total + term
        term = term * 2 * x * x / (2 * n + 3)
    return 2 / np.sqrt(np.arccos(WIDE(-1))) * np.exp(-x * x) * total


def scaled_erfc(x):
    """exp(x^2) erfc(x) by its continued fraction, from 1.5 on."""
    far, r = np.maximum(x, 1.5), 0 * x
    for k in range(160, 0, -1):
        r = WIDE(k) / 2 / (far + r)
    near = np.exp(np.minimum(x, 1.5) ** 2) * (1 - near_zero(x))
    return np.where(x < 1.5, near, 1 / (np.sqrt(np.arccos(WIDE(-1))) * (far + r)))
