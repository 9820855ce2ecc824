"""segment_attentive_pool by hand, refusals, and torch's softmax of each segment beside it."""

import numpy as np
import pytest

from refnorm.pool import attentive_pool, segment_attentive_pool

X = np.array([[1.0, 8.0], [5.0, 0.0], [3.0, 4.0], [7.0, 7.0]])
IDS = np.array([0, 2, 0, -1])
NONE = np.zeros((2, 1))


def test_by_hand():
    assert segment_attentive_pool(X, NONE, IDS, segments=3, fill=9.0).tolist() == [[2, 6], [9, 9], [5, 0]]
    w = np.array([[np.log(3.0) / 2], [0.0]])
    assert segment_attentive_pool(X, w, IDS, segments=3) == pytest.approx(np.array([[2.5, 5], [0, 0], [5, 0]]))


def test_one_segment_is_attentive_pool():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(9, 3)), rng.normal(size=(3, 3))
    got = segment_attentive_pool(x, w, np.zeros(9, int), segments=1)
    assert np.allclose(got, attentive_pool(x, w)[None], rtol=1e-13)


def test_torch(torch):
    """torch_geometric's AttentionalAggregation, segment by segment, with a bias that cancels."""
    x, gate = torch.randn(12, 3, dtype=torch.float64), torch.nn.Linear(3, 1, dtype=torch.float64)
    ids = torch.tensor([0, 1, 1, 3, 0, 3, 1, 0, 3, 3, 1, 0])
    got = segment_attentive_pool(x, gate.weight.mT, ids, segments=4)
    for s in (0, 1, 3):
        members = x[ids == s]
        assert torch.allclose(got[s], (torch.softmax(gate(members), dim=0) * members).sum(dim=0), rtol=1e-13)
    assert (got[2] == 0).all()


def test_huge_scores_of_nobody_leave_gradients_alone(torch):
    x = torch.tensor([[1.0], [2000.0]], dtype=torch.float64, requires_grad=True)
    y = segment_attentive_pool(x, torch.ones(1, 1, dtype=torch.float64), torch.tensor([0, -1]), segments=1)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert dx.tolist() == [[1], [0]]


def test_refusals():
    for call, error, said in [
        (lambda: segment_attentive_pool(X[0], NONE, IDS, segments=3), ValueError, r"x must have shape \(members, feat"),
        (lambda: segment_attentive_pool(X, X, IDS, segments=3), ValueError, r"weight must have shape \(2, 2\), got"),
        (lambda: segment_attentive_pool(X, NONE, IDS[:2], segments=3), ValueError, r"ids must have shape \(4,\)"),
        (lambda: segment_attentive_pool(X, NONE, X[:, 0], segments=3), TypeError, "ids must hold integers"),
        (lambda: segment_attentive_pool(X, NONE, IDS, segments=0), ValueError, "segments must be at least 1"),
        (lambda: segment_attentive_pool(X, NONE, IDS, segments=3, fill="0"), TypeError, "fill must be a real number"),
    ]:
        with pytest.raises(error, match=said):
            call()
