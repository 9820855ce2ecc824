"""Attention to a set by hand, refusals, and torch's beside it."""

import numpy as np
import pytest

from refnorm.pool import attention_pool, global_query_pool, slot_pool

X = np.array([[1.0, 3.0], [5.0, 7.0]])
LOG3 = float(np.log(3.0))
NO = np.array([False, False])


def test_by_hand():
    q = np.array([[LOG3, 0.0], [0.0, 0.0]])
    assert attention_pool(X, q, scale=0.25) == pytest.approx(np.array([[4, 6], [3, 5]]))
    assert attention_pool(X, q, scale=0.25, kind="queries")[1] == pytest.approx(
        X[0] / (3**0.25 + 1) + X[1] / (3**1.25 + 1)
    )
    assert attention_pool(X, q, None, np.array([[1.0], [0.0]]), scale=0.25) == pytest.approx(np.array([[4], [3]]))
    assert attention_pool(X, q, None, None, np.array([False, True])).tolist() == [[5, 7], [5, 7]]
    assert np.isnan(attention_pool(X, q, None, None, NO)).all()
    assert (attention_pool(X, q, None, None, NO, kind="queries") == 0).all()
    assert slot_pool(X, np.array([[1.0, 0.0]])) == pytest.approx(np.array([[3, 5]]))
    assert slot_pool(4 * np.eye(2), np.eye(2), tau=1 / LOG3, eps=0.25) == pytest.approx(np.array([[8, 4], [4, 8]]) / 3)
    assert global_query_pool(X, np.array([[LOG3, 0.0], [0.0, 0.0]]) / 2**0.5) == pytest.approx([4, 6])
    assert global_query_pool(X, X, np.array([[9.0], [8.0]]), np.array([True, False])).tolist() == [9]


def test_hidden_nan_has_no_part():
    x, mask = np.array([[1.0, 3.0], [np.nan, np.inf]]), np.array([True, False])
    assert attention_pool(x, X, None, None, mask).tolist() == [[1, 3], [1, 3]]
    assert global_query_pool(x, x, None, mask).tolist() == [1, 3]


@pytest.mark.parametrize("heads", [1, 2])
def test_torch_attention(torch, heads):
    x, q = torch.randn(3, 6, 5, dtype=torch.float64), torch.randn(3, 4, 8, dtype=torch.float64)
    wk, wv = torch.randn(5, 8, dtype=torch.float64), torch.randn(5, 6, dtype=torch.float64)
    mask = torch.rand(3, 6) < 0.7
    mask[:, 0] = True
    split = lambda t: t.unflatten(-1, (heads, -1)).transpose(1, 2)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        split(q), split(x @ wk), split(x @ wv), attn_mask=mask[:, None, None]
    )
    got = attention_pool(x, q, wk, wv, mask, groups=heads)
    assert torch.allclose(got, wanted.transpose(1, 2).flatten(2), rtol=1e-12, atol=1e-13)


def test_slotcon_in_torch(torch):
    z, s = torch.randn(2, 7, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    dots = torch.einsum(
        "bnd,kd->bkn", torch.nn.functional.normalize(z, dim=-1), torch.nn.functional.normalize(s, dim=-1)
    )
    attn = (dots / 0.07).softmax(dim=1) + 1e-6
    wanted = torch.einsum("bnd,bkn->bkd", z, attn / attn.sum(dim=2, keepdim=True))
    assert torch.allclose(slot_pool(z, s), wanted, rtol=1e-12, atol=1e-13)


def test_refusals():
    for call, error, said in [
        (lambda: attention_pool(X[0], X), ValueError, r"x must have shape \(\.\.\., n, d\), got \(2,\)"),
        (lambda: attention_pool(X, X[0]), ValueError, r"query must have shape \('queries', 2\), got \(2,\)"),
        (lambda: attention_pool(X, X, X[:1]), ValueError, r"key_weight must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: attention_pool(X, X, None, X[0]), ValueError, r"value_weight must have shape \(2, 'columns'\)"),
        (lambda: attention_pool(X, X, None, None, X[0]), TypeError, "mask must hold booleans"),
        (lambda: attention_pool(X, X, groups=3), ValueError, "groups must be at least 1 and divide 2 and 2 features"),
        (lambda: attention_pool(X, X, groups=0.5), TypeError, "groups must be an int"),
        (lambda: attention_pool(X, X, scale=np.nan), ValueError, "scale must be finite"),
        (lambda: attention_pool(X, X, kind="seeds"), ValueError, "kind must be 'members' or 'queries'"),
        (lambda: slot_pool(X, X[0]), ValueError, r"other must have shape \('slots', 2\), got \(2,\)"),
        (lambda: slot_pool(X, X, tau=0.0), ValueError, "tau must be above zero and finite, got 0.0"),
        (lambda: slot_pool(X, X, eps=-1.0), ValueError, "eps must be"),
        (lambda: global_query_pool(X, X[:1]), ValueError, r"query must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: global_query_pool(X, X, X[:1]), ValueError, r"value must have shape \(2, 2\), got \(1, 2\)"),
        (lambda: global_query_pool(X, X, None, X), TypeError, "mask must hold booleans"),
    ]:
        with pytest.raises(error, match=said):
            call()
