"""adaptive_avg_pool by hand, at its edges, and against torch, Keras, onnxruntime and plain window pooling."""

import itertools

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnorm
from refnorm._lanes import cpu_level
from refnorm.pool import adaptive_avg_pool, adaptive_avg_pool_vjp, avg_pool

LANES = pytest.mark.parametrize("lane", ["formula", "kernel"])


@LANES
def test_by_hand(lane):
    line = np.array([[[1.0, 2.0, 6.0, 7.0, 10.0]]])
    square = np.arange(9.0).reshape(1, 1, 3, 3)
    with refnorm.lane(lane):
        assert adaptive_avg_pool(line, output_size=2).tolist() == [[[3.0, 23 / 3]]]  # the middle cell is in both
        assert adaptive_avg_pool(line, output_size=3).tolist() == [[[1.5, 5.0, 8.5]]]
        assert adaptive_avg_pool(line, output_size=5).tolist() == line.tolist()
        assert adaptive_avg_pool(line[..., :2], output_size=3).tolist() == [[[1.0, 1.5, 2.0]]]
        assert adaptive_avg_pool(line[..., :2], output_size=4).tolist() == [[[1.0, 1.0, 2.0, 2.0]]]
        assert adaptive_avg_pool(square, output_size=2).tolist() == [[[[2.0, 3.0], [5.0, 6.0]]]]
        assert adaptive_avg_pool(square, output_size=(None, 1)).tolist() == [[[[1.0], [4.0], [7.0]]]]


@LANES
def test_gradients_by_hand(lane):
    x = np.zeros((1, 1, 5))
    with refnorm.lane(lane):
        assert adaptive_avg_pool_vjp(np.array([[[3.0, 6.0]]]), x, output_size=2).tolist() == [[[1, 1, 3, 2, 2]]]
        g = np.array([[[1.0, 2.0, 4.0]]])
        assert adaptive_avg_pool_vjp(g, x[..., :2], output_size=3).tolist() == [[[2.0, 5.0]]]


@LANES
def test_nan_and_infinity_stay_in_their_bins(lane):
    """Also beside them: the zeros that fill up shorter bins are no cells of the data."""
    nan, inf = np.nan, np.inf
    for dtype in ("float32", "float64"):
        x = np.array([[[nan, 1.0, 2.0, 3.0, 4.0, inf, -inf]]], dtype=dtype)
        with refnorm.lane(lane), np.errstate(invalid="ignore"):
            y = adaptive_avg_pool(x, output_size=5)
            z = adaptive_avg_pool(x[..., 1:6], output_size=2)
            g = adaptive_avg_pool_vjp(np.array([[[nan, 1.0, 2.0, 3.0, inf]]], dtype=dtype), x, output_size=5)
        assert np.array_equal(y, [[[nan, 1.5, 3.0, inf, nan]]], equal_nan=True)
        assert np.array_equal(z, [[[2.0, inf]]])
        assert np.array_equal(
            g, np.array([[[nan, nan, 0.5 + 2 / 3, 2 / 3, 2 / 3 + 1.5, inf, inf]]], dtype), equal_nan=True
        )


@LANES
@pytest.mark.parametrize("output_size", [1, 3, (2, 5), (12, 30), (None, 4), (4, None)])
def test_channels_last_is_a_view(output_size, lane):
    x = np.random.default_rng(0).normal(size=(2, 9, 11, 5)).astype("float32")
    view = np.moveaxis(x, -1, 1)
    with refnorm.lane(lane):
        y = adaptive_avg_pool(view, output_size=output_size)
        dx = adaptive_avg_pool_vjp(y, view, output_size=output_size)
        wanted = adaptive_avg_pool(np.ascontiguousarray(view), output_size=output_size)
        slope = adaptive_avg_pool_vjp(wanted, np.ascontiguousarray(view), output_size=output_size)
    assert np.array_equal(y, wanted)
    assert np.array_equal(dx, slope)
    if lane == "kernel":
        assert y.strides[1] == 4  # memory is laid out as that of x
        out = np.moveaxis(np.zeros((2, *y.shape[2:], 5), "float32"), -1, 1)
        assert adaptive_avg_pool(view, output_size=output_size, out=out) is out
        assert np.array_equal(out, wanted)


@LANES
def test_refusals(lane):
    x = np.ones((1, 2, 5, 6), "float32")
    with refnorm.lane(lane):
        for data, size, error, said in [
            (x, 0, ValueError, "output_size must be at least 1, got 0"),
            (x, (3, -1), ValueError, "output_size must be at least 1"),
            (x, (2, 2, 2), ValueError, "one entry for each of the 2 axes"),
            (x, (2,), ValueError, "one entry for each of the 2 axes"),
            (x, None, TypeError, "output_size must be an int or a tuple of ints and None, got None"),
            (x, 2.0, TypeError, "output_size must be an int"),
            (x, (2, "3"), TypeError, "output_size must be an int"),
            (x[0, 0], 2, ValueError, r"\(N, C, \*spatial\)"),
            (x[..., :0], 2, ValueError, "spatial axes must not be empty"),
        ]:
            with pytest.raises(error, match=said):
                adaptive_avg_pool(data, output_size=size)
            with pytest.raises(error, match=said):
                adaptive_avg_pool_vjp(x, data, output_size=size)


@LANES
def test_no_planes(lane):
    with refnorm.lane(lane):
        for shape in ((0, 3, 4, 4), (3, 0, 4, 4)):
            y = adaptive_avg_pool(np.zeros(shape), output_size=(2, 3))
            assert y.shape == (*shape[:2], 2, 3)
            assert adaptive_avg_pool_vjp(y, np.zeros(shape), output_size=(2, 3)).shape == shape


# ---- other people's implementations ----

SIZES = [1, 2, 3, 5, 8, (3, 5), (7, 1), (1, 7), (8, 7), (9, 20), (None, 3), (3, None)]


@LANES
@pytest.mark.parametrize("output_size", SIZES, ids=str)
def test_equals_torch(output_size, lane, torch):
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 7))
    t = torch.from_numpy(x).requires_grad_()
    wanted = torch.nn.functional.adaptive_avg_pool2d(t, output_size)
    g = np.random.default_rng(2).normal(size=wanted.shape)
    (slope,) = torch.autograd.grad(wanted, t, torch.from_numpy(g))
    with refnorm.lane(lane):
        y = adaptive_avg_pool(x, output_size=output_size, **refnorm.convention("torch", "adaptive_avg_pool"))
        assert np.allclose(y, wanted.detach().numpy(), rtol=1e-14, atol=1e-15)
        assert np.allclose(adaptive_avg_pool_vjp(g, x, output_size=output_size), slope.numpy(), rtol=1e-14, atol=1e-15)


@LANES
@pytest.mark.parametrize("rank", [1, 3])
def test_equals_torch_on_lines_and_volumes(rank, lane, torch):
    x = np.random.default_rng(3).normal(size=(2, 3, *(7, 6, 5)[:rank])).astype("float32")
    size = (3, 4, 9)[:rank]
    wanted = getattr(torch.nn.functional, f"adaptive_avg_pool{rank}d")(torch.from_numpy(x), size if rank > 1 else 3)
    with refnorm.lane(lane):
        assert np.allclose(adaptive_avg_pool(x, output_size=size), wanted.numpy(), rtol=1e-6, atol=1e-6)


@LANES
def test_equals_keras(lane, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("jax", reason="jax is not installed")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    x = np.random.default_rng(4).normal(size=(2, 9, 11, 5)).astype("float32")
    view = np.moveaxis(x, -1, 1)
    for size in (1, 3, (4, 5), (2, 11)):
        wanted = np.asarray(keras.ops.adaptive_average_pool(x, size, data_format="channels_last"))
        with refnorm.lane(lane):
            y = adaptive_avg_pool(view, output_size=size, **refnorm.convention("keras", "adaptive_avg_pool"))
        assert np.allclose(np.moveaxis(y, 1, -1), wanted, rtol=1e-5, atol=1e-6)


@LANES
def test_over_channels_is_channel_wise_interpolation(lane, torch):
    """Network Pruning via Transformable Architecture Search: channels resized, planes as they are."""
    x = np.random.default_rng(5).normal(size=(2, 7, 3, 4))
    for channels in (1, 3, 7, 10):
        wanted = torch.nn.functional.adaptive_avg_pool3d(torch.from_numpy(x), (channels, 3, 4)).numpy()
        with refnorm.lane(lane):
            y = adaptive_avg_pool(x[:, None], output_size=(channels, None, None))[:, 0]
        assert np.allclose(y, wanted, rtol=1e-14, atol=1e-15)


@LANES
def test_even_bins_are_windows(lane):
    x = np.random.default_rng(6).normal(size=(2, 3, 12, 20)).astype("float32")
    with refnorm.lane(lane):
        assert np.array_equal(adaptive_avg_pool(x, output_size=(3, 5)), avg_pool(x, window=4))
        whole = adaptive_avg_pool(x, output_size=1)[..., 0, 0]
    assert np.array_equal(whole, x.astype("float64").mean(axis=(2, 3)).astype("float32"))


def test_dask():
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    x = np.random.default_rng(7).normal(size=(2, 3, 8, 7))
    for size in (2, 3, (5, 9)):
        y = adaptive_avg_pool(da.from_array(x, chunks=(1, 3, 8, 7)), output_size=size)
        assert isinstance(y, da.Array)
        assert np.allclose(y.compute(), adaptive_avg_pool(x, output_size=size), rtol=1e-14)


# ---- any bins at all ----


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 14), st.none() | st.integers(1, 20)), min_size=1, max_size=3),
    st.integers(0, 2),
    st.booleans(),
)
def test_any_bins(axes, images, last):
    """Both lanes give the oracle's answer, and each other's gradient."""
    shape, sizes = zip(*axes, strict=True)
    x = np.random.default_rng(8).normal(size=(images, *shape, 3) if last else (images, 3, *shape))
    x = np.moveaxis(x, -1, 1) if last else x
    wanted = oracles.oracle("adaptive_avg_pool")(x.astype(oracles.WIDE), output_size=sizes)
    answers = []
    for lane in ("formula", "kernel") if cpu_level() else ("formula",):
        with refnorm.lane(lane):
            y = adaptive_avg_pool(x, output_size=sizes)
            answers.append(adaptive_avg_pool_vjp(y, x, output_size=sizes))
        assert y.shape == wanted.shape
        assert np.allclose(y, wanted.astype(float), rtol=1e-14, atol=1e-15)
        assert np.isclose((answers[-1] * x).sum(), (y * y).sum(), rtol=1e-12)  # <A' A x, x> = <A x, A x>
    assert np.allclose(answers[0], answers[-1], rtol=1e-14, atol=1e-15)


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_lines_longer_than_a_piece(dtype):
    """The kernel takes what is too wide for the stack in pieces: bins, cells or channels."""
    rng = np.random.default_rng(9)
    for shape, size in [
        ((1, 2, 3, 2500), (2, 2)),
        ((1, 2, 3, 2500), (None, 1999)),
        ((1, 2, 2500, 3), (1, 2)),
        ((1, 2, 3, 3), (2, 4000)),
        ((1, 1500, 4, 4), (2, 3)),
        ((1, 1, 5000), (3,)),
    ]:
        x = rng.normal(size=shape).astype(dtype)
        for view in (x, np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1), x[..., ::-1]):
            with refnorm.lane("formula"):
                y = adaptive_avg_pool(view, output_size=size)
                dx = adaptive_avg_pool_vjp(y, view, output_size=size)
            with refnorm.lane("kernel"):
                assert np.allclose(adaptive_avg_pool(view, output_size=size), y, rtol=1e-15, atol=1e-15)
                assert np.allclose(adaptive_avg_pool_vjp(y, view, output_size=size), dx, rtol=1e-14, atol=1e-14)


def test_bins_that_share_no_cell_are_refused(torch):
    """The comparison with torch has teeth: floor to floor and numpy.array_split are not its bins."""
    x = np.random.default_rng(10).normal(size=(1, 1, 7))
    wanted = torch.nn.functional.adaptive_avg_pool1d(torch.from_numpy(x), 3).numpy()
    floors = np.stack([x[..., a:b].mean(-1) for a, b in itertools.pairwise([0, 2, 4, 7])], -1)
    splits = np.stack([part.mean(-1) for part in np.array_split(x, 3, axis=-1)], -1)
    assert np.allclose(adaptive_avg_pool(x, output_size=3), wanted, rtol=1e-14)
    assert not np.allclose(floors, wanted, rtol=1e-2)
    assert not np.allclose(splits, wanted, rtol=1e-2)
