"""Where the norm sits in a residual block: before the branch, or after the sum, and by which layer.

No operators of the registry: one takes a function, the other no array.
"""

from __future__ import annotations

import operator

from .layer import layer_norm
from .rms import rms_norm

NORMS = {"layer": layer_norm, "rms": rms_norm}
PLACEMENTS = ("pre", "post")


def residual_norm_block(x, weight=None, bias=None, /, *, branch, placement="pre", norm="layer", axis=-1, eps=1e-5):
    r"""Add a branch to `x`, with a norm before the branch or after the sum.

    .. math:: y = x + f(\mathrm{norm}(x)) \quad \text{(pre)}, \qquad y = \mathrm{norm}(x + f(x)) \quad \text{(post)}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    weight, bias : array, optional
        The gain and the shift of the norm, of the shape of `axis`; "rms" has no bias.
    branch : callable
        The function :math:`f`, from an array to one of the same shape, library and dtype: attention or an MLP.
    placement : {"pre", "post"}
        Where the norm sits.
    norm : {"layer", "rms"}
        Which norm: :func:`layer_norm` or :func:`rms_norm`.
    axis : int or tuple of int
        The axis to normalize over.
    eps : float
        As the norm takes it.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. The sum is rounded in the dtype of `x`, as the branch's answer is.
        NaN and infinities do what they do in the norm and the branch.

    Raises
    ------
    TypeError
        `branch` cannot be called, or gives no array of the library of `x`; or what the norm refuses.
    ValueError
        `placement` or `norm` is another word, a bias is given to "rms", the branch's answer has another shape; or what
        the norm refuses.

    Notes
    -----
    A transformer layer applies it twice, to attention and to the MLP, with norms of their own. torch's
    TransformerEncoderLayer is "post", and "pre" under norm_first=True. Mix-LN's released code is a Llama with "rms".

    References
    ----------
    Li, Yin and Liu, Mix-LN: Unleashing the Power of Deeper Layers by Combining Pre-LN and Post-LN, 2024 (as catalogued
    from its released code, and confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([1.0, 3.0])
    >>> refnorm.norm.residual_norm_block(x, branch=lambda v: 10 * v, eps=0.0)
    array([-9., 13.])
    >>> refnorm.norm.residual_norm_block(x, branch=lambda v: 10 * v, placement="post", eps=0.0)
    array([-1.,  1.])
    """
    if not callable(branch):
        raise TypeError(f"branch must be a function of an array, got {type(branch).__name__}")
    if placement not in PLACEMENTS:
        raise ValueError(f"placement must be 'pre' or 'post', got {placement!r}")
    if norm not in NORMS:
        raise ValueError(f"norm must be 'layer' or 'rms', got {norm!r}")
    if norm == "rms" and bias is not None:
        raise ValueError("norm 'rms' has no bias, got one")
    parameters = (weight,) if norm == "rms" else (weight, bias)

    def normalized(v):
        return NORMS[norm](v, *parameters, axis=axis, eps=eps)

    if placement == "pre":
        return x + answer_of(branch, normalized(x), x)
    return normalized(x + answer_of(branch, x, x))


def answer_of(branch, given, x):
    """Return the branch's answer; refuse what would broadcast or change the library."""
    answer = branch(given)
    if getattr(answer, "shape", None) is None or type(answer).__module__.partition(".")[0] != library(x):
        raise TypeError(f"branch must give an array of the library of x, got {type(answer).__name__}")
    if tuple(answer.shape) != tuple(x.shape):
        raise ValueError(f"branch must keep the shape {tuple(x.shape)}, got {tuple(answer.shape)}")
    if answer.dtype != x.dtype:
        raise TypeError(f"branch must keep the dtype {x.dtype}, got {answer.dtype}")
    return answer


def library(x) -> str:
    """Return the name of the library that made an array."""
    return type(x).__module__.partition(".")[0]


def mix_layer_norm_schedule(*, layers, share=0.25, count=None):
    r"""Say for every layer of a network whether its norms come after the sum or before the branch.

    .. math:: \text{layer } l \text{ is post iff } l < \lfloor \alpha L \rfloor, \quad l = 0, \dots, L - 1

    Parameters
    ----------
    layers : int
        The number of layers :math:`L`.
    share : float
        The share :math:`\alpha` of them that is "post", from 0 to 1.
    count : int, optional
        How many are "post", in place of the share: what the released code takes.

    Returns
    -------
    tuple of str
        A placement for :func:`residual_norm_block` a layer: "post" for the first, "pre" for the others.

    Raises
    ------
    TypeError
        `layers` or `count` is no int, or `share` no number.
    ValueError
        `layers` is negative, `share` not in 0..1, or `count` not in 0..layers.

    Notes
    -----
    The released code takes an integer, POST_NUM, which is 3 for the 12 layers of its smallest model. How a share that
    is no whole number of layers is rounded is in no code: here it is rounded down, and a share is taken for the whole
    number it was meant for where floating point falls short of it (0.29 of 100 layers are 29).

    References
    ----------
    Li, Yin and Liu, Mix-LN: Unleashing the Power of Deeper Layers by Combining Pre-LN and Post-LN, 2024 (as catalogued
    from its released code, but for the rounding).

    Examples
    --------
    >>> import refnorm
    >>> refnorm.norm.mix_layer_norm_schedule(layers=5, share=0.5)
    ('post', 'post', 'pre', 'pre', 'pre')
    """
    layers = whole("layers", layers, None)
    if count is None:
        if not isinstance(share, int | float):
            raise TypeError(f"share must be a number, got {type(share).__name__}")
        if not 0 <= share <= 1:
            raise ValueError(f"share must be in 0..1, got {share!r}")
        product = share * layers
        nearest = round(product)
        count = nearest if abs(product - nearest) <= 2.0**-50 * layers else int(product)
    count = whole("count", count, layers)
    return ("post",) * count + ("pre",) * (layers - count)


def whole(name, value, most) -> int:
    """Return a whole number of layers; refuse what is none or out of bounds."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(value).__name__}") from None
    if value < 0 or (most is not None and value > most):
        raise ValueError(f"{name} must be {'not below 0' if most is None else f'in 0..{most}'}, got {value}")
    return value
