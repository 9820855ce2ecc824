"""How generalized_divisive_norm is got wrong, and what libraries call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.divisive import generalized_divisive_norm

conventions(generalized_divisive_norm, "paper", "the form with squares and a root, not read again", axis=1)
conventions(generalized_divisive_norm, "compressai", "layers.GDN; parameters are stored as roots", axis=1)
conventions(generalized_divisive_norm, "compressai_gdn1", "layers.GDN1", axis=1, simplified=True)
conventions(
    generalized_divisive_norm, "tfc", "the default alpha 1, epsilon 1; gamma transposed", axis=-1, simplified=True
)
conventions(generalized_divisive_norm, "supervised_compression", "its code takes GDN1", axis=1, simplified=True)


def by_channel(twin):
    """Let ``twin(planes, gamma, beta, inverse, simplified)``, channels first, be called as the operator is."""

    def call(x, weight, bias, *, axis=1, inverse=False, simplified=False):
        y = twin(np.moveaxis(x, axis, 0), weight, bias, inverse, simplified)
        return np.moveaxis(y, 0, axis)

    return call


def pool(x, gamma, beta, simplified):
    energy = np.abs(x) if simplified else x * x
    return np.tensordot(gamma, energy, 1) + beta.reshape(-1, *[1] * (x.ndim - 1))


def finish(x, n, inverse):
    return x * n if inverse else x / n


def rooted(x, p, inverse, simplified):
    return finish(x, p if simplified else np.sqrt(p), inverse)


@mistake(generalized_divisive_norm, "matrix transposed", kind="axis")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, gamma.T, beta, simplified), inverse, simplified)


@mistake(generalized_divisive_norm, "only its own channel", kind="neighbourhood")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, np.diag(np.diag(gamma)), beta, simplified), inverse, simplified)


@mistake(generalized_divisive_norm, "its own channel left out", kind="neighbourhood")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, gamma - np.diag(np.diag(gamma)), beta, simplified), inverse, simplified)


@mistake(generalized_divisive_norm, "root left out", kind="exponent")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return finish(x, pool(x, gamma, beta, simplified), inverse)


@mistake(generalized_divisive_norm, "root of the simplified form too", kind="exponent")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return finish(x, np.sqrt(pool(x, gamma, beta, simplified)), inverse)


@mistake(generalized_divisive_norm, "squares in the simplified form", kind="statistic")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, gamma, beta, False), inverse, simplified)


@mistake(generalized_divisive_norm, "no magnitudes in the simplified form", kind="sign")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    p = np.tensordot(gamma, x if simplified else x * x, 1) + beta.reshape(-1, *[1] * (x.ndim - 1))
    return rooted(x, p, inverse, simplified)


@mistake(generalized_divisive_norm, "the inverse divides too", kind="option not read")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, gamma, beta, simplified), False, simplified)


@mistake(generalized_divisive_norm, "beta outside the root", kind="place of a parameter")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    p, b = pool(x, gamma, 0 * beta, simplified), beta.reshape(-1, *[1] * (x.ndim - 1))
    return finish(x, b + (p if simplified else np.sqrt(p)), inverse)


@mistake(generalized_divisive_norm, "mean of the neighbours in place of their sum", kind="denominator")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, gamma / len(x), beta, simplified), inverse, simplified)


# ---- other people's right ones ----


@honest(generalized_divisive_norm, "NumPy")
@by_channel
def _(x, gamma, beta, inverse, simplified):
    return rooted(x, pool(x, gamma, beta, simplified), inverse, simplified)


@honest(generalized_divisive_norm, "torch", needs="torch")
def _(x, weight, bias, /, *, axis=1, inverse=False, simplified=False):
    import torch

    moved = torch.from_numpy(np.moveaxis(x, axis, 1).copy())
    w, b = (torch.from_numpy(a.copy()) for a in (weight, bias))
    flat = moved.reshape(*moved.shape[:2], -1) if moved.numel() else moved
    if not moved.numel():
        return x.copy()
    n = torch.nn.functional.conv1d(flat.abs() if simplified else flat**2, w[:, :, None], b)
    n = n if simplified else n.sqrt()
    y = (flat * n if inverse else flat / n).reshape(moved.shape).numpy()
    return np.moveaxis(y, 1, axis)
