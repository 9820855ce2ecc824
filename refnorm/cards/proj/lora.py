"""How a low-rank update is got wrong, and what codes call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.lora import generated_low_rank_delta, lora_linear, random_sparse_support, sparse_low_rank_linear

conventions(lora_linear, "paper", "scale = alpha / r")
conventions(lora_linear, "loralib", "scale = lora_alpha / r, and lora_alpha is 1 by default")
conventions(lora_linear, "peft", "scale = lora_alpha / r; with use_rslora lora_alpha / sqrt(r)")

conventions(random_sparse_support, "sltrain", "the first of a permutation, sorted")
conventions(generated_low_rank_delta, "vlora", "scale = alpha / r, of which alpha is r by default", scale=1.0, eps=1e-5)
conventions(sparse_low_rank_linear, "sltrain", "scale = alpha / r, or tanh of a trained number")
conventions(sparse_low_rank_linear, "sparse-ift", "doping: no scale", scale=1.0)


def mapped(x, weight, a, b, bias, scale, update):
    y = x @ weight.T + scale * update
    return y if bias is None else y + bias


@mistake(lora_linear, "scale taken for 1", kind="place of a parameter")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, 1.0, x @ a.T @ b.T)


@mistake(lora_linear, "divided by the rank once more", kind="denominator")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, scale / len(a), x @ a.T @ b.T)


@mistake(lora_linear, "scale on the frozen map too", kind="place of a parameter")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    y = scale * (x @ weight.T + x @ a.T @ b.T)
    return y if bias is None else y + bias


@mistake(lora_linear, "update of the outputs, not beside them", kind="order of the steps")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    y = x @ weight.T
    return mapped(x, weight, a, b, bias, scale, y @ b @ b.T)


@mistake(lora_linear, "bias under the scale", kind="order of the affine part")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return x @ weight.T + scale * (x @ a.T @ b.T + (0 if bias is None else bias))


@mistake(lora_linear, "low-rank product rounded to half", kind="cast order")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, scale, (x @ a.T).astype(np.float16).astype(x.dtype) @ b.T)


@honest(lora_linear, "NumPy", baseline=True)
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, x.dtype.type(scale), x @ a.T @ b.T)


def doped(x, a, b, values, ids, bias, scale, *, last=False, columns=False):
    x, a, b = (m.astype(np.float64) for m in (x, a, b))
    w = scale * b @ a
    sparse = np.zeros(w.size)
    for place, value in zip(ids, values, strict=True):
        if 0 <= place < w.size:
            sparse[place] = value if last else sparse[place] + value
    w = w + (sparse.reshape(w.shape[::-1]).T if columns else sparse.reshape(w.shape))
    y = x @ w.T
    return y if bias is None else y + bias


@mistake(sparse_low_rank_linear, "equal places do not add", kind="set")
def _(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    return doped(x, a, b, values, ids, bias, scale, last=True)


@mistake(sparse_low_rank_linear, "places counted down columns", kind="axis")
def _(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    return doped(x, a, b, values, ids, bias, scale, columns=True)


@mistake(sparse_low_rank_linear, "entries scaled too", kind="place of a parameter")
def _(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    return doped(x, a, b, scale * values, ids, bias, scale)


@mistake(sparse_low_rank_linear, "scale left out", kind="place of a parameter")
def _(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    return doped(x, a, b, values, ids, bias, 1.0)


@mistake(sparse_low_rank_linear, "entries left out", kind="set")
def _(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    return doped(x, a, b, 0 * values, ids, bias, scale)


@honest(sparse_low_rank_linear, "NumPy, entry by entry", baseline=True)
def _(x, a, b, values, ids, bias=None, /, *, scale=1.0):
    wide, down, up = (m.astype(np.float64) for m in (x, a, b))
    y, n = scale * (wide @ down.T @ up.T), a.shape[1]
    for place, value in zip(ids, values, strict=True):
        if 0 <= place < len(b) * n:
            y[..., place // n] += wide[..., place % n] * np.float64(value)
    return (y if bias is None else y + bias).astype(x.dtype)


def support(x, density, *, rows=None, rounded=int, largest=True, sort=True):
    wide = x.astype(np.float64).ravel(order="F" if rows == "columns" else "C")
    order = np.argsort(-wide if largest else wide, kind="stable")
    places = order[: rounded(density * x.shape[0] * x.shape[1])]
    places = np.sort(places) if sort else places
    return x.ravel()[places], places


@mistake(random_sparse_support, "the smallest", kind="sign")
def _(x, /, *, density):
    return support(x, density, largest=False)


@mistake(random_sparse_support, "not sorted", kind="order of the outputs")
def _(x, /, *, density):
    return support(x, density, sort=False)


@mistake(random_sparse_support, "places column by column", kind="axis")
def _(x, /, *, density):
    return support(x, density, rows="columns")


@mistake(random_sparse_support, "rounded up", kind="set")
def _(x, /, *, density):
    return support(x, density, rounded=lambda n: int(np.ceil(n)))


@honest(random_sparse_support, "NumPy", baseline=True)
def _(x, /, *, density):
    return support(x, density)


def generated(x, weight, b, bias, scale, eps, *, split=None, norm=True, correction=0, outside=False):
    x, weight, b = (a.astype(np.float64) for a in (x, weight, b))
    r = b.shape[1]
    c = x - np.mean(x, axis=-1, keepdims=True)
    var = np.sum(c * c, axis=-1, keepdims=True) / (x.shape[-1] - correction)
    f = (c / (np.sqrt(var) + eps if outside else np.sqrt(var + eps)) if norm else x) @ weight.T
    f = f if bias is None else f + bias
    h = weight.shape[0] // r
    a = np.swapaxes(f.reshape(*x.shape[:-1], r, h), -1, -2) if split else f.reshape(*x.shape[:-1], h, r)
    return scale * (a @ b.T)


@mistake(generated_low_rank_delta, "factors cut the other way", kind="axis")
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, bias, scale, eps, split=True)


@mistake(generated_low_rank_delta, "not normalized", kind="denominator")
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, bias, scale, eps, norm=False)


@mistake(generated_low_rank_delta, "variance with d - 1", kind="correction")
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, bias, scale, eps, correction=1)


@mistake(generated_low_rank_delta, "eps outside the root", kind="place of eps")
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, bias, scale, eps, outside=True)


@mistake(generated_low_rank_delta, "scale left out", kind="place of a parameter")
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, bias, 1.0, eps)


@mistake(generated_low_rank_delta, "shift left out", kind="place of a parameter")
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, None, scale, eps)


@honest(generated_low_rank_delta, "NumPy", baseline=True)
def _(x, weight, b, bias=None, /, *, scale=1.0, eps=1e-5):
    return generated(x, weight, b, bias, scale, eps).astype(x.dtype)


survivor(
    random_sparse_support,
    "random_sparse_support: order = xp.argsort(-widen(xp, flat)[0], stable=True): True -> False",
    "NumPy's other sort is stable too where there are sixteen elements or fewer",
)
