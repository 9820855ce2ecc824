"""How simplex frames and the measures of them are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.etf import equiangular_basis, mutual_coherence, simplex_etf, simplex_vertices, sparse_etf_energy

conventions(simplex_etf, "paper")
conventions(simplex_etf, "fedloge", "ETF_Classifier: U from the QR of random numbers, in float32")
conventions(simplex_vertices, "paper", "about 0, at a distance of 1", scale=1.0)
conventions(simplex_vertices, "code", "1e-8 is added to the lengths", scale=1.0)
conventions(equiangular_basis, "code", "plain steps of 1e-3; the last leaves rows as it moves them", step=1e-3)
conventions(mutual_coherence, "code", "the vectors are rows there: hand in the transpose")
conventions(sparse_etf_energy, "code", "comments speak of unit norm, the code has 0.1", norm=0.1, clip=0.99999)


def frame(x, scale, share):
    return scale * (x - share * np.sum(x, axis=1, keepdims=True))


@mistake(simplex_etf, "square root left out", kind="denominator")
def _(x, /):
    k = x.shape[1]
    return frame(x, k / (k - 1), 1 / k)


@mistake(simplex_etf, "scale left out", kind="denominator")
def _(x, /):
    return frame(x, 1.0, 1 / x.shape[1])


@mistake(simplex_etf, "n in place of K", kind="denominator")
def _(x, /):
    n = max(len(x), 2)
    return frame(x, np.sqrt(n / (n - 1)), 1 / n)


@mistake(simplex_etf, "centred along the columns", kind="axis")
def _(x, /):
    k = x.shape[1]
    return np.sqrt(k / (k - 1)) * (x - np.mean(x, axis=0, keepdims=True))


@honest(simplex_etf, "NumPy, in long double")
def _(x, /):
    k, c = x.shape[1], x.astype(np.longdouble)
    c = c - c[:, :1]
    c = c - np.mean(c, axis=1, keepdims=True)
    c = np.where(np.isnan(c).any(axis=1, keepdims=True), np.nan, c)
    return (np.sqrt(k / np.longdouble(k - 1)) * c).astype(x.dtype)


def cosines(x, diagonal):
    size = np.sqrt(np.sum(x * x, axis=0))
    unit = x / np.where(size == 0, 1, size)
    gram = unit.T @ unit
    np.fill_diagonal(gram, diagonal)
    return gram, size


@mistake(mutual_coherence, "sign kept", kind="sign")
def _(x, /):
    return np.asarray(np.max(cosines(x, -1)[0]))


@mistake(mutual_coherence, "lengths left out", kind="denominator")
def _(x, /):
    gram = np.abs(x.T @ x)
    np.fill_diagonal(gram, 0)
    return np.asarray(np.max(gram))


@mistake(mutual_coherence, "of the rows", kind="axis")
def _(x, /):
    return np.asarray(np.max(np.abs(cosines(x.T, 0)[0])))


@mistake(mutual_coherence, "mean in place of the largest", kind="statistic")
def _(x, /):
    return np.asarray(np.mean(np.abs(cosines(x, 0)[0])))


@honest(mutual_coherence, "NumPy", baseline=True)
def _(x, /):
    return np.asarray(np.max(np.abs(cosines(x.astype(np.float64), 0)[0]))).astype(x.dtype)


def energy(x, norm, clip, *, diagonal=-1.0, mean=np.mean):
    gram, size = cosines(x.astype(np.float64), diagonal)
    angle = np.arccos(np.clip(np.max(gram, axis=1), -clip, clip))
    return np.asarray(np.sum((size - norm) ** 2) - mean(angle)).astype(x.dtype)


@mistake(sparse_etf_energy, "angles added up", kind="denominator")
def _(x, /, *, norm=0.1, clip=0.99999):
    return energy(x, norm, clip, mean=np.sum)


@mistake(sparse_etf_energy, "cosines to itself among them", kind="set")
def _(x, /, *, norm=0.1, clip=0.99999):
    return energy(x, norm, clip, diagonal=1.0)


@mistake(sparse_etf_energy, "unit norm", kind="place of a parameter")
def _(x, /, *, norm=0.1, clip=0.99999):
    return energy(x, 1.0, clip)


@mistake(sparse_etf_energy, "clip left out", kind="place of a parameter")
def _(x, /, *, norm=0.1, clip=0.99999):
    return energy(x, norm, 1.0)


@mistake(sparse_etf_energy, "angles with a plus", kind="sign")
def _(x, /, *, norm=0.1, clip=0.99999):
    return energy(x, norm, clip, mean=lambda angle: -np.mean(angle))


@honest(sparse_etf_energy, "NumPy", baseline=True)
def _(x, /, *, norm=0.1, clip=0.99999):
    return energy(x, norm, clip)


def corners(d, *, centred=True, unit=True):
    w = np.concatenate([np.eye(d, dtype=np.longdouble), np.full((1, d), (1 - np.sqrt(np.longdouble(d + 1))) / d)])
    w = w - np.mean(w, axis=0) if centred else w
    return w / np.sqrt(np.sum(w * w, axis=1, keepdims=True)) if unit else w


@mistake(simplex_vertices, "not centred", kind="centering")
def _(x, /, *, scale=1.0):
    return x[..., None, :] + scale * corners(x.shape[-1], centred=False)


@mistake(simplex_vertices, "lengths as they come", kind="denominator")
def _(x, /, *, scale=1.0):
    return x[..., None, :] + scale * corners(x.shape[-1], unit=False)


@mistake(simplex_vertices, "about zero", kind="place of a parameter")
def _(x, /, *, scale=1.0):
    return 0 * x[..., None, :] + scale * corners(x.shape[-1])


@mistake(simplex_vertices, "scale left out", kind="place of a parameter")
def _(x, /, *, scale=1.0):
    return x[..., None, :] + corners(x.shape[-1])


@mistake(simplex_vertices, "centre scaled too", kind="order of the steps")
def _(x, /, *, scale=1.0):
    return scale * (x[..., None, :] + corners(x.shape[-1]))


@honest(simplex_vertices, "NumPy, in long double", baseline=True)
def _(x, /, *, scale=1.0):
    return (x[..., None, :].astype(np.longdouble) + scale * corners(x.shape[-1])).astype(x.dtype)


def turned(x, threshold, step, count, *, orders=2.0, sign=np.sign, slack=1e-4, unit=False):
    rows = x.astype(np.float64)
    for _ in range(count):
        size = np.sqrt(np.sum(rows * rows, axis=1, keepdims=True))
        rows = rows / np.where(size == 0, 1, size)
        gram = rows @ rows.T
        far = np.where(np.eye(len(rows), dtype=bool), 0 * gram, np.abs(gram))
        if np.max(far) <= threshold + slack:
            break
        rows = rows - orders * step * np.where(far > threshold, sign(gram), 0) @ rows
    return rows / np.sqrt(np.sum(rows * rows, axis=1, keepdims=True)) if unit else rows


@mistake(equiangular_basis, "one order of each pair", kind="denominator")
def _(x, /, *, threshold, step=1e-3, count=8):
    return turned(x, threshold, step, count, orders=1.0)


@mistake(equiangular_basis, "cosines in place of their signs", kind="statistic")
def _(x, /, *, threshold, step=1e-3, count=8):
    return turned(x, threshold, step, count, sign=lambda gram: gram)


@mistake(equiangular_basis, "opposite rows drawn together", kind="sign")
def _(x, /, *, threshold, step=1e-3, count=8):
    return turned(x, threshold, step, count, sign=np.ones_like)


@mistake(equiangular_basis, "made units at the end", kind="order of the steps")
def _(x, /, *, threshold, step=1e-3, count=8):
    return turned(x, threshold, step, count, unit=True)


@mistake(equiangular_basis, "a step too few", kind="place of a parameter")
def _(x, /, *, threshold, step=1e-3, count=8):
    return turned(x, threshold, step, count - 1)


@honest(equiangular_basis, "NumPy", baseline=True)
def _(x, /, *, threshold, step=1e-3, count=8):
    with np.errstate(all="ignore"):
        return turned(x, threshold, step, count).astype(x.dtype)
