"""Scores of the next token by hand, at their edges, refusals, and the loops of released codes."""

import numpy as np
import pytest

import refnorm
from refnorm.prob import (
    contrastive_decoding_logits,
    dynamic_fusion_weights,
    kl_divergence,
    logit_arithmetic,
    softmax,
    top_k_top_p_filter,
)

NAN, INF = float("nan"), float("inf")
X = np.log(np.array([0.125, 0.5, 0.125, 0.25]))


def test_filters_by_hand():
    kept = lambda **how: np.isfinite(top_k_top_p_filter(X, **how)).tolist()
    assert kept(k=1) == [False, True, False, False]
    assert kept(k=3) == [True, True, True, True]  # a tie with the third
    assert kept(p=0.5) == [False, True, False, False]
    assert kept(p=0.625) == [False, True, False, True]
    assert kept(p=0.8) == [True, True, False, True]
    assert kept(p=1.0) == kept() == kept(k=9) == [True] * 4
    assert kept(k=2, p=0.6) == [False, True, False, False]  # two thirds of what is left
    assert kept(tau=0.5, p=0.7) == [False, True, False, False]  # 16/22 after squaring
    assert np.array_equal(top_k_top_p_filter(X, tau=2.0), X / 2)


def test_filters_at_their_edges():
    x = np.array([[0.0, NAN, 1.0], [INF, 0.0, 1.0], [-INF] * 3, [0.0, -INF, 1.0]])
    with np.errstate(all="ignore"):
        y, z = top_k_top_p_filter(x, k=2), top_k_top_p_filter(x, p=0.9)
    assert np.array_equal(y, [[NAN] * 3, [INF, -INF, 1.0], [-INF] * 3, [0.0, -INF, 1.0]], equal_nan=True)
    assert np.array_equal(z, [[NAN] * 3, [NAN] * 3, [NAN] * 3, [0.0, -INF, 1.0]], equal_nan=True)


def test_filters_as_warpers_do(torch):
    """transformers' TopPLogitsWarper: the ascending tail whose mass is at most 1 - p goes."""
    x = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (5, 40)))
    for p in (0.3, 0.9, 0.99):
        ordered, places = torch.sort(x, descending=False)
        gone = ordered.softmax(-1).cumsum(-1) <= 1 - p
        gone[..., -1:] = False
        wanted = x.masked_fill(gone.scatter(1, places, gone), -INF)
        assert np.array_equal(top_k_top_p_filter(x.numpy(), p=p), wanted.numpy())


def test_contrast_by_hand():
    x, other = np.array([[2.0, 1.5, -2.0]]), np.array([[2.0, 0.5, 0.0]])
    assert contrastive_decoding_logits(x, other).tolist() == [[2.0, 2.5, -INF]]
    assert contrastive_decoding_logits(x, other, beta=0.0, alpha=0.5).tolist() == [[2.0, 2.0, -3.0]]
    assert contrastive_decoding_logits(x, other, kind="with", alpha=3.0).tolist() == [[8.0, 3.0, -INF]]
    assert contrastive_decoding_logits(x, other, beta=1).tolist() == [[2.0, -INF, -INF]]
    options = refnorm.convention("vcd", "contrastive_decoding_logits")
    assert contrastive_decoding_logits(x, other, **options).tolist() == [[2.0, 2.0, -INF]]
    x[0, 1] = NAN
    assert np.array_equal(contrastive_decoding_logits(x, other), [[2.0, NAN, -4.0]], equal_nan=True)


def test_a_constant_contrast_is_a_temperature():
    x = np.random.default_rng(1).normal(size=(4, 7))
    y = contrastive_decoding_logits(x, 0 * x + 5, alpha=0.5, beta=0.0)
    assert np.allclose(softmax(y), softmax(1.5 * x), rtol=1e-13)


def test_arithmetic():
    x, new, old = np.array([1.0, 2.0]), np.array([[3.0, 3.0], [0.0, 1.0]]), np.array([1.0, 3.0])
    assert logit_arithmetic(x, new, old, np.array([0.5, 1.0])).tolist() == [1.0, 0.0]
    assert logit_arithmetic(x, new, old, np.zeros(2)).tolist() == x.tolist()
    assert logit_arithmetic(x, new[:0], old, np.zeros(0)).tolist() == x.tolist()


def test_weights_by_hand():
    """Half of the scores' difference from a flat model is the difference of another: so is its weight 1/2."""
    x, o, n = np.zeros((1, 2)), np.zeros((1, 2)), np.log(np.array([[[1.0, 4.0]]]))
    assert dynamic_fusion_weights(x, n, o).tolist() == [[1.0]]
    # an expert and its like: each half, among thirds and halves of 1
    assert dynamic_fusion_weights(x, np.concat([n, 0 * n]), o, high=1.0, count=3)[0, 0] == 0.5
    steep = np.log(np.array([[1.0, 1e6]]))  # nothing moves it far enough
    assert dynamic_fusion_weights(steep, n, o, high=1.5).tolist() == [[1.5]]
    assert np.isnan(dynamic_fusion_weights(np.array([NAN, 0.0]), n[:, 0], o[0])).all()


def test_weights_reach_both_divergences():
    rng = np.random.default_rng(0)
    x, n, o = rng.normal(size=(3, 7)), rng.normal(size=(1, 3, 7)), rng.normal(size=(3, 7))
    kl = lambda a, b: kl_divergence(a, b, kind="scores")
    off = []
    for a in np.linspace(0, 2, 21):
        y = x + a * (n[0] - o)
        off.append((kl(y, x) - kl(n[0], o)) ** 2 + (kl(x, y) - kl(o, n[0])) ** 2)
    assert np.array_equal(dynamic_fusion_weights(x, n, o)[:, 0], np.linspace(0, 2, 21)[np.argmin(off, axis=0)])


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: top_k_top_p_filter(x, tau=0.0), ValueError, "tau must be finite and above zero"),
        (lambda: top_k_top_p_filter(x, k=0), ValueError, "k must be at least 1"),
        (lambda: top_k_top_p_filter(x, k=2.0), TypeError, "k must be an int or None"),
        (lambda: top_k_top_p_filter(x, p=1.5), ValueError, "at most 1, got 1.5"),
        (lambda: top_k_top_p_filter(x[:, :0]), ValueError, "must not be empty"),
        (lambda: contrastive_decoding_logits(x, x[:1]), ValueError, "other must have shape"),
        (lambda: contrastive_decoding_logits(x, x, beta=-0.1), ValueError, "beta must be in 0..1"),
        (lambda: contrastive_decoding_logits(x, x, alpha="1"), TypeError, "alpha must be a real number"),
        (lambda: contrastive_decoding_logits(x, x, kind="for"), ValueError, "kind must be one of against, with"),
        (lambda: logit_arithmetic(x, x, x, np.ones(2)), ValueError, r"new must have shape \(2, 2, 3\)"),
        (lambda: logit_arithmetic(x, x[None], x, x), ValueError, r"alpha must have shape \(T,\)"),
        (lambda: logit_arithmetic(x, x[None], x[0], np.ones(1)), ValueError, "old must have shape"),
        (lambda: dynamic_fusion_weights(X, X[None, :2], X), ValueError, "new must have shape"),
        (lambda: dynamic_fusion_weights(X, X[None][:0], X), ValueError, r"new must have shape \(T, 4\)"),
        (lambda: dynamic_fusion_weights(X, X[None], X[:2]), ValueError, "old must have shape"),
        (lambda: dynamic_fusion_weights(X, X[None], X, high=0.0), ValueError, "high must be finite and above zero"),
        (lambda: dynamic_fusion_weights(X, X[None], X, count=1), ValueError, "count must be at least 2"),
        (lambda: dynamic_fusion_weights(X, X[None], X, count=2.0), TypeError, "count must be an int"),
    ]:
        with pytest.raises(error, match=said):
            call()
