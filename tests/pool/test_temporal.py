"""Pooling along time by hand, refusals, and torch beside it."""

import numpy as np
import pytest

from refnorm.pool import change_point_pool, recurrent_conv_text_pool, selective_temporal_max_pool

NONE, ONE = np.zeros((1, 1)), np.ones((1, 1))
FRAMES = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0], [-2.0, 0.0]])


def test_by_hand():
    x = np.array([1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 9.0]).reshape(1, 1, 7, 1)  # windows of 3: 3, 7; of 5: 7, 9
    w, b = np.zeros((2, 1, 1)), np.array([[np.log(3.0)], [0.0]])
    assert selective_temporal_max_pool(x, w, b).ravel() == pytest.approx([4, 7.5])
    w = np.array([[[np.log(3.0) / 10]], [[0.0]]])  # g is 10 and 16
    assert selective_temporal_max_pool(x, w, 0 * b).ravel()[0] == pytest.approx(4)
    y, ids = change_point_pool(FRAMES, threshold=0.5)
    assert y.tolist() == [[2, 0], [0, 4], [-2, 0], [0, 0]]
    assert ids.tolist() == [0, 0, 1, 2]
    assert change_point_pool(FRAMES, threshold=0.5, min_length=3)[1].tolist() == [0, 0, 0, 1]
    assert change_point_pool(FRAMES, threshold=-0.5)[1].tolist() == [0, 1, 2, 3]
    assert change_point_pool(FRAMES, threshold=-0.5, min_length=2)[1].tolist() == [0, 0, 1, 1]
    words, last_part = np.array([[0.5], [-2.0]]), np.array([[1.0], [0.0], [0.0]])
    maps = ONE, ONE, NONE, NONE, last_part, np.zeros(1)
    assert recurrent_conv_text_pool(words, *maps) == pytest.approx(np.tanh(np.tanh([0.5])))
    assert recurrent_conv_text_pool(words, *maps, activation="relu") == pytest.approx(np.tanh([0.5]))
    assert recurrent_conv_text_pool(words, *maps, np.array([3.0])) == pytest.approx(np.tanh([3.0]))
    assert recurrent_conv_text_pool(words, *maps, np.array([3.0]), activation="relu") == pytest.approx(np.tanh([3.5]))


def test_fta_in_torch(torch):
    x = torch.randn(2, 3, 11, 4, 2, dtype=torch.float64)
    w, b = torch.randn(2, 3, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    outs = [torch.nn.functional.max_pool3d(x, (size, 1, 1), (3, 1, 1), (pad, 0, 0)) for size, pad in ((3, 0), (5, 1))]
    g = (outs[0] + outs[1]).mean(dim=(3, 4))
    gates = torch.stack([torch.nn.functional.conv1d(g, w[i, :, :, None], b[i]) for i in (0, 1)]).softmax(dim=0)
    wanted = (gates[..., None, None] * torch.stack(outs)).sum(dim=0)
    assert torch.allclose(selective_temporal_max_pool(x, w, b), wanted, rtol=1e-12, atol=1e-13)


def test_contexts_are_torch_s_recurrent_layers(torch):
    """A context is the state of torch.nn.RNN after the words before."""
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    there, back = (torch.nn.RNN(3, 4, bias=False, batch_first=True, dtype=torch.float64) for _ in range(2))
    w, b = torch.randn(11, 6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    none = torch.zeros(2, 1, 4, dtype=torch.float64)
    left = torch.cat([none, there(x[:, :-1])[0]], dim=1)
    right = torch.cat([back(x[:, 1:].flip(1))[0].flip(1), none], dim=1)
    wanted = torch.tanh(torch.cat([left, x, right], dim=-1) @ w + b).amax(dim=1)
    maps = [m.mT for rnn in (there, back) for m in (rnn.weight_hh_l0, rnn.weight_ih_l0)]
    assert torch.allclose(recurrent_conv_text_pool(x, *maps, w, b), wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    x, w, b = np.zeros((1, 2, 3, 1)), np.zeros((2, 2, 2)), np.zeros((2, 2))
    maps = ONE, ONE, ONE, ONE, np.ones((3, 1)), np.ones(1)
    for call, error, said in [
        (lambda: selective_temporal_max_pool(x[0], w, b), ValueError, r"x must have shape \(N, C, T, \*space\) with T"),
        (lambda: selective_temporal_max_pool(x[:, :, :2], w, b), ValueError, "T at least 3"),
        (lambda: selective_temporal_max_pool(x, w[:1], b), ValueError, r"weight must have shape \(2, 2, 2\)"),
        (lambda: selective_temporal_max_pool(x, w, b[0]), ValueError, r"bias must have shape \(2, 2\)"),
        (lambda: change_point_pool(FRAMES[0], threshold=1.0), ValueError, r"x must have shape \(\.\.\., n, d\)"),
        (lambda: change_point_pool(FRAMES, threshold=np.nan), ValueError, "threshold no NaN"),
        (lambda: change_point_pool(FRAMES, threshold="1"), TypeError, "threshold a number"),
        (lambda: change_point_pool(FRAMES, threshold=1.0, min_length=0), ValueError, "min_length must be at least 1"),
        (lambda: recurrent_conv_text_pool(ONE[0], *maps), ValueError, r"x must have shape \(\.\.\., n, d\)"),
        (lambda: recurrent_conv_text_pool(ONE, ONE[0], *maps[1:]), ValueError, "left must have shape"),
        (lambda: recurrent_conv_text_pool(ONE, ONE, x, *maps[2:]), ValueError, r"left_input must have shape \(1, 1\)"),
        (
            lambda: recurrent_conv_text_pool(ONE, *maps[:4], ONE, maps[5]),
            ValueError,
            r"weight must have shape \(3, 1\)",
        ),
        (lambda: recurrent_conv_text_pool(ONE, *maps, b), ValueError, r"first must have shape \(1,\)"),
        (lambda: recurrent_conv_text_pool(ONE, *maps, activation="gelu"), ValueError, "activation must be 'tanh' or"),
    ]:
        with pytest.raises(error, match=said):
            call()
