"""Gates of pooled vectors by hand, refusals, and against torch modules as they are written."""

import numpy as np
import pytest

from refnorm.pool import aggregation_gate, concurrent_squeeze_excite, spatial_squeeze_excite, squeeze_excite

X = np.array([[[1.0, 3.0], [4.0, 8.0]]])
W, V = np.ones((1, 2)), np.array([[0.0], [1.0]])


def test_by_hand():
    assert squeeze_excite(X, W, V, None, np.array([0.0, -8.0])).tolist() == [[[0.5, 1.5], [2, 4]]]
    assert squeeze_excite(X, W, V, np.array([-9.0])).tolist() == [[[0.5, 1.5], [2, 4]]]  # rectified: 8 - 9
    assert squeeze_excite(X, W, V, None, np.array([0.0, -11.0]), reduce="max").tolist() == [[[0.5, 1.5], [2, 4]]]
    assert spatial_squeeze_excite(X, np.array([4.0, -1.0]), np.array([0.0]))[0, :, 0].tolist() == [0.5, 2]
    for combine, wanted in [("max", [[[0.5, 1.5], [2, 4]]]), ("sum", [[[1, 3], [4, 8]]]),
                            ("product", [[[0.25, 2.25], [4, 16]]])]:  # fmt: skip
        got = concurrent_squeeze_excite(X, W, 0 * V, np.zeros(2), combine=combine)
        assert got.tolist() == wanted
    both = concurrent_squeeze_excite(X, W, V, np.ones(2), combine="concat")
    assert np.array_equal(both[:, :2], squeeze_excite(X, W, V))
    assert np.array_equal(both[:, 2:], spatial_squeeze_excite(X, np.ones(2)))
    assert aggregation_gate(np.stack([X, X]), W, 0 * V).tolist() == X.tolist()


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_equals_torch(activation, torch):
    """torchvision's SqueezeExcitation, written out: two convolutions of one cell about an activation."""
    nn = torch.nn
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 3, 1), {"relu": nn.ReLU, "silu": nn.SiLU}[activation](),
                        nn.Conv2d(3, 6, 1), nn.Sigmoid()).double()  # fmt: skip
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        maps = net[1].weight[..., 0, 0], net[3].weight[..., 0, 0], net[1].bias, net[3].bias
        wanted = x * net(x)
        torch.testing.assert_close(squeeze_excite(x, *maps, activation=activation), wanted, rtol=1e-12, atol=1e-13)
        if activation == "relu":
            conv = nn.Conv2d(6, 1, 1).double()
            sites = conv.weight[0, :, 0, 0], conv.bias
            other = x * torch.sigmoid(conv(x))
            torch.testing.assert_close(spatial_squeeze_excite(x, *sites), other, rtol=1e-12, atol=1e-13)
            got = concurrent_squeeze_excite(x, *maps[:2], sites[0], *maps[2:], sites[1])
            torch.testing.assert_close(got, torch.max(wanted, other), rtol=1e-12, atol=1e-13)
            streams = torch.stack([x, 2 * x, -x])
            wanted = sum(s * net(s) for s in streams)
            torch.testing.assert_close(aggregation_gate(streams, *maps), wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    for call, error, said in [
        (lambda: squeeze_excite(X[0], W, V), ValueError, "x must have shape"),
        (lambda: squeeze_excite(X, W.T, V), ValueError, r"weight must have shape \(hidden, 2\)"),
        (lambda: squeeze_excite(X, W, V.T), ValueError, r"gate_weight must have shape \(2, 1\)"),
        (lambda: squeeze_excite(X, W, V, np.ones(2)), ValueError, r"bias must have shape \(1,\)"),
        (lambda: squeeze_excite(X, W, V, None, np.ones(1)), ValueError, r"gate_bias must have shape \(2,\)"),
        (lambda: squeeze_excite(X, W, V, reduce="sum"), ValueError, "reduce must be"),
        (lambda: squeeze_excite(X, W, V, activation="gelu"), ValueError, "activation must be"),
        (lambda: spatial_squeeze_excite(X[0], W), ValueError, "x must have shape"),
        (lambda: spatial_squeeze_excite(X, W), ValueError, r"weight must have shape \(2,\)"),
        (lambda: spatial_squeeze_excite(X, W[0], W[0]), ValueError, r"bias must have shape \(1,\)"),
        (lambda: concurrent_squeeze_excite(X, W, V, W), ValueError, r"site_weight must have shape \(2,\)"),
        (lambda: concurrent_squeeze_excite(X, W, V, W[0], combine="min"), ValueError, "combine must be"),
        (lambda: aggregation_gate(X, W, V), ValueError, r"x must have shape \(T, N, C, \*sites\)"),
    ]:
        with pytest.raises(error, match=said):
            call()
