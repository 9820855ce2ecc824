"""softmax_minus_one by hand and at its edges."""

import numpy as np
import pytest

from refnorm.prob import softmax, softmax_minus_one


def test_softmax_minus_one_by_hand():
    assert np.allclose(softmax_minus_one(np.log(np.array([1.0, 2.0, 4.0]))), [0, 0.25, 0.75], rtol=1e-15)
    assert np.allclose(softmax_minus_one(np.array([1e-20, 3e-20, 0.0])), [0.25, 0.75, 0.0], rtol=1e-15)  # in proportion
    x = np.array([900.0, 899.0, 0.0])
    assert np.allclose(softmax_minus_one(x), [*softmax(x[:2]), 0], rtol=1e-15)
    with np.errstate(invalid="ignore"):
        assert np.isnan(softmax_minus_one(np.zeros(3))).all()
        assert np.isnan(softmax_minus_one(np.array([np.inf, 1.0]))).all()
        assert np.isnan(softmax_minus_one(np.array([np.nan, 1.0]))).all()
    with pytest.raises(ValueError, match="must not be empty"):
        softmax_minus_one(np.ones((2, 0)))
