"""One subspace by hand, and against least squares, QR and SVD."""

import numpy as np
import pytest

from refnorm.proj import (
    fit_position_directions,
    subspace_direction_loss,
    subspace_distance_loss,
    subspace_project,
    subspace_remove,
)

UP, ALONG = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])


def test_by_hand():
    x = np.array([3.0, 4.0])
    assert subspace_project(x, UP).tolist() == [0, 4]
    assert subspace_project(x, UP, np.array([1.0, 9.0])).tolist() == [1, 4]
    assert subspace_remove(x, 2 * UP).tolist() == [3, 0]
    assert subspace_remove(x, 2 * UP, alpha=0.5).tolist() == [3, 2]
    assert subspace_remove(x, np.array([[0.0, 2.0], [0.0, 3.0]])).tolist() == [3, 0]
    assert subspace_remove(x, np.zeros((1, 2))).tolist() == [3, 4]
    assert float(subspace_distance_loss(x[None], np.stack([UP, ALONG]))) == 7
    assert float(subspace_distance_loss(x[None], np.stack([UP, ALONG]), None, np.array([2.0, 0.5]))) == 8
    old = np.array([[1.0, 2.0]])
    assert float(subspace_direction_loss(np.array([[1.0, 1.0]]), old, ALONG, eps=0.0)) == 0
    assert float(subspace_direction_loss(np.array([[1.0, 5.0]]), old, ALONG, eps=0.0)) == 2
    assert float(subspace_direction_loss(np.array([[4.0, 2.0]]), old, ALONG, eps=0.0)) == 1
    assert float(subspace_direction_loss(old, old, ALONG)) == 1


def test_projection_is_least_squares():
    rng = np.random.default_rng(0)
    rows, x = rng.normal(size=(3, 7)), rng.normal(size=(5, 7))
    basis = np.linalg.qr(rows.T)[0].T
    wanted = (rows.T @ np.linalg.lstsq(rows.T, x.T, rcond=None)[0]).T
    assert np.allclose(subspace_project(x, basis), wanted, rtol=1e-12, atol=1e-13)


def test_removal_is_that_of_singular_vectors():
    """As DECOR has it; and as Franca: a pair of directions, made orthogonal, one after the other."""
    rng = np.random.default_rng(1)
    x, bad = rng.normal(size=(5, 7)), rng.normal(size=(2, 7))
    v = np.linalg.svd(bad, full_matrices=False)[2]
    assert np.allclose(subspace_remove(x, bad, alpha=0.5), x - 0.5 * x @ v.T @ v, rtol=1e-12, atol=1e-13)
    u = bad[0] / np.linalg.norm(bad[0])
    w = bad[1] - (bad[1] @ u) * u
    w = w / np.linalg.norm(w)
    wanted = x - np.outer(x @ u, u) - np.outer(x @ w, w)
    assert np.allclose(subspace_remove(x, bad), wanted, rtol=1e-12, atol=1e-13)


def test_gradients_where_a_length_is_zero(torch):
    x = torch.tensor([[0.0, 4.0]], dtype=torch.float64, requires_grad=True)
    subspace_distance_loss(x, torch.from_numpy(UP)[None]).backward()
    assert x.grad.tolist() == [[0, 0]]


def test_nan_is_not_swallowed():
    x = np.array([[1.0, np.nan], [3.0, 4.0]])
    for f in (subspace_project, subspace_remove):
        y = f(x, np.array([[0.6, 0.8]]))
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1]).all()
    assert np.isnan(subspace_distance_loss(x, UP[None]))
    assert np.isnan(subspace_remove(np.ones(2), np.array([[np.nan, 1.0]]))).all()


def test_refusals():
    x = np.ones((2, 3))
    for bad in (np.ones((2, 4)), np.ones(3), np.ones((1, 2, 3))):
        with pytest.raises(ValueError, match="basis must have shape"):
            subspace_project(x, bad)
        with pytest.raises(ValueError, match="directions must have shape"):
            subspace_remove(x, bad)
    with pytest.raises(ValueError, match="origin"):
        subspace_project(x, np.ones((1, 3)), np.ones(2))
    with pytest.raises(ValueError, match="alpha"):
        subspace_remove(x, np.ones((1, 3)), alpha=np.inf)
    with pytest.raises(ValueError, match="basis must have shape"):
        subspace_distance_loss(x, np.ones((1, 3)))
    with pytest.raises(ValueError, match="old"):
        subspace_direction_loss(x, x[0], np.ones((1, 3)))


def test_directions_are_fitted_as_torch_does(torch):
    x, w, c = (torch.randn(*s, dtype=torch.float64) for s in [(7, 4), (2, 4), (7, 2)])
    for activation, bend in [("sigmoid", torch.sigmoid), ("none", lambda z: z)]:
        weight = w.clone().requires_grad_()
        sgd = torch.optim.SGD([weight], lr=0.5)
        for _ in range(5):
            sgd.zero_grad()
            torch.nn.functional.mse_loss(bend(x @ weight.T), c).backward()
            sgd.step()
        got = fit_position_directions(x, w, c, step=0.5, count=5, activation=activation)
        torch.testing.assert_close(got, weight.detach(), rtol=1e-12, atol=1e-13)


def test_straight_steps_end_at_least_squares():
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    w = fit_position_directions(x, np.zeros((2, 3)), c, step=0.5, count=300, activation="none")
    assert np.allclose(w, np.linalg.lstsq(x, c, rcond=None)[0].T, rtol=1e-8, atol=1e-10)


def test_fits_are_refused():
    x, w, c = np.ones((4, 3)), np.ones((2, 3)), np.ones((4, 2))
    for bad, said in [((x[0], w, c), "x must"), ((x, w.T, c), "weight must"), ((x, w, c[:3]), "coordinates")]:
        with pytest.raises(ValueError, match=said):
            fit_position_directions(*bad)
    for options in ({"count": 0}, {"step": -1.0}, {"activation": "relu"}):
        with pytest.raises(ValueError):
            fit_position_directions(x, w, c, **options)
