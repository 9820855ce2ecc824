"""Second moments by hand, refusals, and NumPy's and torch's beside them."""

import numpy as np
import pytest

from refnorm.pool import covariance_pool, cross_covariance_pool

X = np.array([[1.0, 2.0], [3.0, 8.0]])


def test_by_hand():
    assert covariance_pool(X).tolist() == [[1, 3], [3, 9]]
    assert covariance_pool(X, correction=1).tolist() == [[2, 6], [6, 18]]
    heads = np.array([[1.0, 3.0, 8.0, 2.0], [5.0, 1.0, 0.0, 4.0]])  # normalized: -1 1 | 1 -1 and 1 -1 | -1 1
    assert cross_covariance_pool(heads, groups=2, kind="all", eps=0.0).tolist() == [[[-1, 1], [1, -1]]]
    near = cross_covariance_pool(heads, groups=2, eps=0.0)
    assert near == pytest.approx(np.array([[[-1, 1], [1, -1]]]) / np.sqrt(2))
    assert cross_covariance_pool(heads, np.zeros(2), groups=2).tolist() == [[[0, 0], [0, 0]]]


def test_numpy_cov():
    x = np.random.default_rng(0).normal(size=(9, 4))
    assert np.allclose(covariance_pool(x), np.cov(x.T, bias=True), rtol=1e-13)
    assert np.allclose(covariance_pool(x, correction=1), np.cov(x.T), rtol=1e-13)


@pytest.mark.parametrize(("kind", "pairs"), [("near", [(0, 1), (1, 2), (2, 3)]), ("half", [(0, 2), (1, 3)])])
def test_moment_probing_in_torch(torch, kind, pairs):
    x, norm = torch.randn(2, 7, 12, dtype=torch.float64), torch.nn.LayerNorm(3, dtype=torch.float64)
    torch.nn.init.normal_(norm.weight)
    heads = [norm(h) for h in x.split(3, dim=-1)]
    heads = [h - h.mean(dim=(1, 2), keepdim=True) for h in heads]
    wanted = [torch.nn.functional.normalize(heads[i].mT @ heads[j] / 7, dim=1) for i, j in pairs]
    got = cross_covariance_pool(x, norm.weight, norm.bias, groups=4, kind=kind)
    assert torch.allclose(got, torch.stack(wanted, dim=1), rtol=1e-10, atol=1e-12)


def test_refusals():
    x = np.ones((2, 3, 6))
    for call, error, said in [
        (lambda: covariance_pool(X[0]), ValueError, r"x must have shape \(\.\.\., n, d\), got \(2,\)"),
        (lambda: covariance_pool(X, correction=2), ValueError, "correction must be below the 2 tokens, got 2"),
        (lambda: covariance_pool(X, correction="1"), TypeError, "correction must be a number"),
        (lambda: cross_covariance_pool(x, groups=4), ValueError, "groups must be at least 2 and divide the 6"),
        (lambda: cross_covariance_pool(x, groups=1), ValueError, "groups must be at least 2"),
        (lambda: cross_covariance_pool(x, groups="2"), TypeError, "groups must be an int"),
        (
            lambda: cross_covariance_pool(x, groups=3, kind="half"),
            ValueError,
            "kind must be 'near', 'half' .of an even",
        ),
        (lambda: cross_covariance_pool(x, groups=3, kind="cn2"), ValueError, "kind must be"),
        (lambda: cross_covariance_pool(x, x[0, 0], groups=3), ValueError, r"weight must have shape \(2,\), got \(6,\)"),
        (lambda: cross_covariance_pool(x, groups=3, eps=-1.0), ValueError, "eps must be"),
    ]:
        with pytest.raises(error, match=said):
            call()
