"""Canonical correlations by hand, and against scikit-learn and SciPy."""

import numpy as np
import pytest

from refnorm.proj import cca, multiview_cca


def test_by_hand():
    x = np.array([[1.0], [-1.0], [0.0]])
    a, b, s = cca(x, 4 * x + 7, eps=0.0)
    assert np.allclose([a[0, 0], b[0, 0], s[0]], [0.5**0.5, 0.125 / 0.5**0.5 * 1, 1], rtol=1e-14)
    a, b, s = cca(x, x, eps=2.0)  # scatters of 2 become 4
    assert np.allclose([a[0, 0], b[0, 0], s[0]], [0.5, 0.5, 0.5], rtol=1e-14)
    values, y, z = multiview_cca(x, -x, eps=0.0, p=1.0)
    assert np.allclose(values, [2, 0], atol=1e-15)
    assert np.allclose([y[0, 0], z[0, 0]], [1, -1], rtol=1e-14)


def test_correlations_are_scikit_learns():
    decomposition = pytest.importorskip("sklearn.cross_decomposition")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    y = x @ rng.normal(size=(3, 4)) + rng.normal(size=(40, 4))
    a, b, s = cca(x, y, eps=0.0, rank=2)
    fit = decomposition.CCA(2, scale=False, tol=1e-14, max_iter=10000).fit(x, y)
    scores = fit.transform(x, y)
    assert np.allclose([np.corrcoef(*(v[:, k] for v in scores))[0, 1] for k in range(2)], s, atol=1e-9)
    for ours, theirs in zip((x @ a, y @ b), scores, strict=True):
        assert np.allclose(np.abs([np.corrcoef(ours[:, k], theirs[:, k])[0, 1] for k in range(2)]), 1, atol=1e-6)


def test_eigenproblem_is_scipys():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    views = [rng.normal(size=(30, n)) for n in (3, 2, 4)]
    z = np.concatenate([v - v.mean(axis=0) for v in views], axis=1)
    scatter = z.T @ z + 0.5 * np.eye(9)
    own = linalg.block_diag(*(scatter[i:j, i:j] for i, j in ((0, 3), (3, 5), (5, 9))))
    wanted, w = linalg.eigh(scatter, own)
    values, *maps = multiview_cca(*views, eps=0.5, p=0.0)
    assert np.allclose(values, wanted[::-1], rtol=1e-12)
    joined = np.concatenate(maps)
    assert np.allclose(np.abs(joined), np.abs(w[:, ::-1]), atol=1e-10)
    assert np.allclose(joined.T @ own @ joined, np.eye(9), atol=1e-12)


def test_two_views_are_cca():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 4))
    a, b, s = cca(x, y, eps=0.25)
    values, p, q = multiview_cca(x, y, eps=0.25, rank=3, p=1.0)
    assert np.allclose(values, 1 + s, rtol=1e-13)
    assert np.allclose(np.abs(p), np.abs(a) * values / 2**0.5, atol=1e-12)
    assert np.allclose(np.abs(q), np.abs(b) * values / 2**0.5, atol=1e-12)


def test_a_mapped_view_agrees_wholly():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 3)) * [1, 1e-3, 1e3]
    assert np.allclose(cca(x, x @ rng.normal(size=(3, 3)), eps=0.0)[2], 1, rtol=1e-9)


def test_refusals():
    x = np.ones((4, 3))
    for f in (cca, multiview_cca):
        with pytest.raises(ValueError, match="must have shape"):
            f(x, x[:3])
        with pytest.raises(ValueError, match="must have shape"):
            f(x[0], x)
        with pytest.raises(ValueError, match="two samples"):
            f(x[:1], x[:1])
        with pytest.raises(ValueError, match="rank must be"):
            f(x, x, rank=9)
        with pytest.raises(ValueError, match="eps"):
            f(x, x, eps=-1.0)
    with pytest.raises(ValueError, match="p must"):
        multiview_cca(x, x, p=np.inf)
