"""Folded norms by hand, against torch's own folding, and a whole Pre-LN block that becomes its three equals."""

import numpy as np
import pytest

from refnorm.norm import (
    batch_norm,
    compress_zero_mean,
    crms_norm,
    fold_batch_norm,
    fold_layer_norm,
    layer_norm,
    recenter_output,
    rms_norm,
)


def test_by_hand():
    w, b = fold_layer_norm(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]), np.array([10.0, 1.0]), np.array([0.5]))
    assert (w.tolist(), b.tolist()) == ([[3.0, 8.0]], [12.5])
    w, b = fold_layer_norm(np.array([[1.0, 2.0]]), compressed=True)
    assert (w.tolist(), b.tolist()) == ([[-1.0]], [0.0])
    w, b = recenter_output(np.array([[1.0, 5.0], [3.0, 1.0]]), np.array([2.0, 0.0]), compressed=True)
    assert (w.tolist(), b.tolist()) == ([[-1.0, 2.0]], [1.0])
    w, b = fold_batch_norm(np.array([[2.0, 6.0]]), np.array([5.0]), np.array([1.0]), np.array([7.0]), eps=3.0)
    assert (w.tolist(), b.tolist()) == ([[1.0, 3.0]], [1.0])


def block(x, norm, first, second, out):
    """Return x + W2 relu(W1 norm(x)), and what a head reads of it."""
    h = np.maximum(norm(x) @ first[0].T + first[1], 0)
    x = x + h @ second[0].T + second[1]
    return norm(x) @ out[0].T + out[1]


@pytest.mark.parametrize(("compressed", "rotated"), [(False, False), (True, False), (False, True)])
def test_a_block_stays_what_it_was(compressed, rotated):
    """A Pre-LN block as Pre-RMSNorm, Pre-CRMSNorm, and rotated as in SliceGPT; the embedding is a map as well."""
    rng = np.random.default_rng(1)
    words, d, inner = 7, 6, 9
    embedding = rng.normal(1.0, 1.0, (words, d))
    first, second, out = ((rng.normal(size=(n, m)), rng.normal(size=n)) for n, m in [(inner, d), (d, inner), (3, d)])
    gain, shift = rng.normal(size=(2, d))
    wanted = block(embedding, lambda x: layer_norm(x, gain, shift, eps=0.3), first, second, out)
    q = np.linalg.qr(rng.normal(size=(d, d)))[0] if rotated else None
    table = recenter_output(embedding.T, None, q, compressed=compressed)[0].T
    norm = (lambda x: crms_norm(x, eps=0.3)) if compressed else (lambda x: rms_norm(x, eps=0.3))
    read = [fold_layer_norm(w, gain, shift, b, q, compressed=compressed) for w, b in (first, out)]
    got = block(table, norm, read[0], recenter_output(*second, q, compressed=compressed), read[1])
    assert np.allclose(got, wanted, rtol=1e-12, atol=1e-12)
    forgotten = (second[0][:-1], second[1][:-1]) if compressed else second  # a map that still writes a mean
    wrong = block(table, norm, read[0], forgotten, read[1])
    assert not np.allclose(wrong, wanted, rtol=1e-3)


def test_compressed_maps_read_and_write_compressed_vectors():
    rng = np.random.default_rng(2)
    x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(6, 4)), rng.normal(size=6)
    whole, short = recenter_output(w, b), recenter_output(w, b, compressed=True)
    y = x @ whole[0].T + whole[1]
    assert np.allclose(compress_zero_mean(y), x @ short[0].T + short[1], rtol=1e-13, atol=1e-14)
    v = rng.normal(size=(3, 6))
    assert np.allclose(y @ v.T, compress_zero_mean(y) @ fold_layer_norm(v, compressed=True)[0].T, rtol=1e-12)


def test_equals_torch(torch):
    rng = np.random.default_rng(3)
    w, b, m, g, s = (rng.normal(size=n) for n in [(4, 3, 3, 3), 4, 4, 4, 4])
    v = rng.uniform(0.5, 2, 4)
    of = lambda *arrays: [torch.from_numpy(a) for a in arrays]
    wanted = torch.nn.utils.fusion.fuse_conv_bn_weights(*of(w, b, m, v), 0.3, *of(g, s))
    for got, one in zip(fold_batch_norm(w, m, v, b, g, s, eps=0.3), wanted, strict=True):
        assert np.allclose(got, one.detach().numpy(), rtol=1e-13)
    x = torch.from_numpy(rng.normal(size=(2, 3, 5, 5)))
    y = torch.nn.functional.conv2d(x, *of(*fold_batch_norm(w, m, v, b, g, s, eps=0.3)), padding=1)
    plain = torch.nn.functional.conv2d(x, *of(w, b), padding=1).numpy()
    assert np.allclose(y.numpy(), batch_norm(plain, m, v, g, s, eps=0.3), rtol=1e-12, atol=1e-12)


def test_nan_stays_in_its_output():
    w, b = fold_batch_norm(np.array([[np.nan, 1.0], [2.0, np.inf]]), np.zeros(2), np.ones(2))
    assert np.isnan(w).tolist() == [[True, False], [False, False]]
    assert b.tolist() == [0.0, 0.0]
    with np.errstate(invalid="ignore"):
        w, _ = recenter_output(np.array([[np.inf, 1.0], [2.0, 3.0]]))
    assert np.isnan(w[:, 0]).all()
    assert w[:, 1].tolist() == [-1.0, 1.0]


def test_refusals():
    w, v = np.ones((2, 3)), np.ones(2)
    for call, error, said in [
        (lambda: fold_layer_norm(v), ValueError, "weight must be a matrix"),
        (lambda: fold_layer_norm(w, v), ValueError, r"gain must have shape \(3,\), got \(2,\)"),
        (lambda: fold_layer_norm(w, None, v), ValueError, "shift must have shape"),
        (lambda: fold_layer_norm(w, None, None, np.ones(3)), ValueError, "bias must have shape"),
        (lambda: fold_layer_norm(w, None, None, None, np.ones((2, 2))), ValueError, "rotation must have shape"),
        (lambda: fold_layer_norm(w, None, None, None, np.eye(3), compressed=True), ValueError, "takes no rotation"),
        (lambda: fold_layer_norm(w[:, :1], compressed=True), ValueError, "leaves nothing"),
        (lambda: recenter_output(w, compressed=1), TypeError, "compressed must be True or False"),
        (lambda: recenter_output(w, np.ones(3)), ValueError, "bias must have shape"),
        (lambda: recenter_output(np.ones((0, 3))), ValueError, "not empty"),
        (lambda: fold_batch_norm(w, np.ones(3), v), ValueError, "mean must have shape"),
        (lambda: fold_batch_norm(w, v, v, eps=-1.0), ValueError, "eps"),
        (lambda: fold_batch_norm(w, v, v, axis=(0,)), TypeError, "axis must be one int"),
    ]:
        with pytest.raises(error, match=said):
            call()
