"""Softmax and its relatives: scores to distributions."""

from .divergence import softmax_entropy, total_variation_distance
from .exponential import log_softmax, log_softmax_vjp, softmax, softmax_vjp

__all__ = ["log_softmax", "log_softmax_vjp", "softmax", "softmax_entropy", "softmax_vjp", "total_variation_distance"]
