"""Memberships of neighbours by hand, and as umap-learn finds them."""

import numpy as np
import pytest

from refnorm.proj import smooth_knn_membership


def test_memberships():
    p = smooth_knn_membership(np.array([0.0, 1.0, 2.0, 2.0]))
    assert np.allclose(p, [1, 1, 0.5, 0.5], rtol=1e-15)
    assert smooth_knn_membership(np.array([0.0, 1.0, 2.0, 3.0]), scale=2.0).tolist() == [1, 1, 1, 1]
    assert smooth_knn_membership(np.zeros(5)).tolist() == [1, 1, 1, 1, 1]
    p = smooth_knn_membership(np.array([0.0, 1.0, 3.0, 5.0, 7.0]), connectivity=1.5, scale=1.0)
    assert np.isclose(p[1:].sum(), np.log2(5), rtol=1e-15)
    assert np.isclose(np.log(p[3]) / np.log(p[2]), 3, rtol=1e-13)
    narrow = smooth_knn_membership(np.array([0.0, 1.0, 2.0, 3.0]), scale=0.25)
    assert np.allclose(narrow, np.exp([0, 0, -1 / 0.0015, -2 / 0.0015]), rtol=1e-12)


def test_memberships_are_those_of_halved_intervals():
    """As umap-learn finds them: to 1e-5 of the sum."""
    d = np.sort(np.random.default_rng(0).gamma(2.0, 1.0, (20, 15)), axis=1)
    d[:, 0] = 0
    p = smooth_knn_membership(d)
    for row, got in zip(d, p, strict=True):
        low, high, sigma = 0.0, np.inf, 1.0
        gaps = np.maximum(row - row[1], 0)
        for _ in range(64):
            s = np.exp(-gaps[1:] / sigma).sum()
            if abs(s - np.log2(15)) < 1e-5:
                break
            low, high = (low, sigma) if s > np.log2(15) else (sigma, high)
            sigma = 2 * sigma if high == np.inf else (low + high) / 2
        assert np.allclose(got, np.exp(-gaps / sigma), atol=1e-5)


def test_refusals():
    x = np.ones((2, 3))
    for name in ("connectivity", "scale"):
        for bad in (0.0, np.inf):
            with pytest.raises(ValueError, match=f"{name} must be above 0 and finite"):
                smooth_knn_membership(x, **{name: bad})
    with pytest.raises(ValueError, match="empty"):
        smooth_knn_membership(np.ones((2, 0)))
