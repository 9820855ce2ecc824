"""What a library cannot do as promised, and why: each is expected to fail, and is told when it no longer does."""

GAPS = {
    # (operator, library, dtype, case)
    ("softmax", "jax", "float64", "long"): "XLA's float64 exp is up to 1.6 ulp off by itself: 2.4 ulp, 2.1 allowed",
    ("softmax", "jax", "float32", "far apart"): "XLA flushes float32 denormals to zero; here the answer has some",
}
