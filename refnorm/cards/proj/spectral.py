"""How cosine transforms, low modes and layers that act on modes are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.spectral import dct, spectral_mode_mixing, spectral_truncate

conventions(dct, "scipy", "type 2, norm None", kind=2, norm="backward")
conventions(dct, "kairos", "dct1d of Transform Once", kind=2, norm="ortho")
conventions(spectral_truncate, "paper", "as catalogued", kind="low")
conventions(spectral_mode_mixing, "code", "sines by default", activation="sin", residual=True)


BENDS = {"sin": np.sin, "relu": lambda z: np.where(z < 0, 0.0, z), "none": lambda z: z}


def layered(x, a, b, bend, residual, first="bix,iox->box", second="bix,xyi->biy"):
    x, a, b = (v.astype(np.float64) for v in (x, a, b))
    y = np.einsum(second, BENDS[bend](np.einsum(first, x, a)), b)
    return x + y if residual else y


@mistake(spectral_mode_mixing, "channels mixed by the transpose", kind="axis")
def _(x, a, b, /, *, activation="sin", residual=True):
    return layered(x, a, b, activation, residual, first="bix,oix->box")


@mistake(spectral_mode_mixing, "modes mixed by the transpose", kind="axis")
def _(x, a, b, /, *, activation="sin", residual=True):
    return layered(x, a, b, activation, residual, second="bix,yxi->biy")


@mistake(spectral_mode_mixing, "not bent", kind="statistic")
def _(x, a, b, /, *, activation="sin", residual=True):
    return layered(x, a, b, "none", residual)


@mistake(spectral_mode_mixing, "always residual", kind="place of a parameter")
def _(x, a, b, /, *, activation="sin", residual=True):
    return layered(x, a, b, activation, True)


@mistake(spectral_mode_mixing, "sines whatever is said", kind="place of a parameter")
def _(x, a, b, /, *, activation="sin", residual=True):
    return layered(x, a, b, "sin", residual)


@honest(spectral_mode_mixing, "NumPy", baseline=True)
def _(x, a, b, /, *, activation="sin", residual=True):
    return layered(x, a, b, activation, residual).astype(x.dtype)


def angles(n, kind):
    i = np.arange(n)
    k, j = (i if kind < 3 else 2 * i + 1)[:, None], i if kind in (1, 3) else 2 * i + 1
    over = {1: 2 * max(n - 1, 1), 2: 4 * n, 3: 4 * n, 4: 8 * n}[kind]
    return 2 * np.pi * (k * j % over) / over


def along(f, x, axis):
    return np.moveaxis(f(np.moveaxis(x, axis, -1)), -1, axis)


def transformed(x, kind, norm, *, wave=np.cos, turned=False, ends=True, factor=1.0, shape=None):
    n = x.shape[-1]
    steps = n - 1 if kind == 1 else n
    matrix = wave(angles(n, kind))
    u, v, root = np.ones(n), np.ones(n), 0.5**0.5 if norm == "ortho" else 1.0
    if ends:
        u[[0, -1] if kind == 1 else [0] if kind == 3 else []] = root if norm == "ortho" else 0.5
        v[[0, -1] if kind == 1 else [0] if kind == 2 else []] = root
    scale = {"backward": 2.0, "ortho": np.sqrt(2 / steps), "forward": 1 / steps}[norm] * factor
    return scale * v * ((u * x) @ (matrix if turned else matrix.T))


@mistake(dct, "the transpose", kind="axis")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(a, kind, norm, turned=True), x, axis)


@mistake(dct, "ends as the others", kind="place of a parameter")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(a, kind, norm, ends=False), x, axis)


@mistake(dct, "without the 2", kind="denominator")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(a, kind, norm, factor=0.5), x, axis)


@mistake(dct, "a sine transform", kind="statistic")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(a, kind, norm, wave=np.sin), x, axis)


@mistake(dct, "the second type whatever is said", kind="place of a parameter")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(a, 2, norm), x, axis)


@mistake(dct, "orthogonal whatever is said", kind="place of a parameter")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(a, kind, "ortho"), x, axis)


@mistake(dct, "along the last axis whatever is said", kind="axis")
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return transformed(x, kind if kind > 1 or x.shape[-1] > 1 else 2, norm)


def finite(x):
    return np.where(np.isfinite(x), x, np.nan)


@honest(dct, "NumPy", baseline=True)
def _(x, /, *, axis=-1, kind=2, norm="ortho"):
    return along(lambda a: transformed(finite(a.astype(np.float64)), kind, norm), x, axis).astype(x.dtype)


def truncated(x, k, kind, *, first=0, wave="ortho"):
    c = transformed(x.astype(np.float64), 2, wave)
    c[..., k:] = 0
    c[..., :first] = 0
    y = transformed(c, 3, wave)
    return y if kind == "low" else x - y


for _what in ("2 * k <= n -> 2 * k >= n", "2 * k -> 2 / k", "2 * k -> 2", "2 * k -> k", "2 -> 3", "2 -> 1"):
    why = "either part makes the other known: which of them is summed only matters for rounding"
    survivor(spectral_truncate, f"spectral_truncate: few = 2 * k <= n: {_what}", why)


@mistake(spectral_truncate, "a mode too many", kind="set")
def _(x, /, *, k, axis=-1, kind="low"):
    return along(lambda a: truncated(a, k + 1, kind), x, axis)


@mistake(spectral_truncate, "the mean left out", kind="set")
def _(x, /, *, k, axis=-1, kind="low"):
    return along(lambda a: truncated(a, k, kind, first=1), x, axis)


@mistake(spectral_truncate, "low whatever is said", kind="place of a parameter")
def _(x, /, *, k, axis=-1, kind="low"):
    return along(lambda a: truncated(a, k, "low"), x, axis)


@mistake(spectral_truncate, "back without the scale", kind="denominator")
def _(x, /, *, k, axis=-1, kind="low"):
    return along(lambda a: truncated(a, k, kind, wave="backward"), x, axis)


@mistake(spectral_truncate, "along the last axis whatever is said", kind="axis")
def _(x, /, *, k, axis=-1, kind="low"):
    return truncated(x, k, kind)


@mistake(spectral_truncate, "low modes of Fourier", kind="statistic")
def _(x, /, *, k, axis=-1, kind="low"):
    def cut(a):
        c = np.fft.rfft(a, axis=-1)
        c[..., k:] = 0
        y = np.fft.irfft(c, n=a.shape[-1], axis=-1)
        return y if kind == "low" else a - y

    return along(cut, x, axis) if x.size else x


@honest(spectral_truncate, "NumPy", baseline=True)
def _(x, /, *, k, axis=-1, kind="low"):
    return along(lambda a: truncated(finite(a), k, kind), x, axis).astype(x.dtype)


for scaled in ("total(xp, x, roomy=roomy) * x.shape[-1]", "total(xp, x, roomy=roomy)"):
    survivor(
        dct,
        "dct > mean: return total(xp, x, roomy=roomy) / x.shape[-1]: "
        f"total(xp, x, roomy=roomy) / x.shape[-1] -> {scaled}",
        "all waves but the first add up to nothing: what is taken off before them matters to rounding alone",
    )
