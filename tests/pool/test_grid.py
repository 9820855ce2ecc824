"""Grids of points by hand, at their edges, and against SciPy and torch."""

import numpy as np
import pytest

from refnorm.pool import grid_gather, grid_scatter_pool

X = np.array([[1.0, -1.0], [5.0, -5.0], [2.0, -2.0]])
U = np.array([[0.1], [0.3], [0.9]])


def test_by_hand():
    for reduce, wanted in [("max", [5, 2]), ("mean", [3, 2]), ("sum", [6, 2]), ("min", [1, 2])]:
        grid, counts, cell = grid_scatter_pool(X, U, output_size=2, reduce=reduce)
        assert grid[0].tolist() == wanted
        assert (counts.tolist(), cell.tolist()) == ([2, 1], [0, 0, 1])
    outside = np.array([[-3.0, 0.0], [0.5, 9.0], [0.5, np.nan]])
    grid, counts, cell = grid_scatter_pool(X, outside, output_size=(2, 3), fill=-7.0)
    assert cell.tolist() == [0, 5, -1]
    assert counts.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert grid[0].tolist() == [[1, -7, -7], [-7, -7, 5]]
    assert grid_gather(grid, outside[:2]).tolist() == [[1, -1], [5, -5]]
    assert np.isnan(grid_gather(grid, outside)[2]).all()
    assert grid_gather(np.array([[2.0, 6.0]]), np.array([[0.5], [0.4], [7.0]]), kind="linear")[:, 0].tolist() == [
        4.0,
        3.2,
        6.0,
    ]


def test_equals_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(200, 2)), rng.uniform(-1, 3, (200, 2))
    grid, counts, _ = grid_scatter_pool(x, u, output_size=(3, 4), low=-1.0, high=3.0, reduce="mean")
    span = [(-1.0, 3.0)] * 2
    wanted = stats.binned_statistic_dd(u, list(x.T), "mean", bins=(3, 4), range=span)
    np.testing.assert_allclose(grid, wanted.statistic, rtol=1e-12)
    many = stats.binned_statistic_dd(u, x[:, 0], "count", bins=(3, 4), range=span).statistic
    assert np.array_equal(counts, many)


def test_linear_equals_torch(torch):
    rng = np.random.default_rng(1)
    x, u = rng.normal(size=(3, 4, 5)), rng.uniform(-0.2, 1.2, (40, 2))
    at = torch.from_numpy(2 * u[:, ::-1].copy() - 1)[None, None]
    for kind, mode in [("linear", "bilinear")]:
        how = dict(mode=mode, padding_mode="border", align_corners=False)
        wanted = torch.nn.functional.grid_sample(torch.from_numpy(x)[None], at, **how)[0, :, 0].T
        np.testing.assert_allclose(grid_gather(x, u, kind=kind), wanted.numpy(), rtol=1e-10, atol=1e-12)


def test_refusals():
    for call, error, said in [
        (lambda: grid_scatter_pool(X[0], U, output_size=2), ValueError, "x and coordinates must have shape"),
        (lambda: grid_scatter_pool(X, U[:2], output_size=2), ValueError, "coordinates must have shape"),
        (lambda: grid_scatter_pool(X, U, output_size=0), ValueError, "output_size must be at least 1"),
        (lambda: grid_scatter_pool(X, U, output_size=2, low=1.0), ValueError, "low must be below high"),
        (lambda: grid_scatter_pool(X, U, output_size=2, high=(1.0, 2.0)), ValueError, "high must have one entry"),
        (lambda: grid_scatter_pool(X, U, output_size=2, low="0"), TypeError, "low must be a number"),
        (lambda: grid_scatter_pool(X, U, output_size=2, fill=None), TypeError, "fill must be a real number"),
        (lambda: grid_scatter_pool(X, U, output_size=2, reduce="all"), ValueError, "reduce must be"),
        (lambda: grid_gather(X, U[:, 0]), ValueError, "coordinates must have shape"),
        (lambda: grid_gather(X[0], U), ValueError, "x must have shape"),
        (lambda: grid_gather(X, U, kind="cubic"), ValueError, "kind must be"),
    ]:
        with pytest.raises(error, match=said):
            call()
