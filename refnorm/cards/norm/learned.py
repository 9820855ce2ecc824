"""How learned_region_norm is got wrong, and where paper and code part."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.learned import learned_region_norm
from .modulated import convolved
from .region import written as by_regions

conventions(learned_region_norm, "paper", "as remembered: the text was not read", threshold=0.8, per_sample=True)
conventions(learned_region_norm, "code", "geekyutao/RN rn.py RN_L; windows of 7 or 3", threshold=0.8, eps_mode="plane")


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, np.ones_like(e)) / (1 + e)


def written(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    def call(
        x, weight, gain_weight, shift_weight, gain_bias=None, shift_bias=None, /, *, axis=1, threshold=0.8,
        per_sample=False, eps=1e-5, eps_mode="region",
    ):  # fmt: skip
        planes = np.moveaxis(x, axis, 1)
        both = [np.mean(planes, axis=1), np.max(planes, axis=1)]
        seen = np.stack(both[::-1] if wrong.get("swapped") else both, axis=1)
        soft = sigmoid(convolved(seen, weight, None, **wrong))
        mask = soft > threshold if wrong.get("strict") else soft >= wrong.get("threshold", threshold)
        how = dict(eps=eps, per_sample=per_sample, eps_mode=eps_mode)
        if wrong.get("whole"):
            mask = mask | True
        if wrong.get("samples"):
            how["per_sample"] = not per_sample
        if wrong.get("other_eps"):
            how["eps_mode"] = "plane" if eps_mode == "region" else "region"
        z = by_regions(planes, mask, **how, less=wrong.get("less", 0))
        spread = mask.astype(x.dtype) if wrong.get("hard") else soft
        gamma, beta = convolved(spread, gain_weight, gain_bias), convolved(spread, shift_weight, shift_bias)
        y = (z + beta) * (1 + gamma) if wrong.get("early") else z * (gamma + wrong.get("one", 1)) + beta
        return np.moveaxis(y.astype(x.dtype), 1, axis)

    return call


for name, kind, wrong in [
    ("maximum before the mean", "order of steps", {"swapped": True}),
    ("windows turned round", "neighbourhood", {"turned": True}),
    ("threshold above, not at", "region", {"strict": True}),
    ("always a half", "region", {"threshold": 0.5}),
    ("one region", "region", {"whole": True}),
    ("gain and shift from the hard mask", "statistic", {"hard": True}),
    ("gamma alone, not 1 + gamma", "order of the affine part", {"one": 0}),
    ("shift before the gain", "order of the affine part", {"early": True}),
    ("n - 1 in place of n", "denominator", {"less": 1}),
    ("samples alone in place of pooled, and the other way round", "axis", {"samples": True}),
    ("eps of the plane in place of the region, and the other way round", "place of a parameter", {"other_eps": True}),
]:
    mistake(learned_region_norm, name, kind=kind)(written(**wrong))

honest(learned_region_norm, "NumPy")(written())
