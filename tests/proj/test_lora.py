"""The low-rank update by hand, merged, and against torch's linear layers."""

import numpy as np
import pytest

from refnorm.proj import lora_linear, lora_linear_vjp, sparse_low_rank_linear


def test_by_hand():
    x, weight, a, b = np.array([1.0, 2.0]), np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]]), np.array([[10.0]])
    assert lora_linear(x, weight, a, b, scale=0.5).tolist() == [13]
    assert lora_linear(x, weight, a, b, np.array([4.0])).tolist() == [27]
    dx, dweight, da, db, dbias = lora_linear_vjp(np.array([1.0]), x, weight, a, b, np.array([4.0]), scale=0.5)
    assert dx.tolist() == [1, 6]
    assert dweight.tolist() == [[1, 2]]
    assert da.tolist() == [[5, 10]]
    assert db.tolist() == [[1]]
    assert dbias.tolist() == [1]


def test_against_torch_linear(torch):
    linear = torch.nn.functional.linear
    x, weight, a, b, bias = (torch.randn(s, dtype=torch.float64) for s in ((6, 5), (3, 5), (2, 5), (3, 2), (3,)))
    wanted = linear(x, weight, bias) + 0.25 * linear(linear(x, a), b)
    assert torch.allclose(lora_linear(x, weight, a, b, bias, scale=0.25), wanted, rtol=1e-13, atol=1e-14)
    assert not torch.allclose(lora_linear(x, weight, a, b, bias, scale=0.26), wanted)


def test_a_nan_makes_its_row():
    x = np.array([[1.0, np.nan], [1.0, 2.0]])
    y = lora_linear(x, np.ones((3, 2)), np.ones((1, 2)), np.ones((3, 1)))
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_refusals():
    x, weight, a, b = np.ones((2, 4)), np.ones((3, 4)), np.ones((2, 4)), np.ones((3, 2))
    for bad, said in [
        ((np.ones((2, 5)), weight, a, b), "x must end"),
        ((x, np.ones(4), a, b), "2 axes"),
        ((x, weight, np.ones((2, 5)), b), "a must have shape"),
        ((x, weight, a, np.ones((2, 3))), "b must have shape"),
        ((x, weight, a, b, np.ones(2)), "bias must have shape"),
    ]:
        with pytest.raises(ValueError, match=said):
            lora_linear(*bad)
    with pytest.raises(ValueError, match="scale"):
        lora_linear(x, weight, a, b, scale=np.nan)


def test_few_entries_beside_a_low_rank():
    rng = np.random.default_rng(0)
    x, a, b, values = (rng.normal(size=s) for s in [(3, 4), (2, 4), (5, 2), (6,)])
    ids = np.array([0, 7, 19, 7, -1, 20])
    sparse = np.zeros(20)
    np.add.at(sparse, ids[:4], values[:4])
    wanted = x @ (0.5 * b @ a + sparse.reshape(5, 4)).T
    assert np.allclose(sparse_low_rank_linear(x, a, b, values, ids, scale=0.5), wanted, rtol=1e-12, atol=1e-13)
    for bad, said in [
        ((x, a.T, b, values, ids), "x must end"),
        ((x, a, b.T, values, ids), "b must have shape"),
        ((x, a, b, values[:, None], ids), "values must have shape"),
        ((x, a, b, values, ids[:3]), "ids"),
    ]:
        with pytest.raises(ValueError, match=said):
            sparse_low_rank_linear(*bad)
    with pytest.raises(TypeError, match="ids"):
        sparse_low_rank_linear(x, a, b, values, values)
    with pytest.raises(ValueError, match="scale"):
        sparse_low_rank_linear(x, a, b, values, ids, scale=np.nan)
