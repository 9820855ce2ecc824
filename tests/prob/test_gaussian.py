"""Normal distributions by hand, at its edges, and against torch's distributions."""

import numpy as np
import pytest

from refnorm.prob import factor_model_predictor, gaussian_kl, gaussian_sample, highest_density_region


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


def test_samples(torch):
    x, mean = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0])
    assert gaussian_sample(x, mean, np.array([[4.0, 9.0], [2.0, 2.0]])).tolist() == [[3.0, 2.0], [1.0, 2.0]]
    rng = np.random.default_rng(5)
    z, a = rng.normal(size=(20000, 3)), rng.normal(size=(3, 3))
    cov = a @ a.T + np.eye(3)
    y = gaussian_sample(z, np.array([1.0, -1.0, 0.0]), cov)
    assert np.allclose(np.cov(y.T), cov, atol=0.15)
    assert np.allclose(y.mean(axis=0), [1, -1, 0], atol=0.05)
    distribution = torch.distributions.MultivariateNormal(torch.zeros(3, dtype=torch.float64), torch.from_numpy(cov))
    assert np.allclose(gaussian_sample(z, np.zeros(3), cov), z @ distribution.scale_tril.numpy().T, rtol=1e-11)
    with np.errstate(invalid="ignore"):
        assert np.isnan(gaussian_sample(x, mean, -np.eye(2))).any()


def test_regions():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    mask, edge = highest_density_region(np.array([[-1.0, -8.0, -2.0, -4.0], [0.0, 0.0, 0.0, 0.0]]), alpha=0.5)
    assert (mask.tolist(), edge.tolist()) == ([[True, False, True, False], [True] * 4], [-2.0, 0.0])
    assert highest_density_region(np.arange(4.0))[0].all()
    samples = np.random.default_rng(6).normal(size=20001)
    mask, edge = highest_density_region(stats.norm.logpdf(samples), alpha=0.1)
    assert mask.mean() == 1 - 2000 / 20001
    assert np.allclose(np.abs(samples[mask]).max(), stats.norm.ppf(0.95), atol=0.03)
    mask, edge = highest_density_region(np.array([0.0, np.nan, 1.0]))
    assert (mask.tolist(), edge) == ([True, False, True], 0.0)


def test_factors():
    assert np.allclose(factor_model_predictor(np.array([[3.0, 1.0]]), np.ones((2, 1))), 4 / 3, rtol=1e-15)
    rng = np.random.default_rng(7)
    x, b = rng.normal(size=(6, 5)), rng.normal(size=(5, 3))
    wanted = x @ np.linalg.inv(b @ b.T + np.eye(5)) @ b
    assert np.allclose(factor_model_predictor(x, b), wanted, rtol=1e-11)
    sklearn = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    model = sklearn.FactorAnalysis(3).fit(x)
    model.mean_, model.components_, model.noise_variance_ = np.zeros(5), b.T, np.ones(5)
    assert np.allclose(factor_model_predictor(x, b), model.transform(x), rtol=1e-11)


def test_refusals_of_samples_regions_and_factors():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: gaussian_sample(x, np.ones(2), np.eye(3)), ValueError, r"mean must have shape \(3,\)"),
        (lambda: gaussian_sample(x, np.ones(3), np.eye(2)), ValueError, r"var must have shape \(3, 3\)"),
        (lambda: highest_density_region(x[:, :0]), ValueError, "must not be empty"),
        (lambda: highest_density_region(x, alpha=1.0), ValueError, "alpha must be from 0 to below 1"),
        (lambda: highest_density_region(x, alpha="0"), TypeError, "alpha must be a real number"),
        (lambda: factor_model_predictor(x, x), ValueError, r"weight must have shape \(3, K\)"),
    ]:
        with pytest.raises(error, match=said):
            call()
