"""exp(x) - 1 in place of exp(x): a score of zero has no share."""

from __future__ import annotations

from .._cases import case, normal, positive
from .._core.sums import total, two_sum
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, roomy, to_rows, widen


@operator(
    paper="cheng2023lister",
    cases=[
        case("rows", positive(4, 8)),
        case("long", positive(3, 37)),
        case("axis", positive(3, 5, 4), axis=1),
        case("two axes", positive(2, 3, 5), axis=(0, 2)),
        case("of both signs", normal(3, 21, mean=1.0)),
        case("no rows", positive(0, 4)),
    ],
    bench=case("rows", positive(8192, 1024)),
    rows=lambda x, rng: ([abs(x)], {}),
)
def softmax_minus_one(x, /, *, axis=-1):
    r"""Turn scores above zero into a distribution along `axis` in which a score of 0 has no share.

    .. math:: y_i = \frac{e^{x_i} - 1}{\sum_j (e^{x_j} - 1)}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The scores, of any shape; not below zero where the answer shall be a distribution.
    axis : int or tuple of int
        The axis that sums to one; several count as one.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Zeros stay exactly 0, whatever stands beside them. A row of zeros,
        and a row with a NaN or +inf, is all NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `axis` is empty or missing.

    Notes
    -----
    Small scores have shares in proportion to them, large ones those of the softmax. The exponentials less one are taken
    as such (expm1) and relative to the largest exponential, so that nothing cancels and nothing overflows; the released
    code, as catalogued, subtracts.

    References
    ----------
    Cheng et al., LISTER: Neighbor Decoding for Length-Insensitive Scene Text Recognition, 2023 (as catalogued from its
    released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.prob.softmax_minus_one(np.log(np.array([1.0, 2.0, 4.0])))
    array([0.  , 0.25, 0.75])
    """
    xp, x = prepare(x)
    require_along(x, axis)
    rows, _ = to_rows(xp, axis, x, None)
    (wide,) = widen(xp, rows)
    spare = roomy(rows, wide)
    largest = xp.max(wide, axis=-1, keepdims=True)
    largest = xp.where(largest < 0, xp.zeros_like(largest), largest)
    above = wide > 0
    z, lost = (wide - largest, 0.0) if spare else two_sum(xp, wide, -largest)
    grows = -xp.expm1(-xp.where(above, wide, xp.zeros_like(wide))) * (xp.exp(z) * (1 + lost))
    falls = xp.expm1(xp.where(above, xp.zeros_like(wide), wide)) * xp.exp(-largest)
    y = xp.where(above, grows, falls)
    return give_back(xp, y / total(xp, y, roomy=spare), x, axis)


@law(softmax_minus_one, positive(4, 8))
def zeros_take_no_share(f, x):
    return f((x[:, :, None] * [1.0, 0.0]).astype(x.dtype), axis=(1, 2))[..., 0], f(x)


@law(softmax_minus_one, positive(4, 8))
def twice_as_many_have_half(f, x):
    return f(x[:, [*range(8), *range(8)]])[:, :8], f(x) / 2
