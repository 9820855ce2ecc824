"""Entropies and distances by hand, refusals, and SciPy's."""

import itertools

import numpy as np
import pytest

import refnorm
from refnorm.prob import softmax_entropy, total_variation_distance

NAN, INF = float("nan"), float("inf")


def test_entropy_by_hand():
    x = np.log(np.array([[1.0, 1.0, 2.0], [3.0, 3.0, 3.0]]))
    assert np.allclose(softmax_entropy(x), [1.5 * np.log(2), np.log(3)], rtol=1e-15)
    assert np.allclose(softmax_entropy(x, axis=(0, 1)), np.log(13) - (6 * np.log(2) / 3 + 9 * np.log(3)) / 13, rtol=0.1)
    assert np.allclose(softmax_entropy(np.zeros((2, 5, 3)), axis=1), np.log(5), rtol=1e-15)
    assert softmax_entropy(np.ones((2, 1))).tolist() == [0.0, 0.0]


def test_small_entropies_keep_their_digits():
    for far in (50.0, 300.0, 700.0):
        wanted = np.exp(-far) * (1 + far)  # two scores: log1p(e) + far e / (1 + e)
        assert np.allclose(softmax_entropy(np.array([far, 0.0])), wanted, rtol=1e-14, atol=0)
    log = np.log(1 / (1 + np.exp(-50.0)))
    assert log == 0  # the plain sum has no digit of it


def test_entropy_special_rows():
    x = np.array([[0.0, -INF, 0.0], [NAN, 1.0, 2.0], [INF, 1.0, 2.0], [-INF] * 3, [7.0, -INF, -INF]])
    with np.errstate(all="ignore"):
        got = softmax_entropy(x)
    assert np.allclose(got, [np.log(2), NAN, NAN, NAN, 0.0], rtol=1e-15, equal_nan=True)


def test_distance_by_hand():
    p, q = np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), np.array([[0.25, 0.25, 0.5], [0.0, 0.0, 1.0]])
    assert total_variation_distance(p, q).tolist() == [0.25, 1.0]
    assert total_variation_distance(p, q, axis=0).tolist() == [0.625, 0.0, 0.625]
    assert np.isnan(total_variation_distance(p * NAN, q)).all()


def test_distance_is_the_largest_difference_of_an_event():
    p, q = np.random.default_rng(1).dirichlet(np.ones(5), 2)
    events = itertools.chain.from_iterable(itertools.combinations(range(5), n) for n in range(6))
    best = max(abs(p[list(e)].sum() - q[list(e)].sum()) for e in events)
    assert np.allclose(total_variation_distance(p, q), best, rtol=1e-14)


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: softmax_entropy(np.ones((2, 0))), ValueError, "must not be empty"),
        (lambda: softmax_entropy(x, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: total_variation_distance(x, x[:1]), ValueError, r"other must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: total_variation_distance(x, None), TypeError, "other must be an array, got None"),
        (lambda: total_variation_distance(x[:, :0], x[:, :0]), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_equals_scipy():
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    x = np.random.default_rng(2).normal(size=(6, 9), scale=3.0)
    options = refnorm.convention("scipy", "softmax_entropy")
    assert np.allclose(softmax_entropy(x, **options), stats.entropy(special.softmax(x, axis=0)), rtol=1e-13)
    assert np.allclose(softmax_entropy(x), stats.entropy(special.softmax(x, axis=1), axis=1), rtol=1e-13)


def test_gradients(torch, jax):
    x = np.random.default_rng(3).normal(size=(3, 5))
    t = torch.from_numpy(x).requires_grad_()
    assert torch.autograd.gradcheck(softmax_entropy, t)
    (got,) = torch.autograd.grad(softmax_entropy(t).sum(), t)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    h = -(p * np.log(p)).sum(axis=1, keepdims=True)
    assert np.allclose(got.numpy(), -p * (np.log(p) + h), rtol=1e-10, atol=1e-14)
    with jax.enable_x64(True):
        also = jax.jit(jax.vmap(jax.grad(softmax_entropy)))(jax.numpy.asarray(x))
    assert np.allclose(also, got.numpy(), rtol=1e-10, atol=1e-14)
    other = torch.from_numpy(x[::-1].copy()).requires_grad_()
    t = torch.from_numpy(x + 0.01).requires_grad_()
    assert torch.autograd.gradcheck(total_variation_distance, (t, other))
