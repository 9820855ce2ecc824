"""Classes as subspaces by hand, and against projections."""

import numpy as np
import pytest

from refnorm.proj import grassmann_exp, grassmann_logits, grassmann_logits_vjp, grassmann_retract, principal_angles

BASIS = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])


def test_by_hand():
    x = np.array([3.0, 0.0, 4.0])
    assert grassmann_logits(x, BASIS, scale=10.0).tolist() == [6, 8]
    assert grassmann_logits(x, BASIS, np.array([1.0, -1.0]), scale=2.0, normalize=False).tolist() == [7, 7]
    assert grassmann_logits(x, BASIS, scale=1.0, eps=10.0).tolist() == [0.3, 0.4]
    assert grassmann_logits(0 * x, BASIS).tolist() == [0, 0]


def test_is_the_length_of_the_projection():
    rng = np.random.default_rng(0)
    basis = np.stack([np.linalg.qr(rng.normal(size=(7, 3)))[0].T for _ in range(4)])
    x = rng.normal(size=(5, 7))
    wanted = [np.linalg.norm(x @ s.T @ s, axis=1) / np.linalg.norm(x, axis=1) for s in basis]
    assert np.allclose(grassmann_logits(x, basis, scale=1.0), np.transpose(wanted), rtol=1e-13)


def test_no_gradient_where_a_projection_is_zero():
    x = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    dx, dbasis, dbias = grassmann_logits_vjp(np.ones((2, 2)), x, BASIS)
    assert np.isfinite(dx).all()
    assert np.isfinite(dbasis).all()
    assert dbias is None
    assert dx[1].tolist() == [0, 0, 0]


def test_refusals():
    x = np.ones((2, 3))
    for bad in (np.ones((2, 3)), np.ones((2, 1, 4)), np.ones((0, 1, 3))):
        with pytest.raises(ValueError, match="basis must have shape"):
            grassmann_logits(x, bad)
    with pytest.raises(ValueError, match="bias"):
        grassmann_logits(x, BASIS, np.ones(3))
    with pytest.raises(ValueError, match="scale"):
        grassmann_logits(x, BASIS, scale=np.inf)
    with pytest.raises(TypeError, match="normalize"):
        grassmann_logits(x, BASIS, normalize=1)


def test_angles_by_hand():
    a, b = np.array([[1.0, 0.0, 0.0]]), np.array([[3.0, 3.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.allclose(principal_angles(a, b), [np.pi / 4], rtol=1e-15)
    assert np.allclose(principal_angles(b, b), 0, atol=1e-15)
    assert np.allclose(principal_angles(np.eye(4)[:2], np.eye(4)[2:]), [np.pi / 2] * 2, rtol=1e-15)


def test_angles_are_scipys_and_small_ones_kept():
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(5)
    for p, q in ((2, 3), (4, 2), (3, 3)):
        a, b = rng.normal(size=(p, 7)), rng.normal(size=(q, 7))
        assert np.allclose(principal_angles(a, b), linalg.subspace_angles(a.T, b.T), rtol=1e-13)
    tilted = np.array([[1.0, 0.0, 1e-9], [0.0, 1.0, 0.0]])
    assert np.isclose(principal_angles(np.eye(3)[:2], tilted)[0], 1e-9, rtol=1e-6)


def test_geodesics_by_hand():
    s, h = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, np.pi / 3, 0.0]])
    assert np.allclose(grassmann_exp(s, h), [[0.5, np.sqrt(0.75), 0]], rtol=1e-15)
    assert np.allclose(grassmann_exp(s, h, step=-3.0), [[-1, 0, 0]], atol=1e-15)
    assert grassmann_exp(s, 0 * h).tolist() == s.tolist()
    assert np.allclose(grassmann_retract(s, h, step=3 / np.pi), [[np.sqrt(0.5), np.sqrt(0.5), 0]], rtol=1e-15)
    assert grassmann_retract(s, 0 * h).tolist() == s.tolist()
    assert grassmann_retract(np.array([[3.0, 0.0], [4.0, -2.0]]), np.zeros((2, 2))).tolist() == [[1, 0], [0, -1]]


def test_a_geodesic_turns_by_its_length():
    rng = np.random.default_rng(6)
    s = np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    h = rng.normal(size=(2, 6))
    h = h - h @ s.T @ s
    size = np.linalg.svd(h, compute_uv=False)
    y = grassmann_exp(s, h, step=0.3 / size[0])
    assert np.allclose(y @ y.T, np.eye(2), atol=1e-14)
    assert np.allclose(principal_angles(s, y), 0.3 * size / size[0], rtol=1e-12)
    near, straight = grassmann_exp(s, h, step=1e-4), grassmann_retract(s, h, step=1e-4)
    assert principal_angles(near, straight)[0] < 1e-9


def test_refusals_of_moves():
    s = np.eye(3)[:2]
    for f in (grassmann_exp, grassmann_retract):
        with pytest.raises(ValueError, match="direction"):
            f(s, s[:1])
        with pytest.raises(ValueError, match="more rows than columns"):
            f(s.T, s.T)
        with pytest.raises(ValueError, match="step"):
            f(s, s, step=np.inf)
    with pytest.raises(ValueError, match="b must have shape"):
        principal_angles(s, np.eye(4)[:2])
    with pytest.raises(ValueError, match="more rows than columns"):
        principal_angles(s.T, s.T)
