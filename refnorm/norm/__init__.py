"""Rescale an array by a statistic of itself; shape in, same shape out."""

from .layer import layer_norm, layer_norm_vjp
from .rms import rms_norm, rms_norm_vjp

__all__ = ["layer_norm", "layer_norm_vjp", "rms_norm", "rms_norm_vjp"]
