"""How shrinkage is got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.proximal import soft_threshold

conventions(soft_threshold, "paper", "the threshold is always said")
conventions(soft_threshold, "torch", "softshrink(lambd=0.5)", threshold=0.5)
conventions(soft_threshold, "keras", "ops.soft_shrink(threshold=0.5)", threshold=0.5)
conventions(soft_threshold, "onnx", "Shrink(lambd, bias) with lambd = bias; alone it has bias 0: hard", threshold=0.5)


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
