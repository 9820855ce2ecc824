"""How matrices from some of their rows and columns are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.cur import cur_decomposition, cur_scores
from ..matrices import svd

conventions(cur_decomposition, "anncur", "NumPy's pinv, which cuts off by a tolerance", kind="crossing")
conventions(cur_scores, "anncur", "NumPy's pinv, which cuts off by a tolerance")
decomposition(cur_decomposition)
decomposition(cur_scores)


def inverse(x, rank=None):
    """Return the pseudo-inverse of a matrix in its type or float32."""
    u, s, vt = svd(x)
    u, s, vt = u[:, :rank], s[:rank], vt[:rank]
    with np.errstate(all="ignore"):
        none = s <= max(x.shape) * np.finfo(s.dtype).eps * s[:1]
        return (vt.T * np.where(none, 0, 1 / np.where(none, 1, s)).astype(s.dtype)) @ u.T


def parts(x, ids, other_ids, kind, rank=None, middle=inverse):
    x = x.astype(np.promote_types(x.dtype, np.float32))
    c, r = x[:, other_ids], x[ids]
    used = r[:, other_ids] if kind == "crossing" else x
    size = np.max(np.abs(used))
    size = size if size != 0 else np.ones_like(size)
    if kind == "crossing":
        return c, middle(used / size, rank) / size, r
    return c, inverse(c / size, rank) @ (x / size) @ inverse(r / size, rank) / size, r


@mistake(cur_decomposition, "the crossing itself, not its inverse", kind="denominator")
def _(x, ids, other_ids, /, *, kind="crossing", rank=None):
    return parts(x, ids, other_ids, kind, rank, middle=lambda w, k: 2 * w.T)


@mistake(cur_decomposition, "always from the crossing", kind="place of a parameter")
def _(x, ids, other_ids, /, *, kind="crossing", rank=None):
    return parts(x, ids, other_ids, "crossing", rank)


@mistake(cur_decomposition, "always the best", kind="place of a parameter")
def _(x, ids, other_ids, /, *, kind="crossing", rank=None):
    return parts(x, ids, other_ids, "best", rank)


@mistake(cur_decomposition, "all values inverted", kind="set")
def _(x, ids, other_ids, /, *, kind="crossing", rank=None):
    return parts(x, ids, other_ids, kind)


@mistake(cur_decomposition, "one value whatever is asked", kind="set")
def _(x, ids, other_ids, /, *, kind="crossing", rank=None):
    return parts(x, ids, other_ids, kind, 1)


@honest(cur_decomposition, "NumPy", baseline=True)
def _(x, ids, other_ids, /, *, kind="crossing", rank=None):
    with np.errstate(all="ignore"):
        return tuple(part.astype(x.dtype) for part in parts(x, ids, other_ids, kind, rank))


def guessed(x, bank, ids, rank=None, crossing=inverse):
    narrow = np.promote_types(x.dtype, np.float32)
    x, bank = x.astype(narrow), bank.astype(narrow)
    return x @ (crossing(bank[:, ids], rank) @ bank)


@mistake(cur_scores, "transposed, not inverted", kind="denominator")
def _(x, bank, ids, /, *, rank=None):
    return guessed(x, bank, ids, rank, crossing=lambda w, k: w.T)


@mistake(cur_scores, "all values inverted", kind="set")
def _(x, bank, ids, /, *, rank=None):
    return guessed(x, bank, ids)


@mistake(cur_scores, "one value whatever is asked", kind="set")
def _(x, bank, ids, /, *, rank=None):
    return guessed(x, bank, ids, 1)


@mistake(cur_scores, "the first items as anchors", kind="place of a parameter")
def _(x, bank, ids, /, *, rank=None):
    return guessed(x, bank, np.arange(len(ids)), rank)


@mistake(cur_scores, "ridge of one", kind="denominator")
def _(x, bank, ids, /, *, rank=None):
    return guessed(x, bank, ids, rank, crossing=lambda w, k: np.linalg.inv(w.T @ w + np.eye(w.shape[1])) @ w.T)


@honest(cur_scores, "NumPy", baseline=True)
def _(x, bank, ids, /, *, rank=None):
    with np.errstate(all="ignore"):
        y = guessed(x, bank, ids, rank).astype(x.dtype)
        return np.where(np.isfinite(x).all(axis=-1, keepdims=True), y, y.dtype.type(np.nan))
