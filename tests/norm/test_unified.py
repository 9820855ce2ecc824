"""unified_norm and its smoothed gradient by hand, over several steps, refusals, and against torch."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import batch_norm, fold_batch_norm, fold_layer_norm, unified_norm, unified_norm_vjp

ONE, X = np.ones(1), np.array([[3.0], [-3.0]])


def test_by_hand():
    """Mean square 9 into row 1 of (16, 4): the geometric mean is 12; with eps = 4 the root is 4."""
    window = np.array([[16.0], [4.0]])
    how = dict(step=3, warmup=3, momentum=0.25, eps=4.0)
    y, var, after = unified_norm(X, ONE, window, np.array([2.0]), np.array([1.0]), **how)
    assert np.allclose(y, [[2.5], [-0.5]], rtol=1e-15)
    assert np.allclose(var, 0.25 + 0.75 * 12, rtol=1e-15)
    assert after.tolist() == [[16.0], [9.0]]
    for early in (dict(step=2), dict(step=3, warmup=4)):
        y, var, _ = unified_norm(X, ONE, window, **{**how, **early, "eps": 0.0})
        assert y.tolist() == [[1.0], [-1.0]]
        assert var.tolist() == [7.0]


def test_outliers_by_hand():
    """Roots of 1 and 2 have the variance 1/2. In row 1: 5 - 3 > 1 for a mean square of 9, 1 - 1 < 1 for one of 1."""
    window, how = np.array([[1.0], [4.0]]), dict(step=3, warmup=2, momentum=0.5, eps=0.0, skip_outliers=True)
    y, var, after = unified_norm(X, 7 * ONE, window, **how)
    assert y.tolist() == [[1.0], [-1.0]]  # by its own root
    assert var.tolist() == [8.0]
    assert after.tolist() == [[1.0], [7.0]]
    assert unified_norm(X / 3, 7 * ONE, window, **how)[2].tolist() == [[1.0], [1.0]]
    assert unified_norm(X, 7 * ONE, window, **{**how, "warmup": 4})[2].tolist() == [[1.0], [9.0]]


def test_padding_has_no_part():
    x, mask = np.array([[[3.0], [50.0], [-3.0]]]), np.array([[[True], [False], [True]]])
    y, var, after = unified_norm(x, ONE, np.zeros((2, 1)), None, None, mask, step=1, momentum=0.0, eps=0.0)
    assert np.allclose(y, x / 3, rtol=1e-15)
    assert np.allclose([*var, *after[:, 0]], [9.0, 0.0, 9.0], rtol=1e-15)
    with np.errstate(all="ignore"):
        assert np.isnan(unified_norm(x, ONE, np.zeros((2, 1)), None, None, ~mask & mask, step=1)[0]).all()


def test_backwards_by_hand():
    """s = 2 by eps = 3, z = (1/2, -1/2); q = 2 by a running variance of -2 and eps = 3, at step 1001 and no sooner."""
    g, x, window = np.array([[4.0], [0.0]]), np.array([[1.0], [-1.0]]), np.ones((2, 1))
    state = (-2 * ONE, window, 3 * ONE, 5 * window)
    how = dict(warmup=0, momentum=0.5, eps=3.0)
    dx, dw, db, tilt, tilts = unified_norm_vjp(g, x, *state, 3 * ONE, step=1001, **how)
    # h = (24, 0), the tilt of the batch 6, of the window 5.5, smoothed 4.25
    assert tilts.tolist() == [[5.0], [6.0]]
    assert tilt.tolist() == [4.25]
    assert np.allclose(dx, [[(24 - 2.125) / 2], [2.125 / 2]], rtol=1e-15)
    assert (dw.tolist(), db.tolist()) == ([4.0], [4.0])
    _, dw, *_ = unified_norm_vjp(g, x, *state, 3 * ONE, step=1000, **how)
    assert dw.tolist() == [2.0]
    for var, wanted in ((397.0, 2 / 5), (-3 + 1e-3, 10.0)):  # bounded by 1/5 and 5
        assert np.allclose(unified_norm_vjp(g, x, var * ONE, *state[1:], step=1001, **how)[1], wanted, rtol=1e-14)


def torch_steps(torch, data, cotangents, weight, bias, window, warmup):
    """Yield what a layer with state, written in torch, gives at each step: forward and backward."""
    running, tilt = torch.ones(3).double(), torch.zeros(3).double()
    squares, tilts = torch.zeros(window, 3).double(), torch.zeros(window, 3).double()
    for step, (x, g) in enumerate(zip(data, cotangents, strict=True), start=1):
        own = x.square().mean((0, 1))
        past = squares.sqrt().var()
        squares[step % window] = own
        mean = squares.log().mean(0).exp()
        out = step >= warmup and bool(((squares.mean(0) - mean) > past * window).any())
        if out:
            squares[step % window] = running
        early = step <= window or step < warmup or out
        square = own if early else mean
        s = (square + 0.01).sqrt()
        q = (s / (running + 0.01).sqrt()).clamp(0.2, 5) if step > max(1000, warmup) and not out else torch.ones(3)
        running = 0.9 * running + 0.1 * square
        h, z = g * weight * q, x / s
        turn = (h * z).mean((0, 1))
        tilts[step % window] = tilt if out else turn
        tilt = 0.9 * tilt + 0.1 * (turn if early else tilts.mean(0))
        dx = (h - (turn if out else tilt) * z) / s
        state = [t.clone() for t in (running, squares, tilt, tilts)]
        yield out, z * weight + bias, dx, (g * q * z).sum((0, 1)), g.sum((0, 1)), *state


def test_a_training_run_in_torch(torch):
    """A thousand steps and some, with outliers among them: the state that is handed on is all there is."""
    rng, window, warmup = np.random.default_rng(0), 4, 20
    size = np.where(rng.random(1010) < 0.05, 30.0, 1.0) * rng.uniform(0.5, 1.5, 1010)
    data = rng.normal(0.3, 1, (1010, 2, 3, 3)) * size[:, None, None, None]
    cotangents = rng.normal(size=(1010, 2, 3, 3))
    weight, bias = rng.normal(size=(2, 3))
    var, variances = np.ones(3), np.zeros((window, 3))
    tilt, tilts = np.zeros(3), np.zeros((window, 3))
    given = [torch.from_numpy(a) for a in (data, cotangents, weight, bias)]
    how = refnorm.convention("code, images", "unified_norm") | {"warmup": warmup, "eps": 0.01}
    left_out = 0
    for step, wanted in enumerate(torch_steps(torch, *given, window, warmup), start=1):
        x, g = data[step - 1], cotangents[step - 1]
        with np.errstate(divide="ignore"):
            dx, dw, db, tilt, tilts = unified_norm_vjp(g, x, var, variances, tilt, tilts, weight, step=step, **how)
            y, var, variances = unified_norm(x, var, variances, weight, bias, step=step, **how)
        for ours, theirs in zip((y, dx, dw, db, var, variances, tilt, tilts), wanted[1:], strict=True):
            assert np.allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-11), step
        left_out += wanted[0]
    assert left_out > 10


def test_after_training_it_is_a_batch_norm_and_is_folded():
    rng = np.random.default_rng(1)
    x, weight, (gain, shift, var) = rng.normal(size=(5, 4)), rng.normal(size=(3, 4)), rng.uniform(1, 2, (3, 4))
    y = batch_norm(x, 0 * var, var, gain, shift, eps=0.1)
    assert np.allclose(y, x / (var + 0.1) ** 0.5 * gain + shift, rtol=1e-14)
    w, b = fold_layer_norm(weight, gain / (var + 0.1) ** 0.5, shift)
    assert np.allclose(x @ w.T + b, y @ weight.T, rtol=1e-12)
    w, b = fold_batch_norm(weight.T, 0 * var, var, None, gain, shift, eps=0.1)
    assert np.allclose(x[:, :3] @ w.T + b, batch_norm(x[:, :3] @ weight, 0 * var, var, gain, shift, eps=0.1))


def test_refusals():
    x, c, w = np.ones((2, 4, 3)), np.ones(3), np.ones((2, 3))
    mask = np.ones((2, 4, 1), bool)
    for call, error, said in [
        (lambda: unified_norm(x, c, w), TypeError, "step"),
        (lambda: unified_norm(x, c[:2], w, step=1), ValueError, r"var must have shape \(3,\), got \(2,\)"),
        (lambda: unified_norm(x, c, w[:, :2], step=1), ValueError, r"variances must have shape \(2, 3\)"),
        (lambda: unified_norm(x, c, w[:1], step=1), ValueError, "variances must hold a row for each of two batches"),
        (lambda: unified_norm(x, c, c, step=1), ValueError, "variances must have shape"),
        (lambda: unified_norm(x, c, w, c[:2], step=1), ValueError, "weight must have shape"),
        (lambda: unified_norm(x, c, w, None, None, mask * 1.0, step=1), TypeError, "mask must hold booleans"),
        (lambda: unified_norm(x, c, w, None, None, mask[:1], step=1), ValueError, r"mask must have shape \(2, 4, 1\)"),
        (lambda: unified_norm(x, c, w, step=0), ValueError, "step must be at least 1, got 0"),
        (lambda: unified_norm(x, c, w, step=1.5), TypeError, "step must be an int, got 1.5"),
        (lambda: unified_norm(x, c, w, step=1, warmup=-1), ValueError, "warmup must be at least 0, got -1"),
        (lambda: unified_norm(x, c, w, step=1, momentum=1.5), ValueError, "momentum must be in 0..1, got 1.5"),
        (lambda: unified_norm(x, c, w, step=1, skip_outliers=1), TypeError, "skip_outliers must be True or False"),
        (lambda: unified_norm(x, c, w, step=1, eps=-1.0), ValueError, "eps"),
        (lambda: unified_norm(x[:0], c, w, step=1), ValueError, "at least one element"),
        (lambda: unified_norm(x, c, w, step=1, axis=3), ValueError, "channel axis 3"),
        (lambda: unified_norm_vjp(x[:1], x, c, w, c, w, step=1), ValueError, "cotangent must have shape"),
        (lambda: unified_norm_vjp(x, x, c, w, c[:2], w, step=1), ValueError, r"tilt must have shape \(3,\)"),
        (lambda: unified_norm_vjp(x, x, c, w, c, w[:1], step=1), ValueError, "tilts must hold a row"),
        (lambda: unified_norm_vjp(x, x, c, w, c, None, step=1), TypeError, "tilts must be an array, got None"),
    ]:
        with pytest.raises(error, match=said):
            call()
