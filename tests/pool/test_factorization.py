"""Products of pairs by hand, and as the formula of the paper."""

import numpy as np
import pytest

from refnorm.pool import factorization_machine_pool


def test_by_hand():
    x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]])
    assert factorization_machine_pool(x).tolist() == [1 * 3 + 1 * 5 + 3 * 5, 2 * 4 - 2 * 6 - 4 * 6]
    assert factorization_machine_pool(x, np.array([1.0, 0.0, 2.0])).tolist() == [10, -24]
    assert factorization_machine_pool(x[:1]).tolist() == [0, 0]


def test_the_paper_s_formula_and_torch(torch):
    x, g = torch.randn(4, 7, 3, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    e = x * g[..., None]
    wanted = 0.5 * (e.sum(dim=1) ** 2 - (e**2).sum(dim=1))
    assert torch.allclose(factorization_machine_pool(x, g), wanted, rtol=1e-11, atol=1e-12)


def test_one_large_field_leaves_the_others_their_digits():
    x = np.array([[1e10], [1.0], [2.0], [-3.0]])
    assert factorization_machine_pool(x).tolist() == [1 * 2 - 1 * 3 - 2 * 3]


def test_refusals():
    x = np.ones((3, 2))
    for call, said in [
        (lambda: factorization_machine_pool(x[0]), r"x must have shape \(\.\.\., m, d\), got \(2,\)"),
        (lambda: factorization_machine_pool(x, x), r"gate must have shape \(3,\), got \(3, 2\)"),
        (lambda: factorization_machine_pool(x[:0]), "must not be empty"),
    ]:
        with pytest.raises(ValueError, match=said):
            call()
