"""Gates of strips by hand, refusals, and against torch modules as they are written."""

import numpy as np
import pytest

from refnorm.pool import coordinate_attention, efficient_local_attention

X = np.array([[[[1.0, 3.0], [5.0, 7.0]]]])
ONE, ZERO = np.ones((1, 1, 1)), np.zeros(1)


def test_by_hand():
    assert efficient_local_attention(4 * X, ONE, ZERO, ZERO, groups=1).tolist() == X.tolist()
    half = 1 / (1 + np.exp(1.0))  # rows 2 and 6, columns 3 and 5: both -1 and 1 when normalized
    gates = np.array([half, 1 - half])
    got = efficient_local_attention(X, ONE, ZERO + 1, ZERO, groups=1, eps=0.0)
    np.testing.assert_allclose(got, X * gates[:, None] * gates, rtol=1e-14)
    assert coordinate_attention(4 * X, ONE[0], 0 * ONE[0], 0 * ONE[0]).tolist() == X.tolist()
    one = ONE[0]
    got = coordinate_attention(X, one, one, 0 * one, ZERO - 3, ZERO - 1)  # hard swish of -1 and 3: -1/3 and 3
    wanted = X / 2 / (1 + np.exp([[4 / 3], [-2.0]]))
    np.testing.assert_allclose(got, wanted, rtol=1e-14)


@pytest.mark.parametrize("inputs", [1, 2, 8])
def test_local_as_copies_have_it(inputs, torch):
    nn = torch.nn
    conv = nn.Conv1d(8, 8, 5, padding=2, groups=8 // inputs, bias=False).double()
    norm = nn.GroupNorm(4, 8).double()
    x = torch.randn(2, 8, 6, 5, dtype=torch.float64)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        rows = torch.sigmoid(norm(conv(x.mean(3))))[..., None]
        columns = torch.sigmoid(norm(conv(x.mean(2))))[:, :, None]
        got = efficient_local_attention(x, conv.weight, norm.weight, norm.bias, groups=4)
        torch.testing.assert_close(got, x * rows * columns, rtol=1e-10, atol=1e-12)
        both = [torch.stack([p, p]) for p in (conv.weight, norm.weight, norm.bias)]
        assert torch.equal(efficient_local_attention(x, *both, groups=4), got)


def test_coordinates_as_the_released_code_has_them(torch):
    """CoordAtt, written out: one convolution of both strips, a batch norm with stored moments, two gates."""
    nn = torch.nn
    first, norm = nn.Conv2d(6, 4, 1).double(), nn.BatchNorm2d(4).double().eval()
    row, column = nn.Conv2d(4, 6, 1).double(), nn.Conv2d(4, 6, 1).double()
    x = torch.randn(2, 6, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.normal_()
        both = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).permute(0, 1, 3, 2)], dim=2)
        h = norm(first(both))
        h = h * nn.functional.relu6(h + 3) / 6
        a, b = torch.split(h, [5, 3], dim=2)
        wanted = x * column(b.permute(0, 1, 3, 2)).sigmoid() * row(a).sigmoid()
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight = first.weight[..., 0, 0] * scale[:, None]
        bias = (first.bias - norm.running_mean) * scale + norm.bias
        maps = weight, row.weight[..., 0, 0], column.weight[..., 0, 0], bias, row.bias, column.bias
        torch.testing.assert_close(coordinate_attention(x, *maps), wanted, rtol=1e-10, atol=1e-12)


def test_refusals():
    for call, error, said in [
        (lambda: efficient_local_attention(X[0], ONE, ZERO, ZERO, groups=1), ValueError, "x must have shape"),
        (lambda: efficient_local_attention(X, ONE[0], ZERO, ZERO, groups=1), ValueError, "weight must have shape"),
        (lambda: efficient_local_attention(X, np.ones((1, 1, 2)), ZERO, ZERO, groups=1), ValueError, "odd"),
        (lambda: efficient_local_attention(X, ONE[None], ZERO, ZERO, groups=1), ValueError, "weight must have shape"),
        (lambda: efficient_local_attention(X, ONE, np.ones(2), ZERO, groups=1), ValueError, "gain must have shape"),
        (lambda: efficient_local_attention(X, ONE, ZERO, np.ones(2), groups=1), ValueError, "shift must have shape"),
        (lambda: efficient_local_attention(X, ONE, ZERO, ZERO), ValueError, "groups must be an int that divides"),
        (lambda: efficient_local_attention(X, ONE, ZERO, ZERO, groups=1, eps=-1), ValueError, "eps must be finite"),
        (lambda: coordinate_attention(X[0], *[ONE[0]] * 3), ValueError, "x must have shape"),
        (lambda: coordinate_attention(X, np.ones((1, 2)), *[ONE[0]] * 2), ValueError, "weight must have shape"),
        (lambda: coordinate_attention(X, ONE[0], ZERO, ONE[0]), ValueError, "row_weight must have shape"),
        (lambda: coordinate_attention(X, *[ONE[0]] * 3, None, None, np.ones(2)), ValueError, "column_bias must have"),
    ]:
        with pytest.raises(error, match=said):
            call()
