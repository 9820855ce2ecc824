"""How shrinkage is got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.proximal import singular_value_threshold, soft_threshold
from ..matrices import svd

conventions(soft_threshold, "paper", "the threshold is always said")
conventions(soft_threshold, "torch", "softshrink(lambd=0.5)", threshold=0.5)
conventions(soft_threshold, "keras", "ops.soft_shrink(threshold=0.5)", threshold=0.5)
conventions(soft_threshold, "onnx", "Shrink(lambd, bias) with lambd = bias; alone it has bias 0: hard", threshold=0.5)
conventions(singular_value_threshold, "paper", "the threshold is always said")
decomposition(singular_value_threshold)


@mistake(soft_threshold, "hard: the rest left as it is", kind="statistic")
def _(x, /, *, threshold=0.5):
    return np.where(np.abs(x) <= threshold, 0.0, x)


@mistake(soft_threshold, "sign lost", kind="sign")
def _(x, /, *, threshold=0.5):
    return np.maximum(np.abs(x) - threshold, 0)


@mistake(soft_threshold, "one side only", kind="sign")
def _(x, /, *, threshold=0.5):
    return np.maximum(x - threshold, 0)


@mistake(soft_threshold, "not cut at zero", kind="set")
def _(x, /, *, threshold=0.5):
    return x - threshold * np.sign(x)


@mistake(soft_threshold, "threshold halved", kind="place of a parameter")
def _(x, /, *, threshold=0.5):
    return np.sign(x) * np.maximum(np.abs(x) - threshold / 2, 0)


@mistake(soft_threshold, "NaN taken for zero", kind="NaN")
def _(x, /, *, threshold=0.5):
    return np.where(np.abs(x) > threshold, x - threshold * np.sign(x), 0.0)


@honest(soft_threshold, "NumPy", baseline=True)
def _(x, /, *, threshold=0.5):
    t = x.dtype.type(threshold)
    return np.where(np.abs(x) <= t, x.dtype.type(0), x - t * np.sign(x))


@honest(soft_threshold, "torch.nn.functional.softshrink", needs="torch")
def _(x, /, *, threshold=0.5):
    import torch

    return torch.nn.functional.softshrink(torch.from_numpy(x.copy()), threshold).numpy()


def thresholded(x, shrunk):
    u, s, vt = svd(x)
    return (u * shrunk(s)[..., None, :]) @ vt


@mistake(singular_value_threshold, "hard: the rest left as it is", kind="statistic")
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: np.where(s <= threshold, 0.0, s))


@mistake(singular_value_threshold, "not cut at zero", kind="set")
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: s - threshold)


@mistake(singular_value_threshold, "elements in place of singular values", kind="set")
def _(x, /, *, threshold=0.5):
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


@mistake(singular_value_threshold, "threshold halved", kind="place of a parameter")
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: np.maximum(s - threshold / 2, 0))


@mistake(singular_value_threshold, "threshold squared: shrinks eigenvalues of the Gram matrix", kind="statistic")
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: np.sqrt(np.maximum(s * s - threshold**2, 0)))


@mistake(singular_value_threshold, "a share of the largest singular value", kind="place of a parameter")
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: np.maximum(s - threshold * s[..., :1], 0))


@mistake(singular_value_threshold, "one rank too few", kind="set")
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: np.maximum(s - threshold, 0) * (np.arange(s.shape[-1]) < s.shape[-1] - 1))


@honest(singular_value_threshold, "NumPy", baseline=True)
def _(x, /, *, threshold=0.5):
    return thresholded(x, lambda s: np.maximum(s - s.dtype.type(threshold), 0)).astype(x.dtype)
