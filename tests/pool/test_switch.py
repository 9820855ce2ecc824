"""Cells drawn and put back by hand, refusals, and against torch and onnxruntime."""

import numpy as np
import pytest
from onnx_node import session_of

from refnorm.pool import max_pool, max_unpool, stochastic_pool


def test_unpooling_by_hand():
    x, indices = np.array([[[7.0, 5.0, 3.0]]]), np.array([[[1, 2, 1]]])
    assert max_unpool(x, indices, output_size=4).tolist() == [[[0, 7, 5, 0]]]
    assert max_unpool(x, indices - 2, output_size=4).tolist() == [[[5, 0, 0, 0]]]
    assert max_unpool(x, indices + 3, output_size=(4,)).tolist() == [[[0, 0, 0, 0]]]


def test_unpooling_equals_onnx():
    x = np.random.default_rng(10).normal(size=(2, 3, 8, 7)).astype("float32")
    small = max_pool(x, window=2)
    indices = np.random.default_rng(11).permuted(np.tile(np.arange(56), (6, 1)), axis=1)[:, : small[0, 0].size]
    indices = indices.reshape(small.shape)
    inputs = [("x", "FLOAT", small.shape), ("i", "INT64", small.shape), ("s", "INT64", (4,))]
    run = session_of("MaxUnpool", inputs, [("y", "FLOAT", None)], kernel_shape=[2, 2], strides=[2, 2])
    through = indices + 56 * np.arange(6).reshape(2, 3, 1, 1)
    given = {"x": small, "i": through, "s": np.array(x.shape)}
    assert np.array_equal(max_unpool(small, through % 56, output_size=(8, 7)), run.run(None, given)[0])


def test_unpooling_equals_torch(torch):
    t = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    y, indices = torch.nn.functional.max_pool2d(t, 3, stride=2, return_indices=True)
    wanted = torch.nn.functional.max_unpool2d(y, indices, 3, stride=2, output_size=(9, 8))
    assert torch.equal(max_unpool(y, indices, output_size=(9, 8)), wanted)


def test_unpooling_refuses():
    x, indices = np.ones((1, 1, 2)), np.array([[[0, 1]]])
    for call, error, said in [
        (lambda: max_unpool(x, indices * 1.0, output_size=4), TypeError, "indices must hold integers"),
        (lambda: max_unpool(x, indices[0], output_size=4), ValueError, "indices must have shape"),
        (lambda: max_unpool(x, indices, output_size=(4, 4)), ValueError, "output_size must have one entry"),
        (lambda: max_unpool(x, indices, output_size=0), ValueError, "output_size must be at least 1"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_draws_by_hand():
    x = np.array([[[1.0, 3.0, 0.0, -2.0, 0.0, 5.0]]])
    for u, wanted in [
        (0.0, [1.0, 0.0, 5.0]),
        (0.24, [1.0, 0.0, 5.0]),
        (0.25, [3.0, 0.0, 5.0]),
        (0.99, [3.0, 0.0, 5.0]),
    ]:
        assert stochastic_pool(x, np.full((1, 1, 3), u), window=2).tolist() == [[wanted]]
    assert stochastic_pool(x, np.full((1, 1, 3), 1.0), window=2).tolist() == [[[3.0, 0.0, 5.0]]]
    assert stochastic_pool(x, window=2).tolist() == [[[2.5, 0.0, 5.0]]]
    with pytest.raises(ValueError, match="u must have shape"):
        stochastic_pool(x, x, window=2)
