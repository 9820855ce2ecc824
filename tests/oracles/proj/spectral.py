"""Cosine transforms and a layer on modes in long double, mode by mode."""

import numpy as np

from oracles import WIDE


def spectral_mode_mixing(x, weight, other, *, activation="sin", residual=True):
    _, channels, m = x.shape
    u, y = np.zeros(x.shape, WIDE), np.zeros(x.shape, WIDE)
    for o in range(channels):
        for i in range(channels):
            u[:, o] += x[:, i] * weight[i, o]
    u = {"sin": np.sin, "relu": lambda z: np.where(z < 0, WIDE(0), z), "none": lambda z: z}[activation](u)
    for i in range(channels):
        for k in range(m):
            for j in range(m):
                y[:, i, k] += u[:, i, j] * other[j, k, i]
    return x + y if residual else y


PI = 4 * np.arctan(WIDE(1))


def cosine(part, of):
    """Return the cosine of part / of of a half turn."""
    part = part % (2 * of)
    return WIDE(0) if 2 * part in (of, 3 * of) else np.cos(PI * WIDE(part) / of)


def beside_the_mean(x):
    for _ in range(2):
        x = x - np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    return x


def waves(n, kind):
    """Yield for every mode its cosines."""
    for k in range(n):
        yield np.array([{
            1: lambda i, k=k: cosine(k * i, max(n - 1, 1)),
            2: lambda i, k=k: cosine(k * (2 * i + 1), 2 * n),
            3: lambda i, k=k: cosine((2 * k + 1) * i, 2 * n),
            4: lambda i, k=k: cosine((2 * k + 1) * (2 * i + 1), 4 * n),
        }[kind](i) for i in range(n)], WIDE)  # fmt: skip


def rows_of(x, axis):
    x = np.moveaxis(x, axis, -1).copy()
    x[~np.isfinite(x).all(axis=-1)] = np.nan
    return x


def dct(x, *, axis=-1, kind=2, norm="ortho"):
    x = rows_of(x, axis)
    n, y = x.shape[-1], np.zeros_like(x)
    around = [0, n - 1] if kind == 1 else [0]
    if kind in (1, 3):
        x[..., around] = x[..., around] * (np.sqrt(WIDE(1) / 2) if norm == "ortho" else WIDE(1) / 2)
    rows = beside_the_mean(x) if kind == 2 else x  # every wave of type II but the first adds up to 0
    for k, wave in enumerate(waves(n, kind)):
        y[..., k] = np.sum((x if k == 0 else rows) * wave, axis=-1)
    if kind in (1, 2) and norm == "ortho":
        y[..., around] = y[..., around] * np.sqrt(WIDE(1) / 2)
    steps = WIDE(n - 1 if kind == 1 else n)
    scale = {"backward": WIDE(2), "ortho": np.sqrt(2 / steps), "forward": 1 / steps}[norm]
    return np.moveaxis(scale * y, -1, axis)


def spectral_truncate(x, *, k, axis=-1, kind="low"):
    x = rows_of(x, axis)
    rest = beside_the_mean(x)
    low = np.zeros_like(x)
    for wave in list(waves(x.shape[-1], 2))[1:k]:
        low = low + 2 * np.sum(rest * wave, axis=-1, keepdims=True) * wave / x.shape[-1]
    y = rest - low if kind == "high" else low + np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    return np.moveaxis(y, -1, axis)
