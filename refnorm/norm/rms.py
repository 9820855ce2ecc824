"""x / sqrt(mean x^2 + eps): rows of unit root mean square, gated or not."""

from __future__ import annotations

from .._cases import case, normal
from .._core.logistic import sigmoids
from .._core.moments import root_mean_square, sum_leading
from .._core.sums import mean
from .._lanes import load, row_blocks, run, takes
from .._registry import gradient, law, operator
from .._xp import (
    check_out,
    give_back,
    like_weight,
    prepare,
    require_along,
    require_same_shape,
    require_switch,
    roomy,
    to_rows,
    widen,
)  # fmt: skip

kernels = load(__name__)


@operator(
    paper=("zhang2019root", "jiang2023pre"),
    kernel="rms_norm",
    cases=[
        case("rows", normal(4, 8)),
        case("weight", normal(2, 3, 8), normal(8)),
        case("loud eps", normal(4, 8), eps=0.5),
        case("weight, loud eps", normal(3, 37), normal(37), eps=2.0),
        case("axis", normal(3, 5, 4), normal(5), axis=1, eps=0.1),
        case("two axes", normal(2, 3, 5), normal(3, 5), axis=(1, 2), eps=0.1),
        case("offset", normal(3, 33, mean=30.0), normal(33)),
        case("small rows", normal(5, 16, std=1e-3), normal(16), eps=1e-4),
        case("one column", normal(4, 1), normal(1), eps=0.25),
        case("long", normal(2, 1030), normal(1030)),
        case("no rows", normal(0, 4), normal(4)),
    ],
    bench=case("rows", normal(4096, 1024), normal(1024)),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape[1])], {}),
)
def rms_norm(x, weight=None, /, *, axis=-1, eps=1e-6, out=None):
    r"""Scale `x` to unit root mean square along `axis`.

    .. math:: y_i = \frac{x_i}{\sqrt{\frac{1}{n} \sum_j x_j^2 + \epsilon}} \, w_i

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape. `n` is its size along `axis`.
    weight : array, optional
        The gain :math:`w`, of the shape of `axis`.
    axis : int or tuple of int
        The axis to normalize over; several count as one.
    eps : float
        Added to the mean square, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A row of zeros gives zeros while eps > 0, else NaN.
        A NaN makes its row NaN; an infinity makes itself NaN and the rest of its row 0.

    Raises
    ------
    TypeError
        `x` or `weight` does not hold floating numbers, or they are of two libraries.
    ValueError
        `weight` has not the shape of `axis`, `axis` is empty or missing, `eps` is negative, `out` overlaps.

    Notes
    -----
    torch takes ``eps=None`` as the machine epsilon of the computing type (2**-23 even for bfloat16); ONNX's
    RMSNormalization has 1e-5. Llama's code rounds to half precision before the weight, torch after it: here
    there is one rounding, at the end. See ``refnorm conventions rms_norm``.

    References
    ----------
    Zhang and Sennrich, Root Mean Square Layer Normalization, 2019: the definition has no eps. Their TensorFlow
    code adds 1e-8 inside the root, as here; their torch code adds it outside, which ``refnorm check`` names a
    mistake. Jiang et al., Pre-RMSNorm and Pre-CRMSNorm Transformers, 2023.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.rms_norm(np.array([3.0, 4.0, 0.0, 0.0]), eps=0.0)
    array([1.2, 1.6, 0. , 0. ])
    """
    xp, x, weight = prepare(x, weight)
    require_along(x, axis, eps, weight)
    check_out(out, x, weight)
    rows, into, w = to_rows(xp, axis, x, out, weight)
    if takes(kernels, rows, w):
        y = run(kernels.rms_norm, rows, w, eps, out=into)
    else:
        wide, w = widen(xp, rows, w)
        spare = roomy(rows, wide)
        y = wide / root_mean_square(xp, wide, eps, roomy=spare)
        y = y if w is None else y * w
    return give_back(xp, y, x, axis, out)


@gradient(rms_norm)
def rms_norm_vjp(cotangent, x, weight=None, /, *, axis=-1, eps=1e-6):
    r"""Return the cotangents of `x` and `weight` for a cotangent of ``rms_norm(x, weight)``.

    .. math::
        \bar x = \frac{1}{r} \Bigl( \bar y w - \hat x \, \frac{1}{n} \sum_j \bar y_j w_j \hat x_j \Bigr), \quad
        \bar w = \sum_{\text{rows}} \bar y \hat x, \quad \hat x = x / r, \quad
        r = \sqrt{\tfrac{1}{n} \sum_j x_j^2 + \epsilon}

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, weight, axis, eps
        As in :func:`rms_norm`.

    Returns
    -------
    tuple
        ``(dx, dweight)``; `dweight` is None where there is no weight.

    Raises
    ------
    TypeError, ValueError
        As in :func:`rms_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the definition of Zhang and Sennrich, 2019.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> dx, _ = refnorm.norm.rms_norm_vjp(np.array([1.0, 0.0]), np.array([3.0, 4.0]), eps=0.0)
    >>> dx.round(3)  # no part along x: the answer is free of the scale of x
    array([ 0.181, -0.136])
    """
    xp, cotangent, x, weight = prepare(cotangent, x, weight, need=2)
    require_same_shape("cotangent", cotangent, x)
    require_along(x, axis, eps, weight)
    rows, g, w = to_rows(xp, axis, x, cotangent, weight)
    if takes(kernels, g, rows, w):
        block, blocks = row_blocks(rows)
        dx, dw = run(kernels.rms_norm_vjp, g, rows, w, eps, block, parts=(blocks, rows.shape[-1]), units=blocks)
    else:
        wide, g, w = widen(xp, rows, g, w)
        spare = roomy(rows, wide)
        r = root_mean_square(xp, wide, eps, roomy=spare)
        unit = wide / r
        gw = g if w is None else g * w
        dx = (gw - unit * mean(xp, gw * unit, roomy=spare)) / r
        dw = sum_leading(xp, g * unit)
    return give_back(xp, dx, x, axis), like_weight(xp, dw, weight)


@law(rms_norm, normal(4, 8))
def scale_free(f, x):
    return f(7 * x, eps=0.0), f(x, eps=0.0)


@law(rms_norm, normal(4, 8), normal(8))
def weight_is_a_product(f, x, weight):
    return f(x, weight, eps=0.5), f(x, eps=0.5) * weight


@law(rms_norm, normal(4, 8))
def order_free(f, x):
    return f(x[:, ::-1], eps=0.5), f(x, eps=0.5)[:, ::-1]


@law(rms_norm, normal(5, 16))
def eps_is_in_squared_units(f, x):
    return f(4 * x, eps=16 * 0.3), f(x, eps=0.3)


# ---- gated ----


@operator(
    paper=("dao2024transformers", "hwang2024hydra"),
    kernel="gated_rms_norm",
    cases=[
        case("norm first", normal(4, 8), normal(4, 8)),
        case("weight", normal(2, 3, 9), normal(2, 3, 9), normal(9), eps=0.3),
        case("gate first", normal(4, 8), normal(4, 8), norm_before_gate=False),
        case("gate first, weight, loud eps", normal(3, 37), normal(3, 37), normal(37), norm_before_gate=False, eps=0.5),
        case("axis", normal(3, 5, 4), normal(3, 5, 4), normal(5), axis=1, eps=0.1),
        case("two axes", normal(2, 3, 5), normal(2, 3, 5), normal(3, 5), axis=(1, 2), norm_before_gate=False, eps=0.1),
        case("wide gates", normal(3, 17, mean=5.0), normal(3, 17, std=12.0), normal(17), eps=0.1),
        case("small rows", normal(5, 16, std=1e-3), normal(5, 16), normal(16), norm_before_gate=False, eps=1e-4),
        case("long", normal(2, 1030), normal(2, 1030), normal(1030)),
        case("no rows", normal(0, 4), normal(0, 4), normal(4)),
    ],
    bench=case("rows", normal(4096, 4096), normal(4096, 4096), normal(4096)),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape), rng.normal(size=x.shape[1])], {}),
)
def gated_rms_norm(x, gate, weight=None, /, *, axis=-1, norm_before_gate=True, eps=1e-5, out=None):
    r"""Scale `x` to unit root mean square along `axis` and gate it by silu of `gate`, afterwards or before.

    .. math:: y_i = \frac{x_i}{\sqrt{\frac{1}{n} \sum_j x_j^2 + \epsilon}} \, w_i \, s(z_i)
        \quad\text{or}\quad y_i = \frac{h_i}{\sqrt{\frac{1}{n} \sum_j h_j^2 + \epsilon}} \, w_i, \; h_i = x_i \, s(z_i),
        \qquad s(z) = \frac{z}{1 + e^{-z}}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape. `n` is its size along `axis`.
    gate : array
        The other branch :math:`z`, of the shape of `x`.
    weight : array, optional
        The gain :math:`w`, of the shape of `axis`.
    axis : int or tuple of int
        The axis to normalize over; several count as one.
    norm_before_gate : bool
        True: the first formula, the gate behind the norm. False: the second, the norm of gated data.
    eps : float
        Added to the mean square, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A row of zeros gives zeros while eps > 0, else NaN.
        A NaN in `x` makes its row NaN, an infinity itself, and the rest of its row 0; so do they in `gate` where the
        gate comes first, and behind the norm only themselves: silu of -inf is NaN, as it is in torch.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `norm_before_gate` is no bool.
    ValueError
        `gate` has not the shape of `x`, `weight` not that of `axis`, `axis` is empty or missing, `eps` is negative,
        `out` overlaps.

    Notes
    -----
    The function and the layer of Mamba's released code have the norm first as their default, its Mamba-2 blocks the
    gate. Their `group_size` takes the mean square over blocks of an axis: split the axis into two, and multiply by
    the weight afterwards. Gated data beyond the range of the computing type are infinite. See ``refnorm conventions
    gated_rms_norm``.

    References
    ----------
    Dao and Gu, Transformers are SSMs, 2024 (not read again; confirmed at ``rms_norm_ref`` of the released code,
    state-spaces/mamba). Hwang et al., Hydra, 2024, whose code uses the same layer with the norm first (formula as
    catalogued, which names that code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, gate = np.array([3.0, 4.0, 0.0, 0.0]), np.array([40.0, 0.0, 1.0, 1.0])
    >>> refnorm.norm.gated_rms_norm(x, gate, eps=0.0)
    array([48.,  0.,  0.,  0.])
    >>> refnorm.norm.gated_rms_norm(x, gate, norm_before_gate=False, eps=0.0)
    array([2., 0., 0., 0.])
    """
    xp, x, gate, weight = prepare(x, gate, weight, need=2)
    require_along(x, axis, eps, weight)
    require_same_shape("gate", gate, x)
    require_switch("norm_before_gate", norm_before_gate)
    check_out(out, x, gate, weight)
    rows, into, w = to_rows(xp, axis, x, out, weight)
    z, _ = to_rows(xp, axis, gate, None)
    if takes(kernels, rows, z, w):
        y = run(kernels.gated_rms_norm, rows, z, w, eps, norm_before_gate, out=into)
    else:
        wide, z, w = widen(xp, rows, z, w)
        s = z * sigmoids(xp, z)[0]
        h = wide if norm_before_gate else wide * s
        # h / r would lose digits where h = x s is denormal and its root is not
        y = wide / root_mean_square(xp, h, eps, roomy=roomy(rows, wide))
        y = (y if w is None else y * w) * s
    return give_back(xp, y, x, axis, out)


@gradient(gated_rms_norm)
def gated_rms_norm_vjp(cotangent, x, gate, weight=None, /, *, axis=-1, norm_before_gate=True, eps=1e-5):
    r"""Return the cotangents of `x`, `gate` and `weight` for one of ``gated_rms_norm(x, gate, weight)``.

    .. math::
        \bar a = \frac{1}{r} \Bigl( t - \hat a \, \frac{1}{n} \sum_j t_j \hat a_j \Bigr), \quad
        t = \bar y w b, \quad \hat a = a / r, \quad r = \sqrt{\tfrac{1}{n} \sum_j a_j^2 + \epsilon}, \quad
        \bar w = \sum_{\text{rows}} \bar y \hat a b

    With the norm before the gate :math:`a = x` and :math:`b = s(z)`, so that :math:`\bar x = \bar a` and
    :math:`\bar z = \bar y w \hat a \, s'(z)`. With the gate first :math:`a = x \, s(z)` and :math:`b = 1`, so that
    :math:`\bar x = \bar a \, s(z)` and :math:`\bar z = \bar a \, x \, s'(z)`.

    Parameters
    ----------
    cotangent : array
        The cotangent of the output, of the shape of `x`.
    x, gate, weight, axis, norm_before_gate, eps
        As in :func:`gated_rms_norm`.

    Returns
    -------
    tuple
        ``(dx, dgate, dweight)``; `dweight` is None where there is no weight.

    Raises
    ------
    TypeError, ValueError
        As in :func:`gated_rms_norm`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of :func:`gated_rms_norm`; confirmed against torch's autograd.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, gate, g = np.array([3.0, 4.0]), np.array([0.0, 0.0]), np.array([1.0, 0.0])
    >>> dx, dgate, _ = refnorm.norm.gated_rms_norm_vjp(g, x, gate, eps=0.0)
    >>> dgate.round(3)  # silu is 0 at 0, its slope 1/2
    array([0.424, 0.   ])
    """
    xp, cotangent, x, gate, weight = prepare(cotangent, x, gate, weight, need=3)
    require_same_shape("cotangent", cotangent, x)
    require_same_shape("gate", gate, x)
    require_along(x, axis, eps, weight)
    require_switch("norm_before_gate", norm_before_gate)
    rows, g, w = to_rows(xp, axis, x, cotangent, weight)
    z, _ = to_rows(xp, axis, gate, None)
    if takes(kernels, rows, g, z, w):
        block, blocks = row_blocks(rows)
        two = dict(shape=(2, *rows.shape), parts=(blocks, rows.shape[-1]), units=blocks)
        both, dw = run(kernels.gated_rms_norm_vjp, rows, g, z, w, eps, norm_before_gate, block, **two)
        dx, dz = both[0, ...], both[1, ...]
    else:
        dx, dz, dw = gated_pull(xp, norm_before_gate, eps, roomy(rows, *widen(xp, rows)), *widen(xp, rows, g, z, w))
    dx, dz = give_back(xp, dx, x, axis), give_back(xp, dz, gate, axis)
    return dx, dz, like_weight(xp, dw, weight)


def gated_pull(xp, norm_before_gate, eps, spare, x, g, z, w):
    """Return the cotangents of rows, as the docstring of the gradient has them."""
    c, rest = sigmoids(xp, z)
    s = z * c
    slope = c + s * rest
    a = x if norm_before_gate else x * s
    r = root_mean_square(xp, a, eps, roomy=spare)
    unit, gw = a / r, g if w is None else g * w
    t = gw * s if norm_before_gate else gw
    da = (t - unit * mean(xp, t * unit, roomy=spare)) / r
    if norm_before_gate:
        return da, gw * unit * slope, sum_leading(xp, g * unit * s)
    return da * s, da * x * slope, sum_leading(xp, g * unit)


@law(gated_rms_norm, normal(4, 8), normal(4, 8))
def free_of_the_scale_of_x(f, x, gate):
    return f(7 * x, gate, eps=0.0), f(x, gate, eps=0.0)


@law(gated_rms_norm, normal(4, 8), normal(4, 8))
def a_gate_and_its_opposite_add_up(f, x, gate):
    """silu(z) - silu(-z) = z."""
    gates = f(x, gate, eps=0.0) - f(x, -gate, eps=0.0)
    return gates, gate * x / (x**2).mean(axis=-1, keepdims=True) ** 0.5


@law(gated_rms_norm, normal(4, 8), normal(4, 8))
def a_gate_that_is_one_number_is_a_scale(f, x, gate):
    gate = gate * 0 + 1.5
    return f(x, gate, eps=0.0, norm_before_gate=False) * 1.5 / (1 + 2.718281828459045**-1.5), f(x, gate, eps=0.0)


@law(gated_rms_norm, normal(4, 8), normal(4, 8), normal(8))
def the_weight_is_a_product(f, x, gate, weight):
    options = dict(eps=0.5, norm_before_gate=False)
    return f(x, gate, weight, **options), f(x, gate, **options) * weight


@law(gated_rms_norm, normal(4, 8), normal(4, 8))
def order_free_too(f, x, gate):
    return f(x[:, ::-1], gate[:, ::-1], eps=0.5), f(x, gate, eps=0.5)[:, ::-1]
