"""How projected and limited gradients are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.gradient import fira_scale, galore_adam_step, norm_growth_limiter, perp_grad, svd_projector
from ..matrices import svd

conventions(perp_grad, "paper", "the length is not given back", rescale=False)
conventions(perp_grad, "code", "OrthoGrad gives the length back", rescale=True, eps=1e-30)
conventions(norm_growth_limiter, "code", "matrix by matrix, of what is added alone", growth=1.01, eps=1e-8)
conventions(fira_scale, "code", "the projection taken off is multiplied by alpha too", eps=1e-8)
conventions(svd_projector, "code", "GaLore's std: right vectors of square gradients; float32 in any case", side="auto")
conventions(galore_adam_step, "galore", "eps comes before the bias is corrected", eps=1e-8)


def size(x):
    return np.sqrt(np.sum(x * x))


def perpendicular(x, weight, rescale, eps, share=1.0):
    y = x - share * np.sum(weight * x) / (np.sum(weight * weight) + eps) * weight
    return y * (size(x) / (size(y) + eps)) if rescale else y


@mistake(perp_grad, "each row by itself", kind="axis")
def _(x, weight, /, *, rescale=False, eps=1e-30):
    along = np.sum(weight * x, axis=-1, keepdims=True) / (np.sum(weight * weight, axis=-1, keepdims=True) + eps)
    y = x - along * weight
    return y * (size(x) / (size(y) + eps)) if rescale else y


@mistake(perp_grad, "lengths in place of their square", kind="denominator")
def _(x, weight, /, *, rescale=False, eps=1e-30):
    y = x - np.sum(weight * x) / (size(weight) + eps) * weight
    return y * (size(x) / (size(y) + eps)) if rescale else y


@mistake(perp_grad, "eps left out", kind="place of eps")
def _(x, weight, /, *, rescale=False, eps=1e-30):
    return perpendicular(x, weight, rescale, 1e-30)


@mistake(perp_grad, "always given its length back", kind="place of a parameter")
def _(x, weight, /, *, rescale=False, eps=1e-30):
    return perpendicular(x, weight, True, eps)


@mistake(perp_grad, "taken off twice", kind="statistic")
def _(x, weight, /, *, rescale=False, eps=1e-30):
    return perpendicular(x, weight, rescale, eps, share=2.0)


@mistake(perp_grad, "the part along the weight", kind="statistic")
def _(x, weight, /, *, rescale=False, eps=1e-30):
    return x - perpendicular(x, weight, False, eps)


@honest(perp_grad, "NumPy", baseline=True)
def _(x, weight, /, *, rescale=False, eps=1e-30):
    return perpendicular(x.astype(np.float64), weight.astype(np.float64), rescale, eps).astype(x.dtype)


def limited(x, old, growth, eps, least=True):
    wide = x.astype(np.float64)
    q = 1.0
    if old is not None:
        ratio = size(wide) / (np.float64(old) + eps)
        q = np.maximum(ratio, growth) / growth if least else ratio / growth
    return (wide / q).astype(x.dtype), np.asarray(size(wide) / q).astype(x.dtype)


@mistake(norm_growth_limiter, "grown where it is shorter too", kind="set")
def _(x, old=None, /, *, growth=1.01, eps=1e-8):
    return limited(x, old, growth, eps, least=False)


@mistake(norm_growth_limiter, "not allowed to grow at all", kind="place of a parameter")
def _(x, old=None, /, *, growth=1.01, eps=1e-8):
    return limited(x, old, 1.0, eps)


@mistake(norm_growth_limiter, "the length before the limit given back", kind="order of the steps")
def _(x, old=None, /, *, growth=1.01, eps=1e-8):
    return limited(x, old, growth, eps)[0], np.asarray(size(x))


@mistake(norm_growth_limiter, "eps left out", kind="place of eps")
def _(x, old=None, /, *, growth=1.01, eps=1e-8):
    return limited(x, old, growth, 0.0)


@honest(norm_growth_limiter, "NumPy", baseline=True)
def _(x, old=None, /, *, growth=1.01, eps=1e-8):
    return limited(x, old, growth, eps)


def scaled(x, basis, other, alpha, eps, taken=None, lengths=lambda a: np.sqrt(np.sum(a * a, axis=0))):
    g, p, n = (a.astype(np.float64) for a in (x, basis, other))
    r = p.T @ g
    s = lengths(n) / (lengths(r) + eps)
    return (alpha * p @ n + s * (g - (alpha if taken is None else taken) * p @ r)).astype(x.dtype)


@mistake(fira_scale, "one factor for the whole matrix", kind="axis")
def _(x, basis, other, /, *, alpha=1.0, eps=1e-8):
    return scaled(x, basis, other, alpha, eps, lengths=size)


@mistake(fira_scale, "the whole projection taken off", kind="place of a parameter")
def _(x, basis, other, /, *, alpha=1.0, eps=1e-8):
    return scaled(x, basis, other, alpha, eps, taken=1.0)


@mistake(fira_scale, "nothing taken off", kind="statistic")
def _(x, basis, other, /, *, alpha=1.0, eps=1e-8):
    return scaled(x, basis, other, alpha, eps, taken=0.0)


@mistake(fira_scale, "eps left out", kind="place of eps")
def _(x, basis, other, /, *, alpha=1.0, eps=1e-8):
    return scaled(x, basis, other, alpha, 0.0)


@honest(fira_scale, "NumPy", baseline=True)
def _(x, basis, other, /, *, alpha=1.0, eps=1e-8):
    return scaled(x, basis, other, alpha, eps)


def stepped(x, basis, mean, var, rates, eps, step, scale, *, corrected=True, late=False, root=np.sqrt):
    g, p = x.astype(np.float64), basis.astype(np.float64)
    r, (b1, b2) = p.T @ g, rates
    m = (0.0 if mean is None else b1 * mean.astype(np.float64)) + (1 - b1) * r
    v = (0.0 if var is None else b2 * var.astype(np.float64)) + (1 - b2) * r * r
    first, second = (1 - b1**step, np.sqrt(1 - b2**step)) if corrected else (1.0, 1.0)
    y = m / first / (root(v) / second + eps) if late else second / first * m / (root(v) + eps)
    return tuple(a.astype(x.dtype) for a in (scale * p @ y, m, v))


@mistake(galore_adam_step, "bias not corrected", kind="denominator")
def _(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    return stepped(x, basis, mean, var, (momentum, beta), eps, step, scale, corrected=False)


@mistake(galore_adam_step, "eps after the correction", kind="place of eps")
def _(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    return stepped(x, basis, mean, var, (momentum, beta), eps, step, scale, late=True)


@mistake(galore_adam_step, "no root", kind="statistic")
def _(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    return stepped(x, basis, mean, var, (momentum, beta), eps, step, scale, root=lambda v: v)


@mistake(galore_adam_step, "rates changed about", kind="place of a parameter")
def _(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    return stepped(x, basis, mean, var, (beta, momentum), eps, step, scale)


@mistake(galore_adam_step, "scale left out", kind="place of a parameter")
def _(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    return stepped(x, basis, mean, var, (momentum, beta), eps, step, 1.0)


@honest(galore_adam_step, "NumPy", baseline=True)
def _(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    return stepped(x, basis, mean, var, (momentum, beta), eps, step, scale)


@decomposition(svd_projector)
def _(p):
    """Signs are free; that each vector is in its place shows in a sum of their projectors with falling weights."""
    weights = 1 / np.arange(1, p.shape[-1] + 1, dtype=p.dtype)
    return ((p * weights) @ p.mT,)


def vectors(x, rank, side, kept=slice, auto=lambda m, n: m >= n):
    u, s, vt = svd(x)
    right = auto(*x.shape[-2:]) if side == "auto" else side == "right"
    return (vt.mT if right else u)[..., kept(s.shape[-1] if rank is None else rank)]


@mistake(svd_projector, "left vectors of square gradients", kind="boundary")
def _(x, /, *, rank=None, side="auto"):
    return vectors(x, rank, side, auto=lambda m, n: m > n)


@mistake(svd_projector, "smallest values kept", kind="set")
def _(x, /, *, rank=None, side="auto"):
    return vectors(x, rank, side, kept=lambda r: slice(-r, None))


@mistake(svd_projector, "as long as their values", kind="denominator")
def _(x, /, *, rank=None, side="auto"):
    p = vectors(x, rank, side)
    return p * svd(x)[1][..., None, : p.shape[-1]]


@mistake(svd_projector, "columns centred first, as of PCA", kind="centering")
def _(x, /, *, rank=None, side="auto"):
    return vectors(x - x.mean(axis=-2, keepdims=True), rank, side)


@honest(svd_projector, "NumPy", baseline=True)
def _(x, /, *, rank=None, side="auto"):
    return vectors(x, rank, side).astype(x.dtype)
