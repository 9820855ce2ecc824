"""embedding_bag by hand, refusals, and torch's with its gradients beside it."""

import numpy as np
import pytest

from refnorm.pool import embedding_bag, embedding_bag_vjp

TABLE = np.array([[1.0, -1.0], [10.0, -10.0], [100.0, -100.0]])
IDS, OFFSETS = np.array([0, 1, 1, 2]), np.array([0, 3, 3])


def test_by_hand():
    assert embedding_bag(TABLE, IDS, OFFSETS).tolist() == [[7, -7], [0, 0], [100, -100]]
    assert embedding_bag(TABLE, IDS, OFFSETS, reduce="sum").tolist() == [[21, -21], [0, 0], [100, -100]]
    assert embedding_bag(TABLE, IDS, OFFSETS, reduce="max").tolist() == [[10, -1], [0, 0], [100, -100]]
    assert embedding_bag(TABLE, IDS, OFFSETS, padding_id=1).tolist() == [[1, -1], [0, 0], [100, -100]]
    assert embedding_bag(TABLE, IDS, OFFSETS + 1).tolist() == [[55 - 15, -40], [0, 0], [0, 0]]
    weights = np.array([2.0, 0.5, 0.0, 1.0])
    assert embedding_bag(TABLE, IDS, OFFSETS, weights, reduce="sum").tolist() == [[7, -7], [0, 0], [100, -100]]


@pytest.mark.parametrize("reduce", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2])
def test_torch_and_its_gradients(torch, reduce, padding):
    rng = np.random.default_rng(0)
    table, ids, offsets = torch.randn(6, 3, dtype=torch.float64), rng.integers(0, 6, 15), np.array([0, 4, 4, 9])
    table.requires_grad_()
    weights = torch.randn(15, dtype=torch.float64, requires_grad=True) if reduce == "sum" else None
    at, start = torch.from_numpy(ids), torch.from_numpy(offsets)
    wanted = torch.nn.functional.embedding_bag(
        at, table, start, mode=reduce, per_sample_weights=weights, padding_idx=padding
    )
    g = torch.randn(4, 3, dtype=torch.float64)
    given = [a for a in (table, weights) if a is not None]
    grads = torch.autograd.grad(wanted, given, g)
    arrays = table.detach().numpy(), ids, offsets, None if weights is None else weights.detach().numpy()
    how = {"reduce": reduce, "padding_id": padding}
    assert np.allclose(embedding_bag(*arrays, **how), wanted.detach().numpy(), rtol=1e-13)
    dx, _, _, dw = embedding_bag_vjp(g.numpy(), *arrays, **how)
    assert np.allclose(dx, grads[0].numpy(), rtol=1e-13)
    if weights is not None:  # torch gives the weight of padding the gradient 0, too
        assert np.allclose(dw, grads[1].numpy(), rtol=1e-13)


def test_small_integers():
    ids, offsets = IDS.astype("uint8"), OFFSETS.astype("int32")
    assert np.array_equal(embedding_bag(TABLE, ids, offsets), embedding_bag(TABLE, IDS, OFFSETS))


def test_refusals():
    for call, error, said in [
        (lambda: embedding_bag(TABLE[0], IDS, OFFSETS), ValueError, r"x must have shape \(rows, features\), got"),
        (lambda: embedding_bag(TABLE[:0], IDS, OFFSETS), ValueError, "must not be empty"),
        (lambda: embedding_bag(TABLE, TABLE[0], OFFSETS), TypeError, "ids must hold integers, got float64"),
        (lambda: embedding_bag(TABLE, IDS, None), TypeError, "offsets must be an integer array"),
        (lambda: embedding_bag(TABLE, IDS[None], OFFSETS), ValueError, r"ids must have shape \(1,\), got \(1, 4\)"),
        (lambda: embedding_bag(TABLE, IDS, OFFSETS, TABLE[0]), ValueError, r"weight must have shape \(4,\)"),
        (lambda: embedding_bag(TABLE, IDS, OFFSETS, 1.0 * IDS), ValueError, "weight goes with reduce='sum' only"),
        (lambda: embedding_bag(TABLE, IDS, OFFSETS, reduce="min"), ValueError, "reduce must be 'sum', 'mean' or 'max'"),
        (lambda: embedding_bag(TABLE, IDS, OFFSETS, padding_id="0"), TypeError, "padding_id must be an int or None"),
    ]:
        with pytest.raises(error, match=said):
            call()
