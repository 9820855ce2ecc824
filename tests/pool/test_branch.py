"""Mixtures of branches by hand, refusals, and against torch as it is written."""

import numpy as np
import pytest

from refnorm.pool import branch_pool, gated_fusion, sampled_width_mixture, selective_kernel_fusion

ONE = np.ones((1, 1))


def test_by_hand():
    x = np.array([[1.0, 2.0], [5.0, 10.0]])
    np.testing.assert_allclose(branch_pool(x, np.array([0.0, np.log(3.0)])), [4, 8], rtol=1e-15)
    np.testing.assert_allclose(branch_pool(x, np.zeros((2, 2)), scale=2.0), [6, 12], rtol=1e-15)
    sure = np.array([[1e3, 0.0], [0.0, 1e3]])
    assert branch_pool(x, sure).tolist() == [1, 10]
    a, b = np.array([[2.0]]), np.array([[6.0]])
    assert gated_fusion(a, b, np.ones((1, 2)), 0 * ONE).tolist() == [[4]]
    assert gated_fusion(a, b, np.ones((1, 2)), 0 * ONE, combine="concat").tolist() == [[1, 3]]
    share = 1 / (1 + np.exp(-np.expm1(-8.0)))
    np.testing.assert_allclose(gated_fusion(a, b, -np.ones((1, 2)), ONE), [[2 * share + 6 * (1 - share)]], rtol=1e-15)
    a, b = np.array([[[1.0, 3.0]]]), np.array([[[5.0, 5.0]]])
    assert selective_kernel_fusion(a, b, ONE, 2 * ONE, 2 * ONE).tolist() == [[[3, 4]]]
    share = 1 / (1 + np.exp(-7.0))
    np.testing.assert_allclose(
        selective_kernel_fusion(a, b, ONE, 2 * ONE, ONE), share * a + (1 - share) * b, rtol=1e-14
    )
    assert selective_kernel_fusion(a, b, -ONE, 2 * ONE, ONE).tolist() == [[[3, 4]]]  # rectified away
    x = np.array([[[1.0], [3.0], [8.0]]])
    assert sampled_width_mixture(x, np.zeros(2), widths=(1, 3))[0, :, 0].tolist() == [1, 2, 4.5]
    assert sampled_width_mixture(x, np.zeros(2), widths=(3, 2))[0, :, 0].tolist() == [1, 2.5, 5.5]


def test_fusion_as_the_released_code_has_it(torch):
    """SelfGate: a linear map, ELU, a linear map, sigmoid."""
    nn = torch.nn
    net = nn.Sequential(nn.Linear(8, 4), nn.ELU(), nn.Linear(4, 4), nn.Sigmoid()).double()
    x, other = torch.randn(2, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        w = net(torch.cat([x, other], dim=-1))
        maps = net[0].weight, net[2].weight, net[0].bias, net[2].bias
        got = gated_fusion(x, other, *maps)
        torch.testing.assert_close(got, w * x + (1 - w) * other, rtol=1e-12, atol=1e-13)


def test_kernels_as_the_released_code_has_them(torch):
    x, other = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64)
    w, v, u = (torch.randn(*s, dtype=torch.float64) for s in ((2, 4), (4, 2), (4, 2)))
    h = torch.relu((x + other).mean((2, 3)) @ w.T)
    a = torch.stack([h @ v.T, h @ u.T], dim=1).softmax(dim=1)[..., None, None]
    wanted = (a * torch.stack([x, other], dim=1)).sum(1)
    got = selective_kernel_fusion(x, other, w, v, u)
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


def test_widths_as_the_released_code_has_them(torch):
    """ChannelWiseInter: an adaptive pool of volumes, over the channels."""
    x, s = torch.randn(2, 7, 3, 4, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    pool = torch.nn.functional.adaptive_avg_pool3d
    parts = [pool(x[:, None, :n], (7, 3, 4))[:, 0] for n in (5, 7)]
    wanted = sum(p * part for p, part in zip(s.softmax(0), parts, strict=True))
    torch.testing.assert_close(sampled_width_mixture(x, s, widths=(5, 7)), wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    x, row = np.ones((2, 3)), np.ones((1, 3, 2))
    for call, error, said in [
        (lambda: branch_pool(x, np.ones(3)), ValueError, "scores must have shape"),
        (lambda: branch_pool(x[:0], np.ones(0)), ValueError, "x must have shape"),
        (lambda: branch_pool(x, np.ones(2), scale="1"), TypeError, "scale must be a real number"),
        (lambda: branch_pool(x, np.ones(2), scale=np.inf), ValueError, "scale must be finite"),
        (lambda: gated_fusion(x, x[:1], np.ones((2, 6)), np.ones((3, 2))), ValueError, "other must have shape"),
        (lambda: gated_fusion(x, x, np.ones((2, 3)), np.ones((3, 2))), ValueError, "weight must have shape"),
        (lambda: gated_fusion(x, x, np.ones((2, 6)), np.ones((2, 2))), ValueError, "gate_weight must have shape"),
        (lambda: gated_fusion(x, x, np.ones((2, 6)), np.ones((3, 2)), combine="max"), ValueError, "combine must be"),
        (lambda: selective_kernel_fusion(x, x, ONE, ONE, ONE), ValueError, "x must have shape"),
        (lambda: selective_kernel_fusion(row, row[:, :2], ONE, ONE, ONE), ValueError, "other must have shape"),
        (lambda: selective_kernel_fusion(row, row, ONE, ONE, ONE), ValueError, "weight must have shape"),
        (
            lambda: selective_kernel_fusion(row, row, np.ones((1, 3)), np.ones((3, 1)), ONE),
            ValueError,
            "other_weight must have shape",
        ),
        (lambda: sampled_width_mixture(row, np.ones(1), widths=3), TypeError, "widths must be a tuple"),
        (lambda: sampled_width_mixture(row, np.ones(1), widths=(4,)), ValueError, "widths must lie from 1"),
        (lambda: sampled_width_mixture(row, np.ones(1), widths=()), ValueError, "widths must lie from 1"),
        (lambda: sampled_width_mixture(row, np.ones(1), widths=(1, 2)), ValueError, "scores must have shape"),
    ]:
        with pytest.raises(error, match=said):
            call()
