"""stablemax and its relatives by hand, at their edges, and against softmax of signed logarithms."""

import numpy as np
import pytest

from refnorm.prob import (
    log_stablemax,
    log_stablemax_vjp,
    softmax,
    softmax_collapse_mask,
    stablemax,
    stablemax_cross_entropy,
    stablemax_cross_entropy_vjp,
    stablemax_vjp,
)

NAN, INF = float("nan"), float("inf")


def test_by_hand():
    assert stablemax(np.array([1.0, 0.0, -1.0, -1.0])).tolist() == [0.5, 0.25, 0.125, 0.125]
    assert stablemax(np.array([[2.0, 0.0], [0.0, 0.0]]), axis=0).tolist() == [[0.75, 0.5], [0.25, 0.5]]
    assert np.allclose(log_stablemax(np.array([1.0, 0.0, -1.0, -1.0])), np.log([0.5, 0.25, 0.125, 0.125]), rtol=1e-15)
    assert stablemax_vjp(np.array([1.0, 0.0]), np.array([1.0, 1.0])).tolist() == [0.125, -0.125]
    assert log_stablemax_vjp(np.array([1.0, 0.0]), np.array([1.0, 1.0])).tolist() == [0.25, -0.25]
    x, labels = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([0, 2])
    assert np.allclose(stablemax_cross_entropy(x, labels, reduce="none"), np.log([2.0, 3.0]), rtol=1e-15)
    assert np.allclose(stablemax_cross_entropy(x, labels), np.log(6.0) / 2, rtol=1e-15)
    assert np.allclose(stablemax_cross_entropy(x, labels, reduce="sum"), np.log(6.0), rtol=1e-15)
    dx = stablemax_cross_entropy_vjp(np.array(2.0), x, labels)
    assert np.allclose(dx, [[-0.25, 0.25, 0.25], [1 / 3, 1 / 3, -2 / 3]], rtol=1e-15)


def test_is_the_softmax_of_signed_logarithms():
    x = np.random.default_rng(0).normal(0, 9, (5, 7))
    t = np.sign(x) * np.log1p(np.abs(x))
    assert np.allclose(stablemax(x), softmax(t), rtol=1e-14)
    assert np.allclose(stablemax(x, axis=0), softmax(t, axis=0), rtol=1e-14)


def test_the_logarithm_goes_where_the_quotient_cannot():
    x = np.array([1e300, -1e300, 0.0])
    assert np.allclose(log_stablemax(x), [-1e-300, -2 * np.log(1e300), -np.log(1e300)], rtol=1e-15, atol=0)
    assert log_stablemax(np.array([1e20, 0.0]))[0] == -1e-20


def test_special_rows():
    x = np.array([[0.0, -INF], [INF, 0.0], [NAN, 0.0], [-INF, -INF]])
    with np.errstate(all="ignore"):
        assert np.array_equal(stablemax(x), [[1, 0], [NAN, 0], [NAN, NAN], [NAN, NAN]], equal_nan=True)
        log = [[0, -INF], [NAN, -INF], [NAN, NAN], [NAN, NAN]]
        assert np.array_equal(log_stablemax(x), log, equal_nan=True)
        got = stablemax_cross_entropy(x[:1].repeat(3, axis=0), np.array([0, 2, -1]), reduce="none")
    assert np.array_equal(got, [0, NAN, NAN], equal_nan=True)


@pytest.mark.parametrize(("dtype", "gap"), [("float16", 7.625), ("float32", 16.64), ("float64", 36.74)])
def test_collapse_of_two_scores(dtype, gap):
    """softmax in the type itself is 1 from there on; log_softmax of the label is then 0."""
    x = np.array([[gap, 0.0], [gap - 0.02, 0.0], [0.0, gap]])
    assert softmax_collapse_mask(x, np.zeros(3, int), dtype=dtype)[0].tolist() == [True, False, False]
    one = np.dtype(dtype).type(1)
    assert one + np.exp(np.dtype(dtype).type(-gap)) == one
    assert one + np.exp(np.dtype(dtype).type(0.02 - gap - 0.01)) != one


def test_collapse_needs_a_finite_largest_score():
    x = np.array([[INF, 0.0], [NAN, 0.0], [-INF, -INF], [0.0, -INF], [0.0, 0.0]])
    with np.errstate(all="ignore"):
        got = softmax_collapse_mask(x, np.zeros(5, int), dtype="float32")
    assert got[0].tolist() == [False, False, False, True, False]
    assert np.array_equal(got[1], [NAN, NAN, NAN, 0, 1], equal_nan=True)
    assert softmax_collapse_mask(np.array([[90.0, 0.0]]), np.array([5]), dtype="float32")[0].tolist() == [False]


def test_refusals():
    x, labels = np.ones((2, 3)), np.zeros(2, int)
    for call, error, said in [
        (lambda: stablemax(x[:, :0]), ValueError, "must not be empty"),
        (lambda: log_stablemax(x, axis=2), ValueError, "axis 2 does not exist"),
        (lambda: stablemax_cross_entropy(x, labels[:1]), ValueError, r"labels must have shape \(2,\)"),
        (lambda: stablemax_cross_entropy(x, labels * 1.0), TypeError, "labels must hold integers"),
        (lambda: stablemax_cross_entropy(x, None), TypeError, "labels must be an integer array"),
        (lambda: stablemax_cross_entropy(x, labels, reduce="max"), ValueError, "reduce must be"),
        (lambda: stablemax_cross_entropy(x[:0], labels[:0]), ValueError, "at least one row"),
        (lambda: softmax_collapse_mask(x, labels, dtype="int8"), ValueError, "dtype must be one of float16"),
    ]:
        with pytest.raises(error, match=said):
            call()
