"""How attention of queries to a set is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.attention import attention_pool, global_query_pool, slot_pool

conventions(attention_pool, "torch", "scaled_dot_product_attention: members are keys and values", groups=1)
conventions(attention_pool, "gmpool", "scale=e**-0.5 and the projected query added: EHGNN", kind="queries")
conventions(slot_pool, "slotcon", "SemanticGrouping", tau=0.07, eps=1e-6)
conventions(global_query_pool, "ponet", "v = k in its code for LRA")


def softmax(s, axis=-1):
    e = np.exp(s - np.max(s, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def attended(
    x, query, wk=None, wv=None, mask=None, *, groups=1, scale=None, kind="members", full=False, mix=False, fill=-np.inf,
    off=False, after=True,
):  # fmt: skip
    x = x if mask is None or off else np.where(mask[..., None], x, 0)
    k, v = x if wk is None else x @ wk, x if wv is None else x @ wv
    pick = (lambda a, h: a[..., h::groups]) if mix else (lambda a, h: np.split(a, groups, axis=-1)[h])
    scale = (k.shape[-1] if full else k.shape[-1] // groups) ** -0.5 if scale is None else scale
    ys = []
    for h in range(groups):
        s = x.dtype.type(scale) * (pick(query, h) @ np.swapaxes(pick(k, h), -1, -2))
        hidden = None if mask is None or off else ~mask[..., None, :]
        s = s if hidden is None or kind == "queries" else np.where(hidden, fill, s)
        a = softmax(s, -1 if kind == "members" else -2)
        a = np.where(hidden, 0, a) if hidden is not None and kind == "queries" and after else a
        ys.append(a @ pick(v, h))
    return np.concatenate(ys, axis=-1).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(attention_pool, name, kind=kind)
    def _(*arrays, **options):
        return attended(*arrays, **(options | wrong))


twin("scaled by the full width", "denominator", full=True)
twin("not scaled", "denominator", scale=1.0)
twin("scale left out", "place of a parameter", scale=None)
twin("softmax over the members in any case", "axis", kind="members")
twin("softmax over the queries in any case", "axis", kind="queries")
twin("heads interleaved", "region", mix=True)
twin("hidden members score 0", "region", fill=0.0)
twin("mask left out", "region", off=True)
twin("one head", "region", groups=1)


@mistake(attention_pool, "keys for values", kind="statistic")
def _(x, query, wk=None, wv=None, *rest, **options):
    return attended(x, query, wk, wk if wv is not None and np.shape(wk) == np.shape(wv) else wv, *rest, **options) + (
        0 if wv is None else attended(x, query, wk, 0 * wv + 0.1, *rest, **options)
    )


@honest(attention_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return attended(*arrays, **options)


def unit(z):
    return z / np.maximum(np.sqrt(np.sum(z * z, axis=-1, keepdims=True)), z.dtype.type(1e-12))


def slots(x, s, *, tau=0.07, eps=1e-6, axis=-1, units=True, values=False, floor=False, last=False):
    t, e = x.dtype.type(tau), x.dtype.type(eps)
    a = softmax((unit(x) @ unit(s).T if units else x @ s.T) / t, axis)
    a = np.swapaxes(a if floor else a + e, -1, -2)
    y = a @ (unit(x) if values else x)
    n = np.sum(a, axis=-1, keepdims=True)
    y = y / (np.maximum(n, e) if floor else n)
    return (unit(y) if last else y).astype(x.dtype)


def slot_twin(name, kind, /, **wrong):
    @mistake(slot_pool, name, kind=kind)
    def _(*arrays, **options):
        return slots(*arrays, **(options | wrong))


slot_twin("softmax over the members", "axis", axis=-2)
slot_twin("scores without units", "denominator", units=False)
slot_twin("units for values", "statistic", values=True)
slot_twin("eps as the least sum", "place of a parameter", floor=True)
slot_twin("made units at the end", "order of steps", last=True)
slot_twin("eps left out", "place of a parameter", eps=0.0)
slot_twin("tau taken for 1", "place of a parameter", tau=1.0)


@honest(slot_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return slots(*arrays, **options)


def globally(k, q, v=None, mask=None, *, scale=0.5, everyone=False, summed=False, off=False, own=False):
    v = k if v is None or own else v
    if mask is not None:
        k, q, v = (np.where(mask[..., None], one, 0) for one in (k, q, v))
    n = k.shape[-2] if mask is None or everyone else np.sum(mask, axis=-1)[..., None, None]
    g = np.sum(q, axis=-2, keepdims=True) / (1 if summed else n)
    s = np.sum(g * k, axis=-1).astype(k.dtype) / k.dtype.type(k.shape[-1] ** scale)
    s = s if mask is None or off else np.where(mask, s, -np.inf)
    return np.sum(softmax(s)[..., None] * v, axis=-2).astype(k.dtype)


def global_twin(name, kind, /, **wrong):
    @mistake(global_query_pool, name, kind=kind)
    def _(*arrays):
        return globally(*arrays, **wrong)


global_twin("mean query over all tokens", "denominator", everyone=True)
global_twin("sum of the queries", "denominator", summed=True)
global_twin("not scaled", "denominator", scale=0.0)
global_twin("scaled by d", "denominator", scale=1.0)
global_twin("hidden tokens score 0", "region", off=True)


@mistake(global_query_pool, "each query for itself", kind="order of steps")
def _(k, q, v=None, mask=None, /):
    return globally(k, k.mean(axis=-2, keepdims=True) + 0 * q, v, mask)


@honest(global_query_pool, "NumPy", baseline=True)
def _(*arrays):
    return globally(*arrays)
