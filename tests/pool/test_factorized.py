"""Bilinear forms of low rank by hand, refusals, and torch beside them."""

import numpy as np
import pytest

from refnorm.pool import block_bilinear_fusion, factorized_bilinear_pool

X, Y, EYE = np.array([1.0, 2.0]), np.array([3.0, -5.0]), np.eye(2)
U = np.ones((2, 1, 1))


def test_by_hand():
    assert factorized_bilinear_pool(X, Y, EYE, EYE).tolist() == [3, -10]
    assert factorized_bilinear_pool(X, Y, EYE, EYE, window=2).tolist() == [-7]
    assert factorized_bilinear_pool(X, Y, EYE, EYE, np.array([[1.0], [2.0]])).tolist() == [-17]
    assert factorized_bilinear_pool(X, Y, EYE, EYE, activation="relu").tolist() == [3, 0]
    assert factorized_bilinear_pool(X, 3 * Y, EYE, EYE, signed_sqrt=True) == pytest.approx([3, -(30**0.5)])
    assert factorized_bilinear_pool(X, Y, 4 * EYE, EYE / 3, l2=True, eps=100.0) == pytest.approx([0.04, -0.4 / 3])
    assert block_bilinear_fusion(X, Y, EYE, EYE, U, U, EYE, kind="bare").tolist() == [3, -10]
    assert block_bilinear_fusion(X, Y, EYE, EYE, U, U, EYE).tolist() == [1, -1]
    ranks = np.array([[[1.0, 2.0]], [[1.0, 0.0]]])
    assert block_bilinear_fusion(X, Y, EYE, EYE, ranks, ranks, EYE, kind="bare").tolist() == [3 + 12, -10]
    given = X, 5.0 * X, np.zeros((2, 1)), np.ones((2, 1)), np.array([0.0, 100.0])
    assert block_bilinear_fusion(X, Y, EYE, EYE, U, U, EYE, *given, kind="bare").tolist() == [2 * 9, 4 * 6 + 100]


def test_mfb_in_torch(torch):
    """As in block.bootstrap.pytorch: windows of k side by side."""
    x, y = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    u, v = torch.randn(4, 12, dtype=torch.float64), torch.randn(5, 12, dtype=torch.float64)
    z = ((x @ u) * (y @ v)).view(3, 6, 2).sum(2)
    z = torch.nn.functional.normalize(torch.sqrt(torch.relu(z)) - torch.sqrt(torch.relu(-z)), p=2)
    got = factorized_bilinear_pool(x, y, u, v, window=2, signed_sqrt=True, l2=True)
    assert torch.allclose(got, z, rtol=1e-12, atol=1e-14)


def test_block_in_torch(torch):
    """As in block.bootstrap.pytorch, with its layers of linear maps."""
    linear = lambda i, o: torch.nn.Linear(i, o, dtype=torch.float64)
    x, y, a, b, last = torch.randn(3, 4).double(), torch.randn(3, 5).double(), linear(4, 6), linear(5, 6), linear(6, 2)
    left, right = [linear(2, 8) for _ in range(3)], [linear(2, 8) for _ in range(3)]
    zs = []
    for c, (one, two) in enumerate(zip(a(x).chunk(3, -1), b(y).chunk(3, -1), strict=True)):
        m = (left[c](one) * right[c](two)).view(3, 4, 2).sum(1)
        m = torch.sqrt(torch.relu(m)) - torch.sqrt(torch.relu(-m))
        zs.append(torch.nn.functional.normalize(m, p=2))
    stacked = [torch.stack([m.weight.mT for m in ms]) for ms in (left, right)]
    biases = [a.bias, b.bias, *(torch.stack([m.bias for m in ms]) for ms in (left, right)), last.bias]
    got = block_bilinear_fusion(x, y, a.weight.mT, b.weight.mT, *stacked, last.weight.mT, *biases)
    assert torch.allclose(got, last(torch.cat(zs, -1)), rtol=1e-11, atol=1e-13)


def test_refusals():
    for call, error, said in [
        (
            lambda: factorized_bilinear_pool(X, Y[None], EYE, EYE),
            ValueError,
            r"other must have shape \(2,\), got \(1, 2\)",
        ),
        (lambda: factorized_bilinear_pool(X, Y, EYE[:1], EYE), ValueError, r"u must have shape \(2, 2\), got \(1, 2\)"),
        (
            lambda: factorized_bilinear_pool(X, Y, EYE, EYE[:, :1]),
            ValueError,
            r"v must have shape \(2, 2\), got \(2, 1\)",
        ),
        (
            lambda: factorized_bilinear_pool(X, Y, EYE, EYE, EYE, window=2),
            ValueError,
            r"weight must have shape \(1, 2\)",
        ),
        (
            lambda: factorized_bilinear_pool(X, Y, EYE, EYE, window=3),
            ValueError,
            "window must be at least 1 and divide",
        ),
        (lambda: factorized_bilinear_pool(X, Y, EYE, EYE, window=0.5), TypeError, "window must be an int"),
        (
            lambda: factorized_bilinear_pool(X, Y, EYE, EYE, activation="gelu"),
            ValueError,
            "activation must be 'identity'",
        ),
        (lambda: factorized_bilinear_pool(X, Y, EYE, EYE, l2=1), TypeError, "l2 must be True or False"),
        (
            lambda: block_bilinear_fusion(X, Y, EYE, EYE, EYE, U, EYE),
            ValueError,
            r"u must have shape \(chunks, size, rank",
        ),
        (lambda: block_bilinear_fusion(X, Y, EYE, EYE, U, U[:1], EYE), ValueError, r"v must have shape \(2, 1, 1\)"),
        (lambda: block_bilinear_fusion(X, Y, EYE, EYE, U, U, EYE[:1]), ValueError, r"weight must have shape \(2, 2\)"),
        (lambda: block_bilinear_fusion(X, Y, EYE, EYE, U, U, EYE, U), ValueError, r"a_bias must have shape \(2,\)"),
        (
            lambda: block_bilinear_fusion(X, Y, EYE, EYE, U, U, EYE, kind="sum"),
            ValueError,
            "kind must be 'chunks', 'whole'",
        ),
    ]:
        with pytest.raises(error, match=said):
            call()
