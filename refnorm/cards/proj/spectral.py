"""How layers that act on modes are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.spectral import spectral_mode_mixing

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
