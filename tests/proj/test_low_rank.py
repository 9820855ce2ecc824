"""Leading singular triples by hand, their signs, and against SciPy, scikit-learn and torch; ranks by hand."""

import numpy as np
import pytest

from refnorm.proj import energy_rank, greedy_rank_allocation, low_rank_gradient_step, svd_linear, truncated_svd


def test_by_hand():
    u, s, v = truncated_svd(np.array([[0.0, -3.0], [2.0, 0.0], [0.0, 0.0]]))
    assert (u.tolist(), s.tolist(), v.tolist()) == ([[-1, 0], [0, 1], [0, 0]], [3, 2], [[0, 1], [1, 0]])
    u, s, v = truncated_svd(np.array([[0.0, -3.0], [2.0, 0.0], [0.0, 0.0]]), rank=1)
    assert (u.tolist(), s.tolist(), v.tolist()) == ([[-1], [0], [0]], [3], [[0], [1]])
    x, g = np.array([[0.0, 3.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    assert low_rank_gradient_step(x, g, rank=1, step=0.5).tolist() == [[0, 2.5], [0, 0]]
    assert low_rank_gradient_step(x, g, rank=1, step=2.5).tolist() == [[0, 0], [1, 0]]


def test_values_are_scipys_and_what_is_left_is_least():
    linalg = pytest.importorskip("scipy.linalg")
    x = np.random.default_rng(0).normal(size=(7, 5))
    u, s, v = truncated_svd(x, rank=3)
    every = linalg.svd(x, compute_uv=False, lapack_driver="gesvd")
    assert np.allclose(s, every[:3], rtol=1e-13)
    assert np.isclose(np.linalg.norm(x - (u * s) @ v.T), np.linalg.norm(every[3:]), rtol=1e-12)
    assert np.allclose((u * s) @ v.T, low_rank_gradient_step(x, 0 * x, rank=3), rtol=1e-12, atol=1e-13)


def test_signs_are_scikit_learns():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(1).normal(size=(40, 6)) * np.arange(1.0, 7.0)
    pca = decomposition.PCA(svd_solver="full").fit(x)
    _, s, v = truncated_svd(x - x.mean(axis=0))
    assert np.allclose(v.T, pca.components_, rtol=1e-11, atol=1e-12)
    assert np.allclose(s, pca.singular_values_, rtol=1e-12)


def test_signs_are_the_same_for_every_library(lib):
    """Also where two entries are as large but for rounding."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5, 4))
    turned = np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]) * [[3.0], [1.0]]
    for m in (x, x.T, -x, turned, -turned):
        u, s, v = truncated_svd(m)
        assert np.all(np.sign(v[np.argmax(np.abs(v) > (1 - 1e-6) * np.abs(v).max(axis=0), axis=0), range(len(s))]) == 1)
        with lib.opened():
            for got, wanted in zip(truncated_svd(lib.take(m)), (u, s, v), strict=True):
                assert np.allclose(lib.give(got), wanted, rtol=1e-10, atol=1e-12)


def test_triples_fit_the_linear_map():
    rng = np.random.default_rng(3)
    w, x = rng.normal(size=(4, 6)), rng.normal(size=(3, 6))
    assert np.allclose(svd_linear(x, *truncated_svd(w)), x @ w.T, rtol=1e-12, atol=1e-13)


def test_values_that_vanish_have_orthonormal_columns_too():
    for x in (np.zeros((4, 3)), np.ones((3, 5))):
        u, s, v = truncated_svd(x)
        assert np.allclose(u.T @ u, np.eye(3), atol=1e-13)
        assert np.allclose(v.T @ v, np.eye(3), atol=1e-13)
        assert np.allclose(s[1:], 0, atol=1e-14)


def test_torch_gradient_flows(torch):
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: low_rank_gradient_step(a, 0 * a, rank=2), [x])


def test_refusals():
    x = np.ones((4, 3))
    for f in (truncated_svd, lambda x, **o: low_rank_gradient_step(x, x, **o)):
        for rank in (0, 4, -1):
            with pytest.raises(ValueError, match="rank must be 1 to 3"):
                f(x, rank=rank)
        with pytest.raises(TypeError, match="rank"):
            f(x, rank=1.0)
        for shape in [(3,), (0, 3), (2, 3, 0)]:
            with pytest.raises(ValueError, match="x must have shape"):
                f(np.ones(shape))
    with pytest.raises(ValueError, match="direction"):
        low_rank_gradient_step(x, x.T)
    with pytest.raises(ValueError, match="step"):
        low_rank_gradient_step(x, x, step=np.inf)


def ranks(x, **options):
    return energy_rank(x, **options)[0].tolist()


def test_ranks_by_hand():
    x = np.array([1.0, -4.0, 2.0, 3.0])
    assert [ranks(x, ratio=r) for r in (0.3, 0.4, 0.41, 0.7, 0.75, 1.0)] == [1, 1, 2, 2, 3, 4]
    assert [ranks(x, ratio=r, p=2) for r in (0.5, 0.6, 0.84, 0.9)] == [1, 2, 3, 3]
    assert ranks(np.eye(5)) == [1] * 5
    assert ranks(np.ones((2, 100)), ratio=0.99) == [99, 99]
    assert ranks(np.zeros((1, 3))) == [1]
    assert [float(energy_rank(x, ratio=r, p=p)[1]) for r, p in ((0.3, 1), (0.7, 1), (0.6, 2))] == [0.4, 0.7, 25 / 30]
    with np.errstate(invalid="ignore"):
        r, share = energy_rank(np.array([[np.nan, 9.0, 1.0], [np.inf, 1.0, 2.0], [0.0, 0.0, 0.0]]))
    assert r.tolist() == [3, 1, 1]
    assert np.array_equal(share, [np.nan, np.nan, 1], equal_nan=True)


def test_what_is_small_still_counts():
    """A sum from the largest down would lose a thousand numbers of half its rounding."""
    assert ranks(np.array([1.0] + [2.0**-54] * 1000), ratio=1.0) == 1001
    assert ranks(np.array([1e200, 1e200, 1e-200]), ratio=0.5, p=2) == 1


def test_rank_is_scikit_learns_explained_variance():
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(4).normal(size=(30, 8)) * 2.0 ** np.arange(8)
    s = truncated_svd(x - x.mean(axis=0))[1]
    for ratio in (0.5, 0.9, 0.99):
        pca = decomposition.PCA(n_components=ratio, svd_solver="full").fit(x)
        rank, share = energy_rank(s, ratio=ratio, p=2)
        assert int(rank) == pca.n_components_
        assert np.isclose(share, np.sum(pca.explained_variance_ratio_), rtol=1e-12)


def test_ranks_fall_where_it_costs_least():
    errors, old = np.array([[0.5, 0.1], [0.2, 0.3]]), np.array([[8, 4], [8, 8]])
    rounds = [greedy_rank_allocation(errors, old, step=4, count=c) for c in (1, 2, 3, 9)]
    assert [r.tolist() for r, _ in rounds] == [[[8, 4], [4, 8]], [[8, 4], [4, 4]], [[4, 4], [4, 4]], [[4, 4], [4, 4]]]
    assert [float(mean) for _, mean in rounds] == [6, 5, 4, 4]
    equal, _ = greedy_rank_allocation(np.array([np.nan, 1.0, 1.0]), np.array([2, 2, 2]), step=1, count=1)
    assert equal.tolist() == [2, 1, 2]
    many, _ = greedy_rank_allocation(np.arange(400) % 3 / 4, np.full(400, 2), step=1, count=7)
    assert np.flatnonzero(many == 1).tolist() == [0, 3, 6, 9, 12, 15, 18]


def test_refusals_of_ranks():
    for ratio in (0.0, 1.5, -1.0, np.nan):
        with pytest.raises(ValueError, match="ratio"):
            energy_rank(np.ones(3), ratio=ratio)
    for p in (0, -1, np.inf):
        with pytest.raises(ValueError, match="p must"):
            energy_rank(np.ones(3), p=p)
    with pytest.raises(ValueError, match="empty"):
        energy_rank(np.ones((3, 0)))
    x, old = np.ones(3), np.ones(3, int)
    with pytest.raises(TypeError, match="old"):
        greedy_rank_allocation(x, x, step=1, count=1)
    with pytest.raises(ValueError, match="old"):
        greedy_rank_allocation(x, old[:2], step=1, count=1)
    with pytest.raises(ValueError, match="empty"):
        greedy_rank_allocation(x[:0], old[:0], step=1, count=1)
    for options in ({"step": 0, "count": 1}, {"step": 1, "count": 0}):
        with pytest.raises(ValueError, match="1 or more"):
            greedy_rank_allocation(x, old, **options)
