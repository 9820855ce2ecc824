"""Farthest points and nearest neighbours by hand, refusals, and scikit-learn's neighbours beside them."""

import numpy as np
import pytest

from refnorm.pool import farthest_point_sample, knn_pool

LINE = np.array([[0.0], [1.0], [5.0], [9.0]])
X = np.array([[1.0, 8.0], [5.0, 0.0], [3.0, 2.0], [7.0, 7.0]])
Q = np.array([[0.25], [8.0]])


def test_by_hand():
    assert farthest_point_sample(LINE, k=4)[1].tolist() == [0, 3, 2, 1]
    assert farthest_point_sample(LINE, k=3, start=2)[0].tolist() == [[5], [0], [9]]
    assert farthest_point_sample(np.zeros((3, 2)), k=3, start=1)[1].tolist() == [1, 0, 0]
    assert knn_pool(X, LINE, Q, k=1).tolist() == [[1, 8], [7, 7]]
    assert knn_pool(X, LINE, Q, k=2).tolist() == [[5, 8], [7, 7]]
    assert knn_pool(X, LINE, Q, k=2, reduce="mean").tolist() == [[3, 4], [5, 4.5]]
    near = 1 / (1 + np.exp(-0.5))  # squares 1/16 and 9/16
    wanted = near * X[0] + (1 - near) * X[1]
    assert knn_pool(X, LINE, Q, k=2, reduce="softmax")[0] == pytest.approx(wanted)
    assert knn_pool(X, LINE, Q, k=2, reduce="softmax", tau=0.5)[0] != pytest.approx(wanted)
    assert knn_pool(X, LINE, Q, k=2, reduce="softmax", squared=False)[0] == pytest.approx(wanted)  # 1/4 and 3/4
    assert knn_pool(X, LINE, np.array([[0.5]]), k=1).tolist() == [[1, 8]]  # the first of equals


def test_nan_is_not_passed_over():
    p = LINE.copy()
    p[3] = np.nan
    assert farthest_point_sample(p, k=2)[1].tolist() == [0, 3]
    assert knn_pool(X, p, Q, k=1).tolist() == [[7, 7], [7, 7]]
    assert np.isnan(knn_pool(X, p, Q, k=2, reduce="softmax")).all()


def test_scikit_learn_neighbours():
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(0)
    x, p, q = rng.normal(size=(30, 4)), rng.normal(size=(30, 3)), rng.normal(size=(5, 3))
    _, near = NearestNeighbors(n_neighbors=6).fit(p).kneighbors(q)
    assert np.array_equal(knn_pool(x, p, q, k=6), x[near].max(axis=1))
    assert np.allclose(knn_pool(x, p, q, k=6, reduce="mean"), x[near].mean(axis=1), rtol=1e-13)


def test_distances_never_rise():
    x = np.random.default_rng(1).normal(size=(40, 3))
    _, at = farthest_point_sample(x, k=40)
    gaps = [min(np.linalg.norm(x[at[i]] - x[at[j]]) for j in range(i)) for i in range(1, 40)]
    assert sorted(at) == list(range(40))
    assert gaps == sorted(gaps, reverse=True)


def test_refusals():
    for call, error, said in [
        (lambda: farthest_point_sample(LINE[0], k=1), ValueError, r"x must have shape \(\.\.\., n, d\), got \(1,\)"),
        (lambda: farthest_point_sample(LINE, k=5), ValueError, "k must be from 1 to the 4 points, got 5"),
        (lambda: farthest_point_sample(LINE, k=1.5), TypeError, "k must be an int"),
        (lambda: farthest_point_sample(LINE, k=1, start=4), ValueError, "start must be from 0 to 3, got 4"),
        (lambda: farthest_point_sample(LINE, k=1, start="0"), TypeError, "start must be an int"),
        (lambda: knn_pool(X, LINE[:2], Q, k=1), ValueError, r"coordinates must have shape \(4, 1\), got \(2, 1\)"),
        (lambda: knn_pool(X, LINE, X, k=1), ValueError, r"query must have shape \(4, 1\), got \(4, 2\)"),
        (lambda: knn_pool(X, LINE, Q[0], k=1), ValueError, r"query must have shape \('queries', 1\), got \(1,\)"),
        (lambda: knn_pool(X, LINE, Q, k=5), ValueError, "k must be from 1 to the 4 points, got 5"),
        (lambda: knn_pool(X, LINE, Q, k=1, reduce="sum"), ValueError, "reduce must be 'max', 'mean' or 'softmax'"),
        (lambda: knn_pool(X, LINE, Q, k=1, tau=0.0), ValueError, "tau must be above zero"),
        (lambda: knn_pool(X, LINE, Q, k=1, squared=1), TypeError, "squared must be True or False"),
    ]:
        with pytest.raises(error, match=said):
            call()
