"""A stack of pools by hand, refusals, and against torch."""

import numpy as np
import pytest

from refnorm.pool import dappm_pool_stack

LINE = np.array([[[3.0, 6.0, 9.0]]])


def test_by_hand():
    first, pooled, whole = dappm_pool_stack(LINE, window=(3,), stride=(2,))
    assert (first.tolist(), pooled.tolist(), whole.tolist()) == (LINE.tolist(), [[[3, 5]]], [[[6]]])
    assert dappm_pool_stack(LINE, window=(3,), stride=(2,), count_include_pad=False)[1].tolist() == [[[4.5, 7.5]]]


def test_equals_torch(torch):
    x = torch.randn(2, 3, 33, 40, dtype=torch.float64)
    pools = [torch.nn.AvgPool2d(k, s, k // 2)(x) for k, s in ((5, 2), (9, 4), (17, 8))]
    wanted = [x, *pools, torch.nn.AdaptiveAvgPool2d(1)(x)]
    for y, w in zip(dappm_pool_stack(x), wanted, strict=True):
        torch.testing.assert_close(y, w, rtol=1e-12, atol=1e-13)


def test_refusals():
    for options, error, said in [
        ({"window": 5}, TypeError, "window and stride must be tuples of ints"),
        ({"window": (5,)}, ValueError, "window and stride must have one entry"),
        ({"window": (), "stride": ()}, ValueError, "window and stride must have one entry"),
        ({"window": (4,), "stride": (2,)}, ValueError, "window must be odd"),
        ({"window": (3,), "stride": (0,)}, ValueError, "stride must be at least 1"),
        ({"count_include_pad": 1}, TypeError, "count_include_pad must be True or False"),
    ]:
        with pytest.raises(error, match=said):
            dappm_pool_stack(LINE, **options)
