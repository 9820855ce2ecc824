"""How a step of spectral norm is got wrong, and what torch calls it with."""

import math

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.spectral import spectral_norm_step

conventions(spectral_norm_step, "torch", "torch.nn.utils.spectral_norm: dim; pytorch#8208", axis=0, eps=1e-12)
conventions(spectral_norm_step, "torch, transposed", "dim 1 for ConvTranspose layers", axis=1, eps=1e-12)
conventions(spectral_norm_step, "torch, parametrization", "of a matrix, with v for the state", axis=1, eps=1e-12)
conventions(spectral_norm_step, "paper", "algorithm 1, not read again: no eps", axis=0, eps=0.0)


def by_matrix(twin):
    """Let ``twin(matrix, u, eps)`` be called with any `axis`, as the operator is."""

    def call(x, u, *, axis=0, eps=1e-12):
        first = np.moveaxis(x, axis, 0)
        y, state = twin(first.reshape(len(first), math.prod(first.shape[1:])), u, eps)
        return np.moveaxis(y.reshape(first.shape), 0, axis), state

    return call


def norm(x):
    top = np.max(np.abs(x), initial=0)
    top = top if 0 < top < np.inf else x.dtype.type(1)
    return top * np.sqrt(np.sum((x / top) ** 2))


def unit(x, eps):
    return x / np.maximum(norm(x), x.dtype.type(eps))


@mistake(spectral_norm_step, "sigma with the old state", kind="state update")
@by_matrix
def _(w, u, eps):
    image = w @ unit(w.T @ u, eps)
    return w / (unit(u, eps) @ image), unit(image, eps)


@mistake(spectral_norm_step, "old state given back", kind="state update")
@by_matrix
def _(w, u, eps):
    image = w @ unit(w.T @ u, eps)
    return w / (unit(image, eps) @ image), u


@mistake(spectral_norm_step, "new state not normalized", kind="state update")
@by_matrix
def _(w, u, eps):
    image = w @ unit(w.T @ u, eps)
    return w / (unit(image, eps) @ image), image


@mistake(spectral_norm_step, "v not normalized", kind="order of steps")
@by_matrix
def _(w, u, eps):
    image = w @ (w.T @ u)
    return w / (unit(image, eps) @ image), unit(image, eps)


@mistake(spectral_norm_step, "two steps in one", kind="order of steps")
@by_matrix
def _(w, u, eps):
    u = unit(w @ unit(w.T @ u, eps), eps)
    image = w @ unit(w.T @ u, eps)
    return w / (unit(image, eps) @ image), unit(image, eps)


@mistake(spectral_norm_step, "eps added to the norms", kind="place of a parameter")
@by_matrix
def _(w, u, eps):
    v = w.T @ u
    image = w @ (v / (norm(v) + eps))
    state = image / (norm(image) + eps)
    return w / (state @ image), state


@mistake(spectral_norm_step, "eps left out", kind="place of a parameter")
@by_matrix
def _(w, u, eps):
    image = w @ unit(w.T @ u, 0.0)
    return w / (unit(image, 0.0) @ image), unit(image, 0.0)


@mistake(spectral_norm_step, "divided by the Frobenius norm", kind="statistic")
@by_matrix
def _(w, u, eps):
    return w / norm(w), unit(w @ unit(w.T @ u, eps), eps)


@mistake(spectral_norm_step, "divided by the root of sigma", kind="exponent")
@by_matrix
def _(w, u, eps):
    image = w @ unit(w.T @ u, eps)
    return w / np.sqrt(unit(image, eps) @ image), unit(image, eps)


@mistake(spectral_norm_step, "rows of the first axis whatever the kept one", kind="axis")
def _(x, u, *, axis=0, eps=1e-12):
    w = np.moveaxis(x, axis, 0).reshape(len(u), -1) if x.shape[0] != len(u) else x.reshape(len(u), -1)
    w = w if axis == 0 else x.reshape(len(u), -1)
    image = w @ unit(w.T @ u, eps)
    return x / (unit(image, eps) @ image), unit(image, eps)


# ---- other people's right ones ----


@honest(spectral_norm_step, "NumPy")
@by_matrix
def _(w, u, eps):
    image = w @ unit(w.T @ u, eps)
    state = unit(image, eps)
    return w / (state @ image), state


@honest(spectral_norm_step, "torch", needs="torch")
@by_matrix
def _(w, u, eps):
    import torch
    from torch.nn.functional import normalize

    w, u = torch.from_numpy(w.copy()), torch.from_numpy(u.copy())
    v = normalize(torch.mv(w.t(), u), dim=0, eps=eps)
    image = torch.mv(w, v)
    u = normalize(image, dim=0, eps=eps)
    return (w / torch.dot(u, image)).numpy(), u.numpy()
