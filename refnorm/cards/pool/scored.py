"""How means under the softmax of scores are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.scored import attentive_pool, softmax_pool, target_attention_pool

conventions(softmax_pool, "mamba3d", "K-pooling: own scores, over the neighbours", scale=1.0)
conventions(softmax_pool, "torch_geometric", "SoftmaxAggregation: own scores; scale is its t", scale=1.0)
conventions(attentive_pool, "attsets", "the bias of its layer cancels")
conventions(attentive_pool, "torch_geometric", "AttentionalAggregation with a linear gate: weight (d, 1) or (d, d)")
conventions(target_attention_pool, "paper", "as the scores of the paper weigh", kind="sum")
conventions(target_attention_pool, "din", "DeepInterestNetwork: softmax of scores over sqrt(d)", kind="softmax")
conventions(target_attention_pool, "deepctr", "its softmax leaves out sqrt(d)", kind="sum")


def softmax(s, axis):
    e = np.exp(s - np.max(s, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def mean_under(x, s, axis):
    return np.sum(np.where(s == -np.inf, 0, x) * softmax(s, axis), axis=axis).astype(x.dtype)


def scaled(x, scores, scale):
    return x.dtype.type(scale) * (x if scores is None else scores)


@mistake(softmax_pool, "scores divided by scale", kind="place of a parameter")
def _(x, scores=None, /, *, axis, scale=1.0):
    return mean_under(x, scaled(x, scores, np.divide(1.0, scale)), axis)


@mistake(softmax_pool, "scale left out", kind="place of a parameter")
def _(x, scores=None, /, *, axis, scale=1.0):
    return mean_under(x, scaled(x, scores, 1.0), axis)


@mistake(softmax_pool, "softmax over another axis", kind="axis")
def _(x, scores=None, /, *, axis, scale=1.0):
    a = softmax(scaled(x, scores, scale) + 0 * x, tuple(range(x.ndim))[-1 if axis != -1 else 0])
    return np.sum(a * x, axis=axis)


@mistake(softmax_pool, "mean of what is weighed", kind="denominator")
def _(x, scores=None, /, *, axis, scale=1.0):
    return np.mean(x * softmax(scaled(x, scores, scale), axis), axis=axis)


@mistake(softmax_pool, "weights not divided by their sum", kind="denominator")
def _(x, scores=None, /, *, axis, scale=1.0):
    return np.sum(x * np.exp(scaled(x, scores, scale)), axis=axis)


@mistake(softmax_pool, "weights fall with the score", kind="sign")
def _(x, scores=None, /, *, axis, scale=1.0):
    return mean_under(x, scaled(x, scores, -scale), axis)


@mistake(softmax_pool, "own scores in any case", kind="statistic")
def _(x, scores=None, /, *, axis, scale=1.0):
    return mean_under(x, scaled(x, None, scale), axis)


@honest(softmax_pool, "NumPy", baseline=True)
def _(x, scores=None, /, *, axis, scale=1.0):
    return mean_under(x, scaled(x, scores, scale), axis)


def attended(x, weight, mask=None, *, axis=-2, fill=-np.inf):
    x = x if mask is None else np.where(mask[..., None], x, 0)
    s = x @ weight + 0 * x
    s = s if mask is None else np.where(mask[..., None], s, fill)
    return np.sum(x * softmax(s, axis), axis=-2).astype(x.dtype)


@mistake(attentive_pool, "softmax over the features", kind="axis")
def _(x, weight, mask=None, /):
    return attended(x, weight, mask, axis=-1)


@mistake(attentive_pool, "hidden members score 0", kind="region")
def _(x, weight, mask=None, /):
    return attended(x, weight, mask, fill=0.0)


@mistake(attentive_pool, "mask left out", kind="region")
def _(x, weight, mask=None, /):
    return attended(x, weight)


@mistake(attentive_pool, "weight transposed", kind="order of steps")
def _(x, weight, mask=None, /):
    return attended(x, weight if weight.shape[1] == 1 else weight.T, mask)


@mistake(attentive_pool, "scores over sqrt(d)", kind="denominator")
def _(x, weight, mask=None, /):
    return attended(x, weight / np.sqrt(x.shape[-1]), mask)


@mistake(attentive_pool, "weighed projections", kind="statistic")
def _(x, weight, mask=None, /):
    x = x if mask is None else np.where(mask[..., None], x, 0)
    s = x @ weight + 0 * x
    return np.sum(s * softmax(s if mask is None else np.where(mask[..., None], s, -np.inf), -2), axis=-2)


@honest(attentive_pool, "NumPy", baseline=True)
def _(x, weight, mask=None, /):
    return attended(x, weight, mask)


def activated(x, query, layers, mask, kind, *, order=(0, 1, 2, 3), root=0.5, act=None, off=False):
    q = np.broadcast_to(query[..., None, :], x.shape)
    x = x if mask is None or off else np.where(mask[..., None], x, 0)
    parts = [q, x, q - x, q * x]
    h = np.concatenate([parts[i] for i in order], axis=-1)
    act = act or (lambda z: 1 / (1 + np.exp(-np.maximum(z, z.dtype.type(-80)))))
    for w, b in zip(layers[:4:2], layers[1:4:2], strict=True):
        h = act(h @ w + b)
    a = h @ layers[4] + layers[5]
    if kind == "softmax":
        a = a / a.dtype.type(x.shape[-1] ** root)
        a = softmax(a if mask is None or off else np.where(mask[..., None], a, -np.inf), -2)
    return np.sum(a * x, axis=-2).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(target_attention_pool, name, kind=kind)
    def _(x, query, *rest, kind="sum"):
        return activated(x, query, rest[:6], rest[6] if len(rest) > 6 else None, kind, **wrong)


twin("features in the order k, q", "order of steps", order=(1, 0, 2, 3))
twin("product before difference", "order of steps", order=(0, 1, 3, 2))
twin("rectifiers in place of sigmoids", "statistic", act=lambda z: np.maximum(z, 0))
twin("softmax without sqrt(d)", "denominator", root=0.0)
twin("softmax over d", "denominator", root=1.0)
twin("hidden behaviours seen", "region", off=True)


@mistake(target_attention_pool, "softmax in any case", kind="denominator")
def _(x, query, *rest, kind="sum"):
    return activated(x, query, rest[:6], rest[6] if len(rest) > 6 else None, "softmax")


@mistake(target_attention_pool, "last bias left out", kind="place of a parameter")
def _(x, query, *rest, kind="sum"):
    return activated(x, query, (*rest[:5], 0 * rest[5]), rest[6] if len(rest) > 6 else None, kind)


@mistake(target_attention_pool, "the target's difference turned round", kind="sign")
def _(x, query, first, *rest, kind="sum"):
    d = x.shape[-1]
    turned = np.concatenate([first[: 2 * d], -first[2 * d : 3 * d], first[3 * d :]])
    return activated(x, query, (turned, *rest[:5]), rest[5] if len(rest) > 5 else None, kind)


@honest(target_attention_pool, "NumPy", baseline=True)
def _(x, query, *rest, kind="sum"):
    return activated(x, query, rest[:6], rest[6] if len(rest) > 6 else None, kind)
