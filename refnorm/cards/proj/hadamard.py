"""How the Hadamard transform and Fastfood are got wrong, and what codes call them with."""

import functools

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.hadamard import fastfood_project, walsh_hadamard_transform

conventions(walsh_hadamard_transform, "paper", scale=1.0)
conventions(walsh_hadamard_transform, "scipy", "scipy.linalg.hadamard is the matrix", scale=1.0)
conventions(walsh_hadamard_transform, "uber-research/intrinsic-dimension", "n**-0.5 unless normalize=False: say it")
conventions(walsh_hadamard_transform, "sympy", "fwht: plain; pads to a power of two, which is refused here", scale=1.0)
conventions(fastfood_project, "paper")
conventions(fastfood_project, "jgamper/intrinsic-dimensionality", "the same, a vector at a time")
conventions(fastfood_project, "rabeehk/compacter", "the same forward; its backward is 1/n of the true one")
conventions(fastfood_project, "le2013fastfood", "S H G P H B / (sigma sqrt(d)): a diagonal S more, no cut")


# ---- the Hadamard transform ----


def matrix(n):
    """Return H_n by its definition."""
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h


def sign_changes(h):
    return np.sum(h[:, 1:] != h[:, :-1], axis=1)


def bit_reversed(n):
    bits = n.bit_length() - 1
    return [int(f"{i:0{bits}b}"[::-1], 2) if bits else 0 for i in range(n)]


def with_matrix(twin):
    """Let ``twin(rows, matrix)`` be called as the operator is."""

    @functools.wraps(twin)
    def call(x, *, axis=-1, scale=1.0):
        rows = np.moveaxis(x, axis, -1)
        return np.moveaxis(scale * twin(rows, matrix(rows.shape[-1])), -1, axis)

    return call


@mistake(walsh_hadamard_transform, "sequency order", kind="order of the outputs")
@with_matrix
def _(rows, h):
    return rows @ h[np.argsort(sign_changes(h))].T


@mistake(walsh_hadamard_transform, "dyadic order", kind="order of the outputs")
@with_matrix
def _(rows, h):
    return rows @ h[bit_reversed(len(h))].T


@mistake(walsh_hadamard_transform, "scaled by 1/sqrt n unasked", kind="scale")
@with_matrix
def _(rows, h):
    return rows @ h / len(h) ** 0.5


@mistake(walsh_hadamard_transform, "scaled by 1/n unasked", kind="denominator")
@with_matrix
def _(rows, h):
    return rows @ h / len(h)


@mistake(walsh_hadamard_transform, "difference the other way round", kind="sign")
@with_matrix
def _(rows, h):
    return rows @ (h * h[:, :1] * (-1.0) ** np.array([bin(i).count("1") for i in range(len(h))]))


@mistake(walsh_hadamard_transform, "last level left out", kind="tail")
@with_matrix
def _(rows, h):
    half = len(h) // 2 or 1
    return rows @ np.kron(np.eye(len(h) // half), matrix(half))


@mistake(walsh_hadamard_transform, "Haar wavelet in place of Hadamard", kind="statistic")
@with_matrix
def _(rows, h):
    n, y = len(h), rows.copy()
    while n > 1:
        a, b = y[..., 0:n:2].copy(), y[..., 1:n:2].copy()
        y[..., : n // 2], y[..., n // 2 : n] = a + b, a - b
        n //= 2
    return y


@mistake(walsh_hadamard_transform, "the whole array as one vector", kind="axis")
def _(x, *, axis=-1, scale=1.0):
    flat = np.zeros(1 << max(0, x.size - 1).bit_length())
    flat[: x.size] = x.reshape(-1)
    return scale * (flat @ matrix(len(flat)))[: x.size].reshape(x.shape)


@mistake(walsh_hadamard_transform, "NaN taken for zero", kind="NaN")
@with_matrix
def _(rows, h):
    return np.nan_to_num(rows, nan=0.0) @ h


@mistake(walsh_hadamard_transform, "summed in half", kind="narrow accumulator")
@with_matrix
def _(rows, h):
    return butterflies(rows.astype(np.float16)).astype(np.float64)


@mistake(walsh_hadamard_transform, "scale left out", kind="place of a parameter")
def _(x, *, axis=-1, scale=1.0):
    rows = np.moveaxis(x, axis, -1)
    return np.moveaxis(rows @ matrix(rows.shape[-1]), -1, axis)


def butterflies(x):
    """Return H x along the last axis in the type of `x`, from far to near."""
    y, h = x.copy(), x.shape[-1] // 2
    while h:
        pairs = y.reshape(*x.shape[:-1], x.shape[-1] // (2 * h), 2, h)
        y = np.stack([pairs[..., 0, :] + pairs[..., 1, :], pairs[..., 0, :] - pairs[..., 1, :]], axis=-2)
        h //= 2
    return y.reshape(x.shape)


@honest(walsh_hadamard_transform, "NumPy, butterflies")
def _(x, /, *, axis=-1, scale=1.0):
    return np.moveaxis(butterflies(np.moveaxis(x, axis, -1)), -1, axis) * x.dtype.type(scale)


@honest(walsh_hadamard_transform, "torch, two products", needs="torch")
def _(x, /, *, axis=-1, scale=1.0):
    import torch

    rows = torch.from_numpy(np.moveaxis(x, axis, -1).copy())
    n = rows.shape[-1]
    a = 1 << (n.bit_length() // 2)
    left, right = (torch.from_numpy(matrix(k)).to(rows.dtype) for k in (a if n > 1 else 1, n // a if n > 1 else 1))
    y = left @ rows.reshape(*rows.shape[:-1], len(left), len(right)) @ right
    return np.moveaxis((y.reshape(rows.shape) * scale).numpy(), -1, axis)


# ---- Fastfood ----


def chained(x, signs, permutation, gains, output_size=None, *, first=None, back=False, divide=None, cut=None):
    """Return Fastfood's product with one step done otherwise."""
    n = len(signs)
    size = n if output_size is None else output_size
    v = np.concatenate([x, np.zeros((*x.shape[:-1], n - x.shape[-1]))], axis=-1)
    w = (signs * v if first is None else first(signs, v)) @ matrix(n)
    if back:
        w, taken = np.zeros_like(w), w
        w[..., permutation] = taken
    else:
        w = w[..., permutation]
    u = (gains * w) @ matrix(n)
    u = u[..., :size] if cut is None else cut(u, size)
    root = np.sqrt(n * np.sum(gains * gains)) * np.sqrt(size / n)
    return u / (root if divide is None else divide(n, size, gains))


@mistake(fastfood_project, "permutation scattered, not gathered", kind="order of the permutation")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, signs, permutation, gains, output_size, back=True)


@mistake(fastfood_project, "gains before the permutation", kind="order of the affine part")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, signs, permutation, gains[permutation], output_size)


@mistake(fastfood_project, "signs left out", kind="place of a parameter")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, np.ones_like(signs), permutation, gains, output_size)


@mistake(fastfood_project, "only the signs of signs", kind="statistic")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, np.sign(signs), permutation, gains, output_size)


@mistake(fastfood_project, "gains not normalized", kind="scale")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, signs, permutation, gains, output_size, divide=lambda n, size, g: n * np.sqrt(size / n))


@mistake(fastfood_project, "output_size left out of the norm", kind="denominator")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, signs, permutation, gains, output_size, divide=lambda n, size, g: np.sqrt(n * np.sum(g * g)))


@mistake(fastfood_project, "divided by the length of x, not by that of its padding", kind="denominator")
def _(x, signs, permutation, gains, *, output_size=None):
    d = x.shape[-1]
    return chained(
        x, signs, permutation, gains, output_size, divide=lambda n, size, g: np.sqrt(d * np.sum(g * g) * size / n)
    )


@mistake(fastfood_project, "gains summed, not their squares", kind="norm")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, signs, permutation, gains, output_size, divide=lambda n, size, g: np.abs(g).sum() * np.sqrt(size))


@mistake(fastfood_project, "padded in front", kind="padding")
def _(x, signs, permutation, gains, *, output_size=None):
    n = len(signs)
    v = np.concatenate([np.zeros((*x.shape[:-1], n - x.shape[-1])), x], axis=-1)
    return chained(v, signs, permutation, gains, output_size)


@mistake(fastfood_project, "the last outputs kept", kind="tail")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(x, signs, permutation, gains, output_size, cut=lambda u, size: u[..., u.shape[-1] - size :])


@mistake(fastfood_project, "second transform left out", kind="order of the steps")
def _(x, signs, permutation, gains, *, output_size=None):
    n = len(signs)
    return chained(x, signs, permutation, gains, output_size, cut=lambda u, size: (u @ matrix(n))[..., :size] / n**0.5)


@mistake(fastfood_project, "NaN taken for zero", kind="NaN")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(np.nan_to_num(x, nan=0.0), signs, permutation, gains, output_size)


@mistake(fastfood_project, "mixed in half", kind="narrow accumulator")
def _(x, signs, permutation, gains, *, output_size=None):
    return chained(
        x, signs, permutation, gains, output_size, first=lambda b, v: (b * v).astype(np.float16).astype(np.float64)
    )


@honest(fastfood_project, "NumPy")
def _(x, signs, permutation, gains, /, *, output_size=None):
    n = len(signs)
    size = n if output_size is None else output_size
    v = np.zeros((*x.shape[:-1], n), x.dtype)
    v[..., : x.shape[-1]] = x
    u = butterflies(gains * butterflies(v * signs)[..., permutation])[..., :size]
    return u / np.sqrt(np.sum(gains * gains) * x.dtype.type(size))


@honest(fastfood_project, "torch", needs="torch")
def _(x, signs, permutation, gains, /, *, output_size=None):
    import torch

    t, b, p, g = (torch.from_numpy(np.array(a)) for a in (x, signs, permutation, gains))
    h = torch.from_numpy(matrix(len(b))).to(t.dtype)
    size = len(b) if output_size is None else output_size
    u = (((torch.nn.functional.pad(t, (0, len(b) - t.shape[-1])) * b) @ h)[..., p] * g) @ h
    return (u[..., :size] / (g.norm() * size**0.5)).numpy()


# ---- mutants that no check sees ----

ODD = "sum_pair: x, lost = xp.concat([x, odd[0]], axis=-1), xp.concat([lost, odd[1]], axis=-1)"
for _root in ("fastfood_project", "fastfood_project_vjp"):
    for _what in ("0 -> 1", "0 -> -1", "1 -> 2", "1 -> 0", "-1 -> 0", "-1 -> -2", "-1 -> 0 (2)", "-1 -> -2 (2)"):
        why = "unreachable: sums are over the gains, a power of two of them, and no half is odd"
        survivor(fastfood_project, f"{_root} > {ODD}: {_what}", why)
