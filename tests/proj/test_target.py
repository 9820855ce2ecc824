"""Local targets by hand, and against torch's gradients."""

import numpy as np
import pytest

from refnorm.proj import direct_random_target_delta, local_target_update, random_target_projection


def test_by_hand():
    b = np.array([[1.0, -1.0], [2.0, 0.5]])
    assert random_target_projection(np.eye(2), b).tolist() == b.tolist()
    assert random_target_projection(np.array([0.5, 0.5]), b, scale=2.0).tolist() == [3, -0.5]
    x = np.array([0.0, -1.0])
    assert direct_random_target_delta(x, np.array([1.0, 0.0]), b, activation="relu").tolist() == [0, 0]
    assert direct_random_target_delta(x, np.array([1.0, 0.0]), b, scale=-1.0)[0] == -1
    dw, db = local_target_update(np.array([[1.0, 2.0]]), np.eye(2), None, np.array([[0.0, 4.0]]), activation="none")
    assert dw.tolist() == [[1, 2], [-2, -4]]
    assert db.tolist() == [1, -2]
    dw, db = local_target_update(
        np.array([[1.0, 2.0]]), np.eye(2), None, np.array([[0.0, 4.0]]), activation="none", squared=False
    )
    assert db.tolist() == [1, -1]


def test_a_label_gathers_its_row():
    b, ids = np.random.default_rng(0).normal(size=(5, 7)), np.array([3, 0, 4])
    assert np.array_equal(random_target_projection(np.eye(5)[ids], b), b[ids])


@pytest.mark.parametrize("activation", ["tanh", "relu", "none"])
def test_is_what_torch_gives(torch, activation):
    x, w, b, t = (torch.randn(*s, dtype=torch.float64) for s in [(6, 5), (4, 5), (4,), (6, 4)])
    bend = {"tanh": torch.tanh, "relu": torch.relu, "none": lambda z: z}[activation]
    w.requires_grad_(), b.requires_grad_()
    for squared in (True, False):
        r = bend(x @ w.T + b) - t
        wanted = torch.autograd.grad((r * r / 2 if squared else r.abs()).sum(), (w, b))
        with torch.no_grad():
            got = local_target_update(x, w, b, t, activation=activation, squared=squared)
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)
    z = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.rand(6, 3, dtype=torch.float64)
    weight = torch.randn(3, 4, dtype=torch.float64)
    wanted = torch.autograd.grad(bend(z), z, labels @ weight)[0]
    with torch.no_grad():
        got = direct_random_target_delta(z, labels, weight, activation=activation)
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    x, b = np.ones((2, 3)), np.ones((3, 4))
    with pytest.raises(ValueError, match="weight must have shape"):
        random_target_projection(x, b.T)
    for f in (random_target_projection, lambda x, b, **k: direct_random_target_delta(np.ones((2, 4)), x, b, **k)):
        with pytest.raises(ValueError, match="scale"):
            f(x, b, scale=np.inf)
    with pytest.raises(ValueError, match="labels"):
        direct_random_target_delta(np.ones((3, 4)), x, b)
    with pytest.raises(ValueError, match="activation"):
        direct_random_target_delta(np.ones((2, 4)), x, b, activation="sin")
    with pytest.raises(TypeError, match="target"):
        local_target_update(x, b.T)
    with pytest.raises(ValueError, match="target"):
        local_target_update(x, b.T, None, x)
    with pytest.raises(TypeError, match="average"):
        local_target_update(x, b.T, None, np.ones((2, 4)), average=1)
