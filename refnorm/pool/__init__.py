"""Summarise a window, set, segment or grid by fewer values."""

from .._core.windows import same_padding
from .window import avg_pool, avg_pool_vjp, max_pool, max_pool_vjp

__all__ = ["avg_pool", "avg_pool_vjp", "max_pool", "max_pool_vjp", "same_padding"]
