"""Summarise a window, set, segment or grid by fewer values."""

from .._core.windows import same_padding
from .adaptive import adaptive_avg_pool, adaptive_avg_pool_vjp
from .gem import gem_pool, gem_pool_vjp
from .window import avg_pool, avg_pool_vjp, max_pool, max_pool_vjp

__all__ = [
    "adaptive_avg_pool", "adaptive_avg_pool_vjp", "avg_pool", "avg_pool_vjp", "gem_pool", "gem_pool_vjp", "max_pool",
    "max_pool_vjp", "same_padding",
]  # fmt: skip
