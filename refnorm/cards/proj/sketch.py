"""How sketches are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...proj.sketch import count_sketch, tensor_sketch

conventions(tensor_sketch, "scikit-learn", "PolynomialCountSketch, its hashes handed over; gamma of 1 and coef0 of 0")
conventions(count_sketch, "scikit-learn", "inside PolynomialCountSketch")


def each(x, ids, signs):
    """Return elements as often as they have buckets, with one bucket each."""
    return np.repeat(x, ids[0].size, axis=-1), ids.ravel(), signs.ravel()


def sketched(x, ids, signs, output_size):
    x, ids, signs = each(x, ids, signs)
    y = np.zeros((*x.shape[:-1], output_size), np.float64)
    for i, j in enumerate(ids):
        if 0 <= j < output_size:
            y[..., j] += x[..., i].astype(np.float64) * signs[i].astype(np.float64)
    return y.astype(x.dtype)


@mistake(count_sketch, "signs left out", kind="sign")
def _(x, ids, signs, /, *, output_size):
    return sketched(x, ids, np.ones_like(signs), output_size)


@mistake(count_sketch, "the last in a bucket alone", kind="set")
def _(x, ids, signs, /, *, output_size):
    x, ids, signs = each(x, ids, signs)
    y, there = np.zeros((*x.shape[:-1], output_size)), (ids >= 0) & (ids < output_size)
    y[..., ids[there]] = (x * signs)[..., there]
    return y


@mistake(count_sketch, "means of the buckets", kind="denominator")
def _(x, ids, signs, /, *, output_size):
    count = np.bincount(ids[(ids >= 0) & (ids < output_size)], minlength=output_size)
    return sketched(x, ids, signs, output_size) / np.maximum(count, 1)


@mistake(count_sketch, "signs by the bucket", kind="index")
def _(x, ids, signs, /, *, output_size):
    x, ids, signs = each(x, ids, signs)
    return sketched(x, ids, signs[ids % len(signs)], output_size)


@mistake(count_sketch, "ids taken around the buckets", kind="set")
def _(x, ids, signs, /, *, output_size):
    return sketched(x, ids % output_size, signs, output_size)


@mistake(count_sketch, "buckets counted from one", kind="index")
def _(x, ids, signs, /, *, output_size):
    return sketched(x, ids - 1, signs, output_size)


@mistake(count_sketch, "roots of the sizes of buckets divided by", kind="denominator")
def _(x, ids, signs, /, *, output_size):
    count = np.bincount(ids[(ids >= 0) & (ids < output_size)], minlength=output_size)
    return sketched(x, ids, signs, output_size) / np.sqrt(np.maximum(count, 1))


@mistake(count_sketch, "magnitudes added up", kind="sign")
def _(x, ids, signs, /, *, output_size):
    return sketched(np.abs(x), ids, signs, output_size)


@mistake(count_sketch, "buckets backwards", kind="order of the outputs")
def _(x, ids, signs, /, *, output_size):
    return sketched(x, ids, signs, output_size)[..., ::-1]


@honest(count_sketch, "NumPy, one by one", baseline=True)
def _(x, ids, signs, /, *, output_size):
    return sketched(x, ids, signs, output_size)


def products(x, ids, signs, size, *, join=None, back=False):
    x, signs = x.astype(np.float64), signs.astype(np.float64)
    y = sketched(x, ids[0], signs[0], size)
    for h, s in zip(ids[1:], signs[1:], strict=True):
        other = sketched(x, h, s, size)
        if join:
            y = join(y, other)
            continue
        with np.errstate(invalid="ignore"):
            turned = (np.roll(other[..., ::-1], k + 1, axis=-1) for k in range(size))
            if back:
                turned = (np.roll(other, -k, axis=-1) for k in range(size))
            y = np.stack([np.sum(y * t, axis=-1) for t in turned], axis=-1)
    return y


@mistake(tensor_sketch, "bucket by bucket", kind="statistic")
def _(x, ids, signs, /, *, output_size):
    return products(x, ids, signs, output_size, join=np.multiply)


@mistake(tensor_sketch, "sketches added up", kind="statistic")
def _(x, ids, signs, /, *, output_size):
    return products(x, ids, signs, output_size, join=np.add)


@mistake(tensor_sketch, "a correlation", kind="sign")
def _(x, ids, signs, /, *, output_size):
    return products(x, ids, signs, output_size, back=True)


@mistake(tensor_sketch, "the same hash for every factor", kind="index")
def _(x, ids, signs, /, *, output_size):
    return products(x, ids[[0] * len(ids)], signs[[0] * len(ids)], output_size)


@mistake(tensor_sketch, "signs left out", kind="sign")
def _(x, ids, signs, /, *, output_size):
    return products(x, ids, np.ones_like(signs), output_size)


@mistake(tensor_sketch, "squares whatever is said", kind="place of a parameter")
def _(x, ids, signs, /, *, output_size):
    return products(x, ids[[0, -1]], signs[[0, -1]], output_size)


@honest(tensor_sketch, "NumPy", baseline=True)
def _(x, ids, signs, /, *, output_size):
    return products(x, ids, signs, output_size).astype(x.dtype)


for signed in ("x[..., None] / signs", "x[..., None]", "signs"):
    survivor(
        tensor_sketch,
        "tensor_sketch > bucketed: signed = x * signs if ids.ndim == 1 else x[..., None] * signs: "
        f"x[..., None] * signs -> {signed}",
        "several buckets an element are count_sketch's alone, which refuses these",
    )
