"""How bilinear forms of low rank are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.factorized import block_bilinear_fusion, factorized_bilinear_pool

conventions(factorized_bilinear_pool, "mlb", "the paper's; relu in the released code", window=1, activation="tanh")
conventions(factorized_bilinear_pool, "mfb", "roots and length are off in the released code", signed_sqrt=True, l2=True)
conventions(block_bilinear_fusion, "block.bootstrap", "Block: pos_norm='before_cat'", kind="chunks")
conventions(block_bilinear_fusion, "mutan", "one chunk; its roots and length are off unless asked for", kind="bare")

ACTS = {"identity": lambda z: z, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}


def root(z):
    return np.sign(z) * np.sqrt(np.abs(z))


def unit(z, eps, axis=-1):
    return z / np.maximum(np.sqrt(np.sum(z * z, axis=axis, keepdims=True)), z.dtype.type(eps))


def fused(
    x, other, u, v, weight=None, *, window=1, activation="identity", signed_sqrt=False, l2=False, eps=1e-12, mean=False,
    strided=False, late=False, after=False, soon=False,
):  # fmt: skip
    left, right, act = x @ u, other @ v, ACTS[activation]
    m = act(left * right) if after else act(left) * act(right)
    m = unit(m, eps) if l2 and soon else m
    if strided:
        z = m.reshape(*m.shape[:-1], window, m.shape[-1] // window).sum(axis=-2)
    else:
        z = m.reshape(*m.shape[:-1], m.shape[-1] // window, window).sum(axis=-1)
    z = z / window if mean else z
    z = root(z) if signed_sqrt and not late else z
    z = unit(z, eps) if l2 and not soon else z
    z = root(z) if signed_sqrt and late else z
    return (z if weight is None else z @ weight).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(factorized_bilinear_pool, name, kind=kind)
    def _(*arrays, **options):
        return fused(*arrays, **(options | wrong))


twin("mean over the window", "denominator", mean=True)
twin("windows of every o-th product", "region", strided=True)
twin("roots after the length", "order of steps", late=True)
twin("activation of the product", "order of steps", after=True)
twin("length before the sum", "order of steps", soon=True)
twin("activation left out", "place of a parameter", activation="identity")
twin("relu in any case", "statistic", activation="relu")
twin("eps left out", "place of a parameter", eps=0.0)
twin("roots left out", "place of a parameter", signed_sqrt=False)


@mistake(factorized_bilinear_pool, "sum of the projections", kind="statistic")
def _(x, other, u, v, *rest, **options):
    ones = np.ones((*x.shape[:-1], 1))
    return fused(x @ u + other @ v, ones, np.eye(u.shape[1]), np.ones((1, u.shape[1])), *rest, **options)


@honest(factorized_bilinear_pool, "NumPy", baseline=True)
def _(*arrays, **options):
    return fused(*arrays, **options)


def blocks(x, other, a, b, u, v, weight, *biases, kind="chunks", eps=1e-12, turn=False, power=True, length=True):
    p, q, s, t, r = (x.dtype.type(0) if one is None else one for one in (*biases, *[None] * (5 - len(biases))))
    chunks, size, wide = u.shape
    x0 = (x @ a + p).reshape(*x.shape[:-1], chunks, 1, size)
    y0 = (other @ b + q).reshape(*x.shape[:-1], chunks, 1, size)
    m = ((x0 @ u)[..., 0, :] + s) * ((y0 @ v)[..., 0, :] + t)
    if turn:
        z = m.reshape(*m.shape[:-1], size, wide // size).sum(axis=-1)
    else:
        z = m.reshape(*m.shape[:-1], wide // size, size).sum(axis=-2)
    z = root(z) if power and kind != "bare" else z
    z = unit(z, eps) if kind == "chunks" and length else z
    z = z.reshape(*x.shape[:-1], chunks * size)
    z = unit(z, eps) if kind == "whole" and length else z
    return (z @ weight + r).astype(x.dtype)


def block_twin(name, kind, /, **wrong):
    @mistake(block_bilinear_fusion, name, kind=kind)
    def _(*arrays, **options):
        return blocks(*arrays, **(options | wrong))


block_twin("length of all chunks together", "axis", kind="whole")
block_twin("length of each chunk in any case", "axis", kind="chunks")
block_twin("ranks side by side", "region", turn=True)
block_twin("roots left out", "order of steps", power=False)
block_twin("length left out", "denominator", length=False)
block_twin("eps left out", "place of a parameter", eps=0.0)


@mistake(block_bilinear_fusion, "biases of the projections only", kind="place of a parameter")
def _(*arrays, **options):
    return blocks(*arrays[:9], *[None] * len(arrays[9:]), **options)


@mistake(block_bilinear_fusion, "one merge for all chunks", kind="statistic")
def _(x, other, a, b, u, v, *rest, **options):
    return blocks(x, other, a, b, 0 * u + u[:1], 0 * v + v[:1], *rest, **options)


@honest(block_bilinear_fusion, "NumPy", baseline=True)
def _(*arrays, **options):
    return blocks(*arrays, **options)
