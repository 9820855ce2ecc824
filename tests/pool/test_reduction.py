"""A shorter grid of tokens by hand, refusals, and torch's layers beside it."""

import numpy as np
import pytest

from refnorm.pool import residual_spatial_reduction

X = np.arange(8.0).reshape(1, 2, 2, 2)  # normalized every token is -1, 1
ALL = np.ones((2, 2, 3, 3))


def test_by_hand():
    one = np.zeros((3, 2, 3, 3))
    one[2, 1, 1, 1] = 5.0
    assert residual_spatial_reduction(X, one, eps=0.0).tolist() == [[[[3, 4, 5]]]]
    assert residual_spatial_reduction(X, one, np.array([1.0, 0.0, 0.0]), eps=0.0).tolist() == [[[[4, 4, 5]]]]
    assert residual_spatial_reduction(X, one, None, np.array([2.0, 3.0]), np.ones(2), eps=0.0)[0, 0, 0, 2] == 20
    assert residual_spatial_reduction(X, ALL, None, None, np.ones(2), eps=0.0).tolist() == [[[[3 + 8, 4 + 8]]]]


@pytest.mark.parametrize("f", [2, 4])
def test_torch(torch, f):
    x = torch.randn(2, 8, 4, 3, dtype=torch.float64)
    norm = torch.nn.LayerNorm(3, eps=1e-6, dtype=torch.float64)
    conv = torch.nn.Conv2d(3, 5, f + 1, f, f // 2, dtype=torch.float64)
    torch.nn.init.normal_(norm.weight)
    skip = torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), f)
    wanted = conv(norm(x).permute(0, 3, 1, 2)) + torch.nn.functional.pad(skip, (0, 0, 0, 0, 0, 2))
    got = residual_spatial_reduction(x, conv.weight, conv.bias, norm.weight, norm.bias, stride=f)
    assert torch.allclose(got, wanted.permute(0, 2, 3, 1), rtol=1e-11, atol=1e-12)


def test_refusals():
    for call, error, said in [
        (lambda: residual_spatial_reduction(X[0], ALL), ValueError, r"x must have shape \(N, H, W, C\), H and W mult"),
        (lambda: residual_spatial_reduction(X[:, :1], ALL), ValueError, "multiples of 2"),
        (lambda: residual_spatial_reduction(X, ALL[:1]), ValueError, r"weight must have shape \(at least 2, 2, 3, 3\)"),
        (lambda: residual_spatial_reduction(X, ALL[..., :1]), ValueError, r"weight must have shape \(at least 2"),
        (lambda: residual_spatial_reduction(X, ALL, stride=3), ValueError, "stride must be even and at least 2, got 3"),
        (lambda: residual_spatial_reduction(X, ALL, stride=2.0), TypeError, "stride must be an int"),
        (lambda: residual_spatial_reduction(X, ALL, np.ones(1)), ValueError, r"bias must have shape \(2,\)"),
        (lambda: residual_spatial_reduction(X, ALL, None, np.ones(1)), ValueError, r"gain must have shape \(2,\)"),
        (lambda: residual_spatial_reduction(X, ALL, None, None, ALL), ValueError, r"shift must have shape \(2,\)"),
        (lambda: residual_spatial_reduction(X, ALL, None, None, None, ALL), ValueError, r"position must have shape"),
        (lambda: residual_spatial_reduction(X, ALL, eps=-1.0), ValueError, "eps must be"),
    ]:
        with pytest.raises(error, match=said):
            call()
