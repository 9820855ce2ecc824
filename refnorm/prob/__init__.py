"""Softmax and its relatives: scores to distributions."""

from .._later import later

__getattr__, __dir__, __all__ = later(
    __name__,
    {
        "assignment": ["dec_target_distribution", "student_t_assignment"],
        "binning": ["categorical_project", "hl_gauss_project", "hl_gauss_project_vjp", "two_hot_project"],
        "calibration": ["affine_prior_calibration", "bayes_refined_prediction", "distribution_alignment"],
        "decoding": ["contrastive_decoding_logits", "dynamic_fusion_weights", "logit_arithmetic", "top_k_top_p_filter"],
        "divergence": ["hellinger_distance", "kl_divergence", "softmax_entropy", "total_variation_distance"],
        "evidence": ["dempster_combine", "dirichlet_evidence", "evidential_mse_loss"],
        "exponential": ["log_softmax", "log_softmax_vjp", "log_sum_exp", "log_sum_exp_vjp", "softmax", "softmax_vjp"],
        "gaussian": ["factor_model_predictor", "gaussian_kl", "gaussian_sample", "highest_density_region"],
        "gumbel": ["binary_concrete", "gumbel_softmax", "gumbel_softmax_vjp", "gumbel_top_k"],
        "inverted": ["dual_inverted_softmax", "dynamic_inverted_softmax", "inverted_softmax", "inverted_softmax_vjp"],
        "minus_one": ["softmax_minus_one"],
        "overtrust": ["over_trust_penalty", "penalized_beam_logits", "retrospection_trigger"],
        "ranking": ["soft_rank", "soft_rank_vjp"],
        "robust": ["robust_class_gaussian"],
        "scaling": ["sinkhorn", "sinkhorn_assignment", "sinkhorn_vjp"],
        "sparse": ["entmax", "entmax_vjp"],
        "stable": [
            "log_stablemax",
            "log_stablemax_vjp",
            "softmax_collapse_mask",
            "stablemax",
            "stablemax_cross_entropy",
            "stablemax_cross_entropy_vjp",
            "stablemax_vjp",
        ],
    },
)
