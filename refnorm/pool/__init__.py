"""Summarise a window, set, segment or grid by fewer values."""

from .._later import later

__getattr__, __dir__, __all__ = later(
    __name__,
    {
        "._core.windows": ["same_padding"],
        "adaptive": ["adaptive_avg_pool", "adaptive_avg_pool_vjp"],
        "branch": ["branch_pool", "gated_fusion", "sampled_width_mixture", "selective_kernel_fusion"],
        "context": ["frame_channel_gate", "global_context_block", "global_context_gate"],
        "deep_aggregation": ["dappm_pool_stack"],
        "gem": ["gem_pool", "gem_pool_vjp"],
        "grid": ["grid_gather", "grid_scatter_pool"],
        "local_gem": ["regional_gem_pool", "scale_gem_pool", "strip_gem_pool"],
        "lp": ["lp_pool", "lp_pool_vjp"],
        "masked": ["confidence_grid_pool", "masked_avg_pool", "masked_avg_pool_vjp"],
        "pyramid": [
            "spatial_pyramid_code_pool",
            "spatial_pyramid_pool",
            "spatial_pyramid_pool_vjp",
            "spatial_pyramid_roi_pool",
        ],
        "roi": ["roi_align", "roi_align_vjp"],
        "segment": ["segment_pool", "segment_pool_vjp"],
        "squeeze": [
            "aggregation_gate",
            "concurrent_squeeze_excite",
            "spatial_squeeze_excite",
            "squeeze_excite",
            "squeeze_excite_vjp",
        ],
        "strip": ["coordinate_attention", "efficient_local_attention"],
        "switch": ["max_unpool", "stochastic_pool"],
        "weighted_window": ["neighborhood_pool", "token_aware_avg_pool", "weighted_window_pool"],
        "window": ["avg_pool", "avg_pool_vjp", "max_pool", "max_pool_vjp"],
    },
)
