"""How norms of windows are got wrong, and what frameworks call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...pool.lp import lp_pool
from .window import greatest, views

conventions(lp_pool, "torch", "LPPool; a negative sum has no root (pytorch#184037)", signed=True)
conventions(lp_pool, "onnx", "LpPool; stride 1 where left out: say it", signed=False)


def powers(x, window, stride, padding, dilation, ceil_mode, p, signed):
    seen = greatest(x, window, stride, padding, dilation, ceil_mode, fill=0.0)
    with np.errstate(all="ignore"):
        return (seen if signed else np.abs(seen)) ** x.dtype.type(p)


def norm_twin(name, kind, twin):
    @mistake(lp_pool, name, kind=kind)
    def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
        with np.errstate(all="ignore"):
            return twin(powers(x, window, stride, padding, dilation, ceil_mode, p, signed), x.dtype.type(p))


norm_twin("mean in place of sum", "denominator", lambda powered, p: powered.mean(-1) ** (1 / p))
norm_twin("no root", "statistic", lambda powered, p: powered.sum(-1))
norm_twin("square root whatever p", "place of a parameter", lambda powered, p: np.sqrt(powered.sum(-1)))
norm_twin("NaN taken for zero", "NaN", lambda powered, p: np.nansum(powered, axis=-1) ** (1 / p))
norm_twin("last cell of the window left out", "tail", lambda powered, p: powered[..., :-1].sum(-1) ** (1 / p))


@mistake(lp_pool, "signed the wrong way round", kind="sign")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
    with np.errstate(all="ignore"):
        return powers(x, window, stride, padding, dilation, ceil_mode, p, not signed).sum(-1) ** (1 / p)


@mistake(lp_pool, "dilation left out", kind="place of a parameter")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
    with np.errstate(all="ignore"):
        return powers(x, window, stride, padding, 1, ceil_mode, p, signed).sum(-1) ** (1 / p)


@honest(lp_pool, "NumPy, sliding windows")
def _(x, /, *, window, stride=None, padding=0, dilation=1, ceil_mode=False, p=2.0, signed=False):
    seen = views(x, window, stride, padding, dilation, ceil_mode, 0)
    seen = seen if signed else np.abs(seen)
    cells_of = tuple(range(x.ndim, seen.ndim))
    scale = np.max(np.abs(seen), axis=cells_of, keepdims=True)
    scale = np.where((scale > 0) & np.isfinite(scale), scale, 1).astype(x.dtype)
    y = np.sum((seen / scale) ** x.dtype.type(p), axis=cells_of) ** x.dtype.type(1 / p)
    return (y * scale.reshape(y.shape)).astype(x.dtype)


survivor(
    lp_pool,
    "lp_pool > power_scale: usual = (largest > low) & (largest < high) | (largest == 0) | ~xp.isfinite(largest): "
    "(largest > low) & (largest < high) | (largest == 0) -> largest == 0",
    "a window scaled that need not be: one rounding more, which the yardsticks allow.",
)
