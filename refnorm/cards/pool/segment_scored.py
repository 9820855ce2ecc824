"""How means under softmax over ragged segments are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...pool.segment_scored import segment_attentive_pool

conventions(
    segment_attentive_pool, "torch_geometric", "AttentionalAggregation with a linear gate; 1e-16 there", fill=0.0
)


def attended(
    x, weight, ids, *, segments, fill=0.0, over="segment", clip=False, wrap=False, eps=0.0, raw=False, mean=False
):
    ids = np.clip(ids, 0, segments - 1) if clip else np.where(ids < 0, ids + segments, ids) if wrap else ids
    y = np.full((segments, x.shape[1]), x.dtype.type(fill))
    s = x @ weight
    for k in range(segments):
        here = ids == k
        if here.any():
            e = np.exp(s[here] - (np.max(s[here], axis=0) if not raw else 0))
            a = e / (np.sum(e, axis=0) + x.dtype.type(eps))
            if over == "all":
                a = np.exp(s[here] - np.max(s, axis=0)) / np.sum(np.exp(s - np.max(s, axis=0)), axis=0)
            y[k] = np.sum(a * x[here], axis=0) / (np.sum(here) if mean else 1)
    return y


def twin(name, kind, /, **wrong):
    @mistake(segment_attentive_pool, name, kind=kind)
    def _(*arrays, **options):
        return attended(*arrays, **(options | wrong))


twin("softmax over all members", "axis", over="all")
twin("empty segments hold 0", "place of a parameter", fill=0.0)
twin("ids outside go to the nearest segment", "region", clip=True)
twin("negative ids count from the end", "region", wrap=True)
twin("a large eps in the denominator", "denominator", eps=1e-2)
twin("mean of what is weighed", "denominator", mean=True)


@mistake(segment_attentive_pool, "weight transposed", kind="order of steps")
def _(x, weight, ids, /, **options):
    return attended(x, weight if weight.shape[1] == 1 else weight.T, ids, **options)


@mistake(segment_attentive_pool, "scores fall", kind="sign")
def _(x, weight, ids, /, **options):
    return attended(x, -weight, ids, **options)


@honest(segment_attentive_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return attended(*arrays, **options)


NOBODY = "segment_attentive_pool_vjp: return give_back(xp, wide, x), give_back(xp, xp.zeros_like(w), weight), None: "
for _what in (
    "give_back(xp, wide, x) -> give_back(xp, x, wide)",
    "give_back(xp, xp.zeros_like(w), weight) -> give_back(xp, weight, xp.zeros_like(w))",
):
    survivor(segment_attentive_pool, NOBODY + _what, "the checker asks for no gradient of nobody; the tests do")
