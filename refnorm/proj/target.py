"""Labels projected at random as local targets, and the step of a layer towards one."""

from __future__ import annotations

import math

from .._cases import case, normal, simplex
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, require_switch, roomy, widen


def bent(xp, z, activation):
    """Return an activation and its derivative, which is 0 for relu at 0, as two factors."""
    one = xp.ones_like(z)
    if activation == "tanh":
        y, e = xp.tanh(z), xp.exp(-xp.abs(z))
        small = y * y < 0.5  # 1 - y^2 loses its digits where y is nearly 1, and 2 / cosh twice its own among denormals
        half = 2 * e / (1 + e * e)
        return y, xp.where(small, 1 - y * y, half), xp.where(small, one, half)
    if activation == "relu":
        zero = xp.zeros_like(z)
        return xp.where(z < 0, zero, z), xp.where(z > 0, one, xp.where(z <= 0, zero, z)), one
    return z, one, one


def summed(xp, delta, x, *, roomy):
    """Return delta^T x and the sum of delta over all rows."""
    delta = xp.reshape(delta, (-1, delta.shape[-1]))
    columns, turned = xp.matrix_transpose(xp.reshape(x, (-1, x.shape[-1]))), xp.matrix_transpose(delta)
    return inner(xp, turned, columns, roomy=roomy), total(xp, turned, roomy=roomy)[:, 0]


def require_activation(activation) -> None:
    """Refuse an activation of no known name."""
    if activation not in ("tanh", "relu", "none"):
        raise ValueError(f"activation must be one of tanh, relu, none, got {activation!r}")


def require_projection(x, weight) -> None:
    """Refuse rows of no class, and a weight that has no row for each class."""
    require_along(x, -1)
    if weight.ndim != 2 or weight.shape[0] != x.shape[-1]:
        raise ValueError(f"weight must have shape ({x.shape[-1]}, n), a row a class, got {tuple(weight.shape)}")


def require_layer(x, weight, bias, target) -> None:
    """Refuse what is no layer on the rows of x with a target for each."""
    require_along(x, -1)
    if weight.ndim != 2 or weight.shape[1] != x.shape[-1] or weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (units, {x.shape[-1]}), got {tuple(weight.shape)}")
    require_shape("bias", bias, weight.shape[:1])
    require_shape("target", target, (*x.shape[:-1], weight.shape[0]))


@operator(
    paper="lomnitz2022learning",
    cases=[
        case("soft labels", simplex(4, 8), normal(8, 5)),
        case("scores", normal(2, 3, 7), normal(7, 4), scale=0.75),
        case("one row", normal(5, mean=3.0), normal(5, 2), scale=-2.0),
        case("no rows", normal(0, 4), normal(4, 3)),
    ],
    bench=case("labels", simplex(4096, 100), normal(100, 512)),
    rows=lambda x, rng: ([x, rng.normal(size=(x.shape[1], 2)) / x.shape[1]], {}),
)
def random_target_projection(x, weight, /, *, scale=1.0):
    r"""Turn labels into targets of a layer by a fixed random matrix.

    .. math:: t = s \, x B

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Labels, one-hot or soft, of shape (..., classes).
    weight : array
        The fixed :math:`B`, of shape (classes, units): a row a class.
    scale : float
        The factor :math:`s`, which brings targets into the range of the layer.

    Returns
    -------
    array
        (..., units), in the dtype, library and device of `x`; of a one-hot label the row of its class. A NaN makes
        its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `scale` is no number.
    ValueError
        `weight` has not a row for each class, there is no class, or `scale` is not finite.

    References
    ----------
    Lomnitz et al., Learning with Local Gradients at the Edge, 2022 (not read again: as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.random_target_projection(np.array([0.0, 1.0]), np.array([[1.0, -1.0], [2.0, 0.5]]))
    array([2. , 0.5])
    """
    xp, x, weight = prepare(x, weight, need=2)
    require_projection(x, weight)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    wide, b = widen(xp, x, weight)
    return give_back(xp, scale * inner(xp, wide, xp.matrix_transpose(b), roomy=roomy(x, wide)), x)


@operator(
    paper="lomnitz2022learning",
    cases=[
        case("tanh", normal(4, 5), simplex(4, 3), normal(3, 5)),
        case("relu", normal(2, 3, 7), normal(2, 3, 4), normal(4, 7), activation="relu", scale=-0.5),
        case("none", normal(5), simplex(3), normal(3, 5), activation="none"),
        case("no rows", normal(0, 4), normal(0, 2), normal(2, 4)),
    ],
    bench=case("rows", normal(4096, 512), simplex(4096, 100), normal(100, 512)),
    rows=lambda x, rng: ([x, rng.normal(size=(len(x), 2)), rng.normal(size=(2, x.shape[1]))], {}),
)
def direct_random_target_delta(x, labels, weight, /, *, activation="tanh", scale=1.0):
    r"""Return the delta of a hidden layer that direct random target projection puts in place of the gradient.

    .. math:: \delta = s \, (y B) \odot \phi'(x)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        What the layer hands to its activation, of shape (..., units).
    labels : array
        Labels :math:`y`, one-hot or soft, of shape (..., classes).
    weight : array
        The fixed :math:`B`, of shape (classes, units).
    activation : str
        What :math:`\phi` is: "tanh", "relu" or "none".
    scale : float
        The factor :math:`s`: the sign of the target, 1 in the released code; papers also write -1.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `scale` is no number.
    ValueError
        A shape does not fit, an axis is empty, `activation` has no such name, or `scale` is not finite.

    Notes
    -----
    The gradient of the weights is the sum over rows of the layer's input times this. relu has the derivative 0 at 0.

    References
    ----------
    Lomnitz et al., Learning with Local Gradients at the Edge, 2022 (not read again: as catalogued from the code of
    direct random target projection, which it generalises).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, labels, weight = np.array([1.0, -1.0]), np.array([0.0, 1.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> refnorm.proj.direct_random_target_delta(x, labels, weight, activation="relu")
    array([3., 0.])
    """
    xp, x, labels, weight = prepare(x, labels, weight, need=3)
    require_along(x, -1)
    require_projection(labels, weight)
    require_shape("labels", labels, (*x.shape[:-1], labels.shape[-1]))
    require_shape("weight", weight, (weight.shape[0], x.shape[-1]))
    require_activation(activation)
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    wide, y, b = widen(xp, x, labels, weight)
    t = inner(xp, y, xp.matrix_transpose(b), roomy=roomy(x, wide))
    _, first, second = bent(xp, wide, activation)
    return give_back(xp, scale * t * first * second, x)


@operator(
    paper="lomnitz2022learning",
    cases=[
        case("tanh", normal(4, 5), normal(3, 5), None, normal(4, 3)),
        case("bias", normal(2, 3, 7), normal(4, 7), normal(4), normal(2, 3, 4), activation="relu"),
        case("signs", normal(6, 4), normal(2, 4), normal(2), normal(6, 2), squared=False, activation="relu"),
        case("mean", normal(5, 3), normal(2, 3), None, normal(5, 2), average=True, activation="none"),
    ],
    bench=case("rows", normal(1024, 512), normal(256, 512), normal(256), normal(1024, 256)),
    rows=lambda x, rng: (
        [x / (1 + abs(x).max()), rng.normal(size=(2, x.shape[1])), None, rng.normal(size=(len(x), 2))],
        {"average": True},
    ),
)
def local_target_update(x, weight, bias=None, target=None, /, *, activation="tanh", squared=True, average=False):
    r"""Return the gradients of one layer's weight and bias towards its own target.

    .. math::
        z = x W^T + b, \quad \delta = r \odot \phi'(z), \quad r = \phi(z) - t \text{ or } \mathrm{sign}(\phi(z) - t),
        \quad \bar W = \delta^T x, \quad \bar b = \sum \delta

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The input of the layer, of shape (..., inputs). No gradient goes back to it.
    weight, bias : array
        The layer, (units, inputs) and (units,); no bias when bias is None.
    target : array
        The targets :math:`t`, of shape (..., units).
    activation : str
        What :math:`\phi` is: "tanh", "relu" or "none".
    squared : bool
        Whether the loss is half the squared distance; False is for the sum of magnitudes, whose slope is a sign.
    average : bool
        Whether gradients are means over the rows; False gives sums.

    Returns
    -------
    tuple of array
        (dweight, dbias), (units, inputs) and (units,), in the dtype, library and device of `x`. The update is minus
        the rate times these. Without a row they are sums of nothing, or NaN means.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, `target` is None, the arrays are of two libraries, or a switch is no
        bool.
    ValueError
        A shape does not fit, an axis is empty, or `activation` has no such name.

    References
    ----------
    Lomnitz et al., Learning with Local Gradients at the Edge, 2022 (not read again: as catalogued; the formula has
    neither the factor 2 of a square nor a mean over the batch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, weight, target = np.array([[1.0, 2.0]]), np.array([[3.0, 1.0]]), np.array([[4.0]])
    >>> refnorm.proj.local_target_update(x, weight, None, target, activation="none")
    (array([[1., 2.]]), array([1.]))
    """
    if target is None:
        raise TypeError("local_target_update: target must be an array, got None")
    xp, x, weight, bias, target = prepare(x, weight, bias, target, need=2)
    require_layer(x, weight, bias, target)
    require_activation(activation)
    require_switch("squared", squared)
    require_switch("average", average)
    wide, w, b, t = widen(xp, x, weight, bias, target)
    spare = roomy(x, wide)
    z = inner(xp, wide, w, roomy=spare)
    h, first, second = bent(xp, z if b is None else z + b, activation)
    delta = (h - t if squared else xp.sign(h - t)) * first * second
    dw, db = summed(xp, delta, wide, roomy=spare)
    count = math.prod(x.shape[:-1]) if average else 1
    return give_back(xp, dw / count, x), give_back(xp, db / count, x)


# ---- laws ----


@law(random_target_projection, normal(4, 7), normal(7, 5))
def labels_add(f, x, b):
    return f(x + x[::-1], b), f(x, b) + f(x[::-1], b)


@law(random_target_projection, normal(4, 7), normal(7, 5))
def scale_is_a_factor(f, x, b):
    return f(x, b, scale=-3.0), -3 * f(x, b)


@law(direct_random_target_delta, normal(4, 7), normal(4, 3), normal(3, 7))
def even_in_what_tanh_is_given(f, x, y, b):
    return f(-x, y, b), f(x, y, b)


@law(direct_random_target_delta, normal(4, 7), normal(4, 3), normal(3, 7))
def relu_has_two_halves(f, x, y, b):
    return f(x, y, b, activation="relu") + f(-x, y, b, activation="relu"), f(x, y, b, activation="none")


@law(local_target_update, normal(4, 7), normal(3, 7), normal(3), normal(4, 3))
def nothing_to_do_at_the_target(f, x, w, b, t):
    return f(x, w, b, x @ w.T + b, activation="none")[0] + 1, 0 * w + 1


@law(local_target_update, normal(4, 7), normal(3, 7), normal(3), normal(4, 3))
def mean_is_the_sum_over_the_count(f, x, w, b, t):
    return 4 * f(x, w, b, t, average=True)[1], f(x, w, b, t)[1]
