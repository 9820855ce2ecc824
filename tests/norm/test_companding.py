"""Companding by hand, refusals, slopes at zero, and what released code computes."""

import numpy as np
import pytest

import refnorm
from refnorm.norm import mu_law_compress, signed_log_compress, signed_power, weight_compander

NAN, INF = float("nan"), float("inf")


def test_by_hand():
    assert signed_power(np.array([4.0, -9.0, 0.0])).tolist() == [2.0, -3.0, 0.0]
    assert signed_power(np.array([3.0, -2.0]), p=2).tolist() == [9.0, -4.0]
    assert np.allclose(signed_power(np.array([8.0, -27.0]), p=1 / 3), [2.0, -3.0], rtol=1e-15)
    assert np.allclose(signed_log_compress(np.array([7.0, -63.0, 0.0])), [1.0, -2.0, 0.0], rtol=1e-15)
    assert np.allclose(signed_log_compress(np.array([1.0, -3.0]), base=2), [1.0, -2.0], rtol=1e-15)
    assert np.allclose(mu_law_compress(np.array([1.0, -0.2, 0.0]), mu=15), [1.0, -0.5, 0.0], rtol=1e-15)
    assert np.allclose(mu_law_compress(np.array([1.0, -0.5]), mu=15, inverse=True), [1.0, -0.2], rtol=1e-15)
    assert np.allclose(weight_compander(np.array([3.0, -3.0]), a=2.0, b=3.0), [np.pi / 2, -np.pi / 2], rtol=1e-15)


def test_small_magnitudes_keep_their_digits():
    tiny = np.array([1e-30, -1e-30])
    assert np.allclose(signed_log_compress(tiny, base=8.0), tiny / np.log(8), rtol=1e-15, atol=0)
    assert np.allclose(mu_law_compress(tiny), 255 * tiny / np.log(256), rtol=1e-15, atol=0)
    assert not np.allclose(np.log2(np.abs(tiny) + 1) / 3, np.abs(tiny) / np.log(8), rtol=1e-2, atol=0)  # as released


def test_nan_and_infinities():
    x = np.array([NAN, INF, -INF])
    for got in (signed_power(x), signed_log_compress(x), mu_law_compress(x), mu_law_compress(x, inverse=True)):
        assert np.array_equal(got, x, equal_nan=True)
    got = weight_compander(x, a=2.0, b=3.0)
    assert np.array_equal(got, [NAN, np.pi, -np.pi], equal_nan=True)


def test_torch_keeps_nan(torch):
    x = torch.tensor([NAN, -1.0])
    for f in (signed_power, signed_log_compress, mu_law_compress):
        assert torch.isnan(f(x)).tolist() == [True, False]


SLOPES = {
    "square": (lambda x: signed_power(x, p=2.0), 0.0),
    "root": (signed_power, 0.0),  # infinite in truth; NaN would spoil a whole network
    "logarithm": (lambda x: signed_log_compress(x, base=np.e), 1.0),
    "mu-law": (lambda x: mu_law_compress(x, mu=3.0), 3 / np.log(4)),
    "mu-law back": (lambda x: mu_law_compress(x, mu=3.0, inverse=True), np.log(4) / 3),
    "arctangent": (lambda x: weight_compander(x, a=2.0, b=0.5), 4.0),
}


@pytest.mark.parametrize("name", SLOPES)
def test_slope_at_zero(name, torch, jax):
    f, wanted = SLOPES[name]
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(f(x).sum(), x)
    assert np.allclose(got.numpy(), wanted, rtol=1e-14)
    with jax.enable_x64(True):
        also = jax.jit(jax.vmap(jax.grad(f)))(jax.numpy.zeros(2))
        assert np.allclose(also, wanted, rtol=1e-14)
    y = torch.tensor([0.3, -1.7, 2.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(f, y)


def test_refusals():
    x = np.ones(3)
    for call, error, said in [
        (lambda: signed_power(x, p=0), ValueError, "p must be finite and above 0, got 0"),
        (lambda: signed_power(x, p=INF), ValueError, "got inf"),
        (lambda: signed_power(x, p="2"), TypeError, "p must be a number, got str"),
        (lambda: signed_log_compress(x, base=1.0), ValueError, "base must be finite and above 1, got 1.0"),
        (lambda: signed_log_compress(x, base=NAN), ValueError, "got nan"),
        (lambda: mu_law_compress(x, mu=-1), ValueError, "mu must be finite and above 0, got -1"),
        (lambda: mu_law_compress(x, inverse=1), TypeError, "inverse must be True or False, got 1"),
        (lambda: weight_compander(x, a=0.0, b=1.0), ValueError, "a must be finite and above 0"),
        (lambda: weight_compander(x, a=1.0, b=x), TypeError, "b must be a number, got ndarray"),
        (lambda: weight_compander(x), TypeError, "missing 2 required"),
        (lambda: signed_power(x, out=np.ones(2)), ValueError, "out must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()


# ---- released code, written out ----

X = np.random.default_rng(3).normal(size=(4, 9))


def test_bilinear_pooling(torch):
    relu = torch.relu
    x = torch.from_numpy(X)
    wanted = (torch.sqrt(relu(x)) - torch.sqrt(relu(-x))).numpy()
    options = refnorm.convention("code", "signed_power")
    assert np.allclose(signed_power(X, **options), wanted, rtol=1e-15)
    assert not np.allclose(signed_power(X, **refnorm.convention("paper", "signed_power")), wanted, rtol=1e-2)


def test_plain_detr(torch):
    x = torch.from_numpy(40 * X)
    wanted = (torch.sign(x) * torch.log2(torch.abs(x) + 1.0) / 3.0).numpy()
    assert np.allclose(signed_log_compress(40 * X, **refnorm.convention("code", "signed_log_compress")), wanted)


def test_mu_law_encoding_and_decoding(torch):
    """torchaudio's functions as they are documented; it is not installed here."""
    x = torch.from_numpy(np.clip(X / 3, -1, 1))
    mu = torch.tensor(255.0, dtype=torch.float64)
    level = torch.sign(x) * torch.log1p(mu * torch.abs(x)) / torch.log1p(mu)
    code = ((level + 1) / 2 * mu + 0.5).to(torch.int64)
    got = mu_law_compress(x.numpy(), **refnorm.convention("torchaudio", "mu_law_compress"))
    assert np.allclose(got, level.numpy(), rtol=1e-15)
    assert np.array_equal(np.floor((got + 1) / 2 * 255 + 0.5), code.numpy())
    back = (code.to(torch.float64) / mu) * 2 - 1
    wanted = torch.sign(back) * (torch.exp(torch.abs(back) * torch.log1p(mu)) - 1.0) / mu
    options = refnorm.convention("torchaudio_decode", "mu_law_compress")
    assert np.allclose(mu_law_compress(back.numpy(), **options), wanted.numpy(), rtol=1e-12)
    assert not np.allclose(mu_law_compress(x.numpy(), mu=256.0), level.numpy(), rtol=1e-5)  # channels for mu
