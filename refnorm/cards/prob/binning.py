"""How numbers are got wrong as distributions on a support."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.binning import categorical_project, two_hot_project

conventions(two_hot_project, "paper", "as catalogued: atoms on both ends", low=-10.0, high=10.0, count=51)
conventions(categorical_project, "c51", "dopamine's Rainbow, as catalogued", low=-10.0, high=10.0, count=51)


def hats(x, low, high, count, *, clip=True, bins=None, swap=False, whole=False, more=0.0):
    of = x.dtype.type
    step = (high - low) / ((count - 1) if bins is None else bins)
    start = low if bins is None else low + step / 2
    place = np.arange(count).astype(x.dtype)
    y = (np.clip(x, of(low), of(high)) if clip else x)[..., None]
    near = np.minimum(y - (of(start) + (place - 1) * of(step)), (of(start) + (place + 1) * of(step)) - y)
    p = np.maximum(near, 0 * near) / of(step + more)
    p = np.where(p > 0, of(1) - p, p) if swap else p
    return np.where(np.isnan(p), p, np.round(p)) if whole else p


def wrong(name, kind, **how):
    mistake(two_hot_project, name, kind=kind)(lambda x, /, *, low, high, count: hats(x, low, high, count, **how))

    @mistake(categorical_project, name, kind=kind)
    def _(x, atoms, /, *, low, high, count):
        return np.sum(x[..., None] * hats(atoms, low, high, count, **how), axis=-2)


wrong("not clipped", "edges", clip=False)
wrong("shares exchanged", "order", swap=True)
wrong("all to the nearest", "statistic", whole=True)
wrong("1e-2 beside the step", "place of a parameter", more=1e-2)


@mistake(two_hot_project, "steps of a range of n", kind="denominator")
def _(x, /, *, low, high, count):
    return hats(x, low, high, count, bins=count)


@mistake(categorical_project, "steps of a range of n", kind="denominator")
def _(x, atoms, /, *, low, high, count):
    return np.sum(x[..., None] * hats(atoms, low, high, count, bins=count), axis=-2)


honest(two_hot_project, "NumPy")(lambda x, /, *, low, high, count: hats(x, low, high, count))


@honest(categorical_project, "NumPy")
def _(x, atoms, /, *, low, high, count):
    return np.sum(x[..., None] * hats(atoms, low, high, count), axis=-2)
