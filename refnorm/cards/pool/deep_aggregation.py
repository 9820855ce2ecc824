"""How a stack of pools is got wrong, and what code calls it with."""

import numpy as np

from ..._core.windows import windows
from ..._registry import conventions, honest, mistake
from ...pool.deep_aggregation import dappm_pool_stack
from .window import cells

conventions(dappm_pool_stack, "ddrnet", "DAPPM, scale1 to scale4", window=(5, 9, 17), stride=(2, 4, 8))


def stacked(x, window, stride, count_include_pad, how=np.mean):
    pools = []
    for k, s in zip(window, stride, strict=True):
        axes = windows(x.shape, k, s, k // 2)
        seen = cells(x, axes, 0.0)
        n = seen.shape[-1] if count_include_pad else cells(np.ones_like(x), axes, 0.0).sum(-1)
        pools.append((seen.sum(-1, dtype=x.dtype) / n).astype(x.dtype))
    return x, *pools, how(x, axis=tuple(range(2, x.ndim)), keepdims=True).astype(x.dtype)


def stack_twin(name, kind, **wrong):
    @mistake(dappm_pool_stack, name, kind=kind)
    def _(x, /, *, window=(5, 9, 17), stride=(2, 4, 8), count_include_pad=True):
        how = {"window": window, "stride": stride, "count_include_pad": count_include_pad}
        return stacked(x, **(how | wrong))


stack_twin("padding left out of the mean", "denominator", count_include_pad=False)
stack_twin("padding counted", "denominator", count_include_pad=True)
stack_twin("global maximum", "statistic", how=np.max)


@mistake(dappm_pool_stack, "strides of the windows", kind="place of a parameter")
def _(x, /, *, window=(5, 9, 17), stride=(2, 4, 8), count_include_pad=True):
    return stacked(x, window, window, count_include_pad)


@honest(dappm_pool_stack, "NumPy")
def _(x, /, *, window=(5, 9, 17), stride=(2, 4, 8), count_include_pad=True):
    return stacked(x, window, stride, count_include_pad)
