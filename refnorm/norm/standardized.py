"""(W - mean) / deviation: every filter of a weight standardized."""

from __future__ import annotations

import math

from .._cases import case, normal
from .._core.channels import as_rows
from .._core.moments import root_mean_square
from .._registry import law, operator
from .._xp import check_out, give_back, prepare, roomy, widen
from .points import from_mean
from .weight import flat, kept_axis, kept_first, put_back


def require_spread(x, kept, correction, eps_mode) -> None:
    """Refuse a correction that leaves no denominator, and another word for the place of eps."""
    n = math.prod([size for a, size in enumerate(x.shape) if a != kept])
    if not 0 <= correction < n:
        raise ValueError(f"correction must be in 0..{n}, the elements of a slice, and below it, got {correction!r}")
    if eps_mode not in ("variance", "deviation"):
        raise ValueError(f"eps_mode must be 'variance' or 'deviation', what eps is added to, got {eps_mode!r}")


def deviation(xp, c, correction, eps, eps_mode, *, roomy):
    """Return the deviation of centred rows of n, with eps; a denominator n - correction stretches them."""
    stretch = (c.shape[-1] / (c.shape[-1] - correction)) ** 0.5
    if eps_mode == "variance":
        return root_mean_square(xp, c * stretch, eps, roomy=roomy)
    return root_mean_square(xp, c * stretch, 0.0, roomy=roomy) + eps


@operator(
    paper="qiao2019micro",
    cases=[
        case("rows", normal(4, 8)),
        case("filters", normal(3, 2, 3, 3), normal(3), correction=1, eps=0.1, eps_mode="deviation"),
        case("loud eps", normal(4, 8), eps=0.5),
        case("loud eps on the deviation", normal(4, 8), normal(4), eps=0.5, eps_mode="deviation"),
        case("unbiased", normal(4, 5), correction=1, eps=0.1),
        case("kernels of the last axis", normal(3, 3, 2, 5), normal(5), axis=-1, eps=0.1),
        case("between", normal(3, 5, 4), axis=1, correction=2, eps=0.25, eps_mode="deviation"),
        case("whole", normal(3, 7), axis=None, eps=0.5),
        case("offset", normal(3, 33, mean=1e4), correction=1),
        case("small", normal(5, 16, std=1e-3), normal(5), eps=1e-3, eps_mode="deviation"),
        case("long", normal(2, 1030), normal(2)),
        case("no rows", normal(0, 4), normal(0)),
    ],
    bench=case("filters", normal(512, 512, 3, 3), normal(512)),
    rows=lambda x, rng: ([x, rng.normal(size=len(x))], {"eps": 1e-30}),
)
def weight_standardization(x, gains=None, /, *, axis=0, correction=0, eps=1e-5, eps_mode="variance", out=None):
    r"""Give every slice of the weight `x` along `axis` mean 0 and variance 1, then scale it.

    .. math:: y_k = g_k \frac{x_k - \mu_k}{\sqrt{\sigma_k^2 + \epsilon}} \quad\text{or}\quad
        g_k \frac{x_k - \mu_k}{\sigma_k + \epsilon}, \qquad
        \sigma_k^2 = \frac{1}{n - q} \sum_i (x_{ki} - \mu_k)^2

    where k counts along `axis`, the sum runs over the n elements of a slice, and q is the correction.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        A weight of any shape.
    gains : array, optional
        The gains :math:`g`, of shape (m,) for an `axis` of size m, of shape () where `axis` is None; 1 when left out.
    axis : int or None
        The axis that is *kept*, that of the outputs: 0 in torch, -1 in TensorFlow and JAX. None takes the whole array
        as one slice.
    correction : float
        What is taken off n in the denominator of the variance.
    eps : float
        Added to the variance, in units of x squared, or to the deviation, in units of x.
    eps_mode : {"variance", "deviation"}
        What `eps` is added to.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`, empty where `axis` is. A constant slice gives exactly 0 while
        eps > 0, else NaN. A NaN or an infinity makes its slice NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` is no int and not None, or an
        option is no number.
    ValueError
        `gains` has not the shape of `axis`, a slice is empty, `axis` does not exist, `correction` leaves no
        denominator, `eps` is negative, `eps_mode` is another word, or `out` overlaps.

    Notes
    -----
    The text has n and eps under the root, the released PyTorch code n - 1 and eps 1e-5 beside it; Big Transfer (torch)
    1e-10 under the root; the JAX code of Vision Transformer n and 1e-5 beside it. At the small variances that weights
    have, about 1e-4, an eps of 1e-5 under the root is 5 %, beside it 0.1 %. A linear map by such a weight does not
    change where all inputs move by the same. The paper has no gains; scaled weight standardization has g / sqrt(n) for
    them, and another eps. See ``refnorm conventions weight_standardization``.

    References
    ----------
    Qiao et al., Micro-Batch Training with Batch-Channel Normalization and Weight Standardization, 2019 (not read again:
    the formula is that of labml.ai's annotated implementation; the lines of the released code were read where another
    code copies them).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> w = np.array([[1.0, 3.0], [0.0, 8.0]])
    >>> refnorm.norm.weight_standardization(w, eps=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])
    >>> refnorm.norm.weight_standardization(w, eps=1.0, eps_mode="deviation")
    array([[-0.5,  0.5],
           [-0.8,  0.8]])
    """
    xp, x, gains = prepare(x, gains)
    kept = kept_axis(x, gains, axis, eps)
    require_spread(x, kept, correction, eps_mode)
    check_out(out, x, gains)
    (planes,) = kept_first(xp, kept, x)
    rows, g = as_rows(xp, *widen(xp, planes, flat(xp, gains)))
    spare = roomy(x, rows)
    c = from_mean(xp, rows, roomy=spare)
    y = c / deviation(xp, c, correction, eps, eps_mode, roomy=spare)
    y = xp.reshape(y if g is None else y * g, planes.shape)
    return give_back(xp, put_back(xp, y, kept), x, out=out)


@law(weight_standardization, normal(4, 8))
def shift_and_scale_free(f, x):
    return f(4 * x + 2, eps=0.0), f(x, eps=0.0)


@law(weight_standardization, normal(4, 9))
def variance_is_one(f, x):
    return (f(x, correction=1, eps=0.0) ** 2).sum(axis=1), 8 + 0 * x[:, 0]


@law(weight_standardization, normal(4, 8))
def eps_has_the_unit_of_what_it_is_added_to(f, x):
    return f(4 * x, eps=16 * 0.5) - f(4 * x, eps=4 * 0.5, eps_mode="deviation"), f(x, eps=0.5) - f(
        x, eps=0.5, eps_mode="deviation"
    )


@law(weight_standardization, normal(4, 8), normal(4))
def gains_come_last(f, x, gains):
    return f(x, gains, eps=0.5), f(x, eps=0.5) * gains[:, None]


@law(weight_standardization, normal(3, 4, 5))
def the_last_axis_is_one_like_another(f, x):
    return f(x, axis=-1, eps=0.5), f(x.transpose(2, 0, 1), eps=0.5).transpose(1, 2, 0)


@law(weight_standardization, normal(4, 8))
def none_keeps_no_axis(f, x):
    return f(x, axis=None, eps=0.5), f(x.reshape(1, -1), eps=0.5).reshape(x.shape)
