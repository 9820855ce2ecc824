"""Outer products by hand, refusals, and Fourier transforms, scikit-learn and torch beside them."""

import numpy as np
import pytest

from refnorm.pool import bilinear_pool, bilinear_pool_vjp, compact_bilinear_pool

X, Y = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[1.0, 0.0], [-1.0, 4.0]])
H, S = np.array([0, 2]), np.array([1.0, -1.0])


def test_by_hand():
    assert bilinear_pool(X, Y, reduce="sum").tolist() == [-2, 12, 2, 0]
    assert bilinear_pool(X, Y).tolist() == [-1, 6, 1, 0]
    assert bilinear_pool(X, 2 * Y, signed_sqrt=True) == pytest.approx([-(2**0.5), 12**0.5, 2**0.5, 0])
    assert bilinear_pool(X, Y[:, :1] * 0.75, l2=True).tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5])
    assert bilinear_pool(X, Y, l2=True, eps=10.0).tolist() == [-0.1, 0.6, 0.1, 0]
    # pairs go to buckets 0, 2, 2 and 4 = 1 of 3
    assert compact_bilinear_pool(X, Y, H, H, S, S, output_size=3).tolist() == [-2, 0, -12 - 2]


def test_gradients_at_zero_are_zero():
    dx, _ = bilinear_pool_vjp(np.ones(4), 0 * X, Y, signed_sqrt=True, l2=True)
    assert dx.tolist() == [[0, 0], [0, 0]]


def test_einsum_and_torch(torch):
    x, y = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    z = torch.einsum("bni,bnj->bij", x, y).reshape(2, 12) / 5
    wanted = torch.nn.functional.normalize(torch.sign(z) * torch.sqrt(torch.abs(z)))
    assert torch.allclose(bilinear_pool(x, y, signed_sqrt=True, l2=True), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", [11, 12])
def test_fourier_transforms(size):
    """The paper's way: sketch, transform, multiply, transform back to as many."""
    rng = np.random.default_rng(size)
    x, y, h, k = rng.normal(size=(6, 5)), rng.normal(size=(6, 4)), rng.integers(0, size, 5), rng.integers(0, size, 4)
    s, t = rng.choice([-1.0, 1.0], 5), rng.choice([-1.0, 1.0], 4)
    a, b = np.zeros((6, size)), np.zeros((6, size))
    np.add.at(a, (slice(None), h), x * s)
    np.add.at(b, (slice(None), k), y * t)
    wanted = np.fft.irfft(np.fft.rfft(a) * np.fft.rfft(b), n=size).sum(axis=0)
    assert np.allclose(compact_bilinear_pool(x, y, h, k, s, t, output_size=size), wanted, rtol=1e-12, atol=1e-13)


def test_scikit_learn():
    from sklearn.kernel_approximation import PolynomialCountSketch

    x = np.random.default_rng(0).normal(size=(5, 4))
    sketch = PolynomialCountSketch(degree=2, n_components=9, random_state=0).fit(x)
    (h, k), (s, t) = sketch.indexHash_, sketch.bitHash_.astype(float)
    got = compact_bilinear_pool(x[:, None], x[:, None], h, k, s, t, output_size=9)
    assert np.allclose(got, sketch.transform(x), rtol=1e-12, atol=1e-13)


def test_small_integers_do_not_wrap():
    h = np.array([200, 250], dtype="uint8")
    wanted = compact_bilinear_pool(X, Y, h.astype(int), h.astype(int), S, S, output_size=256)
    assert np.array_equal(compact_bilinear_pool(X, Y, h, h, S, S, output_size=256), wanted)


def test_refusals():
    for call, error, said in [
        (lambda: bilinear_pool(X[0], Y[0]), ValueError, r"x must have shape \(\.\.\., n, c\), got \(2,\)"),
        (lambda: bilinear_pool(X, Y[:1]), ValueError, r"other must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: bilinear_pool(X, Y[:, :0]), ValueError, "must not be empty"),
        (lambda: bilinear_pool(X, Y, reduce="max"), ValueError, "reduce must be 'mean' or 'sum', got 'max'"),
        (lambda: bilinear_pool(X, Y, l2=2), TypeError, "l2 must be True or False"),
        (lambda: bilinear_pool(X, Y, signed_sqrt=1), TypeError, "signed_sqrt must be True or False"),
        (lambda: bilinear_pool(X, Y, eps=-1.0), ValueError, "eps must be"),
        (lambda: compact_bilinear_pool(X, Y, H, H, S, S, output_size=0), ValueError, "output_size must be at least 1"),
        (lambda: compact_bilinear_pool(X, Y, H, H, S, S, output_size=2.5), TypeError, "output_size must be an int"),
        (lambda: compact_bilinear_pool(X, Y, S, H, S, S, output_size=3), TypeError, "ids must hold integers"),
        (lambda: compact_bilinear_pool(X, Y, H, H[:1], S, S, output_size=3), ValueError, r"other_ids must have shape"),
        (lambda: compact_bilinear_pool(X, Y, H, H, S, X, output_size=3), ValueError, r"other_signs must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()
