"""Second moments of tokens: of all features with each other, and of heads with their neighbours."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal
from .._core.moments import centered, root_mean_square
from .._core.norms import length
from .._core.products import inner_pairs
from .._registry import gradient, law, operator
from .._xp import give_back, prepare, require_along, require_shape, roomy, widen

LEAST = 1e-12  # torch's normalize: no column is divided by less


def tamed(x):
    """Return rows whose squares fit every type, as a batch of one."""
    return x.T / max(1.0, np.abs(x).max() / 100)


def rough(x, rng):
    """Return rows in which no feature stands out: else sums over tokens cancel in the digits of the layer norm."""
    return x + rng.normal(size=x.shape) * np.abs(x).max() / 4


def require_tokens(x, correction) -> None:
    """Refuse what is no set (..., n, d) of more than `correction` tokens."""
    if x.ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    require_along(x, (-2, -1))
    if not isinstance(correction, int | float):
        raise TypeError(f"correction must be a number, got {correction!r}")
    if not correction < x.shape[-2]:
        raise ValueError(f"correction must be below the {x.shape[-2]} tokens, got {correction!r}")


@operator(
    paper="gao2023tuning",
    cases=[
        case("tokens", normal(2, 7, 3)),
        case("loud correction", normal(3, 5, 4), correction=1),
        case("offset", normal(2, 40, 3, mean=1e3), correction=0.5),
        case("one token", normal(2, 1, 3)),
        case("one set", normal(6, 2)),
        case("no samples", normal(0, 4, 2)),
    ],
    bench=case("tokens", normal(48, 196, 64)),
    rows=lambda x, rng: ([tamed(x)], {}),
)
def covariance_pool(x, /, *, correction=0):
    r"""Reduce tokens to the covariances of their features.

    .. math:: C = \frac{1}{n - \mathrm{correction}} \sum_t (x_t - \mu)(x_t - \mu)^T, \qquad
        \mu = \frac{1}{n} \sum_t x_t

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        n tokens of d features, of shape (..., n, d).
    correction : float
        What is taken off n in the denominator: 1 is the unbiased estimate.

    Returns
    -------
    array
        (..., d, d), symmetric, in the dtype, library and device of `x`, in units of x squared. A NaN or an infinity
        makes the row and the column of its feature NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `correction` is no number.
    ValueError
        `x` has fewer than two axes or is empty along the last two, or `correction` is not below n.

    Notes
    -----
    The released code, called with one argument, divides by the number of features; its model does not call it so. An
    option of it takes one number off a sample in place of the mean token.

    References
    ----------
    Gao et al., Tuning Pre-trained Model via Moment Probing, 2023: as catalogued from its code.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.covariance_pool(np.array([[1.0, 2.0], [3.0, 8.0]]))
    array([[1., 3.],
           [3., 9.]])
    """
    xp, x = prepare(x)
    require_tokens(x, correction)
    (wide,) = widen(xp, x)
    spare = roomy(x, wide)
    c = centered(xp, xp.matrix_transpose(wide), roomy=spare)
    return give_back(xp, inner_pairs(xp, c, c, roomy=spare) / (x.shape[-2] - correction), x)


@gradient(covariance_pool)
def covariance_pool_vjp(cotangent, x, /, *, correction=0):
    r"""Return the cotangent of `x` for a cotangent of ``covariance_pool(x)``.

    .. math:: \bar x_t = \frac{1}{n - \mathrm{correction}} (\bar C + \bar C^T)(x_t - \mu)

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of its shape; it need not be symmetric.
    x, correction
        As in :func:`covariance_pool`.

    Returns
    -------
    array
        The cotangent of `x`.

    Raises
    ------
    TypeError, ValueError
        As in :func:`covariance_pool`; also where `cotangent` has not the shape of the output.

    References
    ----------
    The derivative of :func:`covariance_pool`, confirmed against torch's of the formula.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.pool.covariance_pool_vjp(np.eye(2), np.array([[1.0, 2.0], [3.0, 8.0]]))
    array([[-1., -3.],
           [ 1.,  3.]])
    """
    xp, cotangent, x = prepare(cotangent, x, need=2)
    require_tokens(x, correction)
    require_shape("cotangent", cotangent, (*x.shape[:-2], x.shape[-1], x.shape[-1]))
    wide, g = widen(xp, x, cotangent)
    c = centered(xp, xp.matrix_transpose(wide), roomy=roomy(x, wide))
    dx = xp.matmul(xp.matrix_transpose(c), g + xp.matrix_transpose(g)) / (x.shape[-2] - correction)
    return give_back(xp, dx, x)


def require_heads(x, groups, kind) -> tuple[int, list]:
    """Refuse what does not split in heads; return their number and the pairs of them that meet."""
    require_tokens(x, 0)
    try:
        heads = op.index(groups)
    except TypeError:
        raise TypeError(f"groups must be an int, got {groups!r}") from None
    if heads < 2 or x.shape[-1] % heads:
        raise ValueError(f"groups must be at least 2 and divide the {x.shape[-1]} features, got {groups}")
    if kind not in ("near", "half", "all") or (kind == "half" and heads % 2):
        raise ValueError(f"kind must be 'near', 'half' (of an even number of heads) or 'all', got {kind!r}")
    step = heads // 2 if kind == "half" else 1
    if kind == "all":
        return heads, [(i, j) for i in range(heads) for j in range(i + 1, heads)]
    return heads, [(i, i + step) for i in range(heads - step)]


def normed_heads(xp, x, heads, weight, bias, eps, *, roomy):
    """Return heads (..., heads, n, d) of tokens, each normalized and free of its mean over tokens and features."""
    x = xp.permute_dims(
        xp.reshape(x, (math.prod(x.shape[:-2]), x.shape[-2], heads, x.shape[-1] // heads)), (0, 2, 1, 3)
    )
    c = centered(xp, x, roomy=roomy)
    y = c / root_mean_square(xp, c, eps, roomy=roomy)
    if weight is None and bias is None:
        return y  # whose mean is 0: taking off what rounding leaves of it would cost small features their digits
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    flat = xp.reshape(y, (*y.shape[:2], y.shape[2] * y.shape[3]))
    return xp.reshape(centered(xp, flat, roomy=roomy), y.shape)


@operator(
    paper="gao2023tuning",
    cases=[
        case("near", normal(2, 5, 6), groups=3),
        case("all, affine, loud eps", normal(2, 4, 6), normal(2), normal(2), groups=3, kind="all", eps=0.5),
        case("half", normal(2, 4, 12), normal(3, mean=1.0), normal(3), groups=4, kind="half", eps=0.1),
        case("affine", normal(3, 5, 8), normal(4), normal(4), groups=2, eps=0.25),
    ],
    bench=case("tokens", normal(48, 196, 128), groups=8),
    rows=lambda x, rng: ([rough(x[:, :36], rng)[None]], {"groups": 9}),
)
def cross_covariance_pool(x, weight=None, bias=None, /, *, groups, kind="near", eps=1e-5):
    r"""Reduce tokens to the covariances between their heads.

    .. math:: C_{ij} = \frac{1}{n} \sum_t z^{(i)}_t z^{(j)T}_t, \qquad
        z^{(i)} = \mathrm{LN}(x^{(i)}) - \overline{\mathrm{LN}(x^{(i)})}

    for neighbouring heads i, j = i + 1, each column then divided by its length; the bar is one mean over the tokens
    and features of a head.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        n tokens of heads times d features, of shape (..., n, heads d), the features of a head side by side.
    weight, bias : array, optional
        The affine map of the layer norm that all heads share, of shape (d,).
    groups : int
        The number of heads, at least 2.
    kind : {"near", "half", "all"}
        The pairs of heads: neighbours; those half of the heads apart; or all with i < j, whose columns keep their
        lengths.
    eps : float
        Added to the variance of the layer norm, in units of x squared.

    Returns
    -------
    array
        (..., pairs, d, d), in the dtype, library and device of `x`. A NaN makes the pairs of its head NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        `x` is empty along the last two axes, `groups` does not divide its features, `weight` or `bias` has not the
        shape (d,), `kind` is another word, or `eps` is negative.

    Notes
    -----
    A column is divided by 1e-12 at least, as torch's normalize does.

    References
    ----------
    Gao et al., Tuning Pre-trained Model via Moment Probing, 2023: as catalogued from its code for ViT, down to the one
    mean of a head and the lengths that "all" keeps.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> tokens = np.array([[1.0, 3.0, 8.0, 2.0], [5.0, 1.0, 0.0, 4.0]])
    >>> refnorm.pool.cross_covariance_pool(tokens, groups=2, kind="all", eps=0.0)
    array([[[-1.,  1.],
            [ 1., -1.]]])
    """
    xp, x, weight, bias = prepare(x, weight, bias)
    heads, pairs = require_heads(x, groups, kind)
    d = x.shape[-1] // heads
    require_along(x, -1, eps)
    require_shape("weight", weight, (d,))
    require_shape("bias", bias, (d,))
    wide, w, b = widen(xp, x, weight, bias)
    spare = roomy(x, wide)
    z = xp.matrix_transpose(normed_heads(xp, wide, heads, w, b, eps, roomy=spare))
    left, right = (xp.stack([z[:, pair[side], ...] for pair in pairs], axis=1) for side in (0, 1))
    c = inner_pairs(xp, right, left, roomy=spare) / x.shape[-2]  # a column of C is a row here
    if kind != "all":
        size = length(xp, c, roomy=spare)
        c = c / xp.where(size < LEAST, xp.full_like(size, LEAST), size)
    return give_back(xp, xp.reshape(xp.matrix_transpose(c), (*x.shape[:-2], len(pairs), d, d)), x)


# ---- laws ----


@law(covariance_pool, normal(7, 3))
def symmetric_whatever_the_origin(f, x):
    return f(x + 4), f(x).T


@law(covariance_pool, normal(3, 3), normal(3, 2))
def maps_act_on_both_sides(f, x, w):
    return f(x @ w), w.T @ f(x) @ w


@law(covariance_pool, normal(7, 3))
def correction_is_in_the_denominator(f, x):
    return f(x, correction=2) * 5, f(x) * 7


@law(cross_covariance_pool, normal(5, 6), normal(2), normal(2))
def one_number_on_all_changes_nothing(f, x, w, b):
    return f(x + 4, w, b, groups=3), f(x, w, b, groups=3)


@law(cross_covariance_pool, normal(5, 6), normal(2), normal(2))
def columns_are_units(f, x, w, b):
    return (f(x, w, b, groups=3) ** 2).sum(axis=-2), np.ones((2, 2))


@law(cross_covariance_pool, normal(5, 8), normal(2), normal(2))
def heads_turned_round(f, x, w, b):
    back = np.concatenate([x[:, 4:], x[:, :4]], axis=1)
    y = f(back, w, b, groups=4, kind="all")
    return y[[0, -1]], f(x, w, b, groups=4, kind="all")[[-1, 0]]
