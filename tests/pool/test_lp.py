"""Norms of windows by hand, refusals, and against torch and onnxruntime."""

import numpy as np
import pytest
from onnx_node import session_of

import refnorm
from refnorm.pool import lp_pool, lp_pool_vjp


def test_norms_by_hand():
    x = np.array([[[3.0, -4.0, -1.0, 1.0]]])
    assert lp_pool(x, window=2).round(12).tolist() == [[[5.0, round(2**0.5, 12)]]]
    assert lp_pool(x, window=2, p=1).tolist() == [[[7.0, 2.0]]]
    assert lp_pool(x, window=2, p=1, signed=True).tolist() == [[[-1.0, 0.0]]]
    with np.errstate(invalid="ignore"):
        assert np.isnan(lp_pool(x, window=2, p=3, signed=True)[0, 0, 0])  # 27 - 64 has no root
    assert lp_pool(x, window=4, p=400).tolist() == [[[4.0]]]
    assert lp_pool_vjp(np.array([[[10.0, 1.0]]]), 0 * x, window=2).tolist() == [[[0.0] * 4]]
    for p, error in [(0, ValueError), (-1.0, ValueError), (np.inf, ValueError), (np.nan, ValueError), ("2", TypeError)]:
        with pytest.raises(error, match="p must be"):
            lp_pool(x, window=2, p=p)
    with pytest.raises(TypeError, match="signed must be True or False"):
        lp_pool(x, window=2, signed=1)


@pytest.mark.parametrize("p", [1, 2, 3.0, 2.5])
def test_norms_equal_torch(p, torch):
    x = np.random.default_rng(8).normal(size=(2, 3, 8, 7))
    x = np.abs(x) if p > 2 else x
    t = torch.from_numpy(x).requires_grad_()
    y = torch.nn.functional.lp_pool2d(t, p, (3, 2), stride=2)
    how = dict(window=(3, 2), stride=2, p=p, **refnorm.convention("torch", "lp_pool"))
    if p == 1:  # torch takes the root of -3 by sign and magnitude, where p is 1 the same
        assert (y < 0).any()
    np.testing.assert_allclose(lp_pool(x, **how), y.detach().numpy(), rtol=1e-13)
    g = np.random.default_rng(9).normal(size=y.shape)
    (wanted,) = torch.autograd.grad(y, t, torch.from_numpy(g))
    np.testing.assert_allclose(lp_pool_vjp(g, x, **how), wanted.numpy(), rtol=1e-11, atol=1e-12)


def test_norms_equal_onnx():
    x = np.random.default_rng(10).normal(size=(2, 3, 8, 7)).astype("float32")
    inputs, outputs = [("x", "FLOAT", x.shape)], [("y", "FLOAT", None)]
    run = session_of("LpPool", inputs, outputs, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], p=3)
    how = dict(window=(3, 2), stride=2, padding=((1, 1), (0, 1)), p=3, **refnorm.convention("onnx", "lp_pool"))
    np.testing.assert_allclose(lp_pool(x, **how), run.run(None, {"x": x})[0], rtol=1e-5)
