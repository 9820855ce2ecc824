"""How classes as subspaces are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.grassmann import grassmann_logits

conventions(grassmann_logits, "code", "unit rows, gamma 25, no bias; storage (K m, d)", scale=25.0, eps=1e-12)


def lengths(x, root=np.sqrt):
    return root(np.sum(x * x, axis=-1, keepdims=True))


def logits(x, basis, bias, scale, normalize, eps, size=lengths):
    x, s = x.astype(np.float64), basis.astype(np.float64)
    divisor = np.maximum(lengths(x), eps) if normalize else 1.0
    y = scale * size(np.einsum("...d,kmd->...km", x / divisor, s))[..., 0]
    return y if bias is None else y + bias


@mistake(grassmann_logits, "squared lengths", kind="statistic")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, normalize, eps, size=lambda c: np.sum(c * c, axis=-1, keepdims=True))


@mistake(grassmann_logits, "coordinates added up", kind="statistic")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, normalize, eps, size=lambda c: np.sum(c, axis=-1, keepdims=True))


@mistake(grassmann_logits, "rows as they are", kind="denominator")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, False, eps)


@mistake(grassmann_logits, "always unit rows", kind="place of a parameter")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, True, eps)


@mistake(grassmann_logits, "bias under the scale", kind="order of the affine part")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, None if bias is None else scale * bias, scale, normalize, eps)


@mistake(grassmann_logits, "eps added to the length", kind="place of eps")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x / (lengths(x) + eps) if normalize else x, basis, bias, scale, False, eps)


@honest(grassmann_logits, "NumPy", baseline=True)
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    wide, s = x.astype(np.float64), basis.astype(np.float64)
    y = lengths(np.einsum("...d,kmd->...km", wide, s))[..., 0]
    y = scale * (y / np.maximum(lengths(wide), eps) if normalize else y)
    return (y if bias is None else y + bias).astype(x.dtype)
