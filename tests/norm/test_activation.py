"""evonorm and dice_activation by hand, at their edges, and against torch written as released code has them."""

import numpy as np
import pytest

import refnorm
from refnorm._lanes import load
from refnorm.norm import batch_moments, dice_activation, evonorm, update_running


def test_evonorm_by_hand():
    """x = (1, 3): deviation 1; with eps = 3 it is 2. sigma(ln 3) = 3/4."""
    x = np.array([[[1.0, 3.0]]])
    v = np.array([np.log(3.0)])
    y = evonorm(x, v, np.array([2.0]), np.array([1.0]), kind="s0", groups=1, eps=3.0)
    assert np.allclose(y, [[[1 + 2 * 0.75 / 2, 1 + 2 * 1.5 * 27 / 28]]], rtol=1e-15)
    y = evonorm(x, np.array([-1.0]), kind="b0", eps=3.0)  # max(2, 2 - x) = 2
    assert y.tolist() == [[[0.5, 1.5]]]
    y = evonorm(x, np.array([0.5]), None, None, np.array([6.0]), kind="b0", eps=3.0)  # max(3, 2 + x/2)
    assert y.tolist() == [[[1 / 3, 3 / 3.5]]]


def test_the_other_evonorms_by_hand():
    """x = (1, 7): mean square 25, variance 9; with eps = 11 the roots are 6 and sqrt(20)."""
    x, one = np.array([[[1.0, 7.0]]]), np.ones(1)
    var = 5.0 * one  # a root of 4
    assert evonorm(x, None, None, None, var, kind="b1", eps=11.0).tolist() == [[[1 / 12, 7 / 48]]]
    assert evonorm(x, None, None, None, var, kind="b2", eps=11.0).tolist() == [[[1 / 5, 7 / 4]]]
    assert np.allclose(evonorm(-x, kind="b1", eps=11.0), -x / 20**0.5, rtol=1e-15)
    assert np.allclose(evonorm(-x, kind="b2", eps=11.0), [[[-1 / 7, -7 / 13]]], rtol=1e-15)
    gate = 1 / (1 + np.exp(-x))
    for kind, root in (("s1", 20**0.5), ("s2", 6.0)):
        y = evonorm(x, None, 2 * one, one, kind=kind, groups=1, eps=11.0)
        assert np.allclose(y, 2 * x * gate / root + 1, rtol=1e-15)


LAYOUTS = {
    "planes": lambda x: x,
    "channels last": lambda x: np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1),
    "backwards": lambda x: x[::-1, ::-1, ::-1],
    "every second": lambda x: np.repeat(x, 2, axis=2)[:, :, ::2],
    "samples inside": lambda x: np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0),
}


@pytest.mark.skipif(load("refnorm.norm.activation") is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 3, 5), (3, 4, 7, 9), (1, 6, 1030), (5, 300, 2), (2, 18, 33, 3)])
@pytest.mark.parametrize("kind", ["b0", "b0, stored", "b1", "b2", "s0", "s1", "s2"])
def test_lanes_of_evonorm_agree(kind, shape, layout):
    """Also where the gate is so steep that its exponent leaves the doubles, and a NaN stays where it belongs."""
    rng = np.random.default_rng(4)
    x = rng.normal(1.0, 2.0, shape) * 10.0 ** rng.integers(-3, 4, (shape[0], 1) + (1,) * (len(shape) - 2))
    w, b, var = rng.normal(size=shape[1]), rng.normal(size=shape[1]), rng.uniform(0.5, 2.0, shape[1])
    v = rng.normal(size=shape[1]) * 10.0 ** rng.integers(-2, 5, shape[1])
    groups = {"groups": shape[1] // 2 if shape[1] % 2 == 0 else 1} if kind.startswith("s") else {}
    options = {"kind": kind[:2]} | groups
    arrays = [x, v if "0" in kind else None, w, b, var if "stored" in kind else None]
    for dtype, rtol in (("float32", 1.2e-7), ("float64", 1e-12)):
        given = [a if a is None else a.astype(dtype) for a in arrays]
        given[0] = LAYOUTS[layout](given[0])
        for hole in (False, True):
            if hole:
                given[0] = given[0].copy(order="K")
                given[0][0, -1, 0] = np.nan
            with refnorm.lane("formula"):
                wanted = evonorm(*given, **options, eps=0.1)
            with refnorm.lane("kernel"):
                got = evonorm(*given, **options, eps=0.1)
                inplace = given[0].copy(order="K")
                evonorm(inplace, *given[1:], **options, eps=0.1, out=inplace)
            assert np.array_equal(got, inplace, equal_nan=True)
            assert np.array_equal(np.isnan(got), np.isnan(wanted))
            off = np.abs(got.astype("float64") - wanted)
            sure = np.abs(b if dtype == "float64" else b.astype(dtype)).reshape(-1, *[1] * (len(shape) - 2))
            assert (np.isnan(off) | (off <= rtol * (np.abs(wanted) + sure)) | (got == wanted)).all()


@pytest.mark.skipif(load("refnorm.norm.activation") is None, reason="no kernels are compiled here")
def test_threads_of_b0_give_the_same_bits(monkeypatch):
    rng = np.random.default_rng(5)
    x, v = rng.normal(size=(9, 37, 41, 61)).astype("float32"), rng.normal(size=37).astype("float32")
    answers = []
    for n in (1, 2, 5):
        monkeypatch.setenv("REFNORM_NUM_THREADS", str(n))
        with refnorm.lane("kernel"):
            answers.append(evonorm(x, v, kind="b0").tobytes())
    assert answers[0] == answers[1] == answers[2]


def test_dice_by_hand():
    """Scores of -1 and 1 with eps = 0, times ln 3 by the gain: a quarter passes, and three."""
    x = np.array([[2.0], [6.0]])
    y = dice_activation(x, np.array([0.5]), None, None, np.array([np.log(3.0)]), eps=0.0)
    assert np.allclose(y, [[2 * (0.25 + 0.75 * 0.5)], [6 * (0.75 + 0.25 * 0.5)]], rtol=1e-15)
    y = dice_activation(x, np.array([0.5]), np.array([2.0]), np.array([1.0]), eps=3.0)
    assert np.allclose(y, [[2 * 0.75], [6 * (1 - 0.5 / (1 + np.exp(2.0)))]], rtol=1e-15)


def test_evonorm_equals_torch_written_as_timm(torch):
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(0.5, 1.0, (4, 6, 5, 3)))
    v, w, b = (torch.from_numpy(rng.normal(size=6)) for _ in range(3))
    row = lambda p: p.view(1, -1, 1, 1)
    arrays = [a.numpy() for a in (x, v, w, b)]
    parts = x.reshape(4, 2, 3, 5, 3)
    std = parts.var(dim=(2, 3, 4), unbiased=False, keepdim=True).add(1e-5).sqrt().expand(parts.shape).reshape(x.shape)
    wanted = x * (x * row(v)).sigmoid() / std * row(w) + row(b)
    options = {**refnorm.convention("timm s0", "evonorm"), "groups": 2}
    assert np.allclose(evonorm(*arrays, **options), wanted, rtol=1e-12)
    left = x.var(dim=(0, 2, 3), unbiased=False).add(1e-3).sqrt().view(1, -1, 1, 1)
    right = x * row(v) + x.var(dim=(2, 3), unbiased=False, keepdim=True).add(1e-3).sqrt()
    wanted = x / left.max(right) * row(w) + row(b)
    assert np.allclose(evonorm(*arrays, **refnorm.convention("timm b0", "evonorm")), wanted, rtol=1e-12)
    assert not np.allclose(evonorm(*arrays, **refnorm.convention("flax b0", "evonorm")), wanted, rtol=1e-12)  # eps


@pytest.mark.parametrize("kind", ["b1", "b2", "s1", "s2"])
def test_the_other_evonorms_equal_torch_written_as_timm(kind, torch):
    rng = np.random.default_rng(4)
    x, (w, b) = rng.normal(0.5, 1.0, (4, 64, 5, 3)), rng.normal(size=(2, 64))
    t = torch.from_numpy(x)
    rms = t.square().mean((2, 3), keepdim=True).add(1e-5).sqrt()
    left = t.var(dim=(0, 2, 3), unbiased=False, keepdim=True).add(1e-5).sqrt()
    parts = t.reshape(4, 32, 2, 5, 3)
    group = {
        "s1": parts.var(dim=(2, 3, 4), unbiased=False, keepdim=True),
        "s2": parts.square().mean((2, 3, 4), keepdim=True),
    }
    if kind.startswith("s"):
        y = torch.nn.functional.silu(t) / group[kind].add(1e-5).sqrt().expand(parts.shape).reshape(t.shape)
    else:
        y = t / left.max((t + 1) * rms if kind == "b1" else rms - t)
    wanted = y.numpy() * w[:, None, None] + b[:, None, None]
    got = evonorm(x, None, w, b, **refnorm.convention(f"timm {kind}", "evonorm"))
    assert np.allclose(got, wanted, rtol=1e-11, atol=1e-13)


def test_the_stored_variance_of_b0(torch):
    """timm stores the unbiased variance with a tenth of the new one; torch's batch norm does the same."""
    x = np.random.default_rng(2).normal(size=(4, 3, 5))
    _, var, count = batch_moments(x)
    stored = update_running(np.ones(3), var, momentum=0.1, count=count, correction=1)
    layer = torch.nn.BatchNorm1d(3).double()
    layer(torch.from_numpy(x))
    assert np.allclose(stored, layer.running_var.numpy(), rtol=1e-13)
    later = evonorm(x, np.ones(3), None, None, stored, kind="b0")
    batch = np.maximum(np.sqrt(stored + 1e-5)[:, None], x + np.sqrt(x.var(axis=2, keepdims=True) + 1e-5))
    assert np.allclose(later, x / batch, rtol=1e-13)


def test_dice_equals_batch_norm_and_a_logistic_in_torch(torch):
    """As deepctr-torch has it; and as the released code, whose moments stay 0 and 1."""
    rng = np.random.default_rng(3)
    x, alpha, beta = rng.normal(1.0, 2.0, (7, 4)), rng.normal(size=4), rng.normal(size=4)
    t = torch.from_numpy(x)
    p = torch.sigmoid(torch.nn.functional.batch_norm(t, None, None, training=True, eps=1e-8)).numpy()
    got = dice_activation(x, alpha, **refnorm.convention("deepctr-torch", "dice_activation"))
    assert np.allclose(got, alpha * (1 - p) * x + p * x, rtol=1e-12)
    p = torch.sigmoid(torch.from_numpy(beta) * t / 1.001**0.5).numpy()
    code = refnorm.convention("code", "dice_activation")
    got = dice_activation(x, alpha, np.zeros(4), np.ones(4), beta, **code)
    assert np.allclose(got, alpha * (1 - p) * x + p * x, rtol=1e-12)
    assert not np.allclose(dice_activation(x, alpha, **code), got, rtol=1e-2)


def test_far_out_and_not_a_number():
    with np.errstate(all="ignore"):
        x = np.array([[-1e4, 1e4]])
        y = dice_activation(x, np.zeros(2), np.zeros(2), np.ones(2))
        assert y.tolist() == [[0.0, 1e4]]
        y = evonorm(np.array([[[np.nan, 1.0], [2.0, 3.0]]]), np.ones(2), kind="s0", groups=2)
        assert np.isnan(y[0, 0]).all()
        assert np.isfinite(y[0, 1]).all()
        y = dice_activation(np.array([[np.nan, 1.0], [2.0, 3.0]]), np.ones(2))
        assert np.isnan(y).tolist() == [[True, False], [True, False]]
    assert evonorm(np.zeros((0, 3, 2)), np.ones(3), kind="s0", groups=1).shape == (0, 3, 2)


def test_refusals():
    x, c = np.ones((2, 4, 3)), np.ones(4)
    for call, error, said in [
        (
            lambda: evonorm(x, c, kind="s3", groups=2),
            ValueError,
            "kind must be one of b0, b1, b2, s0, s1, s2, got",
        ),
        (lambda: evonorm(x, c, kind="s1", groups=2), ValueError, "kind 's1' has no slope: v must be None"),
        (lambda: evonorm(x, kind="b0"), ValueError, "kind 'b0' needs a slope v"),
        (lambda: evonorm(x, kind="b2", groups=2), ValueError, "kind 'b2' has no groups"),
        (lambda: evonorm(x, None, None, None, c, kind="s2", groups=2), ValueError, "var must be None"),
        (lambda: evonorm(x, c, kind="s0"), TypeError, "groups must be an int"),
        (lambda: evonorm(x, c, kind="s0", groups=3), ValueError, "groups must divide the channels"),
        (lambda: evonorm(x, c, kind="b0", groups=2), ValueError, "kind 'b0' has no groups"),
        (lambda: evonorm(x, c, None, None, c, kind="s0", groups=2), ValueError, "var must be None"),
        (lambda: evonorm(x, c[:3], kind="b0"), ValueError, r"v must have shape \(4,\), got \(3,\)"),
        (lambda: evonorm(x, c, None, None, c[:3], kind="b0"), ValueError, "var must have shape"),
        (lambda: evonorm(x, c, c[:3], kind="b0"), ValueError, "weight must have shape"),
        (lambda: evonorm(x, c, kind="b0", axis=0), ValueError, "axis"),
        (lambda: evonorm(x[:0], c, kind="b0"), ValueError, "at least one element"),
        (lambda: evonorm(x, c, kind="b0", eps=-1.0), ValueError, "eps"),
        (lambda: dice_activation(x, c), ValueError, r"alpha must have shape \(3,\), got \(4,\)"),
        (lambda: dice_activation(x, c[:3], c[:3]), ValueError, "both or not at all"),
        (lambda: dice_activation(x, c[:3], None, None, c), ValueError, "gain must have shape"),
        (lambda: dice_activation(x[:0], c[:3]), ValueError, "at least one element"),
        (lambda: dice_activation(x[0, 0], c[:3]), ValueError, "channel axis"),
        (lambda: dice_activation(x, c[:3], eps=-1.0), ValueError, "eps"),
    ]:
        with pytest.raises(error, match=said):
            call()
