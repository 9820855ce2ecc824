"""Projected and limited gradients by hand, and against torch's Adam."""

import numpy as np
import pytest

from refnorm.proj import fira_scale, galore_adam_step, norm_growth_limiter, perp_grad, svd_projector


def test_by_hand():
    g, w = np.array([3.0, 4.0]), np.array([0.0, 2.0])
    assert perp_grad(g, w).tolist() == [3, 0]
    assert perp_grad(g, w, eps=4.0).tolist() == [3, 2]
    assert perp_grad(g, w, rescale=True).tolist() == [5, 0]
    assert perp_grad(g, 0 * w).tolist() == [3, 4]
    y, n = norm_growth_limiter(np.array([6.0, 8.0]), np.asarray(2.5), growth=2.0, eps=0.0)
    assert (y.tolist(), float(n)) == ([3, 4], 5)
    y, n = norm_growth_limiter(np.array([6.0, 8.0]), np.asarray(9.0), growth=2.0)
    assert (y.tolist(), float(n)) == ([6, 8], 10)
    assert float(norm_growth_limiter(np.array([6.0, 8.0]))[1]) == 10
    x, p, n = np.array([[2.0], [3.0]]), np.array([[1.0], [0.0]]), np.array([[1.0]])
    assert fira_scale(x, p, n, eps=0.0).tolist() == [[1], [1.5]]
    assert fira_scale(x, p, n, eps=0.0, alpha=0.5).tolist() == [[1], [1.5]]


def test_lengths_of_huge_gradients():
    assert np.isclose(float(norm_growth_limiter(np.array([3e200, 4e200]))[1]), 5e200, rtol=1e-15)
    assert np.allclose(perp_grad(np.array([3.0, 4.0]), np.array([0.0, 2e200])), [3, 0])


def test_a_whole_basis_is_adam_in_turned_coordinates(torch):
    p = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    gradients = np.random.default_rng(1).normal(size=(5, 4, 7))
    weight = torch.zeros(4, 7, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=1.0, betas=(0.8, 0.95), eps=0.0)
    mean = var = None
    moved = np.zeros((4, 7))
    for step, g in enumerate(gradients, start=1):
        weight.grad = torch.from_numpy(p.T @ g)
        adam.step()
        y, mean, var = galore_adam_step(g, p, mean, var, momentum=0.8, beta=0.95, eps=0.0, step=step)
        moved -= y
    assert np.allclose(p.T @ moved, weight.detach().numpy(), rtol=1e-10)


def test_refusals():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="weight"):
        perp_grad(x, np.ones(3))
    with pytest.raises(TypeError, match="rescale"):
        perp_grad(x, x, rescale=1)
    with pytest.raises(ValueError, match="eps"):
        perp_grad(x, x, eps=-1.0)
    with pytest.raises(ValueError, match="growth"):
        norm_growth_limiter(x, growth=0.0)
    with pytest.raises(ValueError, match="old"):
        norm_growth_limiter(x, np.ones(2))
    with pytest.raises(ValueError, match="basis"):
        fira_scale(x, np.ones((3, 1)), x[:1])
    with pytest.raises(ValueError, match="other"):
        fira_scale(x, np.ones((2, 1)), x)
    with pytest.raises(ValueError, match="alpha"):
        fira_scale(x, np.ones((2, 1)), x[:1], alpha=np.nan)
    for options in ({"momentum": 1.0}, {"beta": -0.1}, {"step": 0}, {"scale": np.inf}):
        with pytest.raises(ValueError, match=next(iter(options))):
            galore_adam_step(x, np.ones((2, 1)), **options)
    with pytest.raises(ValueError, match="var"):
        galore_adam_step(x, np.ones((2, 1)), None, x)


def test_projectors_by_hand():
    x = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]])
    assert svd_projector(x).tolist() == [[1, 0], [0, 1]]
    assert svd_projector(x.T, rank=1).tolist() == [[1], [0]]
    assert svd_projector(x, rank=1, side="right").tolist() == [[0], [1], [0]]
    assert svd_projector(x[:, :2], rank=1).tolist() == [[0], [1]]  # square: from the right
    assert svd_projector(x[:, :2], rank=1, side="left").tolist() == [[1], [0]]


def test_projection_loses_what_is_cut_off():
    x = np.random.default_rng(7).normal(size=(5, 9))
    s = np.linalg.svd(x, compute_uv=False)
    p, q = svd_projector(x, rank=2), svd_projector(x, rank=2, side="right")
    for rest in (x - p @ (p.T @ x), x - (x @ q) @ q.T):
        assert np.isclose(np.linalg.norm(rest), np.linalg.norm(s[2:]), rtol=1e-12)


def test_a_galore_step_in_the_basis():
    x = np.random.default_rng(8).normal(size=(4, 7))
    y, moment, _ = galore_adam_step(x, svd_projector(x, rank=2))
    assert moment.shape == (2, 7)
    assert np.linalg.matrix_rank(y) == 2


def test_refusals_of_projectors():
    x = np.ones((3, 4))
    for rank in (0, 4):
        with pytest.raises(ValueError, match="rank must be 1 to 3"):
            svd_projector(x, rank=rank)
    with pytest.raises(ValueError, match="side"):
        svd_projector(x, side="both")
    with pytest.raises(ValueError, match="x must have shape"):
        svd_projector(x[0])
