"""How heads before a loss are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.head import feature_weighting_profile, fixed_reweighting_head, matryoshka_prefix_logits, projection_head

conventions(projection_head, "paper", "as catalogued", activation="relu", normalize=True)
conventions(projection_head, "simclr", "two layers, relu, unit length in the loss", activation="relu", eps=1e-12)
conventions(fixed_reweighting_head, "paper", "kappa above 1, and nothing is normalised inside")
conventions(matryoshka_prefix_logits, "dino", "the one level of all elements", normalize=True, eps=1e-12)
conventions(matryoshka_prefix_logits, "franca", "of a layer for each level, not of prefixes", normalize=False)
conventions(feature_weighting_profile, "paper", "as catalogued")

BENDS = {"none": lambda z: z, "relu": lambda z: np.where(z < 0, 0.0, z), "tanh": np.tanh}


def added(y, bias):
    return y if bias is None else y + bias


def hidden(x, weight, bias, out_weight, out_bias, bend):
    z = added(x @ weight.T, bias)
    return z if out_weight is None else added(bend(z) @ out_weight.T, out_bias)


def lengths(z):
    return np.sqrt(np.sum(z * z, axis=-1, keepdims=True))


@mistake(projection_head, "eps added to the length", kind="place of eps")
def _(x, w, b=None, w2=None, b2=None, /, *, activation="relu", normalize=True, eps=1e-12):
    z = hidden(x, w, b, w2, b2, BENDS[activation])
    return z / (lengths(z) + eps) if normalize else z


@mistake(projection_head, "always of unit length", kind="place of a parameter")
def _(x, w, b=None, w2=None, b2=None, /, *, activation="relu", normalize=True, eps=1e-12):
    z = hidden(x, w, b, w2, b2, BENDS[activation])
    return z / np.maximum(lengths(z), eps)


@mistake(projection_head, "bent by relu whatever is said", kind="place of a parameter")
def _(x, w, b=None, w2=None, b2=None, /, *, activation="relu", normalize=True, eps=1e-12):
    z = hidden(x, w, b, w2, b2, BENDS["relu"])
    return z / np.maximum(lengths(z), eps) if normalize else z


@mistake(projection_head, "bent after the last layer", kind="order of the steps")
def _(x, w, b=None, w2=None, b2=None, /, *, activation="relu", normalize=True, eps=1e-12):
    z = BENDS[activation](hidden(x, w, b, w2, b2, BENDS["none"]))
    return z / np.maximum(lengths(z), eps) if normalize else z


@mistake(projection_head, "sum in place of the length", kind="statistic")
def _(x, w, b=None, w2=None, b2=None, /, *, activation="relu", normalize=True, eps=1e-12):
    z = hidden(x, w, b, w2, b2, BENDS[activation])
    return z / np.maximum(np.sum(np.abs(z), axis=-1, keepdims=True), eps) if normalize else z


@honest(projection_head, "NumPy", baseline=True)
def _(x, w, b=None, w2=None, b2=None, /, *, activation="relu", normalize=True, eps=1e-12):
    wide = [a if a is None else a.astype(np.float64) for a in (x, w, b, w2, b2)]
    z = hidden(*wide, BENDS[activation])
    return (z / np.maximum(lengths(z), eps) if normalize else z).astype(x.dtype)


def weighed(x, base, axis, first=0):
    axes = [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    sizes = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    place = np.arange(first, first + np.prod(sizes)).reshape(sizes)
    return (x * np.float64(base) ** -place.astype(np.float64)).astype(x.dtype)


@mistake(fixed_reweighting_head, "powers rise", kind="sign")
def _(x, /, *, base, axis=-1):
    return weighed(x, 1 / base, axis)


@mistake(fixed_reweighting_head, "counted from one", kind="axis")
def _(x, /, *, base, axis=-1):
    return weighed(x, base, axis, first=1)


@mistake(fixed_reweighting_head, "along the last axis whatever is said", kind="axis")
def _(x, /, *, base, axis=-1):
    return weighed(x, base, -1)


@honest(fixed_reweighting_head, "NumPy", baseline=True)
def _(x, /, *, base, axis=-1):
    return weighed(x, base, axis)


def profile(x, directions, relative, root=np.sqrt):
    rows, strengths = directions.astype(np.float64), []
    for layer in x.astype(np.float64):
        rows = rows @ layer.T
        strengths.append(root(np.sum(rows * rows, axis=-1)))
    y = np.stack(strengths)
    return (y / y[:1] if relative else y).astype(x.dtype)


@mistake(feature_weighting_profile, "squared strengths", kind="statistic")
def _(x, directions, /, *, relative=False):
    return profile(x, directions, relative, root=lambda s: s)


@mistake(feature_weighting_profile, "each layer by itself", kind="order of the steps")
def _(x, directions, /, *, relative=False):
    y = np.stack([profile(layer[None], directions, False)[0] for layer in x])
    return y / y[:1] if relative else y


@mistake(feature_weighting_profile, "layers turned round", kind="axis")
def _(x, directions, /, *, relative=False):
    return profile(np.swapaxes(x, 1, 2), directions, relative)


@mistake(feature_weighting_profile, "never to the first", kind="place of a parameter")
def _(x, directions, /, *, relative=False):
    return profile(x, directions, False)


@honest(feature_weighting_profile, "NumPy", baseline=True)
def _(x, directions, /, *, relative=False):
    return profile(x, directions, relative)


def cosines(x, w, normalize, eps, *, late=False, bare=False):
    x, w = x.astype(np.float64), w.astype(np.float64)
    m, size = w.shape[1], lengths(w)
    f = x[..., -m:] if late else x[..., :m]
    f = f / np.maximum(lengths(f), eps) if normalize else f
    return f @ (w if bare else w / np.where(size == 0, 1, size)).T


@mistake(matryoshka_prefix_logits, "the last elements", kind="set")
def _(x, weight, /, *, normalize=True, eps=1e-12):
    return cosines(x, weight, normalize, eps, late=True)


@mistake(matryoshka_prefix_logits, "prototypes as they are", kind="denominator")
def _(x, weight, /, *, normalize=True, eps=1e-12):
    return cosines(x, weight, normalize, eps, bare=True)


@mistake(matryoshka_prefix_logits, "unit length before the cut", kind="order of the steps")
def _(x, weight, /, *, normalize=True, eps=1e-12):
    return cosines(x / np.maximum(lengths(x), eps) if normalize else x, weight, False, eps)


@mistake(matryoshka_prefix_logits, "always of unit length", kind="place of a parameter")
def _(x, weight, /, *, normalize=True, eps=1e-12):
    return cosines(x, weight, True, eps)


@mistake(matryoshka_prefix_logits, "eps left out", kind="place of eps")
def _(x, weight, /, *, normalize=True, eps=1e-12):
    return cosines(x, weight, normalize, 1e-12)


@honest(matryoshka_prefix_logits, "NumPy", baseline=True)
def _(x, weight, /, *, normalize=True, eps=1e-12):
    return cosines(x, weight, normalize, eps).astype(x.dtype)
