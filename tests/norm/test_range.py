"""Ranges by hand, refusals, and what scikit-learn and released code compute."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import min_max_normalize, order_statistic_clip

NAN, INF = float("nan"), float("inf")


def test_min_max_by_hand():
    x = np.array([[2.0, 6.0, 3.0], [-1.0, 1.0, 0.0]])
    assert min_max_normalize(x).tolist() == [[0.0, 1.0, 0.25], [0.0, 1.0, 0.5]]
    assert min_max_normalize(x, eps=4.0)[0].tolist() == [0.0, 0.5, 0.125]
    assert min_max_normalize(x, axis=0).tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    assert min_max_normalize(x, axis=(0, 1))[1].tolist() == [0.0, 2 / 7, 1 / 7]


def test_min_max_special_rows():
    with np.errstate(all="ignore"):
        assert np.isnan(min_max_normalize(np.full((2, 3), 5.0))).all()
        assert np.isnan(min_max_normalize(np.array([1.0, NAN, 2.0]))).all()
        got = min_max_normalize(np.array([1.0, INF, 2.0]))
        assert np.array_equal(got, [0.0, NAN, 0.0], equal_nan=True)
        assert np.isnan(min_max_normalize(np.array([1.0, -INF, 2.0]))).all()
    assert min_max_normalize(np.full((2, 3), 5.0), eps=0.1).tolist() == [[0.0] * 3] * 2


def test_a_range_beyond_the_largest_number():
    huge = np.array([-1.5e308, 1.5e308, 0.0])
    assert min_max_normalize(huge).tolist() == [0.0, 1.0, 0.5]
    with refnorm.compute("native"):
        assert min_max_normalize(np.array([-3e38, 3e38, 0.0], "float32")).tolist() == [0.0, 1.0, 0.5]
        assert min_max_normalize(np.array([0.0, 3e-45, 1.5e-45], "float32")).tolist() == [0.0, 1.0, 0.5]


def test_clip_by_hand():
    x = np.array([9.0, 1.0, 5.0, 3.0])
    assert order_statistic_clip(x, low=0.25, high=0.25).tolist() == [5.0, 3.0, 5.0, 3.0]
    assert order_statistic_clip(x, low=0.0, high=0.0).tolist() == x.tolist()
    assert order_statistic_clip(x, low=0.0, high=0.99).tolist() == [1.0] * 4
    ten = np.arange(10.0)
    assert 10 * (1 - 0.9) - 1 < 0  # rounding: the place is 0 all the same
    assert order_statistic_clip(ten, low=0.0, high=0.9).tolist() == [0.0] * 10
    assert order_statistic_clip(ten, low=0.5, high=0.7).tolist() == [2.0] * 10  # 5 is above 2
    both = order_statistic_clip(np.stack([ten, -ten]), low=0.2, high=0.0)
    assert both[0, :4].tolist() == [2.0, 2.0, 2.0, 3.0]
    assert both[1, -3:].tolist() == [-7.0, -7.0, -7.0]


def test_clip_keeps_nan_and_infinities():
    x = np.array([[1.0, NAN, 2.0, 3.0], [1.0, INF, 2.0, -INF]])
    got = order_statistic_clip(x, low=0.25, high=0.25)
    assert np.isnan(got[0]).all()
    assert got[1].tolist() == [1.0, 2.0, 2.0, 1.0]
    assert order_statistic_clip(x, low=0.0, high=0.0)[1].tolist() == x[1].tolist()


def test_refusals():
    x = np.ones((2, 3))
    for call, error, said in [
        (lambda: min_max_normalize(x, eps=-1.0), ValueError, "eps must be finite and not below zero"),
        (lambda: min_max_normalize(x, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: min_max_normalize(np.ones((2, 0))), ValueError, "must not be empty"),
        (lambda: order_statistic_clip(x), TypeError, "missing 2 required"),
        (lambda: order_statistic_clip(x, low=1.0, high=0.0), ValueError, "low must be a share .*got 1.0"),
        (lambda: order_statistic_clip(x, low=0.0, high=1.0), ValueError, "high must be a share .*got 1.0"),
        (lambda: order_statistic_clip(x, low=-0.1, high=0.0), ValueError, "got -0.1"),
        (lambda: order_statistic_clip(x, low=NAN, high=0.0), ValueError, "got nan"),
        (lambda: order_statistic_clip(x, low="5", high=0.0), TypeError, "low must be a number, got str"),
        (lambda: order_statistic_clip(np.ones((2, 0)), low=0.0, high=0.0), ValueError, "must not be empty"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_gradients(torch, jax):
    x = torch.tensor([[2.0, 6.0, 3.0], [-1.0, 1.5, 0.25]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: min_max_normalize(t, eps=0.5), x)
    assert torch.autograd.gradcheck(lambda t: order_statistic_clip(t, low=0.4, high=0.0), x)
    with jax.enable_x64(True):
        f = lambda v: (min_max_normalize(v, eps=0.5) * order_statistic_clip(v, low=0.4, high=0.0)).sum()
        got = jax.jit(jax.grad(f))(jax.numpy.asarray(x.detach().numpy()))
    f = (min_max_normalize(x, eps=0.5) * order_statistic_clip(x, low=0.4, high=0.0)).sum()
    assert np.allclose(got, torch.autograd.grad(f, x)[0].numpy(), rtol=1e-12)


# ---- other people's implementations ----


def test_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is not installed")
    x = np.random.default_rng(3).normal(30.0, 4.0, (7, 4))
    x[:, 2] = 1.25  # constant
    options = refnorm.convention("sklearn", "min_max_normalize")
    assert np.allclose(min_max_normalize(x, **options), sklearn.MinMaxScaler().fit_transform(x), rtol=1e-13, atol=1e-14)
    assert np.allclose(
        min_max_normalize(x[:, :2], **options | {"axis": 1}), sklearn.minmax_scale(x[:, :2], axis=1), atol=1e-14
    )
    paper = refnorm.convention("paper", "min_max_normalize")
    assert not np.allclose(min_max_normalize(x, **paper), sklearn.MinMaxScaler().fit_transform(x), atol=1e-2)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.2), (0.0, 0.9), (0.7, 0.6), (0.33, 0.0)])
def test_equals_pcb_merging(low, high, torch):
    """The clamp of the released code, in other words: torch sorts, Python cuts the places, torch clamps."""
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(3, 10)))
    ordered, d = torch.sort(x, dim=1).values, x.shape[1]
    least, most = ordered[:, int(d * low)], ordered[:, int(d * (1 - high) - 1)]
    wanted = torch.clamp(x, least[:, None], most[:, None])
    options = refnorm.convention("code", "order_statistic_clip")
    assert torch.equal(order_statistic_clip(x, low=low, high=high, **options), wanted)
