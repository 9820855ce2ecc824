"""Entropies and distances by hand, refusals, and SciPy's."""

import itertools

import numpy as np
import pytest

import refnorm
from refnorm.prob import hellinger_distance, kl_divergence, softmax_entropy, total_variation_distance

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


# ---- Kullback-Leibler ----


def test_divergence_by_hand():
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    assert np.allclose(kl_divergence(p, q), np.log(2) / 2, rtol=1e-15)
    assert kl_divergence(q, p).tolist() == [INF]
    assert kl_divergence(p, q, symmetric=True).tolist() == [INF]
    r = np.array([[0.25, 0.25, 0.5]])
    both = 0.25 * np.log(2) + 0 + -0.25 * np.log(0.5)
    assert np.allclose(kl_divergence(q, r, symmetric=True), both, rtol=1e-15)
    assert kl_divergence(p, p).tolist() == [0.0]
    heads, other = np.array([[0.5, 0.25]]), np.array([[0.75, 0.25]])
    coin = 0.5 * np.log(2 / 3) + 0.5 * np.log(2)
    assert np.allclose(kl_divergence(heads, other, kind="bernoulli"), coin, rtol=1e-15)
    assert np.allclose(kl_divergence(heads, other, kind="bernoulli", axis=0), [coin, 0.0], rtol=1e-15)
    scores = np.log(q[:, :2]), np.log(np.array([[0.5, 0.5]]))
    wanted = np.log(2 / 3) / 3 + 2 / 3 * np.log(4 / 3)
    assert np.allclose(kl_divergence(*scores, kind="scores"), wanted, rtol=1e-14)


def test_coins_that_never_or_always_fall_on_one_side():
    sure = np.array([[0.0], [1.0], [0.0], [1.0]])
    other = np.array([[0.25], [0.25], [1.0], [1.0]])
    got = kl_divergence(sure, other, kind="bernoulli")
    assert np.allclose(got, [np.log(4 / 3), np.log(4), INF, 0.0], rtol=1e-15)
    assert kl_divergence(sure, sure, kind="bernoulli", symmetric=True).tolist() == [0.0] * 4
    assert kl_divergence(sure, other, kind="bernoulli", symmetric=True)[:3].tolist() == [INF] * 3


def test_scores_of_minus_infinity_and_worse():
    x, other = np.array([[0.0, 0.0, -INF]] * 5), np.zeros((5, 3))
    other[1, 2], other[2, 1], x[3, 0], x[4, 0] = -INF, -INF, NAN, INF
    with np.errstate(all="ignore"):
        got = kl_divergence(x, other, kind="scores")
        assert np.allclose(got, [np.log(1.5), 0.0, INF, NAN, NAN], rtol=1e-15, atol=1e-16, equal_nan=True)
        assert np.isnan(kl_divergence(np.full((1, 3), -INF), np.zeros((1, 3)), kind="scores")).all()


def test_neighbours_keep_their_digits():
    """d^2 / 8 for two scores that differ by a small d; both ways, d tanh(d / 2) / 2."""
    for d in (1e-6, 1e-8, 1e-10):
        x, other = np.array([[d, 0.0]]), np.zeros((1, 2))
        assert np.allclose(kl_divergence(x, other, kind="scores"), d * d / 8, rtol=1e-12, atol=0)
        both = kl_divergence(x, other, kind="scores", symmetric=True)
        assert np.allclose(both, d * np.tanh(d / 2) / 2, rtol=1e-12, atol=0)


def test_divergences_are_those_of_scipy_and_torch(torch):
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    x, other = np.random.default_rng(4).normal(size=(2, 6, 9))
    p, q = special.softmax(x, axis=1), special.softmax(other, axis=1)
    wanted = special.rel_entr(p, q).sum(axis=1)
    assert np.allclose(kl_divergence(p, q), wanted, rtol=1e-13)
    for name in ("logits fusion", "tram"):
        options = refnorm.convention(name, "kl_divergence")
        assert np.allclose(kl_divergence(x, other, **options), wanted, rtol=1e-13)
    back = special.rel_entr(q, p).sum(axis=1)
    options = refnorm.convention("tram code", "kl_divergence")
    assert np.allclose(kl_divergence(x, other, **options), wanted + back, rtol=1e-13)
    options = refnorm.convention("scipy", "kl_divergence")
    assert np.allclose(kl_divergence(p.T, q.T, **options), stats.entropy(p.T, q.T), rtol=1e-13)
    distributions = torch.distributions
    t = distributions.kl_divergence(*(distributions.Bernoulli(torch.from_numpy(a)) for a in (p, q)))
    got = kl_divergence(p[..., None], q[..., None], **refnorm.convention("bandits", "kl_divergence"))
    assert np.allclose(got, t.numpy(), rtol=1e-10, atol=1e-15)


def test_gradient_of_the_divergence(torch):
    x, other = (torch.from_numpy(a).requires_grad_() for a in np.random.default_rng(5).normal(size=(2, 3, 5)))
    for symmetric in (False, True):
        f = lambda a, b, both=symmetric: kl_divergence(a, b, kind="scores", symmetric=both)
        assert torch.autograd.gradcheck(f, (x, other))
    (got,) = torch.autograd.grad(kl_divergence(x, other, kind="scores").sum(), other)
    assert torch.allclose(got, torch.softmax(other, 1) - torch.softmax(x, 1), rtol=1e-10)


# ---- Hellinger ----


def test_hellinger_by_hand():
    p, q = np.array([[0.25, 0.75, 0.0], [0.25, 0.25, 0.5]]), np.array([[0.25, 0.0, 0.75], [1.0, 0.0, 0.0]])
    assert np.allclose(hellinger_distance(p, q, squared=True), [0.75, 0.5], rtol=1e-15)
    assert np.allclose(hellinger_distance(p, q), [0.75**0.5, 0.5**0.5], rtol=1e-15)
    assert np.allclose(hellinger_distance(p, q, halved=False), [1.5**0.5, 1.0], rtol=1e-15)
    assert hellinger_distance(p, p).tolist() == [0.0, 0.0]
    assert hellinger_distance(p[:, :1], q[:, :1], axis=0, squared=True).tolist() == [0.125]
    with np.errstate(invalid="ignore"):
        assert np.isnan(hellinger_distance(-p, q)).all()


def test_hellinger_bounds_the_total_variation():
    p, q = np.random.default_rng(6).dirichlet(np.ones(5), (2, 100))
    h, t = hellinger_distance(p, q), total_variation_distance(p, q)
    assert (h**2 <= t + 1e-15).all()
    assert (t <= h * (2 - h**2) ** 0.5 + 1e-15).all()


def test_hellinger_keeps_the_digits_of_neighbours():
    p = np.array([[0.5, 0.5]])
    q = p + [[1e-9, -1e-9]]
    root = (q - p) / (np.sqrt(p) + np.sqrt(q))
    assert np.allclose(hellinger_distance(p, q), np.sqrt((root**2).sum() / 2), rtol=1e-6)


def test_refusals_of_pairs():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: kl_divergence(x, x[:1]), ValueError, r"other must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: kl_divergence(x, None), TypeError, "other must be an array, got None"),
        (
            lambda: kl_divergence(x, x, kind="logits"),
            ValueError,
            "kind must be one of probabilities, scores, bernoulli",
        ),
        (lambda: kl_divergence(x, x, symmetric=1), TypeError, "symmetric must be True or False"),
        (lambda: kl_divergence(x[:, :0], x[:, :0]), ValueError, "must not be empty"),
        (lambda: hellinger_distance(x, x[:1]), ValueError, "other must have shape"),
        (lambda: hellinger_distance(x, x, squared=1), TypeError, "squared must be True or False"),
        (lambda: hellinger_distance(x, x, halved=None), TypeError, "halved must be True or False"),
        (lambda: hellinger_distance(x, x, axis=2), ValueError, "axis 2 does not exist"),
    ]:
        with pytest.raises(error, match=said):
            call()
