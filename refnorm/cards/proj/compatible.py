"""How embeddings that hold old ones are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.compatible import (
    backward_compatible_loss,
    basis_transformation,
    higher_order_compatible_loss,
    orthogonal_compatible_map,
)

conventions(orthogonal_compatible_map, "code", "torch's orthogonal layer with its bias left on", eps=1e-12)
conventions(basis_transformation, "code", "ResNet_BT2, the first n_extra entries of the old head", scale=3.0)

conventions(backward_compatible_loss, "oca", "OCA_trainer", weights=(5.0, 10.0, 5.0))
conventions(backward_compatible_loss, "bt2", "with old embeddings; lambda_1 is beside it", weights=(1.0, 1.0, 1.0))
conventions(higher_order_compatible_loss, "code", "HocLoss, mu of 10", scale=10.0)


def unit(x, eps):
    x = x.astype(np.float64)
    return x / np.maximum(np.sqrt(np.sum(x * x, axis=-1, keepdims=True)), eps)


def cut(x, rotation, bias, k, eps, late=False):
    f = unit(x, eps)
    y = f @ rotation.T
    return (y if late else f)[..., :k], y if bias is None else y + bias


@mistake(orthogonal_compatible_map, "cut from the turned rows", kind="order of the steps")
def _(x, rotation, bias=None, /, *, k, eps=1e-12):
    return cut(x, rotation, bias, k, eps, late=True)


@mistake(orthogonal_compatible_map, "turned back", kind="axis")
def _(x, rotation, bias=None, /, *, k, eps=1e-12):
    return cut(x, rotation.T, bias, k, eps)


@mistake(orthogonal_compatible_map, "eps left out", kind="place of eps")
def _(x, rotation, bias=None, /, *, k, eps=1e-12):
    return cut(x, rotation, bias, k, 1e-12)


@mistake(orthogonal_compatible_map, "bias left out", kind="place of a parameter")
def _(x, rotation, bias=None, /, *, k, eps=1e-12):
    return cut(x, rotation, None, k, eps)


@honest(orthogonal_compatible_map, "NumPy", baseline=True)
def _(x, rotation, bias=None, /, *, k, eps=1e-12):
    return tuple(a.astype(x.dtype) for a in cut(x, rotation.astype(np.float64), bias, k, eps))


def merged(x, new, rotation, basis, scale, eps, *, wise=lambda f: f, short=False):
    a = len(basis)
    v = np.concatenate([unit(x, eps), scale * wise(unit(new, eps) if not short else new) @ rotation.T], axis=-1)
    c = v[..., :a] @ basis.T
    return c, np.concatenate([c, v[..., a:]], axis=-1)


survivor(
    basis_transformation,
    "basis_transformation > two_sum: part = s - a: s - a narrowed",
    "rows are of unit length: what a sum of few of their products loses is within a yardstick of the rotations",
)


@mistake(basis_transformation, "new rows as they are", kind="denominator")
def _(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    return merged(x, other, rotation, basis, scale, eps, short=True)


@mistake(basis_transformation, "scale left out", kind="place of a parameter")
def _(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    return merged(x, other, rotation, basis, 1.0, eps)


@mistake(basis_transformation, "old basis turned back", kind="axis")
def _(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    return merged(x, other, rotation, basis.T, scale, eps)


@mistake(basis_transformation, "new rows not turned", kind="place of a parameter")
def _(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    return merged(x, other, np.eye(len(rotation)), basis, scale, eps)


@mistake(basis_transformation, "eps left out", kind="place of eps")
def _(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    return merged(x, other, rotation, basis, scale, 1e-12)


@honest(basis_transformation, "NumPy", baseline=True)
def _(x, other, rotation, basis, /, *, scale=3.0, eps=1e-12):
    wide = (rotation.astype(np.float64), basis.astype(np.float64))
    return tuple(a.astype(x.dtype) for a in merged(x, other, *wide, scale, eps))


def contrast(x, old, ids, scale, *, transposed=False, without=False, mean=np.mean):
    z = scale * (old.astype(np.float64) @ x.astype(np.float64).T)
    pull = np.diag(z)
    z = z.T if transposed else z
    same = ids[:, None] == ids
    z = np.where(same & ~np.eye(len(z), dtype=bool), -np.inf, z) if without else np.where(same, 0.0, z)
    top = np.max(z, axis=1)
    with np.errstate(invalid="ignore"):
        lse = top + np.log(np.sum(np.exp(z - top[:, None]), axis=1))
    return np.asarray(mean(lse - pull))


@mistake(higher_order_compatible_loss, "the same class left out of the sum", kind="set")
def _(x, old, ids, /, *, scale=10.0):
    return contrast(x, old, ids, scale, without=True)


@mistake(higher_order_compatible_loss, "old and new changed about", kind="axis")
def _(x, old, ids, /, *, scale=10.0):
    return contrast(x, old, ids, scale, transposed=True)


@mistake(higher_order_compatible_loss, "scale left out", kind="place of a parameter")
def _(x, old, ids, /, *, scale=10.0):
    return contrast(x, old, ids, 1.0)


@mistake(higher_order_compatible_loss, "sum over the batch", kind="denominator")
def _(x, old, ids, /, *, scale=10.0):
    return contrast(x, old, ids, scale, mean=np.sum)


@honest(higher_order_compatible_loss, "NumPy", baseline=True)
def _(x, old, ids, /, *, scale=10.0):
    return contrast(x, old, ids, scale).astype(x.dtype)


def entropy(z, ids, mean=np.mean):
    mine = np.take_along_axis(z, ids[:, None], axis=1)[:, 0]
    top = np.max(z, axis=1)
    others = np.where(np.arange(z.shape[1]) == np.argmax(z, axis=1)[:, None], 0, np.exp(z - top[:, None]))
    return mean((top - mine) + np.log1p(np.sum(others, axis=1)))


def understood(x, p, ids, s, old, weights, eps, *, bare=False, cosines=False, mean=np.mean, prototypes=False):
    x, p, s = (a.astype(np.float64) for a in (x, p, s))
    c, o = unit(x, eps), unit(p[ids] if old is None or prototypes else old, eps)
    lack = 2 - np.sum(c * c, axis=1) - np.sum(o * o, axis=1)
    apart = (np.sum((c - o) ** 2, axis=1) + np.where(np.abs(lack) < 1e-14, 0, lack)) / 2
    z = (x if bare else c) @ (unit(p, eps) if cosines else p).T
    with np.errstate(invalid="ignore"):
        terms = entropy(s, ids, mean), entropy(z, ids, mean), mean(apart)
    return np.asarray(sum(w * t for w, t in zip(weights, terms, strict=True)))


@mistake(backward_compatible_loss, "embeddings as they are for the old classifier", kind="denominator")
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, weights, eps, bare=True)


@mistake(backward_compatible_loss, "cosines for the old classifier", kind="denominator")
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, weights, eps, cosines=True)


@mistake(backward_compatible_loss, "weights changed about", kind="place of a parameter")
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, (weights[1], weights[0], weights[2]), eps)


@mistake(backward_compatible_loss, "sum over the batch", kind="denominator")
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, weights, eps, mean=np.sum)


@mistake(backward_compatible_loss, "near the prototypes whatever is said", kind="place of a parameter")
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, weights, eps, prototypes=True)


@mistake(backward_compatible_loss, "eps left out", kind="place of eps")
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, weights, 1e-12)


@honest(backward_compatible_loss, "NumPy", baseline=True)
def _(x, weight, ids, scores, old=None, /, *, weights=(5.0, 10.0, 5.0), eps=1e-12):
    return understood(x, weight, ids, scores, old, weights, eps).astype(x.dtype)
