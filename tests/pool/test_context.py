"""Global contexts by hand, refusals, and against torch modules as they are written."""

import numpy as np
import pytest

from refnorm.pool import frame_channel_gate, global_context_block, global_context_gate

X = np.array([[[[1.0, 3.0]], [[5.0, 7.0]]]])
ONE = np.ones((1, 1))


def test_by_hand():
    zero = 0 * ONE[0]
    assert global_context_block(X, zero, ONE, zero, 10 * ONE).tolist() == (X + 44).tolist()
    sure = global_context_block(X, 1e3 + zero, ONE, -1e3 + zero, 10 * ONE, zero + 100)
    assert sure.tolist() == (X + 5 + 20 + 100).tolist()  # the site of 5 and the level of 2
    line = X[:, 0]
    assert global_context_gate(line, ONE, 10 * ONE, zero).tolist() == [[[21, 23]]]
    assert global_context_gate(line, ONE, -10 * ONE, zero + 0.5).tolist() == [[[-9, -7]]]
    assert global_context_gate(line, ONE, ONE, zero, zero + 1, zero + 2).tolist() == [[[6, 8]]]
    frames = np.array([[[4.0], [8.0]]])
    assert frame_channel_gate(frames, zero, 0 * ONE).tolist() == [[[1], [2]]]
    assert frame_channel_gate(frames, zero + 1e3, 0 * ONE, reduce="sum").tolist() == [[4]]


def test_blocks_as_the_released_code_has_them(torch):
    """Two convolutions of one cell a branch: scores of sites or levels, and what becomes of their mean."""
    nn = torch.nn
    x = torch.randn(2, 5, 6, 3, 4, dtype=torch.float64)
    score, out, score_l, out_l = (nn.Linear(6, n).double() for n in (1, 6, 1, 6))
    with torch.no_grad():
        u = x.mean(1).flatten(2).transpose(1, 2)
        s = out((score(u).softmax(1) * u).sum(1))
        v = x.mean((3, 4))
        t = out_l((score_l(v).softmax(1) * v).sum(1))
        wanted = x + s[:, None, :, None, None] + t[:, None, :, None, None]
        got = global_context_block(
            x, score.weight[0], out.weight, score_l.weight[0], out_l.weight, out.bias, out_l.bias
        )
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


def test_means_added_as_the_released_code_has_them(torch):
    """GCEBlock on a 1 x 1 map: zero-padded convolutions, of which the middle acts, a scale and a batch norm."""
    nn = torch.nn
    first, last = nn.Conv2d(6, 4, 3, padding=1, bias=False).double(), nn.Conv2d(4, 6, 7, padding=3, bias=False).double()
    norm, act = nn.BatchNorm2d(6).double().eval(), nn.PReLU(6).double()
    scale, bias = torch.randn(2, 4, dtype=torch.float64)
    x = torch.randn(2, 6, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        act.weight.uniform_(0.1, 0.5)
        h = first(x.mean((2, 3), keepdim=True)) * scale[:, None, None] + bias[:, None, None]
        wanted = x + act(norm(last(h)))
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        maps = first.weight[..., 1, 1] * scale[:, None], last.weight[..., 3, 3] * gain[:, None]
        got = global_context_gate(x, *maps, act.weight, bias, norm.bias - norm.running_mean * gain)
    torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-13)


def test_refusals():
    one, x, frames = ONE[0], X[:, 0], np.ones((1, 2, 1))
    for call, said in [
        (lambda: global_context_block(x, one, ONE, one, ONE), "x must have shape"),
        (lambda: global_context_block(X, ONE, ONE, one, ONE), "weight must have shape"),
        (lambda: global_context_block(X, one, ONE, one, one), "level_weight must have shape"),
        (lambda: global_context_block(X, one, ONE, one, ONE, None, ONE), "level_bias must have shape"),
        (lambda: global_context_gate(x[0], ONE, ONE, one), "x must have shape"),
        (lambda: global_context_gate(x, one, ONE, one), "weight must have shape"),
        (lambda: global_context_gate(x, ONE, ONE, ONE), "alpha must have shape"),
        (lambda: frame_channel_gate(X, one, ONE), "x must have shape"),
        (lambda: frame_channel_gate(frames, ONE, ONE), "weight must have shape"),
        (lambda: frame_channel_gate(frames, one, one), "gate_weight must have shape"),
        (lambda: frame_channel_gate(frames, one, ONE, reduce="mean"), "reduce must be"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()
