"""Summarise a window, set, segment or grid by fewer values."""

from .._later import later

__getattr__, __dir__, __all__ = later(
    __name__,
    {
        "._core.windows": ["same_padding"],
        "adaptive": ["adaptive_avg_pool", "adaptive_avg_pool_vjp"],
        "attention": ["attention_pool", "attention_pool_vjp", "slot_pool", "global_query_pool"],
        "bag": ["embedding_bag", "embedding_bag_vjp"],
        "bilinear": ["bilinear_pool", "bilinear_pool_vjp", "compact_bilinear_pool", "compact_bilinear_pool_vjp"],
        "covariance": ["covariance_pool", "covariance_pool_vjp", "cross_covariance_pool"],
        "factorization": ["factorization_machine_pool"],
        "factorized": ["factorized_bilinear_pool", "block_bilinear_fusion"],
        "gem": ["gem_pool", "gem_pool_vjp"],
        "graph": ["top_k_graph_pool", "edge_contraction_pool", "hyperdrop_pool", "graph_unpool"],
        "masked": ["masked_avg_pool", "masked_avg_pool_vjp"],
        "points": ["farthest_point_sample", "knn_pool"],
        "reduction": ["residual_spatial_reduction"],
        "scored": ["softmax_pool", "softmax_pool_vjp", "attentive_pool", "attentive_pool_vjp", "target_attention_pool"],
        "segment": ["segment_pool", "segment_pool_vjp"],
        "segment_scored": ["segment_attentive_pool", "segment_attentive_pool_vjp"],
        "subset": ["subset_superset_pool"],
        "temporal": ["selective_temporal_max_pool", "change_point_pool", "recurrent_conv_text_pool"],
        "token": ["last_token_pool", "position_weighted_mean_pool", "top_descriptor_pool"],
        "window": ["avg_pool", "avg_pool_vjp", "max_pool", "max_pool_vjp"],
    },
)
