"""Samples by added noise: by hand, refusals, their frequencies, and torch's."""

import numpy as np
import pytest

import refnorm
from refnorm.prob import binary_concrete, gumbel_softmax, gumbel_softmax_vjp, gumbel_top_k, softmax

NAN, INF = float("nan"), float("inf")


def test_by_hand():
    x, u = np.log(np.array([1.0, 2.0, 2.0])), np.exp(-np.array([1.0, 1.0, 2.0]))
    assert np.allclose(gumbel_softmax(x, u), [0.25, 0.5, 0.25], rtol=1e-15)
    assert np.allclose(gumbel_softmax(x, u, tau=0.5), [1 / 6, 4 / 6, 1 / 6], rtol=1e-15)
    dx, du = gumbel_softmax_vjp(np.array([1.0, 0.0]), np.zeros(2), u[:2], tau=0.5)
    assert np.allclose(dx, [0.5, -0.5], rtol=1e-15)
    assert np.allclose(du, [0.5 * np.e, -0.5 * np.e], rtol=1e-15)
    s, places = gumbel_top_k(x, u, k=2)
    assert places.tolist() == [1, 0]
    assert np.allclose(s, [np.log(2), 0.0], rtol=1e-15, atol=1e-16)
    u = np.array([0.5, 0.75, 0.8])
    assert np.allclose(binary_concrete(np.zeros(3), u, tau=1.0), u, rtol=1e-15)
    assert np.allclose(binary_concrete(np.zeros(3), u), [0.5, 0.9, 16 / 17], rtol=1e-15)
    assert np.allclose(binary_concrete(np.zeros(3), u, tau=1.0, eps=0.25), [0.5, 0.75, 0.75], rtol=1e-15)
    assert binary_concrete(np.array([-2.0, NAN, 1.0]), u, hard=True).tolist()[::2] == [0.0, 1.0]


def test_edges():
    with np.errstate(all="ignore"):
        y = gumbel_softmax(np.zeros((4, 2)), np.array([[0.0, 0.5], [1.0, 0.5], [1.5, 0.5], [NAN, 0.5]]))
        assert np.array_equal(y, [[0, 1], [NAN, NAN], [NAN, NAN], [NAN, NAN]], equal_nan=True)
        assert gumbel_softmax(np.array([0.0, -INF]), np.full(2, 0.5)).tolist() == [1.0, 0.0]
        y = binary_concrete(np.zeros(4), np.array([0.0, 1.0, 2.0, NAN]), hard=True)
        assert np.array_equal(y, [0, 1, NAN, NAN], equal_nan=True)
        s, places = gumbel_top_k(np.array([NAN, 0.0, -INF]), np.full(3, 0.5), k=3)
    assert places.tolist() == [1, 2, 0]
    assert np.isnan(s[2])


def test_frequencies_are_those_of_the_softmax():
    x, u = np.array([0.0, 1.0, -1.0]), np.random.default_rng(0).uniform(size=(40000, 3))
    x = np.broadcast_to(x, u.shape)
    first = np.bincount(gumbel_top_k(x, u, k=1)[1][:, 0]) / len(u)
    assert np.allclose(first, softmax(x[0]), atol=0.01)
    shares = gumbel_softmax(x, u, tau=3.0)
    assert np.array_equal(np.argmax(shares, axis=1), gumbel_top_k(x, u, k=1)[1][:, 0])
    heads = binary_concrete(x, u, hard=True).mean(axis=0)
    assert np.allclose(heads, 1 / (1 + np.exp(-x[0])), atol=0.01)


def test_equals_torch(torch, monkeypatch):
    rng = np.random.default_rng(1)
    x, u = rng.normal(size=(5, 7)), rng.uniform(size=(5, 7))
    t = torch.from_numpy(x)
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, *a, **k: self.copy_(-torch.log(torch.from_numpy(u))))
    wanted = torch.nn.functional.gumbel_softmax(t, tau=0.7).numpy()
    assert np.allclose(gumbel_softmax(x, u, tau=0.7), wanted, rtol=1e-12)
    options = refnorm.convention("torch", "binary_concrete")
    u[0, :2] = 1e-9, 1 - 1e-9
    coins = torch.distributions.RelaxedBernoulli(torch.tensor(0.5).float(), logits=t.float())
    monkeypatch.setattr(torch, "rand", lambda *a, **k: torch.from_numpy(u.astype("float32")))
    got = binary_concrete(x.astype("float32"), u.astype("float32"), **options)
    assert np.allclose(got, coins.rsample().numpy(), rtol=1e-4, atol=1e-6)


def test_refusals():
    x, u = np.ones((2, 3)), np.full((2, 3), 0.5)
    for call, error, said in [
        (lambda: gumbel_softmax(x, u[:1]), ValueError, r"u must have shape \(2, 3\)"),
        (lambda: gumbel_softmax(x, u, tau=0.0), ValueError, "tau must be finite and above zero"),
        (lambda: gumbel_softmax(x, u, tau="1"), TypeError, "tau must be a real number"),
        (lambda: gumbel_softmax(x[:, :0], u[:, :0]), ValueError, "must not be empty"),
        (lambda: gumbel_top_k(x, u, k=4), ValueError, "k must be from 1 to 3, got 4"),
        (lambda: gumbel_top_k(x, u, k=True), TypeError, "k must be an int"),
        (lambda: gumbel_top_k(x, None, k=1), TypeError, "u must be an array"),
        (lambda: binary_concrete(x, u, eps=0.5), ValueError, "eps must be from 0 to one half"),
        (lambda: binary_concrete(x, u, eps="0"), TypeError, "eps must be a real number"),
        (lambda: binary_concrete(x, u, hard=1), TypeError, "hard must be True or False"),
    ]:
        with pytest.raises(error, match=said):
            call()
