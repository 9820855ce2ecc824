"""How scores of the next token are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.decoding import (
    contrastive_decoding_logits,
    dynamic_fusion_weights,
    logit_arithmetic,
    top_k_top_p_filter,
)

conventions(top_k_top_p_filter, "transformers", "top_k is off at 0, here at None", tau=1.0, k=50)
conventions(contrastive_decoding_logits, "vcd", "the function's, as catalogued", alpha=0.5, beta=0.1)
conventions(contrastive_decoding_logits, "llava-align", "the scripts, as catalogued", alpha=1.0, beta=0.1)
conventions(contrastive_decoding_logits, "ritual", "as catalogued", alpha=3.0, beta=0.1, kind="with")
conventions(logit_arithmetic, "paper", "raw scores; so in proxy tuning")
conventions(dynamic_fusion_weights, "paper", "from 0 to 2; the search itself is not released", high=2.0)


def filtered(x, tau, k, p, *, before=True, fill=-np.inf):
    of = x.dtype.type
    y, top = x / of(tau), np.max(x, axis=-1, keepdims=True)
    bad = np.isnan(top)
    stays = np.ones(x.shape, bool)
    if k is not None and k < x.shape[-1]:
        stays = x >= -np.sort(-x, axis=-1)[..., k - 1 : k]
    if p is not None and p < 1:
        with np.errstate(invalid="ignore"):
            left = np.where(stays, (x - top) / of(tau), of(-np.inf))
        order = np.argsort(-left, axis=-1, kind="stable")
        s = np.take_along_axis(left, order, axis=-1)
        e = np.exp(s - s[..., :1])
        e = e / np.sum(e, axis=-1, keepdims=True)
        reached = np.cumsum(e, axis=-1) - (e if before else 0)
        kept = np.take_along_axis(reached < p, np.argsort(order, axis=-1), axis=-1)
        bad = bad | ~np.isfinite(e[..., :1])
        stays = stays & kept
    return np.where(bad, of(np.nan), np.where(stays, y, of(fill)))


def wrong(name, kind, twin):
    mistake(top_k_top_p_filter, name, kind=kind)(lambda x, /, *, tau=1.0, k=None, p=None: twin(x, tau, k, p))


wrong("times tau", "reciprocal", lambda x, t, k, p: filtered(x, 1 / t, k, p))
wrong("tau left out", "option not read", lambda x, t, k, p: filtered(x, 1.0, k, p))
wrong("k left out", "option not read", lambda x, t, k, p: filtered(x, t, None, p))
wrong("p left out", "option not read", lambda x, t, k, p: filtered(x, t, k, None))
wrong("one more than k", "index", lambda x, t, k, p: filtered(x, t, k and k + 1, p))
wrong("the one that reaches p cut too", "edges", lambda x, t, k, p: filtered(x, t, k, p, before=False))
wrong("zeros in place of -inf", "edges", lambda x, t, k, p: filtered(x, t, k, p, fill=0.0))
honest(top_k_top_p_filter, "NumPy")(lambda x, /, *, tau=1.0, k=None, p=None: filtered(x, tau, k, p))


def contrasted(x, other, alpha, beta, kind, *, look=None):
    of = x.dtype.type
    y = x + of(alpha) * (x - other if kind == "against" else other)
    look = x if look is None else look(x, other, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = look - np.max(look, axis=-1, keepdims=True)
        return np.where(below < of(np.log(beta)), of(-np.inf), y)


def wrong_contrast(name, kind, twin):
    @mistake(contrastive_decoding_logits, name, kind=kind)
    def _(x, other, /, *, alpha=1.0, beta=0.1, kind="against"):
        return twin(x, other, alpha, beta, kind)


wrong_contrast("always against", "option not read", lambda x, o, a, b, kind: contrasted(x, o, a, b, "against"))
wrong_contrast("always with", "option not read", lambda x, o, a, b, kind: contrasted(x, o, a, b, "with"))
wrong_contrast("alpha left out", "option not read", lambda x, o, a, b, kind: contrasted(x, o, 1.0, b, kind))
wrong_contrast("nothing cut", "option not read", lambda x, o, a, b, kind: contrasted(x, o, a, 0.0, kind))
wrong_contrast("1 - beta", "place of a parameter", lambda x, o, a, b, kind: contrasted(x, o, a, 1 - b, kind))
wrong_contrast(
    "cut by the answer", "order", lambda x, o, a, b, kind: contrasted(x, o, a, b, kind, look=lambda x, o, y: y)
)
wrong_contrast("scores exchanged", "order", lambda x, o, a, b, kind: contrasted(o, x, a, b, kind))


@honest(contrastive_decoding_logits, "NumPy")
def _(x, other, /, *, alpha=1.0, beta=0.1, kind="against"):
    return contrasted(x, other, alpha, beta, kind)


def summed(x, new, old, alpha):
    return x + np.sum(alpha.reshape(-1, *[1] * x.ndim) * (new - old), axis=0)


def wrong_sum(name, kind, twin):
    mistake(logit_arithmetic, name, kind=kind)(lambda x, new, old, alpha, /: twin(x, new, old, alpha))


wrong_sum("weights left out", "option not read", lambda x, n, o, a: summed(x, n, o, 0 * a + 1))
wrong_sum("differences the other way round", "sign", lambda x, n, o, a: summed(x, n, o, -a))
wrong_sum("from the large model", "statistic", lambda x, n, o, a: summed(x, n, x, a))
wrong_sum("old scores left in", "statistic", lambda x, n, o, a: summed(x, n, 0 * o, a))
wrong_sum("mean of the experts", "denominator", lambda x, n, o, a: summed(x, n, o, a / len(a) / 2))
honest(logit_arithmetic, "NumPy")(lambda x, new, old, alpha, /: summed(x, new, old, alpha))


def divergences(a, b):
    """Return the divergence of softmaxes both ways, each of terms that are not negative."""
    logs = []
    for v in (a, b):
        z = v - v.max(axis=-1, keepdims=True)
        logs.append(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))
    with np.errstate(over="ignore", invalid="ignore"):
        d = np.where((logs[0] == -np.inf) & (logs[1] == -np.inf), 0, logs[0] - logs[1])
        there, back = np.exp(logs[0]) * (d + np.expm1(-d)), np.exp(logs[1]) * (np.expm1(d) - d)
    # where an exponential overflows, its product is the other share
    there = np.where(d < -700, np.exp(logs[1]) + np.exp(logs[0]) * (d - 1), there)
    back = np.where(d > 700, np.exp(logs[0]) - np.exp(logs[1]) * (1 + d), back)
    return there.sum(axis=-1), back.sum(axis=-1)


def fused(x, new, old, high, count, *, ways=(0, 1), alone=False, steps=0, swap=False):
    wide, n, o = (v.astype("float64") for v in (x, new, old))
    wide = wide - wide.max(axis=-1, keepdims=True)
    wanted = [divergences(n[t], o)[:: -1 if swap else 1] for t in range(len(n))]
    line = high * np.arange(count + steps) / (count + steps - 1)
    best, alpha = np.full(x.shape[:-1], np.inf), np.full((*x.shape[:-1], len(n)), np.nan)
    for a in np.stack(np.meshgrid(*[line] * len(n), indexing="ij"), axis=-1).reshape(-1, len(n)):
        got = divergences(wide + sum(a[t] * (n[t] - (0 if alone else o)) for t in range(len(n))), wide)
        off = sum((got[w] - one[w]) ** 2 for one in wanted for w in ways)
        better = off < best
        best = np.where(better, off, best)
        alpha[better] = a
    return alpha.astype(x.dtype)


def wrong_weights(name, kind, **how):
    @mistake(dynamic_fusion_weights, name, kind=kind)
    def _(x, new, old, /, *, high=2.0, count=21):
        return fused(x, new, old, high, count, **how)


wrong_weights("one direction alone", "statistic", ways=(0,))
wrong_weights("the other direction alone", "statistic", ways=(1,))
wrong_weights("directions exchanged", "order", swap=True)
wrong_weights("scores of experts, not their differences", "statistic", alone=True)
wrong_weights("count steps, not weights", "edges", steps=1)
mistake(dynamic_fusion_weights, "high of 2", kind="option not read")(
    lambda x, new, old, /, *, high=2.0, count=21: fused(x, new, old, 2.0, count)
)
honest(dynamic_fusion_weights, "NumPy")(lambda x, new, old, /, *, high=2.0, count=21: fused(x, new, old, high, count))
