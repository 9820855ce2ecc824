"""The low-rank update by hand, merged, and against torch's linear layers."""

import numpy as np
import pytest

from refnorm.proj import (
    generated_low_rank_delta,
    lora_linear,
    lora_linear_vjp,
    random_sparse_support,
    sparse_low_rank_linear,
)


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


def test_supports():
    u = np.array([[0.3, 0.9], [0.1, 0.9]])
    for density, wanted in [(0.5, [1, 3]), (0.99, [0, 1, 3]), (0.25, [1]), (0.1, [])]:
        numbers, places = random_sparse_support(u, density=density)
        assert (places.tolist(), numbers.tolist()) == (wanted, u.ravel()[wanted].tolist() if wanted else [])
    for density in (0.0, 1.5, np.nan):
        with pytest.raises(ValueError, match="density"):
            random_sparse_support(u, density=density)
    with pytest.raises(ValueError, match="x must have shape"):
        random_sparse_support(u[0], density=0.5)


def test_a_support_is_what_a_sparse_layer_takes():
    rng = np.random.default_rng(1)
    _, ids = random_sparse_support(rng.uniform(size=(5, 7)), density=0.3)
    values, x = rng.normal(size=len(ids)), rng.normal(size=(3, 7))
    weight = np.zeros(35)
    weight[ids] = values
    y = sparse_low_rank_linear(x, np.ones((1, 7)), np.ones((5, 1)), values, ids, scale=0.0)
    assert np.allclose(y, x @ weight.reshape(5, 7).T, rtol=1e-13, atol=1e-14)


def test_generated_updates():
    x, weight, b = np.array([1.0, 3.0]), np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([[10.0]])
    assert generated_low_rank_delta(x, weight, b, eps=0.0).tolist() == [[20], [-10]]
    assert generated_low_rank_delta(x, weight, b, np.array([1.0, 0.0]), scale=0.5, eps=3.0).tolist() == [[10], [-2.5]]
    assert generated_low_rank_delta(x, weight, 0 * b).tolist() == [[0], [0]]
    for args, said in [((x, weight[:, :1], b), "weight"), ((x, weight, np.ones((1, 3))), "weight"),
                       ((x, weight, b[0]), "b must"), ((x, weight, b, np.ones(3)), "bias")]:  # fmt: skip
        with pytest.raises(ValueError, match=said):
            generated_low_rank_delta(*args)
    with pytest.raises(ValueError, match="scale"):
        generated_low_rank_delta(x, weight, b, scale=np.inf)


def test_generated_updates_are_what_torch_gives(torch):
    q, b, x = (torch.randn(*n, dtype=torch.float64) for n in [(3, 6), (5, 2), (3, 7, 4)])
    layer = torch.nn.Linear(6, 8, dtype=torch.float64)
    a = layer(torch.nn.functional.layer_norm(q, (6,))).reshape(3, 4, 2)
    delta = generated_low_rank_delta(q, layer.weight.detach(), b, layer.bias.detach(), scale=0.5)
    wanted = (0.5 * x @ a @ b.T).detach()
    torch.testing.assert_close(x @ delta, wanted, rtol=1e-12, atol=1e-13)
