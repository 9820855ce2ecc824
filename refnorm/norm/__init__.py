"""Rescale an array by a statistic of itself; shape in, same shape out."""

from .activation import dice_activation, evonorm
from .batch import batch_moments, batch_moments_vjp, batch_norm, batch_norm_train, batch_norm_train_vjp, batch_norm_vjp
from .companding import mu_law_compress, signed_log_compress, signed_power, weight_compander
from .concat import normalized_concat
from .crms import compress_zero_mean, crms_norm
from .divisive import generalized_divisive_norm, generalized_divisive_norm_vjp
from .fold import fold_batch_norm, fold_layer_norm, recenter_output
from .group import group_norm, group_norm_vjp, instance_norm, instance_norm_vjp
from .instance import reversible_instance_denorm, reversible_instance_norm
from .layer import layer_norm, layer_norm_vjp
from .masked import masked_batch_norm
from .points import knn_feature_norm, unit_sphere_normalize
from .range import min_max_normalize, order_statistic_clip
from .region import region_norm, region_norm_vjp
from .residual import mix_layer_norm_schedule, residual_norm_block
from .rms import gated_rms_norm, gated_rms_norm_vjp, rms_norm, rms_norm_vjp
from .running import update_running, update_running_vjp
from .unit import lp_normalize, lp_normalize_vjp
from .weight import weight_norm, weight_norm_vjp

__all__ = [
    "batch_moments", "batch_moments_vjp", "batch_norm", "batch_norm_train", "batch_norm_train_vjp", "batch_norm_vjp",
    "compress_zero_mean", "crms_norm", "dice_activation", "evonorm", "fold_batch_norm", "fold_layer_norm",
    "gated_rms_norm", "gated_rms_norm_vjp", "generalized_divisive_norm", "generalized_divisive_norm_vjp",
    "group_norm", "group_norm_vjp", "instance_norm", "instance_norm_vjp", "knn_feature_norm", "layer_norm",
    "layer_norm_vjp", "lp_normalize", "lp_normalize_vjp", "masked_batch_norm", "min_max_normalize",
    "mix_layer_norm_schedule", "mu_law_compress", "normalized_concat", "order_statistic_clip", "recenter_output",
    "region_norm", "region_norm_vjp", "residual_norm_block", "reversible_instance_denorm", "reversible_instance_norm",
    "rms_norm", "rms_norm_vjp", "signed_log_compress", "signed_power", "unit_sphere_normalize", "update_running",
    "update_running_vjp", "weight_compander", "weight_norm", "weight_norm_vjp",
]  # fmt: skip
