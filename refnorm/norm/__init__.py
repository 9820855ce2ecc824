"""Rescale an array by a statistic of itself; shape in, same shape out."""

from .activation import dice_activation, evonorm
from .batch import (
    batch_moments,
    batch_moments_vjp,
    batch_norm,
    batch_norm_train,
    batch_norm_train_vjp,
    batch_norm_vjp,
)
from .crms import compress_zero_mean, crms_norm
from .fold import fold_batch_norm, fold_layer_norm, recenter_output
from .group import group_norm, group_norm_vjp, instance_norm, instance_norm_vjp
from .layer import layer_norm, layer_norm_vjp
from .rms import gated_rms_norm, gated_rms_norm_vjp, rms_norm, rms_norm_vjp
from .running import update_running, update_running_vjp
from .unit import lp_normalize, lp_normalize_vjp

__all__ = [
    "batch_moments", "batch_moments_vjp", "batch_norm", "batch_norm_train", "batch_norm_train_vjp", "batch_norm_vjp",
    "compress_zero_mean", "crms_norm", "dice_activation", "evonorm", "fold_batch_norm", "fold_layer_norm",
    "gated_rms_norm", "gated_rms_norm_vjp", "group_norm", "group_norm_vjp", "instance_norm", "instance_norm_vjp",
    "layer_norm", "layer_norm_vjp", "lp_normalize", "lp_normalize_vjp", "recenter_output", "rms_norm", "rms_norm_vjp",
    "update_running", "update_running_vjp",
]  # fmt: skip
