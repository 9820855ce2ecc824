"""Rescale an array by a statistic of itself; shape in, same shape out."""

from .._later import later

__getattr__, __dir__, __all__ = later(
    __name__,
    {
        "activation": ["dice_activation", "evonorm"],
        "batch": [
            "batch_moments",
            "batch_moments_vjp",
            "batch_norm",
            "batch_norm_train",
            "batch_norm_train_vjp",
            "batch_norm_vjp",
        ],
        "calibrated": ["alpha_batch_norm"],
        "companding": ["mu_law_compress", "signed_log_compress", "signed_power", "weight_compander"],
        "concat": ["normalized_concat"],
        "crms": ["compress_zero_mean", "crms_norm", "crms_norm_vjp"],
        "divisive": ["generalized_divisive_norm", "generalized_divisive_norm_vjp"],
        "fold": ["fold_batch_norm", "fold_layer_norm", "recenter_output"],
        "ghost": ["ghost_batch_norm_train", "ghost_batch_norm_train_vjp"],
        "group": ["group_norm", "group_norm_vjp", "instance_norm", "instance_norm_vjp"],
        "instance": ["reversible_instance_denorm", "reversible_instance_norm"],
        "layer": ["layer_norm", "layer_norm_vjp"],
        "learned": ["learned_region_norm"],
        "masked": ["masked_batch_norm", "scale_shift_normalize"],
        "modulated": ["coordinate_modulated_norm", "spade"],
        "moments": ["merge_moments"],
        "points": ["gaussian_splat_normalize", "knn_feature_norm", "unit_sphere_normalize"],
        "range": ["min_max_normalize", "order_statistic_clip"],
        "region": ["region_norm", "region_norm_vjp"],
        "residual": ["mix_layer_norm_schedule", "residual_norm_block"],
        "response": ["local_response_norm", "local_response_norm_vjp"],
        "rms": ["gated_rms_norm", "gated_rms_norm_vjp", "rms_norm", "rms_norm_vjp"],
        "running": ["update_running", "update_running_vjp"],
        "spectral": ["spectral_norm_step"],
        "standardized": ["weight_standardization"],
        "unified": ["unified_norm", "unified_norm_vjp"],
        "unit": ["lp_normalize", "lp_normalize_vjp"],
        "weight": ["class_norm_realign", "weight_norm", "weight_norm_vjp"],
    },
)
