"""Classes as subspaces by hand, and against projections."""

import numpy as np
import pytest

from refnorm.proj import grassmann_logits, grassmann_logits_vjp

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
