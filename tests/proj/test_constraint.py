"""Projections on sets by hand, at their edges, and against SciPy, torch and the conditions of the nearest point."""

import numpy as np
import pytest
from scipy.optimize import minimize

import refnorm
from refnorm.proj import (
    project_box_simplex,
    project_l0_ball,
    project_l2_ball,
    project_l2_ball_vjp,
    project_simplex,
    project_simplex_vjp,
)

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])


@LANES
def test_simplex_by_hand(lane):
    with refnorm.lane(lane):
        assert project_simplex(np.array([1.0, 0.5, -2.0])).tolist() == [0.75, 0.25, 0]
        assert project_simplex(np.array([3.0, 1.0, 0.0])).tolist() == [1, 0, 0]
        assert project_simplex(np.zeros(4), total=2.0).tolist() == [0.5] * 4
        assert project_simplex(np.array([0.0, -np.inf])).tolist() == [1, 0]
        assert project_simplex(np.array([[2.0, 2.0], [1.0, -7.0]]), axis=0).tolist() == [[1, 1], [0, 0]]
        x = np.array([1.0, 0.5, -2.0])
        assert project_simplex_vjp(np.array([1.0, 0.0, 5.0]), x).tolist() == [0.5, -0.5, 0]


@LANES
def test_on_the_border_of_the_support_counts_as_outside(lane):
    """x = (1, 0): the threshold is 0, and the second element lies on it."""
    with refnorm.lane(lane):
        assert project_simplex(np.array([1.0, 0.0])).tolist() == [1, 0]
        assert project_simplex_vjp(np.array([3.0, 5.0]), np.array([1.0, 0.0])).tolist() == [0, 0]


@LANES
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_without_an_answer(dtype, lane):
    fine = [1.0, 2.0, 0.5] + [0.0] * 20
    for bad in ([-np.inf] * 23, [np.inf, *fine[1:]], [*fine[:22], np.inf], [np.nan, *fine[1:]], [*fine[:22], np.nan]):
        x = np.array([fine, bad, fine], dtype=dtype)
        with refnorm.lane(lane), np.errstate(all="ignore"):
            y, dx = project_simplex(x), project_simplex_vjp(np.ones_like(x), x)
        for answer in (y, dx):
            assert np.isnan(answer[1]).all()
            assert np.isfinite(answer[[0, 2]]).all()


@pytest.mark.skipif(refnorm._lanes.cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("total", [1e-3, 1.0, 40.0, 1e6])
@pytest.mark.parametrize("n", [1, 3, 1023, 1025, 3001])
def test_supports_of_every_size(n, total):
    """Few survivors are copied, many are not: both meet the formula, sums are `total`, entries keep their order."""
    x = np.random.default_rng(n).normal(size=(4, n))
    with refnorm.lane("formula"):
        wanted = project_simplex(x, total=total)
    with refnorm.lane("kernel"):
        got = project_simplex(x, total=total)
    assert np.allclose(got, wanted, rtol=1e-12, atol=1e-13 * total)
    assert np.allclose(got.sum(axis=-1), total, rtol=1e-12)


@LANES
def test_nearer_than_any_other_point(lane):
    """<x - y, p - y> <= 0 for every point p of the set: what makes y the nearest."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 7))
    others = rng.dirichlet(np.ones(7), 200)
    with refnorm.lane(lane):
        y = project_simplex(x)
    turn = lambda y: np.max(np.einsum("ij,ikj->ik", x - y, others[None] - y[:, None]))
    assert turn(y) <= 1e-12
    assert turn(np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)) > 1e-3  # softmax is another point


def test_ball_by_hand():
    assert project_l2_ball(np.array([3.0, 4.0]), radius=2.5).tolist() == [1.5, 2]
    assert project_l2_ball(np.array([3.0, 4.0]), radius=5.0).tolist() == [3, 4]
    assert project_l2_ball(np.zeros(3)).tolist() == [0, 0, 0]
    assert project_l2_ball(np.array([3.0, 4.0]), radius=0.0).tolist() == [0, 0]
    assert project_l2_ball_vjp(np.array([1.0, 7.0]), np.array([0.0, 4.0])).tolist() == [0.25, 0]
    assert project_l2_ball_vjp(np.array([1.0, 7.0]), np.array([0.6, 0.0])).tolist() == [1, 7]
    assert np.allclose(project_l2_ball(np.array([3e300, 4e300])), [0.6, 0.8], rtol=4e-16)
    assert np.isnan(project_l2_ball(np.array([np.nan, 0.1]))).all()


def test_ball_is_torch_renorm_but_for_its_eps(torch):
    x = np.random.default_rng(2).normal(size=(9, 5))
    wanted = torch.renorm(torch.from_numpy(x), 2, 0, 2.0).numpy()
    assert np.allclose(project_l2_ball(x, radius=2.0), wanted, rtol=2e-7)


def test_gradient_of_a_zero_vector(torch):
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    project_l2_ball(x).sum().backward()
    assert x.grad.tolist() == [[1, 1, 1]] * 2


def test_l0_by_hand():
    x = np.array([3.0, -1.0, 1.0, -4.0])
    assert project_l0_ball(x, k=3).tolist() == [3, -1, 0, -4]
    assert project_l0_ball(x, k=0).tolist() == [0] * 4
    assert project_l0_ball(x, k=9).tolist() == x.tolist()
    assert project_l0_ball(np.array([[1.0, 5.0], [2.0, 3.0]]), axis=(0, 1), k=2).tolist() == [[0, 5], [0, 3]]
    assert np.isnan(project_l0_ball(np.array([np.inf, np.nan, 2.0]), k=2)[1])


def test_l0_is_global_unstructured_pruning(torch):
    from torch.nn.utils import prune

    weight = torch.nn.Linear(7, 5, bias=False)
    wanted = project_l0_ball(weight.weight.detach().numpy(), axis=(0, 1), k=35 - 12)
    prune.global_unstructured([(weight, "weight")], prune.L1Unstructured, amount=12)
    assert np.array_equal(weight.weight.detach().numpy(), wanted)


def test_box_by_hand():
    zero, box = np.zeros(3), np.full(3, 0.75)
    assert project_box_simplex(np.array([3.0, 1.0, 0.0]), zero, box).tolist() == [0.75, 0.25, 0]
    assert project_box_simplex(np.zeros(3), zero, box, total=1.5).tolist() == [0.5] * 3
    assert project_box_simplex(np.ones(3), zero, box, total=9.0).tolist() == [0.75] * 3
    assert project_box_simplex(np.ones(3), zero, box, total=-9.0).tolist() == [0] * 3
    free = project_box_simplex(np.array([1.0, 0.5, -2.0]), zero, np.full(3, np.inf))
    assert free.tolist() == [0.75, 0.25, 0]
    assert np.isnan(project_box_simplex(np.array([1.0, np.nan, 0.0]), zero, box)).all()


def test_box_against_a_solver():
    rng = np.random.default_rng(4)
    x, low, high = rng.normal(size=6), rng.uniform(-1, 0, 6), rng.uniform(0.1, 1, 6)
    solved = minimize(
        lambda y: np.sum((y - x) ** 2),
        (low + high) / 2,
        jac=lambda y: 2 * (y - x),
        bounds=list(zip(low, high, strict=True)),
        constraints={"type": "eq", "fun": lambda y: y.sum() - 1.25},
        options={"ftol": 1e-14},
    )
    assert np.allclose(project_box_simplex(x, low, high, total=1.25), solved.x, atol=1e-6)


@pytest.mark.parametrize("f", [project_simplex, project_l2_ball])
def test_sizes_are_refused(f):
    option = "total" if f is project_simplex else "radius"
    for bad, error in [(-1.0, ValueError), (np.inf, ValueError), (np.nan, ValueError), ("1", TypeError)]:
        with pytest.raises(error, match=option):
            f(np.ones(3), **{option: bad})
    with pytest.raises(ValueError, match="empty"):
        f(np.ones((3, 0)))


def test_refusals():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="above zero"):
        project_simplex(x, total=0.0)
    with pytest.raises(ValueError, match="k must"):
        project_l0_ball(x, k=-1)
    with pytest.raises(TypeError):
        project_l0_ball(x, k=1.5)
    with pytest.raises(ValueError, match="upper must have shape"):
        project_box_simplex(x, np.zeros(3), np.ones(2))
    with pytest.raises(TypeError, match="total"):
        project_box_simplex(x, np.zeros(3), np.ones(3), total=None)
