"""Map by a basis or to the nearest point of a set: transforms, random projections, constraints."""

from .._later import later

__getattr__, __dir__, __all__ = later(
    __name__,
    {
        "compatible": [
            "backward_compatible_loss",
            "basis_transformation",
            "higher_order_compatible_loss",
            "orthogonal_compatible_map",
        ],
        "constraint": [
            "project_box_simplex",
            "project_l0_ball",
            "project_l2_ball",
            "project_l2_ball_vjp",
            "project_simplex",
            "project_simplex_vjp",
        ],
        "etf": ["equiangular_basis", "mutual_coherence", "simplex_etf", "simplex_vertices", "sparse_etf_energy"],
        "features": [
            "orthogonal_gaussian_matrix",
            "positive_random_features",
            "positive_random_features_vjp",
            "relu_random_features",
            "taylor_softmax_features",
        ],
        "gradient": ["fira_scale", "galore_adam_step", "norm_growth_limiter", "perp_grad"],
        "grassmann": ["grassmann_logits", "grassmann_logits_vjp"],
        "hadamard": [
            "fastfood_project",
            "fastfood_project_vjp",
            "walsh_hadamard_transform",
            "walsh_hadamard_transform_vjp",
        ],
        "head": [
            "feature_weighting_profile",
            "fixed_reweighting_head",
            "matryoshka_prefix_logits",
            "projection_head",
        ],
        "lora": [
            "generated_low_rank_delta",
            "lora_linear",
            "lora_linear_vjp",
            "random_sparse_support",
            "sparse_low_rank_linear",
            "sparse_low_rank_linear_vjp",
        ],
        "low_rank": ["low_rank_gradient_step", "truncated_svd"],
        "mimic": ["slice_rotated_weights"],
        "mixture": ["subspace_mixture_denoiser"],
        "ordered": [
            "hierarchical_group_lasso",
            "ordered_dropout_objective",
            "ordered_low_rank_linear",
            "progressive_rank_shrink",
        ],
        "pca": ["pca_basis", "pca_project", "pca_whiten", "zca_whiten"],
        "procrustes": ["orthogonal_procrustes"],
        "proximal": ["singular_value_threshold", "soft_threshold"],
        "random": ["fastrp", "random_subspace_project", "sparse_random_matrix"],
        "singular": ["sample_singular_directions", "svd_linear", "svd_linear_vjp"],
        "sketch": ["count_sketch", "tensor_sketch"],
        "spectral": ["dct", "spectral_mode_mixing", "spectral_truncate"],
        "subspace": [
            "fit_position_directions",
            "subspace_direction_loss",
            "subspace_distance_loss",
            "subspace_project",
            "subspace_remove",
        ],
        "target": ["direct_random_target_delta", "local_target_update", "random_target_projection"],
        "tensor": ["cp_conv", "cp_reconstruct", "mode_product", "tucker_reconstruct"],
        "umap": ["fuzzy_union", "umap_cross_entropy"],
    },
)
