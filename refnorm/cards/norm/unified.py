"""How unified_norm and its smoothed gradient are got wrong, and what the released code calls them with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...norm.unified import unified_norm, unified_norm_vjp

for operator in (unified_norm, unified_norm_vjp):
    conventions(operator, "code", "hikvision-research/Unified-Normalization UN1d; eps 1e-5, windows of 4", warmup=4000)
    conventions(operator, "code, images", "what its docstring suggests for vision", warmup=4000, skip_outliers=True)


def root_of(a):
    """Return the root mean square over the rows; scaled, so that no square overflows."""
    top = np.max(np.abs(a), axis=0, initial=0)
    top = np.where((top > 0) & np.isfinite(top), top, a.dtype.type(1))
    return top * np.sqrt(np.sum((a / top) ** 2, axis=0, dtype=a.dtype) / a.dtype.type(len(a)))


def geometric(window):
    return np.prod(window ** window.dtype.type(1 / len(window)), axis=0)


def forward(x, var, variances, mask, step, axis, warmup, skip_outliers, **wrong):
    """Return tokens (n, C), the mean square divided by, its root, the new window, and whether the batch is left out."""
    last = np.moveaxis(x, axis, -1)
    rows = last.reshape(-1, last.shape[-1])
    seen = rows if mask is None or wrong.get("padding") else rows[mask.reshape(-1)]
    seen = seen - seen.mean(axis=0) if wrong.get("centred") else seen
    seen = seen * np.sqrt(len(seen) / (len(seen) - 1)) if wrong.get("unbiased") else seen
    own, k = root_of(seen), len(variances)
    slot = (step - wrong.get("late", 0)) % k
    roots = np.sqrt(variances)
    filled = roots.copy()
    filled[slot] = own
    mean = wrong.get("mean", geometric)(roots if wrong.get("stale") else filled)
    apart = np.mean(filled**2, axis=0) - geometric(filled) ** 2
    far = apart > k * np.var(roots, ddof=wrong.get("ddof", 1), axis=wrong.get("spread"))
    left_out = bool(far.any()) and skip_outliers and step >= warmup and not wrong.get("blind")
    window = variances.copy()
    window[slot] = var if left_out and not wrong.get("kept") else own**2
    alone = (left_out or step <= k or step < warmup) and not wrong.get("hasty")
    root = own if alone else mean
    if left_out and wrong.get("past"):
        root = np.sqrt(var)
    return rows, root, window, left_out


def restored(rows, x, axis):
    return np.moveaxis(rows.reshape(np.moveaxis(x, axis, -1).shape), -1, axis)


def divided(root, eps, outside=False):
    """Return sqrt(root^2 + eps), scaled."""
    if outside:
        return root + np.sqrt(eps)
    top = np.maximum(root, root.dtype.type(eps**0.5))
    top = np.where((top > 0) & np.isfinite(top), top, root.dtype.type(1))
    return top * np.sqrt((root / top) ** 2 + (root.dtype.type(eps) / top) / top)


def written(**wrong):
    """Return the operator in NumPy, and where options say so, a wrong twin."""

    def call(
        x, var, variances, weight=None, bias=None, mask=None, /, *, step, axis=-1, warmup=4000, momentum=0.9,
        skip_outliers=False, eps=1e-5,
    ):  # fmt: skip
        rows, root, window, _ = forward(x, var, variances, mask, step, axis, warmup, skip_outliers, **wrong)
        y = rows / divided(root, eps, wrong.get("outside"))
        y = y if weight is None else y * weight
        y = y if bias is None else y + bias
        keep = x.dtype.type(1 - momentum if wrong.get("swapped") else momentum)
        running = keep * var + (1 - keep) * root**2
        return restored(y, x, axis), running, window

    return call


for name, kind, wrong in [
    ("arithmetic mean of the window", "statistic", {"mean": root_of}),
    ("mean of the roots", "statistic", {"mean": lambda window: window.mean(axis=0)}),
    ("variance in place of the mean square", "statistic", {"centred": True}),
    ("n - 1 in place of n", "denominator", {"unbiased": True}),
    ("padding counted", "region", {"padding": True}),
    ("window not full, or warming up, and made use of", "state update", {"hasty": True}),
    ("window read before the batch is in it", "state update", {"stale": True}),
    ("steps counted from 0", "state update", {"late": 1}),
    ("momentum weighs the new one", "state update", {"swapped": True}),
    ("outliers not left out", "state update", {"blind": True}),
    ("outliers left in the window", "state update", {"kept": True}),
    ("outliers divided by the running deviation", "statistic", {"past": True}),
    ("outliers judged a channel at a time", "axis", {"spread": 0}),
    ("eps outside the root", "place of a parameter", {"outside": True}),
]:
    mistake(unified_norm, name, kind=kind)(written(**wrong))

honest(unified_norm, "NumPy")(written())


# ---- backwards ----


def pulled(**wrong):
    """Return the smoothed gradient in NumPy, and where options say so, a wrong twin."""

    def call(
        cotangent, x, var, variances, tilt, tilts, weight=None, mask=None, /, *, step, axis=-1, warmup=4000,
        momentum=0.9, skip_outliers=False, eps=1e-5,
    ):  # fmt: skip
        rows, root, _, left_out = forward(x, var, variances, mask, step, axis, warmup, skip_outliers)
        s, k = divided(root, eps), len(tilts)
        last = np.moveaxis(cotangent, axis, -1)
        g, z = last.reshape(rows.shape), rows / s
        q = s / divided(np.sqrt(var), eps)
        q = q if wrong.get("unbounded") else np.clip(q, x.dtype.type(1 / 5), x.dtype.type(5))
        plain = left_out or step <= max(0 if wrong.get("eager") else 1000, warmup) or wrong.get("bare")
        q = np.ones_like(q) if plain else q
        h = g * q * (1 if weight is None or wrong.get("weightless") else weight)
        n = rows.dtype.type(len(rows))
        own = np.sum(h * z, axis=0) / (1 if wrong.get("sum") else n)
        window = tilts.copy()
        window[step % k] = own if not left_out or wrong.get("kept") else tilt
        mean = own if left_out or step <= k or step < warmup or wrong.get("single") else np.mean(window, axis=0)
        keep = x.dtype.type(momentum)
        after = keep * tilt + (1 - keep) * mean
        pull = own if left_out or wrong.get("exact") else tilt if wrong.get("stale") else after
        dx = (h - pull * z) / s
        return restored(dx, x, axis), np.sum(g * (1 if wrong.get("plain") else q) * z, axis=0), g.sum(0), after, window

    return call


for name, kind, wrong in [
    ("the exact gradient", "statistic", {"exact": True}),
    ("gradients not compensated", "scale", {"bare": True}),
    ("compensation without bounds", "scale", {"unbounded": True}),
    ("compensated from the first step on", "state update", {"eager": True}),
    ("weight's gradient not compensated", "scale", {"plain": True}),
    ("weight left out", "order of the affine part", {"weightless": True}),
    ("sum in place of mean", "denominator", {"sum": True}),
    ("window of tilts not read", "state update", {"single": True}),
    ("old tilt taken off", "state update", {"stale": True}),
    ("tilts of outliers kept", "state update", {"kept": True}),
]:
    mistake(unified_norm_vjp, name, kind=kind)(pulled(**wrong))

honest(unified_norm_vjp, "NumPy")(pulled())

for what in ("mean + mean * (off / k) -> mean - mean * (off / k)", "off / k -> off"):
    survivor(
        unified_norm_vjp,
        "unified_norm_vjp > geometric_mean: "
        f"return xp.where(plain & xp.isfinite(off), mean + mean * (off / k), mean): {what}",
        "a few roundings of the root that the gradient is divided by: unified_norm itself is judged by them",
    )
