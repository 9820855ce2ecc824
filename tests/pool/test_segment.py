"""segment_pool by hand, refusals, ties, and the reductions of torch and JAX under their conventions."""

import sys

import numpy as np
import pytest

import refnorm
from refnorm._lanes import cpu_level
from refnorm.pool import segment_pool, segment_pool_vjp

X = np.array([[1.0, 8.0], [5.0, 0.0], [3.0, 2.0], [7.0, 7.0]])
IDS = np.array([0, 2, 0, -1])


@pytest.mark.parametrize(
    ("reduce", "wanted"),
    [
        ("mean", [[2.0, 5.0], [9.0, 9.0], [5.0, 0.0]]),
        ("sum", [[4.0, 10.0], [9.0, 9.0], [5.0, 0.0]]),
        ("max", [[3.0, 8.0], [9.0, 9.0], [5.0, 0.0]]),
        ("min", [[1.0, 2.0], [9.0, 9.0], [5.0, 0.0]]),
    ],
)
def test_by_hand(reduce, wanted):
    assert np.array_equal(segment_pool(X, IDS, segments=3, reduce=reduce, fill=9.0), wanted)


def test_the_first_of_equal_members_takes_the_gradient_the_first_nan_before_all():
    x, ids, g = np.array([2.0, 5.0, 5.0, 1.0]), np.zeros(4, int), np.array([6.0])
    assert np.array_equal(segment_pool_vjp(g, x, ids, segments=1, reduce="max"), [0, 6, 0, 0])
    assert np.array_equal(segment_pool_vjp(g, -x, ids, segments=1, reduce="min"), [0, 6, 0, 0])
    x[2:] = np.nan
    assert np.array_equal(segment_pool_vjp(g, x, ids, segments=1, reduce="max"), [0, 0, 6, 0])


def test_refusals():
    for call, error, said in [
        (lambda: segment_pool(X, None, segments=3), TypeError, "ids must be an integer array of the library of x"),
        (lambda: segment_pool(X, IDS * 1.0, segments=3), TypeError, "ids must hold integers, got float64"),
        (lambda: segment_pool(X, IDS[:2], segments=3), ValueError, r"ids must have shape \(4,\), got \(2,\)"),
        (lambda: segment_pool(X, IDS, segments=0), ValueError, "segments must be at least 1, got 0"),
        (lambda: segment_pool(X, IDS, segments=2.5), TypeError, "segments must be an int"),
        (lambda: segment_pool(X, IDS, segments=3, fill="0"), TypeError, "fill must be a real number"),
        (lambda: segment_pool(X, IDS, segments=3, reduce="amax"), ValueError, "reduce must be 'sum', 'mean', 'max' or"),
        (lambda: segment_pool(np.float64(3.0), IDS, segments=3), ValueError, "x must have at least one axis"),
    ]:
        with pytest.raises(error, match=said):
            call()


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("reduce", ["sum", "mean", "max", "min"])
def test_leaping_gives_what_walking_gives(monkeypatch, reduce, dtype):
    """Without cache for the sums, and with more features than one piece holds."""
    rng = np.random.default_rng(3)
    x, ids = rng.normal(size=(90, 300)).astype(dtype), rng.integers(-1, 8, 90)
    walked = segment_pool(x, ids, segments=9, reduce=reduce, fill=2.5)
    monkeypatch.setattr(sys.modules["refnorm.pool.segment"], "CACHE", 0)
    assert np.array_equal(segment_pool(x, ids, segments=9, reduce=reduce, fill=2.5), walked)
    backwards = segment_pool(x[::-1, ::-2], ids[::-1], segments=9, reduce=reduce, fill=2.5)
    np.testing.assert_array_max_ulp(backwards, walked[:, ::-2], 0 if reduce in ("max", "min") else 1)


def test_batches_are_more_segments():
    rng = np.random.default_rng(0)
    x, ids = rng.normal(size=(3, 7, 2)), rng.integers(0, 4, (3, 7))
    flat = segment_pool(x.reshape(21, 2), (ids + 4 * np.arange(3)[:, None]).ravel(), segments=12, reduce="max")
    each = [segment_pool(*one, segments=4, reduce="max") for one in zip(x, ids, strict=True)]
    assert np.array_equal(flat.reshape(3, 4, 2), each)


@pytest.mark.parametrize("reduce", ["sum", "max", "min"])
def test_jax_ops(jax, reduce):
    rng = np.random.default_rng(1)
    x, ids = rng.normal(size=(20, 3)).astype("float32"), rng.integers(-1, 9, 20)
    how = refnorm.convention(f"jax-{reduce}", "segment_pool") if reduce != "sum" else {"reduce": "sum"}
    wanted = getattr(jax.ops, f"segment_{reduce}")(x, ids, num_segments=9)
    np.testing.assert_allclose(segment_pool(x, ids, segments=9, **how), np.asarray(wanted), rtol=1e-5)


@pytest.mark.parametrize(("reduce", "theirs"), [("sum", "sum"), ("mean", "mean"), ("max", "amax"), ("min", "amin")])
def test_torch_scatter_reduce_and_its_gradient(torch, reduce, theirs):
    rng = np.random.default_rng(2)
    x, ids, g = rng.normal(size=(20, 3)), rng.integers(0, 6, 20), rng.normal(size=(6, 3))
    t = torch.from_numpy(x).requires_grad_()
    at = torch.from_numpy(ids)[:, None].expand(20, 3)
    y = torch.zeros(6, 3, dtype=t.dtype).scatter_reduce(0, at, t, theirs, include_self=False)
    np.testing.assert_allclose(segment_pool(x, ids, segments=6, reduce=reduce), y.detach().numpy(), rtol=1e-14)
    (dx,) = torch.autograd.grad(y, t, torch.from_numpy(g))
    np.testing.assert_allclose(segment_pool_vjp(g, x, ids, segments=6, reduce=reduce), dx.numpy(), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_ids_of_any_integers(torch, lane, dtype):
    rng = np.random.default_rng(4)
    x, ids = rng.normal(size=(30, 3)), rng.integers(0, 9, 30)  # 7 and 8 are in no segment
    wanted = segment_pool(x, ids, segments=7), segment_pool_vjp(x[:7], x, ids, segments=7)
    given = torch.from_numpy(x), torch.from_numpy(ids.astype(dtype))
    with refnorm.lane(lane if cpu_level() else "formula"):
        np.testing.assert_allclose(segment_pool(*given, segments=7), wanted[0], rtol=1e-14)
        np.testing.assert_allclose(segment_pool_vjp(given[0][:7], *given, segments=7), wanted[1], rtol=1e-14)


def test_torch_shares_the_gradient_of_equal_members(torch):
    x = torch.ones(2, 1, requires_grad=True)
    y = torch.zeros(1, 1).scatter_reduce(0, torch.zeros(2, 1, dtype=torch.int64), x, "amax", include_self=False)
    y.backward()
    assert x.grad.tolist() == [[0.5], [0.5]]
    assert segment_pool_vjp(np.ones((1, 1)), np.ones((2, 1)), np.zeros(2, int), segments=1, reduce="max")[1] == 0


@pytest.mark.parametrize("lane", ["formula", "kernel"])
def test_the_gradient_of_no_columns_is_empty(lane):
    """The kernel lane once divided by the number of columns to count the rows."""
    with refnorm.lane(lane):
        assert segment_pool_vjp(np.ones((3, 0)), np.ones((5, 0)), np.zeros(5, int), segments=3).shape == (5, 0)
        assert segment_pool_vjp(np.ones((3, 0)), np.ones((5, 0)), np.zeros(5, int), segments=3, reduce="max").size == 0
