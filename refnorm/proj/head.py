"""Heads that map a representation before its loss: two layers, a fixed reweighting, prefixes, and what layers weigh."""

from __future__ import annotations

import operator as op

from .._cases import case, normal
from .._core.norms import length, unit
from .._core.products import inner
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_shape, require_switch, roomy, to_rows, widen

ACTIVATIONS = {
    "none": lambda xp, z: z,
    "relu": lambda xp, z: xp.where(z < 0, xp.zeros_like(z), z),
    "tanh": lambda xp, z: xp.tanh(z),
}


def require_layer(weight_name, weight, bias_name, bias, inputs) -> None:
    """Refuse what is no layer of (outputs, inputs) with a bias of (outputs,)."""
    if weight.ndim != 2 or weight.shape[1] != inputs or weight.shape[0] == 0:
        raise ValueError(f"{weight_name} must have shape (outputs, {inputs}), got {tuple(weight.shape)}")
    require_shape(bias_name, bias, weight.shape[:1])


def mapped(xp, x, weight, bias, *, roomy):
    """Return x W^T + b."""
    y = inner(xp, x, weight, roomy=roomy)
    return y if bias is None else y + bias


@operator(
    paper="xue2024investigating",
    cases=[
        case("one layer", normal(4, 8), normal(5, 8)),
        case("two layers", normal(2, 3, 7), normal(6, 7), normal(6), normal(4, 6), normal(4), activation="tanh"),
        case("loud eps", normal(3, 9), normal(5, 9), None, normal(2, 5), eps=8.0),
        case("lengths kept", normal(3, 6, mean=3.0), normal(5, 6), normal(5), normal(3, 5), normalize=False),
        case("no activation", normal(5), normal(4, 5), normal(4), normal(3, 4), normal(3), activation="none"),
        case("no rows", normal(0, 4), normal(3, 4)),
    ],
    bench=case("rows", normal(512, 512), normal(512, 512), normal(512), normal(128, 512), normal(128)),
    rows=lambda x, rng: ([x, rng.normal(size=(3, x.shape[1])) / x.shape[1]], {}),
)
def projection_head(
    x, weight, bias=None, out_weight=None, out_bias=None, /, *, activation="relu", normalize=True, eps=1e-12
):
    r"""Map rows of `x` by one or two layers to unit length.

    .. math:: z = \phi(x W_1^T + b_1) \, W_2^T + b_2, \qquad y = z / \max(\lVert z \rVert_2, \epsilon)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of shape (..., inputs).
    weight, bias : array
        The first layer, (hidden, inputs) and (hidden,); no bias when left out.
    out_weight, out_bias : array, optional
        The second, (outputs, hidden) and (outputs,). Without it the head is linear: z = x W_1^T + b_1.
    activation : str
        What :math:`\phi` is: "relu", "tanh" or "none".
    normalize : bool
        Whether rows get unit length; False gives z.
    eps : float
        The least a row is divided by, in units of z.

    Returns
    -------
    array
        (..., outputs), in the dtype, library and device of `x`. A NaN makes its whole row NaN, where tanh or relu
        does not bend it to a number.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        A shape does not fit, an axis is empty, `activation` has no such name, `eps` is negative, or `out_bias` comes
        without `out_weight`.

    References
    ----------
    Xue et al., Investigating the Benefits of Projection Head for Representation Learning, 2024 (as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.projection_head(np.array([1.0, 2.0]), np.array([[3.0, 0.0], [0.0, -2.0]])).tolist()
    [0.6, -0.8]
    """
    xp, x, weight, bias, out_weight, out_bias = prepare(x, weight, bias, out_weight, out_bias, need=2)
    require_along(x, -1, eps)
    require_layer("weight", weight, "bias", bias, x.shape[-1])
    if out_weight is not None:
        require_layer("out_weight", out_weight, "out_bias", out_bias, weight.shape[0])
    elif out_bias is not None:
        raise ValueError("out_bias must come with out_weight, got it alone")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    require_switch("normalize", normalize)
    wide, w1, b1, w2, b2 = widen(xp, x, weight, bias, out_weight, out_bias)
    spare = roomy(x, wide)
    z = mapped(xp, wide, w1, b1, roomy=spare)
    if w2 is not None:
        z = mapped(xp, ACTIVATIONS[activation](xp, z), w2, b2, roomy=spare)
    return give_back(xp, unit(xp, z, eps, roomy=spare) if normalize else z, x)


@operator(
    paper="xue2024investigating",
    cases=[
        case("rows", normal(4, 8), base=1.5),
        case("axis", normal(3, 5, 4), base=2.25, axis=1),
        case("rising", normal(2, 21), base=0.75),
        case("a shrinking sign", normal(3, 6), base=-1.25),
        case("no rows", normal(0, 4), base=2.0),
    ],
    bench=case("rows", normal(4096, 1024), base=1.01),
    rows=lambda x, rng: ([x], {"base": 1.0005}),
)
def fixed_reweighting_head(x, /, *, base, axis=-1):
    r"""Weigh the features of `x` along `axis` by falling powers of one number.

    .. math:: y_i = x_i \, \kappa^{-i}, \qquad i = 0, \dots, p - 1

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    base : float
        The number :math:`\kappa`, not 0: above 1 the first features weigh most, at 1 nothing changes.
    axis : int or tuple of int
        The axis of the features; several count as one.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. Elements do not touch one another.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is of the wrong type.
    ValueError
        `base` is 0 or not finite, or `axis` is empty or does not exist.

    Notes
    -----
    The loss is asked of y, while the representation used afterwards is `x` itself.

    References
    ----------
    Xue et al., Investigating the Benefits of Projection Head for Representation Learning, 2024 (not read again: as
    catalogued from the experiments' code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.fixed_reweighting_head(np.array([1.0, 1.0, 4.0]), base=2.0)
    array([1. , 0.5, 1. ])
    """
    xp, x = prepare(x)
    require_along(x, axis, abs(base))
    if base == 0:
        raise ValueError("base must not be 0, got 0")
    (wide,) = widen(xp, to_rows(xp, axis, x, None)[0])
    place = xp.arange(wide.shape[-1], dtype=wide.dtype, device=device(wide))
    return give_back(xp, wide * xp.full_like(place, base) ** -place, x, axis)


@operator(
    paper="xue2024investigating",
    cases=[
        case("layers", normal(3, 4, 4), normal(5, 4)),
        case("two layers", normal(2, 7, 7), normal(2, 7)),
        case("to the first", normal(3, 5, 5), normal(4, 5), relative=True),
    ],
    bench=case("layers", normal(4, 256, 256, std=0.1), normal(128, 256)),
    rows=lambda x, rng: ([x[:2, :4].reshape(-1, 2, 2) / abs(x[:2, :4]).max(), rng.normal(size=(512, 2))], {}),
)
def feature_weighting_profile(x, directions, /, *, relative=False):
    r"""Return how strongly each of several linear layers passes each direction.

    .. math:: s_{lj} = \lVert W_l \cdots W_1 v_j \rVert_2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The layers :math:`W_1, \dots, W_L` one after the other, of shape (L, n, n).
    directions : array
        The directions :math:`v_j` of the features, of shape (k, n) and any length.
    relative : bool
        Whether strengths are divided by those behind the first layer, s_lj / s_1j: what later layers change.

    Returns
    -------
    array
        (L, k), in the dtype, library and device of `x`. A relative strength behind a first one of 0 is NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `relative` is no bool.
    ValueError
        `x` is no stack of square layers, `directions` has not the shape (k, n), or a size is 0.

    Notes
    -----
    Orthogonal layers have a flat profile. Layers of other sizes are padded with rows and columns of zeros.

    References
    ----------
    Xue et al., Investigating the Benefits of Projection Head for Representation Learning, 2024 (as catalogued: the
    definition could not be confirmed).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> layers = np.array([[[3.0, 0.0], [4.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]]])
    >>> refnorm.proj.feature_weighting_profile(layers, np.eye(2))
    array([[5., 1.],
           [3., 0.]])
    """
    xp, x, directions = prepare(x, directions, need=2)
    if x.ndim != 3 or x.shape[1] != x.shape[2] or 0 in x.shape:
        raise ValueError(f"x must have shape (layers, n, n) without a 0, got {tuple(x.shape)}")
    if directions.ndim != 2 or directions.shape[1] != x.shape[1]:
        raise ValueError(f"directions must have shape (k, {x.shape[1]}), got {tuple(directions.shape)}")
    require_switch("relative", relative)
    wide, rows = widen(xp, x, directions)
    spare, strengths = roomy(x, wide), []
    for layer in range(op.index(x.shape[0])):
        rows = inner(xp, rows, wide[layer, ...], roomy=spare)
        strengths.append(length(xp, rows, roomy=spare)[:, 0])
    y = xp.stack(strengths)
    return give_back(xp, y / y[:1, :] if relative else y, x)


@operator(
    paper="venkataramanan2025franca",
    cases=[
        case("a prefix", normal(4, 8), normal(5, 3)),
        case("all of it", normal(2, 3, 6), normal(4, 6, mean=1.0)),
        case("lengths kept", normal(3, 9, mean=2.0), normal(2, 4), normalize=False),
        case("loud eps", normal(3, 5), normal(4, 4), eps=4.0),
        case("one row", normal(7), normal(3, 1)),
        case("no rows", normal(0, 4), normal(3, 2)),
    ],
    bench=case("rows", normal(1024, 768), normal(2048, 384)),
    rows=lambda x, rng: ([x, rng.normal(size=(3, -(-x.shape[1] // 2)))], {}),
)
def matryoshka_prefix_logits(x, weight, /, *, normalize=True, eps=1e-12):
    r"""Return the cosines of the first elements of rows with prototypes that are no longer than these.

    .. math:: y_k = \Bigl\langle \frac{x_{:m}}{\max(\lVert x_{:m} \rVert, \epsilon)},
        \frac{w_k}{\lVert w_k \rVert} \Bigr\rangle

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The representations, of shape (..., n).
    weight : array
        The prototypes :math:`w_k` of one level, of shape (K, m), m up to n: of each row the first m elements count.
    normalize : bool
        Whether prefixes get unit length; prototypes always do, and one of zeros stays 0.
    eps : float
        The least a prefix is divided by, in units of x.

    Returns
    -------
    array
        (..., K), in the dtype, library and device of `x`. A NaN in the prefix makes its whole row NaN; what is behind
        the prefix counts for nothing.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        `weight` has not the shape (K, m) with m from 1 to n, K is 0, or `eps` is negative.

    Notes
    -----
    A call is one level: nested ones have prototypes of their own, int(K m / n) of them, and their losses are added up.
    The released code maps the whole of x to m elements by a layer for each level instead, and leaves their lengths as
    they are: give what it maps to, with ``normalize=False``. One level of all n is the head of DINO.

    References
    ----------
    Venkataramanan et al., Franca, 2025 (as catalogued: prefixes from the paper, the rest from its released code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, prototypes = np.array([3.0, 4.0, 12.0]), np.array([[2.0, 0.0], [0.0, -5.0]])
    >>> refnorm.proj.matryoshka_prefix_logits(x, prototypes)
    array([ 0.6, -0.8])
    """
    xp, x, weight = prepare(x, weight, need=2)
    require_along(x, -1, eps)
    if weight.ndim != 2 or not 1 <= weight.shape[1] <= x.shape[-1] or weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (K, 1 to {x.shape[-1]}), got {tuple(weight.shape)}")
    require_switch("normalize", normalize)
    wide, w = widen(xp, x[..., : weight.shape[1]], weight)
    spare = roomy(x, wide)
    size = length(xp, w, roomy=roomy(weight, w))
    w = w / xp.where(size == 0, xp.ones_like(size), size)
    return give_back(xp, inner(xp, unit(xp, wide, eps, roomy=spare) if normalize else wide, w, roomy=spare), x)


# ---- laws ----


@law(projection_head, normal(4, 7), normal(5, 7), normal(5), normal(3, 5), normal(3))
def rows_have_unit_length(f, x, w1, b1, w2, b2):
    y = f(x, w1, b1, w2, b2)
    return (y * y).sum(axis=-1), 1 + 0 * y[:, 0]


@law(projection_head, normal(4, 7), normal(5, 7), normal(3, 5))
def without_biases_relu_is_free_of_scale(f, x, w1, w2):
    return f(4 * x, w1, None, w2), f(x, w1, None, w2)


@law(projection_head, normal(4, 7), normal(5, 7), normal(3, 5))
def two_layers_without_a_bend_are_one(f, x, w1, w2):
    return f(x, w1, None, w2, activation="none"), f(x, w2 @ w1)


@law(fixed_reweighting_head, normal(4, 7))
def weights_cancel(f, x):
    return f(f(x, base=2.0), base=0.5), x


@law(fixed_reweighting_head, normal(4, 7))
def bases_multiply(f, x):
    return f(f(x, base=2.0), base=4.0), f(x, base=8.0)


@law(feature_weighting_profile, normal(3, 4, 4), normal(5, 4))
def strengths_scale_with_directions(f, x, v):
    return f(x, 4 * v), 4 * f(x, v)


@law(feature_weighting_profile, normal(3, 4, 4), normal(5, 4))
def layers_after_the_first_two(f, x, v):
    return f(x, v)[2], f(x[2:], v @ x[0].T @ x[1].T)[0]


@law(matryoshka_prefix_logits, normal(4, 7), normal(5, 3))
def what_is_behind_the_prefix_is_free(f, x, w):
    return f(x, w), f(x[:, :3], w)


@law(matryoshka_prefix_logits, normal(4, 7), normal(5, 3))
def lengths_are_free(f, x, w):
    return f(4 * x, w), f(x, 8 * w)


@law(matryoshka_prefix_logits, normal(4, 3))
def a_row_is_its_own_prototype(f, x):
    y = f(x, x)
    return y.diagonal() + 0 * y, 1 + 0 * y
