"""Orthogonal matrices by hand, against SciPy and torch, and refusals."""

import numpy as np
import pytest
import scipy.linalg

from refnorm.proj import orthogonal_parametrization, orthogonal_parametrization_vjp

KINDS = ("exp", "cayley", "householder")


def test_by_hand():
    x = np.array([[7.0, 7.0], [np.pi / 6, 7.0]])
    half = 3**0.5 / 2
    assert np.allclose(orthogonal_parametrization(x), [[half, -0.5], [0.5, half]], rtol=1e-15)
    x[1, 0] = 2.0  # half an angle of tangent 1
    assert np.allclose(orthogonal_parametrization(x, kind="cayley"), [[0, -1], [1, 0]], atol=1e-15)
    x[1, 0] = 1.0  # the line at 45 degrees, and then the second axis
    assert np.allclose(orthogonal_parametrization(x, kind="householder"), [[0, 1], [-1, 0]], atol=1e-15)


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 30.0, 1000.0])
def test_the_exponential_is_scipys(size):
    x = size * np.random.default_rng(0).normal(size=(7, 7))
    low = np.tril(x, -1)
    q = orthogonal_parametrization(x)
    assert np.allclose(q, scipy.linalg.expm(low - low.T), atol=1e-13 * max(1, size))
    assert np.allclose(q.T @ q, np.eye(7), atol=1e-12)
    assert np.isclose(np.linalg.det(q), 1, rtol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 5)])
def test_is_torchs(torch, shape, kind):
    x = np.random.default_rng(1).normal(size=shape)
    layer = torch.nn.Linear(shape[1], shape[0], bias=False).double()
    name = "matrix_exp" if kind == "exp" else kind
    torch.nn.utils.parametrizations.orthogonal(layer, orthogonal_map=name, use_trivialization=False)
    given = x.copy()
    if kind == "householder":
        np.fill_diagonal(given, 1)  # the signs it keeps there
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(torch.from_numpy(given))
        assert np.allclose(orthogonal_parametrization(x, kind=kind), layer.weight.numpy(), atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_autograds(torch, kind):
    rng = np.random.default_rng(2)
    for shape in [(4, 4), (2, 5, 3), (2, 4)]:
        x, g = rng.normal(size=(2, *shape))
        given = torch.from_numpy(x).requires_grad_()
        orthogonal_parametrization(given, kind=kind).backward(torch.from_numpy(g))
        assert np.allclose(orthogonal_parametrization_vjp(g, x, kind=kind), given.grad.numpy(), atol=1e-13)


def test_turns_without_end_are_nan():
    assert np.isnan(orthogonal_parametrization(np.full((3, 3), 1e9))).all()
    assert np.isfinite(orthogonal_parametrization(np.full((3, 3), 1e9), kind="cayley")).all()


def test_refusals():
    for call, said in [
        (lambda: orthogonal_parametrization(np.ones(3)), r"x must have shape \(\.\.\., m, n\)"),
        (lambda: orthogonal_parametrization(np.ones((2, 2)), kind="matrix_exp"), "kind must be one of exp, cayley"),
        (lambda: orthogonal_parametrization_vjp(np.ones((2, 3)), np.ones((2, 2))), "cotangent must have shape"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()
