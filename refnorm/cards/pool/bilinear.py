"""How outer products, in full and sketched, are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.bilinear import bilinear_pool, compact_bilinear_pool

conventions(bilinear_pool, "trying-blp", "full bilinear pooling", reduce="mean")
conventions(bilinear_pool, "bcnn", "bilinear-cnn: followed by sqrt(z + 1e-5), not the signed root", reduce="mean")
conventions(bilinear_pool, "torch", "signed root, then torch.nn.functional.normalize", signed_sqrt=True, l2=True)
conventions(compact_bilinear_pool, "block.bootstrap", "CompactBilinearPooling: the sum over places is its caller's")
conventions(compact_bilinear_pool, "scikit-learn", "PolynomialCountSketch of degree 2, with both maps the same")


def outer(x, other, *, reduce="mean", signed_sqrt=False, l2=False, eps=1e-12, late=False, plain=False, p=2, more=0):
    z = np.swapaxes(x, -1, -2) @ other
    z = z.reshape(*z.shape[:-2], z.shape[-2] * z.shape[-1])
    z = z / x.dtype.type(x.shape[-2] - more) if reduce == "mean" else z
    root = lambda z: np.sqrt(np.abs(z)) if plain else np.sign(z) * np.sqrt(np.abs(z))
    z = root(z) if signed_sqrt and not late else z
    if l2:
        size = np.sum(np.abs(z) ** p, axis=-1, keepdims=True) ** x.dtype.type(1 / p)
        z = z / np.maximum(size, x.dtype.type(eps))
    return (root(z) if signed_sqrt and late else z).astype(x.dtype)


def twin(name, kind, /, **wrong):
    @mistake(bilinear_pool, name, kind=kind)
    def _(x, other, /, **options):
        return outer(x, other, **(options | wrong))


twin("sum in place of mean", "denominator", reduce="sum")
twin("mean in place of sum", "denominator", reduce="mean")
twin("roots after the length", "order of steps", late=True)
twin("roots without signs", "sign", plain=True)
twin("sum of magnitudes for a length", "statistic", p=1)
twin("eps left out", "place of a parameter", eps=0.0)
twin("roots left out", "place of a parameter", signed_sqrt=False)
twin("length left out", "place of a parameter", l2=False)


@mistake(bilinear_pool, "column by column", kind="order of steps")
def _(x, other, /, **options):
    y = outer(x, other, **options)
    return np.swapaxes(y.reshape(*x.shape[:-2], x.shape[-1], -1), -1, -2).reshape(y.shape)


@mistake(bilinear_pool, "outer product of the means", kind="statistic")
def _(x, other, /, **options):
    n = x.shape[-2] if options.get("reduce") == "sum" else 1
    return outer(x.mean(axis=-2, keepdims=True) * n, other.mean(axis=-2, keepdims=True), **options)


@mistake(bilinear_pool, "eps added to the length", kind="place of a parameter")
def _(x, other, /, *, l2=False, eps=1e-12, **options):
    z = outer(x, other, **options)
    return z / (np.sqrt((z * z).sum(axis=-1, keepdims=True)) + eps) if l2 else z


@honest(bilinear_pool, "NumPy", baseline=True)
def _(x, other, /, **options):
    return outer(x, other, **options)


def sketched(x, other, h, k, s, t, *, output_size, sign=1, pad=0, mean=False, late=False):
    """Sums over the pairs of features, one bucket at a time."""
    size = output_size + pad
    z = np.swapaxes(x * s, -1, -2) @ (other * t)
    if late:
        z = (x * s).sum(axis=-2)[..., :, None] * (other * t).sum(axis=-2)[..., None, :]
    into = (h.astype(int)[:, None] + sign * k.astype(int)[None, :]) % size
    y = np.stack([np.sum(np.where(into == b, z, x.dtype.type(0)), axis=(-1, -2)) for b in range(output_size)], axis=-1)
    return (y / x.shape[-2] if mean else y).astype(x.dtype)


def sketch_twin(name, kind, /, **wrong):
    @mistake(compact_bilinear_pool, name, kind=kind)
    def _(*arrays, output_size):
        return sketched(*arrays, output_size=output_size, **wrong)


sketch_twin("correlation in place of convolution", "sign", sign=-1)
sketch_twin("inverse transform one longer", "region", pad=1)
sketch_twin("mean over the places", "denominator", mean=True)
sketch_twin("sum over places before the product", "order of steps", late=True)


@mistake(compact_bilinear_pool, "signs left out", kind="sign")
def _(x, other, h, k, s, t, /, *, output_size):
    return sketched(x, other, h, k, s * s, t * t, output_size=output_size)


@mistake(compact_bilinear_pool, "both maps by the first hash", kind="place of a parameter")
def _(x, other, h, k, s, t, /, *, output_size):
    return sketched(x, other, h, np.resize(h, len(k)), s, t, output_size=output_size)


@mistake(compact_bilinear_pool, "product of the sketches", kind="statistic")
def _(x, other, h, k, s, t, /, *, output_size):
    a, b = ((v * w) @ np.eye(output_size)[i] for v, w, i in ((x, s, h), (other, t, k)))
    return (a * b).sum(axis=-2)


@mistake(compact_bilinear_pool, "the transform of an even size", kind="tail")
def _(x, other, h, k, s, t, /, *, output_size):
    a, b = (np.fft.rfft((v * w) @ np.eye(output_size)[i]) for v, w, i in ((x, s, h), (other, t, k)))
    y = np.fft.irfft(a * b).sum(axis=-2)
    return np.concatenate([y, np.zeros((*y.shape[:-1], output_size - y.shape[-1]))], axis=-1)


@honest(compact_bilinear_pool, "NumPy, pair by pair", baseline=True)
def _(*arrays, output_size):
    return sketched(*arrays, output_size=output_size)
