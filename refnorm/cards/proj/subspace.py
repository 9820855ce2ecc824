"""How projections on one subspace, and losses to it, are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.subspace import (
    fit_position_directions,
    subspace_direction_loss,
    subspace_distance_loss,
    subspace_project,
    subspace_remove,
)

conventions(subspace_project, "paper")
conventions(subspace_remove, "decor", "directions: the unwanted token embeddings", alpha=1.0, rtol=1e-6)
conventions(subspace_remove, "franca", "the pair of directions of a round, rows and columns: a call a round", alpha=1.0)
conventions(subspace_distance_loss, "paper", "as catalogued")
conventions(subspace_direction_loss, "paper", "as catalogued", eps=1e-8)


def on(x, basis, origin=None):
    origin = 0 if origin is None else origin
    return origin + (x - origin) @ basis.T @ basis


def lengths(x):
    return np.sqrt(np.sum(x * x, axis=-1))


@mistake(subspace_project, "origin not put back", kind="place of a parameter")
def _(x, basis, origin=None, /):
    return on(x, basis, origin) - (0 if origin is None else origin)


@mistake(subspace_project, "origin not taken off", kind="place of a parameter")
def _(x, basis, origin=None, /):
    return on(x, basis) + (0 if origin is None else origin)


@mistake(subspace_project, "the residual", kind="statistic")
def _(x, basis, origin=None, /):
    return x - on(x, basis, origin)


@mistake(subspace_project, "one direction only", kind="tail")
def _(x, basis, origin=None, /):
    return on(x, basis[:1], origin)


@honest(subspace_project, "NumPy", baseline=True)
def _(x, basis, origin=None, /):
    return on(x, basis, x.dtype.type(0) if origin is None else origin)


def spanned(directions, rtol):
    done = []
    for d in directions:
        v = d
        for q in done * 2:
            v = v - (v @ q) * q
        if not lengths(v) <= rtol * lengths(d):
            done.append(v / lengths(v))
    return np.array(done).reshape(-1, directions.shape[-1])


@mistake(subspace_remove, "directions not made orthogonal", kind="statistic")
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    unit = directions / lengths(directions)[:, None]
    return x - alpha * (x @ unit.T) @ unit


@mistake(subspace_remove, "directions not made units", kind="denominator")
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    return x - alpha * (x @ directions.T) @ directions


@mistake(subspace_remove, "alpha taken for 1", kind="place of a parameter")
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    return x - on(x, spanned(directions, rtol))


@mistake(subspace_remove, "what is removed", kind="statistic")
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    return alpha * on(x, spanned(directions, rtol))


@mistake(subspace_remove, "the last direction left", kind="tail")
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    return x - alpha * on(x, spanned(directions[:-1], rtol))


@mistake(subspace_remove, "dependent directions kept", kind="place of a parameter")
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    return x - alpha * on(x, spanned(directions, 0.0))


@honest(subspace_remove, "NumPy", baseline=True)
def _(x, directions, /, *, alpha=1.0, rtol=1e-6):
    directions = directions.astype(np.float64)
    size = np.max(np.abs(directions), axis=-1, keepdims=True)
    q = spanned(directions / np.where(size == 0, 1, size), rtol)
    return (x - alpha * on(x.astype(np.float64), q)).astype(x.dtype)


def distance(x, basis, origin, weight, size=lengths):
    loss = 0
    for d in range(len(basis)):
        w = 1 if weight is None else weight[d]
        loss = loss + w * np.mean(size(x - on(x, basis[d], None if origin is None else origin[d])))
    return np.asarray(loss, x.dtype)


@mistake(subspace_distance_loss, "squared distances", kind="statistic")
def _(x, basis, origin=None, weight=None, /):
    return distance(x, basis, origin, weight, lambda r: np.sum(r * r, axis=-1))


@mistake(subspace_distance_loss, "distance along the subspace", kind="statistic")
def _(x, basis, origin=None, weight=None, /):
    flat = [np.linalg.svd(q)[2][len(q) :] for q in basis]
    return distance(x, flat, origin, weight)


@mistake(subspace_distance_loss, "weights left out", kind="place of a parameter")
def _(x, basis, origin=None, weight=None, /):
    return distance(x, basis, origin, None)


@mistake(subspace_distance_loss, "mean over the subspaces", kind="denominator")
def _(x, basis, origin=None, weight=None, /):
    return distance(x, basis, origin, weight) / len(basis)


@mistake(subspace_distance_loss, "sum over the rows", kind="denominator")
def _(x, basis, origin=None, weight=None, /):
    return distance(x, basis, origin, weight, lambda r: np.sum(lengths(r)))


@honest(subspace_distance_loss, "NumPy", baseline=True)
def _(x, basis, origin=None, weight=None, /):
    return distance(x, basis, origin, weight)


def direction(x, old, basis, origin, eps, *, straight=None):
    moved = x - old
    p = on(old, basis, origin) - old if straight is None else straight
    return np.asarray(1 - np.mean(np.sum(moved * p, axis=-1) / (lengths(moved) * lengths(p) + eps)), x.dtype)


@mistake(subspace_direction_loss, "eps under both lengths", kind="place of a parameter")
def _(x, old, basis, origin=None, /, *, eps=1e-8):
    moved, p = x - old, on(old, basis, origin) - old
    cosine = np.sum(moved * p, axis=-1) / ((lengths(moved) + eps) * (lengths(p) + eps))
    return np.asarray(1 - np.mean(cosine))


@mistake(subspace_direction_loss, "perpendicular from the moved row", kind="statistic")
def _(x, old, basis, origin=None, /, *, eps=1e-8):
    return direction(x, old, basis, origin, eps, straight=on(x, basis, origin) - x)


@mistake(subspace_direction_loss, "away from the subspace", kind="sign")
def _(x, old, basis, origin=None, /, *, eps=1e-8):
    return direction(x, old, basis, origin, eps, straight=old - on(old, basis, origin))


@mistake(subspace_direction_loss, "origin left out", kind="place of a parameter")
def _(x, old, basis, origin=None, /, *, eps=1e-8):
    return direction(x, old, basis, None, eps)


@honest(subspace_direction_loss, "NumPy", baseline=True)
def _(x, old, basis, origin=None, /, *, eps=1e-8):
    return direction(x, old, basis, origin, eps)


conventions(fit_position_directions, "code", "AdamW over batches there", activation="sigmoid")


def logistic(z):
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1) / (1 + e), np.where(z < 0, 1, e) / (1 + e)


def fitted(x, weight, coordinates, count, step, activation, *, factor=2.0, slope=True, mean=True):
    x, w, c = (a.astype(np.float64) for a in (x, weight, coordinates))
    for _ in range(count):
        a, rest = logistic(x @ w.T) if activation == "sigmoid" else (x @ w.T, 1.0)
        delta = (a - c) * (a * rest if slope and activation == "sigmoid" else 1)
        w = w - step * factor / (c.size if mean else len(c)) * delta.T @ x
    return w


@mistake(fit_position_directions, "half the square", kind="denominator")
def _(x, w, c, /, *, count=1, step=1.0, activation="sigmoid"):
    return fitted(x, w, c, count, step, activation, factor=1.0)


@mistake(fit_position_directions, "mean over the rows alone", kind="denominator")
def _(x, w, c, /, *, count=1, step=1.0, activation="sigmoid"):
    return fitted(x, w, c, count, step, activation, mean=False)


@mistake(fit_position_directions, "the slope left out", kind="statistic")
def _(x, w, c, /, *, count=1, step=1.0, activation="sigmoid"):
    return fitted(x, w, c, count, step, activation, slope=False)


@mistake(fit_position_directions, "uphill", kind="sign")
def _(x, w, c, /, *, count=1, step=1.0, activation="sigmoid"):
    return fitted(x, w, c, count, -step, activation)


@mistake(fit_position_directions, "one step", kind="place of a parameter")
def _(x, w, c, /, *, count=1, step=1.0, activation="sigmoid"):
    return fitted(x, w, c, 1, step, activation)


@honest(fit_position_directions, "NumPy", baseline=True)
def _(x, w, c, /, *, count=1, step=1.0, activation="sigmoid"):
    return fitted(x, w, c, count, step, activation).astype(x.dtype)
