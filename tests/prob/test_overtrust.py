"""Penalties of beams by hand, at their edges, and refusals."""

import numpy as np
import pytest
import scipy.stats

from refnorm.prob import log_softmax, over_trust_penalty, penalized_beam_logits, retrospection_trigger

NAN, INF = float("nan"), float("inf")


def test_penalty_by_hand():
    one = [[0.5, 0.5, 0.0, 0.0], [0.25, 0.5, 0.25, 0.0], [0.0, 0.75, 0.125, 0.125]]
    x = np.array([one, np.zeros((3, 4))])
    # columns 1 to 3 of the last three tokens: 16 * 16 * 24 / 8^3 ..., each weight times 8
    assert over_trust_penalty(x, scale=8.0) == (4.0 * 4.0 * 6.0, 1)
    assert over_trust_penalty(x, scale=8.0, window=2) == (2.0 * 1.0, 2)
    assert over_trust_penalty(x, scale=8.0, window=1) == (1.0, 3)
    assert over_trust_penalty(4 * x, scale=8.0) == (96.0, 1)


def test_heads_compete():
    x = np.array([[[0.5, 0.5]], [[0.0, 1.0]]])
    assert np.allclose(over_trust_penalty(x, scale=1.0)[0], 1 / 1.5, rtol=1e-15)


def test_a_window_of_bad_rows():
    x = np.ones((2, 1, 2, 3))
    x[0, 0, 1] = 0
    with np.errstate(invalid="ignore"):
        penalty, position = over_trust_penalty(x, scale=3.0)
    assert np.isnan(penalty[0])
    assert (penalty[1], position[1]) == (1.0, 1)


def test_scores_by_hand():
    x, chosen = np.log(np.array([[0.5, 0.25, 0.125, 0.125]])), np.array([[2, 0]])
    y = penalized_beam_logits(x, chosen, np.log(np.array([[1.0, 2.0]])))  # 1/8 and 1/4
    assert np.allclose(np.exp(y), [[2 / 3, 0, 1 / 3, 0]], rtol=1e-15)
    assert (y == -INF).tolist() == [[False, True, False, True]]
    y = penalized_beam_logits(x, chosen, np.log(np.array([[1.0, 2.0]])), alpha=2.0)  # 1/8 and 1/8
    assert np.allclose(np.exp(y), [[0.5, 0, 0.5, 0]], rtol=1e-15)


def test_all_candidates_and_no_penalty_is_a_log_softmax():
    x = np.random.default_rng(0).normal(size=(3, 5))
    every = np.tile(np.arange(5), (3, 1))
    assert np.allclose(penalized_beam_logits(x, every, np.ones((3, 5))), log_softmax(x), rtol=1e-14)


def test_no_such_token():
    y = penalized_beam_logits(np.zeros((2, 3)), np.array([[0, 3], [0, -1]]), np.zeros((2, 2)))
    assert np.array_equal(y, [[NAN, -INF, -INF]] * 2, equal_nan=True)


def test_refusals():
    x, s, i = np.ones((2, 3, 4)), np.ones((2, 4)), np.zeros((2, 1), int)
    for call, error, said in [
        (lambda: over_trust_penalty(x[0]), ValueError, r"x must have shape \(..., H, R, T\)"),
        (lambda: over_trust_penalty(x.mT), ValueError, "R at most T"),
        (lambda: over_trust_penalty(x[:0]), ValueError, "none of them 0"),
        (lambda: over_trust_penalty(x, window=4), ValueError, "window must lie between 1 and the 3 rows"),
        (lambda: over_trust_penalty(x, window=1.0), TypeError, "window must be an int or None"),
        (lambda: over_trust_penalty(x, scale=-1.0), ValueError, "scale must be finite and not below 0"),
        (lambda: over_trust_penalty(x, scale="1"), TypeError, "scale must be a real number"),
        (lambda: penalized_beam_logits(s, i, np.ones((1, 1))), ValueError, "penalty must have shape"),
        (lambda: penalized_beam_logits(s, i[:, :0], s[:, :0]), ValueError, "must not be empty"),
        (lambda: penalized_beam_logits(s, i, np.ones((2, 2))), ValueError, "indices must have shape"),
        (lambda: penalized_beam_logits(s, s, s), TypeError, "indices must hold integers"),
        (lambda: penalized_beam_logits(s, i, s[:, :1], alpha=INF), ValueError, "alpha must be finite"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_retrospection_by_hand():
    position = np.array([[7, 3, 7, 9, 7], [4, 2, 2, 4, 9], [1, 2, 3, 4, 5]])
    back, mode, count = retrospection_trigger(position, threshold=2)
    assert back.tolist() == [True, True, False]
    assert mode.tolist() == [7, 2, 1]
    assert count.tolist() == [3, 2, 1]
    assert retrospection_trigger(position, threshold=3)[0].tolist() == [True, False, False]


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "array_api_strict"])
def test_retrospection_is_the_mode_of_scipy(library):
    xp = pytest.importorskip(library)
    position = np.random.default_rng(0).integers(0, 6, (50, 4, 9)).astype("int16")
    wanted = scipy.stats.mode(position, axis=-1)
    back, mode, count = retrospection_trigger(xp.asarray(position), threshold=4)
    assert np.array_equal(np.asarray(mode), wanted.mode)
    assert np.array_equal(np.asarray(count), wanted.count)
    assert np.array_equal(np.asarray(back), wanted.count >= 4)
    assert 0 < np.asarray(back).sum() < np.asarray(back).size


def test_retrospection_follows_the_penalty():
    """Attentions that lean on token 1 from it on: all later rows find it, and three of three make it go back."""
    x = np.full((1, 5, 5), 0.05)
    x[0, :, 1] = 0.9
    found = [over_trust_penalty(x[:, :t, :t])[1] for t in (3, 4, 5)]
    assert retrospection_trigger(np.array(found), threshold=3) == (True, 1, 3)


def test_retrospection_refuses():
    position = np.zeros((2, 3), int)
    for call, error, said in [
        (lambda: retrospection_trigger(position.astype(float)), TypeError, "position must hold integers, got float64"),
        (lambda: retrospection_trigger(position[:, :0]), ValueError, "must not be empty"),
        (lambda: retrospection_trigger(position, threshold=0), ValueError, "threshold must be at least 1"),
        (lambda: retrospection_trigger(position, threshold=1.5), TypeError, "threshold must be an int"),
    ]:
        with pytest.raises(error, match=said):
            call()
