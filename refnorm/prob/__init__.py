"""Softmax and its relatives: scores to distributions."""

from .exponential import log_softmax, log_softmax_vjp, softmax, softmax_vjp

__all__ = ["log_softmax", "log_softmax_vjp", "softmax", "softmax_vjp"]
