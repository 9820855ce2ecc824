"""merge_moments by hand, of nothing, of devices (synchronized batch norm), classes, streams, and scikit-learn's."""

import numpy as np
import pytest

from refnorm.norm import batch_moments, batch_norm, batch_norm_train, merge_moments


def test_by_hand():
    """1, 3 and 8: parts of mean 2 and 8, variance 1 and 0; of the whole 4 and 26 / 3."""
    mean, var = merge_moments(np.array([2.0, 8.0]), np.array([1.0, 0.0]), np.array([2, 1]))
    assert np.allclose(mean, 4, rtol=1e-15)
    assert np.allclose(var, 26 / 3, rtol=1e-15)


def test_covariances_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 2, (30, 4)) @ rng.normal(size=(4, 4))
    cuts = [x[:7], x[7:8], x[8:]]
    mean = np.stack([c.mean(axis=0) for c in cuts])
    var = np.stack([np.cov(c.T, bias=True) for c in cuts])
    mu, merged = merge_moments(mean, var, np.array([len(c) for c in cuts]))
    assert np.allclose(mu, x.mean(axis=0), rtol=1e-13)
    assert np.allclose(merged, np.cov(x.T, bias=True), rtol=1e-12)


def test_synchronized_batch_norm():
    """Devices with batches of unequal size: merged moments, then batch_norm, are batch_norm_train of everything."""
    rng = np.random.default_rng(1)
    x, weight, bias = rng.normal(3, 2, (11, 3, 5)), *rng.normal(size=(2, 3))
    devices = [x[:2], x[2:8], x[8:]]
    mean, var, count = (np.stack(m) for m in zip(*map(batch_moments, devices), strict=True))
    mean, var = merge_moments(mean, var, count)
    wanted = batch_norm_train(x, weight, bias, eps=0.1)
    got = np.concatenate([batch_norm(d, mean, var, weight, bias, eps=0.1) for d in devices])
    for a, b in zip((got, mean, var), wanted, strict=True):
        assert np.allclose(a, b, rtol=1e-13, atol=1e-14)
    alone = np.concatenate([batch_norm_train(d, weight, bias, eps=0.1)[0] for d in devices])
    assert not np.allclose(alone, wanted[0], rtol=0.1)


def test_synchronized_batch_norm_equals_torch(torch):
    """What torch gathers from its devices, batch_norm_gather_stats_with_counts, as its autograd differentiates it."""
    x = torch.randn(6, 3, 5, dtype=torch.float64, requires_grad=True)
    g = torch.randn_like(x)
    mean, var, count = zip(*(batch_moments(part) for part in (x[:2], x[2:])), strict=True)
    mean, var = merge_moments(torch.stack(mean), torch.stack(var), torch.tensor(count))
    wanted = torch.nn.functional.batch_norm(x, None, None, training=True)
    got = batch_norm(x, mean, var)
    assert torch.allclose(got, wanted, rtol=1e-12, atol=1e-13)
    grads = [torch.autograd.grad(y, x, g, retain_graph=True)[0] for y in (got, wanted)]
    assert torch.allclose(*grads, rtol=1e-10, atol=1e-12)


def test_classes_as_a_stream():
    """Batches in which classes are missing, with NaN for their means; a class never seen stays 0."""
    rng = np.random.default_rng(2)
    x, label = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    mean, var, count = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros(4, int)
    for batch in range(0, 40, 5):
        own = [x[batch : batch + 5][label[batch : batch + 5] == c] for c in range(4)]
        with np.errstate(all="ignore"):
            new = np.array([o.sum(axis=0) / len(o) for o in own])
            spread = np.array([((o - m) ** 2).sum(axis=0) / len(o) for o, m in zip(own, new, strict=True)])
        counts = np.stack([count, [len(o) for o in own]])
        mean, var = merge_moments(np.stack([mean, new]), np.stack([var, spread]), counts)
        count = counts.sum(axis=0)
    for c in range(3):
        assert np.allclose(mean[c], x[label == c].mean(axis=0), rtol=1e-13)
        assert np.allclose(var[c], x[label == c].var(axis=0), rtol=1e-12)
    assert not mean[3].any()
    assert not var[3].any()


def test_one_sample_at_a_time_is_the_running_mean():
    x = np.random.default_rng(3).normal(1e6, 1, 50)
    mean, var = x[:1], np.zeros(1)
    for n, new in enumerate(x[1:], start=1):
        mean, var = merge_moments(np.stack([mean, [new]]), np.stack([var, [0.0]]), np.array([n, 1]))
    assert np.allclose(mean, x.mean(), rtol=1e-15)
    assert np.allclose(var, x.var(), rtol=1e-9)


def test_nan_infinity_and_nothing():
    mean, var, count = np.array([[np.nan, 1.0], [2.0, np.inf]]), np.ones((2, 2)), np.array([0, 3])
    with np.errstate(all="ignore"):
        mu, merged = merge_moments(mean, var, count)
        assert mu.tolist() == [2, np.inf]
        assert merged[0] == 1
        assert np.isnan(merged[1])
        assert np.isnan(merge_moments(mean, var, np.array([1, 1]))[0][0])
        assert not np.any(merge_moments(mean, np.full((2, 2), np.nan), np.array([0, 0])))


def test_refusals():
    mean, var, count = np.ones((2, 3)), np.ones((2, 3)), np.array([1, 2])
    for call, error, said in [
        (lambda: merge_moments(mean, var, None), TypeError, "count must be an integer array"),
        (lambda: merge_moments(mean, var, count * 1.0), TypeError, "count must hold integers, got float64"),
        (lambda: merge_moments(mean, var, np.ones(3, int)), ValueError, r"count must have shape \(2,\), got \(3,\)"),
        (lambda: merge_moments(mean, var, np.ones((2, 2), int)), ValueError, r"count must have shape \(2, 3\)"),
        (lambda: merge_moments(mean, var[:1], count), ValueError, r"var must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: merge_moments(mean, np.ones((2, 3, 2)), count), ValueError, r"var must have shape \(2, 3, 3\)"),
        (lambda: merge_moments(mean[:0], var[:0], count[:0]), ValueError, "at least one part"),
        (lambda: merge_moments(mean[0, 0, ...], var, count), ValueError, "at least one part"),
        (lambda: merge_moments(mean, None, count), TypeError, "var must be an array, got None"),
    ]:
        with pytest.raises(error, match=said):
            call()


def test_scikit_learn_merges_the_same():
    extmath = pytest.importorskip("sklearn.utils.extmath", reason="scikit-learn is not installed")
    rng = np.random.default_rng(4)
    x, y = rng.normal(3, 2, (7, 4)), rng.normal(-1, 1, (5, 4))
    counts = np.full(4, 7, np.int64)
    wanted = extmath._incremental_mean_and_var(y, x.mean(axis=0), x.var(axis=0), counts)
    got = merge_moments(*(np.stack([f(x, axis=0), f(y, axis=0)]) for f in (np.mean, np.var)), np.array([7, 5]))
    for a, b in zip(got, wanted, strict=False):
        assert np.allclose(a, b, rtol=1e-13)
