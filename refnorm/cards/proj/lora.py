"""How a low-rank update is got wrong, and what codes call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...proj.lora import lora_linear

conventions(lora_linear, "paper", "scale = alpha / r")
conventions(lora_linear, "loralib", "scale = lora_alpha / r, and lora_alpha is 1 by default")
conventions(lora_linear, "peft", "scale = lora_alpha / r; with use_rslora lora_alpha / sqrt(r)")


def mapped(x, weight, a, b, bias, scale, update):
    y = x @ weight.T + scale * update
    return y if bias is None else y + bias


@mistake(lora_linear, "scale taken for 1", kind="place of a parameter")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, 1.0, x @ a.T @ b.T)


@mistake(lora_linear, "divided by the rank once more", kind="denominator")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, scale / len(a), x @ a.T @ b.T)


@mistake(lora_linear, "scale on the frozen map too", kind="place of a parameter")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    y = scale * (x @ weight.T + x @ a.T @ b.T)
    return y if bias is None else y + bias


@mistake(lora_linear, "update of the outputs, not beside them", kind="order of the steps")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    y = x @ weight.T
    return mapped(x, weight, a, b, bias, scale, y @ b @ b.T)


@mistake(lora_linear, "bias under the scale", kind="order of the affine part")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return x @ weight.T + scale * (x @ a.T @ b.T + (0 if bias is None else bias))


@mistake(lora_linear, "low-rank product rounded to half", kind="cast order")
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, scale, (x @ a.T).astype(np.float16).astype(x.dtype) @ b.T)


@honest(lora_linear, "NumPy", baseline=True)
def _(x, weight, a, b, bias=None, /, *, scale=1.0):
    return mapped(x, weight, a, b, bias, x.dtype.type(scale), x @ a.T @ b.T)
