"""gaussian_kl by hand, at its edges, and against torch's distributions."""

import numpy as np
import pytest

from refnorm.prob import gaussian_kl


def test_by_hand():
    """Of two numbers: tr = 5, det 3 against 1; the other way round tr S^-1 = 5/3."""
    x, one = np.array([[[4.0, 1.0], [1.0, 1.0]]]), np.eye(2)[None]
    assert np.allclose(gaussian_kl(x, one), (5 - 2 - np.log(3)) / 2, rtol=1e-15)
    assert np.allclose(gaussian_kl(one, x), (5 / 3 - 2 + np.log(3)) / 2, rtol=1e-14)
    assert gaussian_kl(x, x).tolist() == [0.0]
    wide = 2 * x, 4 * x
    assert np.allclose(gaussian_kl(*wide), (1 - 2 + 2 * np.log(2)) / 2, rtol=1e-15)
    shifted = gaussian_kl(x - one, 0 * one, eps=1.0)
    assert np.allclose(shifted, (5 - 2 - np.log(3)) / 2, rtol=1e-15)


def test_what_is_above_the_diagonal_is_not_looked_at():
    x, one = np.array([[[4.0, np.nan], [1.0, 1.0]]]), np.eye(2)[None]
    assert np.allclose(gaussian_kl(x, one), (5 - 2 - np.log(3)) / 2, rtol=1e-15)


def test_what_is_not_positive_definite():
    one = np.eye(2)[None]
    with np.errstate(all="ignore"):
        assert gaussian_kl(np.ones((1, 2, 2)), one).tolist() == [np.inf]
        for x, other in ((-one, one), (one, -one), (-one, -one), (np.diag([1.0, -1.0])[None],) * 2):
            assert np.isnan(gaussian_kl(x, other)).all()
        assert not np.isfinite(gaussian_kl(one, np.ones((1, 2, 2)))).any()


def test_neighbours_keep_their_digits():
    """d^2 / 4 - d^3 / 6 + ... for variances of 1 + d and 1."""
    for d in (1e-4, 2.0**-20):
        got = gaussian_kl(np.full((1, 1, 1), 1 + d), np.ones((1, 1, 1)))
        assert np.allclose(got, d * d / 4 - d**3 / 6 + d**4 / 8, rtol=1e-8, atol=0)


def test_equals_torch(torch):
    rng = np.random.default_rng(0)
    a, b = (m @ m.swapaxes(1, 2) + np.eye(6) for m in rng.normal(size=(2, 5, 6, 6)))
    normals = [torch.distributions.MultivariateNormal(torch.zeros(6).double(), torch.from_numpy(m)) for m in (a, b)]
    assert np.allclose(gaussian_kl(a, b), torch.distributions.kl_divergence(*normals).numpy(), rtol=1e-12)
    assert (gaussian_kl(a, b) > 0).all()
    given = [torch.from_numpy(m).requires_grad_() for m in (a, b)]
    assert torch.autograd.gradcheck(gaussian_kl, given)


def test_refusals():
    x = np.ones((2, 3, 3))
    for call, error, said in [
        (lambda: gaussian_kl(x, x[:1]), ValueError, r"other must have shape \(2, 3, 3\), got \(1, 3, 3\)"),
        (lambda: gaussian_kl(x, None), TypeError, "other must be an array, got None"),
        (lambda: gaussian_kl(x[:, :2], x[:, :2]), ValueError, r"x must hold square matrices, not empty, shape"),
        (lambda: gaussian_kl(x[:, :0, :0], x[:, :0, :0]), ValueError, "x must hold square matrices"),
        (lambda: gaussian_kl(x[0, 0], x[0, 0]), ValueError, "x must hold square matrices"),
        (lambda: gaussian_kl(x, x, eps=-1.0), ValueError, "eps"),
    ]:
        with pytest.raises(error, match=said):
            call()
