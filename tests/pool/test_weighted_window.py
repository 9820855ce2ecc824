"""Weighted windows by hand, refusals, and against torch as it is written."""

import numpy as np
import pytest

from refnorm.pool import avg_pool, neighborhood_pool, token_aware_avg_pool, weighted_window_pool

LINE = np.array([[[3.0, 6.0, 9.0]]])


def test_by_hand():
    x, s = np.array([[[1.0, 5.0, 2.0, 8.0]]]), np.array([[0.0, np.log(3.0), 1.0, 1.0]])
    np.testing.assert_allclose(weighted_window_pool(x, s, window=2, tau=1.0), [[[4, 5]]], rtol=1e-15)
    assert weighted_window_pool(x, s, window=2, stride=1, tau=1e-4).tolist() == [[[5, 5, 5]]]
    w = np.array([[[0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]])
    assert token_aware_avg_pool(LINE, w).tolist() == [[[3, 6, 5]]]
    assert token_aware_avg_pool(LINE, w, count_include_pad=False).tolist() == [[[3.75, 6, 7.5]]]
    w = np.zeros((1, 3, 3))
    w[:, 2] = 1
    assert token_aware_avg_pool(LINE, w).tolist() == [[[4, 2, 4]]]  # two steps aside
    assert neighborhood_pool(LINE).tolist() == [[[3, 6, 5]]]
    two = np.concatenate([LINE, -LINE], axis=1)
    assert neighborhood_pool(two, output_size=1).tolist() == [[[0, 0, 0]]]
    assert neighborhood_pool(two, window=1, output_size=4)[0, :, 0].tolist() == [3, 3, -3, -3]


def test_windows_as_the_released_code_has_them(torch):
    """weighted_adaptive_avg_pool3d_unfold: unfold both, a softmax over the window, the weighed sum."""
    x, s = torch.randn(2, 3, 4, 6, 5, dtype=torch.float64), torch.rand(2, 4, 6, 5, dtype=torch.float64)

    def unfolded(t):
        for axis, (k, step) in enumerate([(2, 2), (3, 2), (2, 1)], start=2):
            t = t.unfold(axis, k, step)
        return t.flatten(5)

    w = (unfolded(s[:, None]) / 0.01).softmax(-1)
    got = weighted_window_pool(x, s, window=(2, 3, 2), stride=(2, 2, 1))
    torch.testing.assert_close(got, (unfolded(x) * w).sum(-1), rtol=1e-11, atol=1e-13)


def test_tokens_as_the_released_code_has_them(torch):
    """DilatedAvgPooling: unfold with a dilation, divide by 9."""
    x, w = torch.randn(2, 3, 6, 5, dtype=torch.float64), torch.rand(2, 3, 6, 5, dtype=torch.float64)
    parts = [x]
    for k in (1, 2):
        cells = torch.nn.functional.unfold(x, 3, dilation=k, padding=k).reshape(2, 3, 9, 6, 5)
        parts.append(cells.mean(2))
    wanted = sum(w[:, k : k + 1] * part for k, part in enumerate(parts))
    torch.testing.assert_close(token_aware_avg_pool(x, w), wanted, rtol=1e-12, atol=1e-13)


def test_patches_as_the_released_code_has_them(torch):
    """PatchMaker and MeanMapper: unfold, flatten channel-major, adaptive mean."""
    x = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    for r, channels in ((3, 4), (5, 3), (3, 7)):
        cells = torch.nn.functional.unfold(x, r, padding=r // 2).transpose(1, 2)
        wanted = torch.nn.functional.adaptive_avg_pool1d(cells, channels).transpose(1, 2).reshape(2, channels, 5, 6)
        got = neighborhood_pool(x, window=r, output_size=channels)
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(
        neighborhood_pool(x.numpy()), avg_pool(x.numpy(), window=3, stride=1, padding=1), rtol=1e-13, atol=1e-14
    )


def test_refusals():
    s, w = np.ones((1, 3)), np.ones((1, 2, 3))
    for call, error, said in [
        (lambda: weighted_window_pool(LINE, s[:, :2], window=2), ValueError, "scores must have shape"),
        (lambda: weighted_window_pool(LINE, s, window=4), ValueError, "does not fit axis 2"),
        (lambda: weighted_window_pool(LINE, s, window=2, tau=0.0), ValueError, "tau must be finite and above zero"),
        (lambda: weighted_window_pool(LINE, s, window=2, tau="1"), TypeError, "tau must be a real number"),
        (lambda: token_aware_avg_pool(LINE, w[..., :2]), ValueError, "weight must have shape"),
        (lambda: token_aware_avg_pool(LINE, w[:, :0]), ValueError, "weight must have shape"),
        (lambda: token_aware_avg_pool(LINE[0], w), ValueError, "x must have shape"),
        (lambda: token_aware_avg_pool(LINE, w, count_include_pad=1), TypeError, "count_include_pad must be True or"),
        (lambda: neighborhood_pool(LINE, window=2), ValueError, "window must be odd"),
        (lambda: neighborhood_pool(LINE, output_size=0), ValueError, "output_size must be at least 1"),
        (lambda: neighborhood_pool(LINE, output_size=1.5), TypeError, "output_size must be an int"),
    ]:
        with pytest.raises(error, match=said):
            call()
