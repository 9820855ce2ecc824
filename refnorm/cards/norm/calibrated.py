"""How alpha_batch_norm is got wrong, and what is found in code."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.calibrated import alpha_batch_norm
from ..channels import affine, by_channel

conventions(alpha_batch_norm, "paper", "as catalogued: alpha weighs the stored ones, variances biased", alpha=0.9)
conventions(
    alpha_batch_norm,
    "test-time-adaptation",
    "mariodoebler/test-time-adaptation AlphaBatchNorm, as catalogued: its alpha=0.1 weighs the batch",
    alpha=0.9,
    correction=1,
)


def written(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    @by_channel
    def call(x, mean, var, weight=None, bias=None, *, alpha=0.9, correction=0, eps=1e-5):
        of = x.dtype.type
        share = of(1 - alpha if wrong.get("swapped") else alpha)
        rest = of(1) - share
        m = x.mean(axis=1, keepdims=True)
        c = x - m
        c = c - c.mean(axis=1, keepdims=True)
        n = of(x.shape[1])
        top = np.max(np.abs(c), axis=1, keepdims=True)
        top = np.where((top > 1) & np.isfinite(top), top, of(1))
        own = np.sum((c / top) ** 2, axis=1, keepdims=True) / (n - of(wrong.get("correction", correction)))
        stored = var / top / top
        mixed = share * stored + rest * own
        if wrong.get("mixture"):
            mixed = mixed + share * rest * ((m - mean) / top) ** 2
        if wrong.get("roots"):
            mixed = (share * np.sqrt(stored) + rest * np.sqrt(own)) ** 2
        s = top * np.sqrt(wrong.get("pick", lambda mixed, stored, own: mixed)(mixed, stored, own) + of(eps) / top / top)
        s = top * np.sqrt(mixed) + of(eps) if wrong.get("outside") else s
        away = share * (x - mean) + rest * c
        away = {"stored": x - mean, "own": c}.get(wrong.get("about"), away)
        return affine(away / s, weight, bias)

    return call


for name, kind, wrong in [
    ("alpha weighs the batch", "sum of the shares", {"swapped": True}),
    ("variance of the mixed distribution", "statistic", {"mixture": True}),
    ("deviations mixed, not variances", "statistic", {"roots": True}),
    ("stored mean alone", "statistic", {"about": "stored"}),
    ("mean of the batch alone", "statistic", {"about": "own"}),
    ("stored variance alone", "statistic", {"pick": lambda mixed, stored, own: stored}),
    ("variance of the batch alone", "statistic", {"pick": lambda mixed, stored, own: own}),
    ("always n - 1", "denominator", {"correction": 1}),
    ("always n", "denominator", {"correction": 0}),
    ("eps outside the root", "place of a parameter", {"outside": True}),
]:
    mistake(alpha_batch_norm, name, kind=kind)(written(**wrong))

honest(alpha_batch_norm, "NumPy")(written())


@honest(alpha_batch_norm, "torch", needs="torch")
def _(x, mean, var, weight=None, bias=None, /, *, axis=1, alpha=0.9, correction=0, eps=1e-5):
    import torch

    x = torch.from_numpy(np.moveaxis(x, axis, 1).copy())
    mean, var = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
    others = [a for a in range(x.ndim) if a != 1]
    row = lambda p: p.view(-1, *[1] * (x.ndim - 2))
    own, m = torch.var_mean(x, others, correction=correction)
    away = alpha * (x - row(mean)) + (1 - alpha) * (x - row(m))
    y = away / torch.sqrt(row(alpha * var + (1 - alpha) * own) + eps)
    y = y if weight is None else y * row(torch.from_numpy(weight.copy()))
    y = y if bias is None else y + row(torch.from_numpy(bias.copy()))
    return np.moveaxis(y.numpy(), 1, axis)
