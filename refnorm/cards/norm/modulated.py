"""How modulated norms are got wrong, and what released code calls them with."""

import functools
import itertools

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.modulated import coordinate_modulated_norm, spade

conventions(spade, "code", "NVlabs/SPADE models/networks/normalization.py, spadebatch3x3", eps=1e-5)
conventions(spade, "costg", "tanlei0/COSTG SPADEGroupNorm.py: no resizing", groups=32, activation="silu", eps=1e-5)
conventions(coordinate_modulated_norm, "code, images", "CAM_image.py FCLayer_aff; coordinates reversed", axis=-1)
conventions(
    coordinate_modulated_norm, "code, video", "FFNeRV TempMod, channels last: axes of the sites", axis=(1, 2), eps=1e-5
)
conventions(coordinate_modulated_norm, "code, mip-NeRF", "as catalogued: GroupNorm(1) of flax", axis=(-2, -1), eps=1e-6)


def standard(x, axes, eps, ddof=0, outside=False):
    """Return x of mean 0 and variance 1 over axes; scaled, so that no square overflows."""
    c = x - x.mean(axis=axes, keepdims=True)
    c = c - c.mean(axis=axes, keepdims=True)
    eps = x.dtype.type(eps)
    top = np.maximum(np.max(np.abs(c), axis=axes, keepdims=True, initial=0), np.sqrt(eps))
    top = np.where((top > 0) & np.isfinite(top), top, x.dtype.type(1))
    n = np.sum(np.ones_like(c), axis=axes, keepdims=True) - x.dtype.type(ddof)
    square = np.sum((c / top) ** 2, axis=axes, keepdims=True) / n
    if outside:
        return c / (top * np.sqrt(square) + eps)
    return c / top / np.sqrt(square + eps / top / top)


# ---- spade ----


def convolved(x, weight, bias, *, turned=False, mode="constant", **unused):
    """Return (N, C, *spatial) weighed by (D, C, *window)."""
    window = weight.shape[2:]
    weight = np.flip(weight, tuple(range(2, weight.ndim))) if turned else weight
    room = np.pad(x, [(0, 0), (0, 0), *((k // 2, k // 2) for k in window)], mode=mode)
    y = 0 if bias is None else bias.reshape(-1, *[1] * len(window))
    for tap in itertools.product(*map(range, window)):
        seen = room[(slice(None), slice(None), *(slice(t, t + n) for t, n in zip(tap, x.shape[2:], strict=True)))]
        y = y + np.moveaxis(np.tensordot(weight[(slice(None), slice(None), *tap)], seen, (1, 1)), 0, 1)
    return y


def silu(h):
    e = np.exp(-np.abs(h))
    return h * np.where(h < 0, e, np.ones_like(e)) / (1 + e)


def index_of(have, want, centred):
    return [int((i + 0.5) * have / want) if centred else i * have // want for i in range(want)]


def written(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    def call(
        x, guide, weight, gain_weight, shift_weight, bias=None, gain_bias=None, shift_bias=None, /, *, axis=1,
        groups=None, activation="relu", eps=1e-5,
    ):  # fmt: skip
        planes, maps = np.moveaxis(x, axis, 1), np.moveaxis(guide, axis, 1)
        axes = (0, *range(2, planes.ndim))
        how = dict(eps=eps, ddof=wrong.get("ddof", 0), outside=wrong.get("outside", False))
        if wrong.get("swapped"):
            groups = x.shape[axis] if groups is None else None
        if groups is None:
            z = standard(planes, axes, **how)
        else:
            parts = planes.reshape(planes.shape[0], groups, planes.shape[1] // groups, *planes.shape[2:])
            z = standard(parts, tuple(range(2, parts.ndim)), **how).reshape(planes.shape)
        for a, (have, want) in enumerate(zip(maps.shape[2:], planes.shape[2:], strict=True), start=2):
            maps = np.take(maps, index_of(have, want, wrong.get("centred")), axis=a)
        bend = wrong.get("bend", {"relu": lambda h: h * (h > 0), "silu": silu}[activation])
        hidden = bend(convolved(maps, weight, bias, **wrong))
        gamma, beta = (
            convolved(hidden, gain_weight, gain_bias, **wrong),
            convolved(hidden, shift_weight, shift_bias, **wrong),
        )
        y = (z + beta) * (1 + gamma) if wrong.get("early") else z * (gamma + wrong.get("one", 1)) + beta
        return np.moveaxis(y, 1, axis)

    return call


for name, kind, wrong in [
    ("gamma alone, not 1 + gamma", "order of the affine part", {"one": 0}),
    ("shift before the gain", "order of the affine part", {"early": True}),
    ("windows turned round", "neighbourhood", {"turned": True}),
    ("border repeated in place of zeros", "neighbourhood", {"mode": "edge"}),
    ("activation left out", "activation", {"bend": lambda h: h}),
    ("always ReLU", "activation", {"bend": lambda h: h * (h > 0)}),
    ("always SiLU", "activation", {"bend": silu}),
    ("map resized by the middles of sites", "neighbourhood", {"centred": True}),
    ("samples alone in place of the batch, and the other way round", "axis", {"swapped": True}),
    ("n - 1 in place of n", "denominator", {"ddof": 1}),
    ("eps outside the root", "place of a parameter", {"outside": True}),
]:
    mistake(spade, name, kind=kind)(written(**wrong))

honest(spade, "NumPy")(written())


# ---- coordinate_modulated_norm ----


def looked_up(grid, at, *, centred=False, border=True, nearest=False, **unused):
    """Return a grid (G, *sizes) at points (..., k)."""
    of, ways = at.dtype.type, []
    for j, n in enumerate(grid.shape[1:]):
        u = at[..., j]
        u = (
            ((u + 1) * of(n) - 1) / 2
            if centred
            else (np.clip(u, -1, 1) if border else u) * of((n - 1) / 2) + of((n - 1) / 2)
        )
        u = np.clip(u, 0, n - 1) if centred else u
        low = np.floor(np.where(np.isnan(u), 0, u))
        t = u - low
        ways.append((n, low.astype(int), np.round(t) if nearest else t))
    y = 0
    for corner in itertools.product((0, 1), repeat=len(ways)):
        share, index = of(1), []
        for (n, low, t), far in zip(ways, corner, strict=True):
            place = low + far
            share = share * (t if far else 1 - t) * (1 if border else (place >= 0) & (place < n))
            index.append(np.clip(place, 0, n - 1))
        y = y + share[..., None] * np.moveaxis(grid[(slice(None), *index)], 0, -1)
    return y.astype(at.dtype)


def modulated(x, coordinates, gain, shift, /, *, axis=-1, eps=1e-5, **wrong):
    how = dict(eps=eps, ddof=wrong.get("ddof", 0), outside=wrong.get("outside", False))
    z = standard(x, wrong.get("axes", axis), **how)
    z = x if wrong.get("bare") else z
    at = coordinates[..., ::-1] if wrong.get("backwards") and len(set(gain.shape[1:])) == 1 else coordinates
    if wrong.get("shared"):
        gain, shift = gain[:1], shift[:1]
    a, b = looked_up(gain, at, **wrong), looked_up(shift, at, **wrong)
    return (1 + a) * z + b if wrong.get("one") else a * (z + b) if wrong.get("early") else a * z + b


for name, kind, wrong in [
    ("not normalized", "statistic", {"bare": True}),
    ("always the last axis", "axis", {"axes": -1}),
    ("n - 1 in place of n", "denominator", {"ddof": 1}),
    ("eps outside the root", "place of a parameter", {"outside": True}),
    ("nodes in the middles of cells", "neighbourhood", {"centred": True}),
    ("zeros beyond the border", "neighbourhood", {"border": False}),
    ("nearest node", "neighbourhood", {"nearest": True}),
    ("one grid for all channels", "axis", {"shared": True}),
    ("gain taken for an offset from one", "order of the affine part", {"one": True}),
    ("shift before the gain", "order of the affine part", {"early": True}),
]:
    mistake(coordinate_modulated_norm, name, kind=kind)(functools.partial(modulated, **wrong))

honest(coordinate_modulated_norm, "NumPy")(modulated)
