"""A layer that acts on the modes of a transform, and how large its weights begin."""

from __future__ import annotations

import math
import operator as op

from .._cases import case, normal
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_shape, require_switch, roomy, widen

ACTIVATIONS = {
    "sin": lambda xp, z: xp.sin(z),
    "relu": lambda xp, z: xp.where(z < 0, xp.zeros_like(z), z),
    "none": lambda xp, z: z,
}


def mixed(xp, x, weight, *, roomy):
    """Return for every member of the leading axis x W: (m, n, i) and (m, i, o) give (m, n, o)."""
    if roomy:
        return xp.matmul(x, weight)
    return total(xp, x[:, :, None, :] * xp.matrix_transpose(weight)[:, None, :, :], roomy=False)[..., 0]


def require_mixing(x, weight, other, activation, residual) -> None:
    """Refuse what does not fit (batch, channels, modes)."""
    if x.ndim != 3 or 0 in x.shape[1:]:
        raise ValueError(f"x must have shape (batch, channels, modes), got {tuple(x.shape)}")
    c, m = x.shape[1:]
    require_shape("weight", weight, (c, c, m))
    require_shape("other", other, (m, m, c))
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    require_switch("residual", residual)


@operator(
    paper="poli2022transform",
    cases=[
        case("sines", normal(4, 3, 5), normal(3, 3, 5), normal(5, 5, 3)),
        case("relu", normal(2, 4, 3), normal(4, 4, 3), normal(3, 3, 4), activation="relu"),
        case("no residual", normal(3, 2, 4), normal(2, 2, 4), normal(4, 4, 2), residual=False, activation="none"),
        case("no batch", normal(0, 2, 3), normal(2, 2, 3), normal(3, 3, 2)),
    ],
    bench=case("batch", normal(32, 16, 24), normal(16, 16, 24), normal(24, 24, 16)),
    rows=lambda x, rng: (
        [x[:, :8].reshape(-1, 2, 4), rng.normal(size=(2, 2, 4)), rng.normal(size=(4, 4, 2)) / 8],
        {"activation": "relu"},
    ),
)
def spectral_mode_mixing(x, weight, other, /, *, activation="sin", residual=True):
    r"""Mix the channels of every mode, bend them, and mix the modes of every channel.

    .. math:: u_{box} = \phi \Bigl( \sum_i x_{bix} A_{iox} \Bigr), \qquad y_{biy} = x_{biy} + \sum_x u_{bix} B_{xyi}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Modes, of shape (batch, channels, modes): cosine or Fourier coefficients.
    weight : array
        The mixing of channels :math:`A`, of shape (channels, channels, modes).
    other : array
        The mixing of modes :math:`B`, of shape (modes, modes, channels).
    activation : str
        What :math:`\phi` is: "sin" as in the released layer, "relu" or "none".
    residual : bool
        Whether x is added.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `residual` is no bool.
    ValueError
        A shape does not fit, there is no channel or mode, or `activation` has no such name.

    Notes
    -----
    The layer as a whole transforms, keeps low modes, mixes them, and puts zeros (or the input's) in place of the rest.

    References
    ----------
    Poli et al., Transform Once, 2022 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, a, b = np.array([[[1.0, 2.0]]]), np.array([[[3.0, 4.0]]]), np.array([[[1.0], [0.0]], [[1.0], [0.0]]])
    >>> refnorm.proj.spectral_mode_mixing(x, a, b, activation="none")
    array([[[12.,  2.]]])
    """
    xp, x, weight, other = prepare(x, weight, other, need=3)
    require_mixing(x, weight, other, activation, residual)
    wide, a, b = widen(xp, x, weight, other)
    spare = roomy(x, wide)
    u = mixed(xp, xp.permute_dims(wide, (2, 0, 1)), xp.permute_dims(a, (2, 0, 1)), roomy=spare)
    u = xp.permute_dims(ACTIVATIONS[activation](xp, u), (2, 1, 0))
    y = xp.permute_dims(mixed(xp, u, xp.permute_dims(b, (2, 0, 1)), roomy=spare), (1, 0, 2))
    return give_back(xp, wide + y if residual else y, x)


def spectral_weight_std(*, n, modes, channels, transform="dct"):
    r"""Say how large random weights on a few modes begin, so that white inputs keep their variance.

    .. math:: \sigma = g \sqrt{\frac{n}{m c}}, \qquad g = 1 \text{ (dct)}, \; \tfrac12 \text{ (rfft)}

    Parameters
    ----------
    n : int
        The length of the signal, :math:`n`.
    modes : int
        How many modes are kept, :math:`m`, of 1 to n; of rfft at most n // 2 + 1.
    channels : int
        The number of channels that are summed, :math:`c`.
    transform : str
        "dct" for an orthonormal real transform and real weights, "rfft" for the real and imaginary part, each, of
        complex weights.

    Returns
    -------
    float
        The standard deviation of the weights.

    Raises
    ------
    TypeError
        A size is no int.
    ValueError
        A size is below 1, there are more modes than the transform has, or `transform` is another word.

    Notes
    -----
    With dct the variance of the output is 1 in the mean over weights. With rfft it is (4m - 3) / (4m) below the last
    mode, since the inverse transform drops the imaginary part of the first.

    References
    ----------
    Poli et al., Transform Once, 2022 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import refnorm
    >>> refnorm.proj.spectral_weight_std(n=64, modes=4, channels=4)
    2.0
    """
    if transform not in ("dct", "rfft"):
        raise ValueError(f"transform must be dct or rfft, got {transform!r}")
    for name, value in (("n", n), ("modes", modes), ("channels", channels)):
        if op.index(value) < 1:
            raise ValueError(f"{name} must be 1 or more, got {value!r}")
    most = n if transform == "dct" else n // 2 + 1
    if modes > most:
        raise ValueError(f"modes must be 1 to {most}, got {modes!r}")
    return (1.0 if transform == "dct" else 0.5) * math.sqrt(n / (modes * channels))


# ---- laws ----


@law(spectral_mode_mixing, normal(4, 2, 3), normal(2, 2, 3), normal(3, 3, 2))
def residual_is_added(f, x, a, b):
    return f(x, a, b), x + f(x, a, b, residual=False)


@law(spectral_mode_mixing, normal(4, 2, 3), normal(2, 2, 3), normal(3, 3, 2))
def sines_are_odd(f, x, a, b):
    return f(-x, a, b), -f(x, a, b)
