"""Principal axes and whitening by hand, and against scikit-learn."""

import numpy as np
import pytest

from refnorm.proj import pca_basis, pca_project, pca_whiten, zca_whiten


def test_by_hand():
    x, mean, axis, var = np.array([3.0, 5.0]), np.array([1.0, 1.0]), np.array([[0.0, 1.0]]), np.array([4.0])
    assert pca_whiten(x, mean, axis, var).tolist() == [2]
    assert pca_whiten(x, mean, axis, var, eps=12.0).tolist() == [1]
    assert pca_whiten(np.array([3.0, 4.0]), 0 * mean, np.eye(2), np.ones(2), normalize=True).tolist() == [0.6, 0.8]
    assert zca_whiten(x, mean, axis, var).tolist() == [0, 2]
    assert zca_whiten(x, mean, np.eye(2), np.array([1.0, 4.0])).tolist() == [2, 2]


def test_axes_by_hand():
    x = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 6.0]])
    mean, basis, var = pca_basis(x)
    for got, wanted in ((mean, [1, 4]), (basis, [[0, 1], [1, 0]]), (var, [4, 0])):
        assert np.allclose(got, wanted, atol=1e-15)
    assert np.allclose(pca_basis(x, rank=1, correction=-1)[2], 2)
    assert np.allclose(pca_project(x, rank=1), [[-2], [0], [2]])
    assert np.allclose(pca_project(np.stack([x, -x]), rank=1)[1], [[2], [0], [-2]])


def test_axes_and_signs_are_scikit_learns():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(3).normal(5, 1, size=(40, 6)) * np.arange(1.0, 7.0)
    pca = decomposition.PCA(4, svd_solver="full").fit(x)
    for got, wanted in zip(pca_basis(x, rank=4), (pca.mean_, pca.components_, pca.explained_variance_), strict=True):
        assert np.allclose(got, wanted, rtol=1e-11, atol=1e-12)
    assert np.allclose(pca_project(x, rank=4), pca.transform(x), rtol=1e-11, atol=1e-12)


def test_basis_whitens_its_own_rows():
    x = np.random.default_rng(4).normal(size=(30, 4)) @ np.random.default_rng(5).normal(size=(4, 4))
    fitted = pca_basis(x, rank=3)
    assert np.allclose(np.cov(pca_whiten(x, *fitted).T), np.eye(3), atol=1e-12)
    assert np.allclose(pca_whiten(x, *fitted[:2], np.ones(3)), pca_project(x, rank=3), atol=1e-12)


def test_refusals_of_tables():
    x = np.ones((3, 2))
    for f in (pca_basis, pca_project):
        for shape in [(3,), (0, 2), (3, 0)]:
            with pytest.raises(ValueError, match="x must have shape"):
                f(np.ones(shape))
        with pytest.raises(ValueError, match="rank must be 1 to 2"):
            f(x, rank=3)
    for correction in (3, np.nan):
        with pytest.raises(ValueError, match="more than correction"):
            pca_basis(x, correction=correction)


def test_white_rows_are_uncorrelated():
    x = np.random.default_rng(0).normal(size=(50, 5)) @ np.random.default_rng(1).normal(size=(5, 5)) + 3
    var, v = np.linalg.eigh(np.cov(x.T))
    for f in (pca_whiten, zca_whiten):
        assert np.allclose(np.cov(f(x, x.mean(axis=0), v.T, var).T), np.eye(5), atol=1e-10)
    root = v / np.sqrt(var) @ v.T
    assert np.allclose(zca_whiten(x, x.mean(axis=0), v.T, var), (x - x.mean(axis=0)) @ root, rtol=1e-10, atol=1e-10)


def test_is_what_scikit_learn_gives():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(2).normal(size=(40, 6)) * np.arange(1.0, 7.0)
    pca = decomposition.PCA(3, whiten=True, svd_solver="full").fit(x)
    got = pca_whiten(x, pca.mean_, pca.components_, pca.explained_variance_)
    assert np.allclose(got, pca.transform(x), rtol=1e-12, atol=1e-13)


def test_refusals():
    x, mean, axes, var = np.ones((2, 3)), np.zeros(3), np.eye(3), np.ones(3)
    for f in (pca_whiten, zca_whiten):
        for bad, said in [((x, mean[:2], axes, var), "mean"), ((x, mean, axes[:, :2], var), "basis"),
                          ((x, mean, axes, var[:2]), "var")]:  # fmt: skip
            with pytest.raises(ValueError, match=said):
                f(*bad)
        with pytest.raises(ValueError, match="eps"):
            f(x, mean, axes, var, eps=-1.0)
    with pytest.raises(TypeError, match="normalize"):
        pca_whiten(x, mean, axes, var, normalize=1)
