"""Rescale an array by a statistic of itself; shape in, same shape out."""

from .batch import (
    batch_moments,
    batch_moments_vjp,
    batch_norm,
    batch_norm_train,
    batch_norm_train_vjp,
    batch_norm_vjp,
)
from .group import group_norm, group_norm_vjp, instance_norm, instance_norm_vjp
from .layer import layer_norm, layer_norm_vjp
from .masked import masked_batch_norm
from .region import region_norm, region_norm_vjp
from .rms import rms_norm, rms_norm_vjp
from .running import update_running, update_running_vjp
from .unit import lp_normalize, lp_normalize_vjp

__all__ = [
    "batch_moments", "batch_moments_vjp", "batch_norm", "batch_norm_train", "batch_norm_train_vjp", "batch_norm_vjp",
    "group_norm", "group_norm_vjp", "instance_norm", "instance_norm_vjp", "layer_norm", "layer_norm_vjp",
    "lp_normalize", "lp_normalize_vjp", "masked_batch_norm", "region_norm", "region_norm_vjp", "rms_norm",
    "rms_norm_vjp", "update_running", "update_running_vjp",
]  # fmt: skip
