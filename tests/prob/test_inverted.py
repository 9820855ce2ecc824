"""Inverted softmaxes by hand, refusals, and the softmax down a column."""

import numpy as np
import pytest

from refnorm.prob import (
    dual_inverted_softmax,
    dynamic_inverted_softmax,
    inverted_softmax,
    inverted_softmax_vjp,
    softmax,
)

X, BANK = np.log(np.array([[1.0, 1.0], [6.0, 2.0]])), np.log(np.array([[1.0, 2.0], [3.0, 2.0]]))


def test_by_hand():
    assert np.allclose(inverted_softmax(X, BANK, beta=1.0), [[0.25, 0.25], [1.5, 0.5]], rtol=1e-15)
    assert np.allclose(inverted_softmax(X, BANK, beta=2.0), [[0.1, 0.125], [3.6, 0.5]], rtol=1e-15)
    both = dual_inverted_softmax(X, BANK, BANK[:1], beta=1.0, gallery_beta=1.0)
    assert np.allclose(both, [[0.25, 0.125], [9.0, 0.5]], rtol=1e-15)


def test_dynamic_by_hand():
    hubs = dynamic_inverted_softmax(X, BANK, beta=1.0)  # of 1, 2 and 3, 2 the largest are members 1 and 0
    assert np.allclose(hubs, [[0.25, 0.25], [1.5, 0.5]], rtol=1e-15)
    hubs = dynamic_inverted_softmax(X[:, ::-1], BANK[:1], beta=1.0)  # the hub is member 1
    assert np.allclose(hubs, [np.log([1.0, 1.0]), [2.0, 3.0]], rtol=1e-15)
    hubs = dynamic_inverted_softmax(X[:, ::-1], BANK[:1], beta=1.0, k=2)
    assert np.allclose(hubs, [[1.0, 0.5], [2.0, 3.0]], rtol=1e-15)


def test_no_factor_overflows_where_the_product_does_not():
    x, low, high = np.full((1, 1), 400.0), np.zeros((1, 1)), np.full((1, 1), 800.0)
    assert np.allclose(dual_inverted_softmax(x, low, high, beta=2.0, gallery_beta=2.0), 1.0, rtol=1e-15)


def test_own_bank_is_a_softmax_of_columns():
    x = np.random.default_rng(0).normal(size=(5, 7))
    assert np.allclose(inverted_softmax(x, x, beta=3.0), softmax(3 * x, axis=0), rtol=1e-13)


def test_exponentials_out_of_range_cancel():
    x = np.array([[5000.0, -5000.0]])
    assert inverted_softmax(x, x).tolist() == [[1.0, 1.0]]


def test_gradient_by_hand():
    dx, dbank = inverted_softmax_vjp(np.array([[4.0, 0.0]]), np.zeros((1, 2)), np.zeros((2, 2)), beta=0.5)
    assert dx.tolist() == [[1.0, 0.0]]
    assert dbank.tolist() == [[-0.5, 0.0], [-0.5, 0.0]]


def test_refusals():
    for call, error, said in [
        (lambda: inverted_softmax(X, BANK[:, :1]), ValueError, r"bank must have shape \(B, 2\)"),
        (lambda: inverted_softmax(X, BANK[:0]), ValueError, "B at least 1"),
        (lambda: inverted_softmax(X, BANK[0]), ValueError, r"got \(2,\)"),
        (lambda: inverted_softmax(X[:, :0], BANK[:, :0]), ValueError, "not empty"),
        (lambda: inverted_softmax(X, None), TypeError, "bank must be an array"),
        (lambda: inverted_softmax(X, BANK, beta=-1.0), ValueError, "beta must be finite and not below zero"),
        (lambda: inverted_softmax(X, BANK, beta="1"), TypeError, "beta must be a real number, got str"),
        (lambda: dual_inverted_softmax(X, BANK, BANK[:, :1]), ValueError, r"gallery_bank must have shape \(B, 2\)"),
        (lambda: dual_inverted_softmax(X, BANK, BANK, gallery_beta=-1.0), ValueError, "gallery_beta must be finite"),
        (lambda: dynamic_inverted_softmax(X, BANK, k=0), ValueError, "k must be at least 1"),
        (lambda: dynamic_inverted_softmax(X, BANK, k=1.0), TypeError, "k must be an int"),
    ]:
        with pytest.raises(error, match=said):
            call()
