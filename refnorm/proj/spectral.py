"""The cosine transform, the low modes of rows, a layer that acts on modes and how large its weights begin."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal
from .._core.moments import centered
from .._core.products import inner
from .._core.sums import total
from .._core.turns import cosines
from .._registry import law, operator
from .._xp import device, give_back, prepare, require_along, require_shape, require_switch, roomy, to_rows, widen

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


NORMS = {"backward": lambda steps: 2.0, "ortho": lambda steps: math.sqrt(2 / steps), "forward": lambda steps: 1 / steps}


def require_modes(x, axis) -> int:
    """Refuse what is not one axis with an element at least; return its size."""
    try:
        axis = op.index(axis)
    except TypeError:
        raise TypeError(f"axis must be one int, got {axis!r}") from None
    require_along(x, axis)
    return op.index(x.shape[axis])


def finite_rows(xp, x, axis):
    """Return rows to compute with, NaN for what is not finite: every wave meets it, and adds or takes it away."""
    (wide,) = widen(xp, to_rows(xp, axis, x, None)[0])
    return xp.where(xp.isfinite(wide), wide, xp.full_like(wide, math.nan))


def ended(xp, x, weight, ends):
    """Return rows with their elements at some places times a weight."""
    weights = [weight if i in ends else 1.0 for i in range(x.shape[-1])]
    return x * xp.asarray(weights, dtype=x.dtype, device=device(x))


def within(xp, x, modes, *, roomy):
    """Return the part of rows in some modes of type II, range(k) or range(k, n)."""
    n = x.shape[-1]
    if len(modes) == 0:
        return 0 * x  # a NaN is in all of its row
    odd = range(1, 2 * n, 2)
    y = inner(xp, x, cosines(xp, modes, odd, n, x), roomy=roomy)
    y = ended(xp, y, 0.5, () if modes[0] else (0,))
    return inner(xp, y, cosines(xp, odd, modes, n, x), roomy=roomy) * (2 / n)


def waves(n, kind):
    """Return the whole numbers whose products are the angles of a type of the transform, and the steps of a quarter."""
    whole, odd = range(n), range(1, 2 * n, 2)
    return {
        1: (whole, range(0, 2 * n, 2), n - 1), 2: (whole, odd, n), 3: (odd, whole, n), 4: (odd, odd, 2 * n),
    }[kind]  # fmt: skip


@operator(
    paper="poli2022transform",
    cases=[
        case("rows", normal(4, 8)),
        case("third", normal(2, 3, 5), kind=3, axis=1),
        case("first", normal(3, 6), kind=1),
        case("fourth", normal(2, 7, mean=2.0), kind=4),
        case("as it stands", normal(3, 9, mean=50.0), norm="backward"),
        case("inverse", normal(3, 5), kind=3, norm="forward"),
        case("first, as it stands", normal(5, 2, 2), kind=1, axis=0, norm="backward"),
        case("one", normal(1)),
        case("no rows", normal(0, 4)),
    ],
    bench=case("rows", normal(256, 256)),
    rows=lambda x, rng: ([x[:, :7] / 2], {}),
)
def dct(x, /, *, axis=-1, kind=2, norm="ortho"):
    r"""Return the discrete cosine transform of `x` along `axis`.

    .. math::
        y_k = f \, v_k \sum_{n = 0}^{N - 1} u_n x_n \cos \theta_{kn}, \qquad
        \theta^{\mathrm{I}} = \frac{\pi k n}{N - 1}, \quad \theta^{\mathrm{II}} = \frac{\pi k (2n + 1)}{2N}, \quad
        \theta^{\mathrm{III}} = \frac{\pi (2k + 1) n}{2N}, \quad
        \theta^{\mathrm{IV}} = \frac{\pi (2k + 1) (2n + 1)}{4N}

    with f = 2, sqrt(2 / M) or 1 / M for the norms "backward", "ortho" and "forward", M = N but N - 1 for type I. All
    u and v are 1, but for u_0 of types I and III and u_{N-1} of I, which are 1/2; with "ortho" these, and v_0 of types
    I and II and v_{N-1} of I, are sqrt(1/2).

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    axis : int
        The axis that is transformed.
    kind : int
        The type of the transform, 1 to 4.
    norm : str
        "ortho" makes the matrix orthogonal, "backward" and "forward" are SciPy's.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `axis` or `kind` is no int.
    ValueError
        `axis` is empty or does not exist, or has one element for type I; `kind` or `norm` has no such value.

    Notes
    -----
    The inverse of "ortho" is its transpose: types I and IV are their own, II and III each other's. The inverse of
    "backward" is "forward" of that type. It is a product with the matrix, of cosines rounded right, and no fast
    transform: that loses more digits. It takes N^2 numbers of memory, for float64 N^2 for each row.

    References
    ----------
    Poli et al., Transform Once, 2022 (not read again: as catalogued from its code). Types and norms are those of
    scipy.fft.dct, against which it is tested.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.dct(np.array([1.0, 1.0, 1.0, 1.0]))
    array([2., 0., 0., 0.])
    """
    xp, x = prepare(x)
    n = require_modes(x, axis)
    if op.index(kind) not in (1, 2, 3, 4) or (kind == 1 and n == 1):
        raise ValueError(f"kind must be 1 to 4, and not 1 for a single element, got {kind!r} for {n}")
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    wide = finite_rows(xp, x, axis)
    spare, (*places, steps) = roomy(x, wide), waves(n, kind)
    root = math.sqrt(0.5) if norm == "ortho" else 1.0
    rows = cosines(xp, *places, steps, wide)
    if kind == 2 and spare:  # waves but the first add up to nothing: beside the mean, equal elements give an exact 0
        y = inner(xp, centered(xp, wide, roomy=spare), rows[1:, :], roomy=spare)
        y = xp.concat([total(xp, wide, roomy=spare), y], axis=-1)
    else:
        ends = {1: (0, n - 1), 3: (0,)}.get(kind, ())
        y = inner(xp, ended(xp, wide, root if norm == "ortho" else 0.5, ends), rows, roomy=spare)
    y = NORMS[norm](steps if kind < 4 else n) * ended(xp, y, root, {1: (0, n - 1), 2: (0,)}.get(kind, ()))
    return give_back(xp, y, x, axis)


@operator(
    paper="poli2022transform",
    cases=[
        case("rows", normal(4, 8), k=3),
        case("high", normal(2, 9, 3), k=4, axis=1, kind="high"),
        case("the mean", normal(3, 7, mean=50.0), k=1),
        case("what varies", normal(3, 5, mean=50.0), k=1, kind="high"),
        case("all", normal(3, 5), k=5),
        case("nearly all", normal(3, 7, mean=5.0), k=5),
        case("nearly none", normal(3, 7, mean=5.0), k=6, kind="high"),
        case("one", normal(1), k=1),
        case("no rows", normal(0, 4), k=2),
    ],
    bench=case("rows", normal(256, 256), k=32),
    rows=lambda x, rng: ([x[:, :4]], {"k": 2}),
)
def spectral_truncate(x, /, *, k, axis=-1, kind="low"):
    r"""Keep the lowest modes of `x` along `axis`, or what they leave: an orthogonal projection.

    .. math:: y = C^T D_k \, C x, \qquad C \text{ the orthogonal cosine transform of type II}, \quad
        D_k = \mathrm{diag}(\underbrace{1, \dots, 1}_{k}, 0, \dots, 0)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, of any shape.
    k : int
        The number of low modes, 1 to N: with 1 the mean is left of each row, with N all.
    axis : int
        The axis, of N elements.
    kind : str
        "low" keeps these modes, "high" the others: x - y.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its whole row NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `axis` or `k` is no int.
    ValueError
        `axis` is empty or does not exist, `k` is not 1 to N, or `kind` has no such value.

    Notes
    -----
    In float64 modes are rounded on the way: beside a far larger number of its row, an answer loses digits.

    References
    ----------
    Poli et al., Transform Once, 2022 (not read again: as catalogued from its code, which keeps the modes inside its
    layer).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.spectral_truncate(np.array([1.0, 5.0, 6.0]), k=1)
    array([4., 4., 4.])
    """
    xp, x = prepare(x)
    n = require_modes(x, axis)
    if not 1 <= op.index(k) <= n:
        raise ValueError(f"k must be 1 to {n}, got {k!r}")
    if kind not in ("low", "high"):
        raise ValueError(f"kind must be 'low' or 'high', got {kind!r}")
    wide = finite_rows(xp, x, axis)
    spare = roomy(x, wide)
    c = centered(xp, wide, roomy=spare)  # equal elements leave an exact 0
    few = 2 * k <= n
    # what is left is found by what is not, where that is less
    y = within(xp, wide if few and kind == "low" else c, range(k) if few else range(k, n), roomy=spare)
    if few != (kind == "low"):
        y = (c if few else wide) - y
    return give_back(xp, y, x, axis)


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


@law(dct, normal(4, 7))
def third_takes_the_second_back(f, x):
    return f(f(x), kind=3), x


@law(dct, normal(4, 6))
def squares_add_up_to_the_same(f, x):
    return (f(x, kind=4) ** 2).sum(axis=-1), (x**2).sum(axis=-1)


@law(dct, normal(4, 6))
def forward_takes_backward_back(f, x):
    return f(f(x, kind=1, norm="backward"), kind=1, norm="forward"), x


@law(dct, normal(4, 6))
def turned_round_every_other_sign_changes(f, x):
    return f(x[:, ::-1]), f(x) * (-1.0) ** np.arange(6)


@law(spectral_truncate, normal(4, 7))
def twice_is_once(f, x):
    return f(f(x, k=3), k=3), f(x, k=3)


@law(spectral_truncate, normal(4, 7))
def low_and_high_are_all(f, x):
    return f(x, k=4) + f(x, k=4, kind="high"), x


@law(spectral_truncate, normal(4, 7))
def one_mode_is_the_mean(f, x):
    return f(x, k=1), x.mean(axis=-1, keepdims=True) + 0 * x


@law(spectral_mode_mixing, normal(4, 2, 3), normal(2, 2, 3), normal(3, 3, 2))
def residual_is_added(f, x, a, b):
    return f(x, a, b), x + f(x, a, b, residual=False)


@law(spectral_mode_mixing, normal(4, 2, 3), normal(2, 2, 3), normal(3, 3, 2))
def sines_are_odd(f, x, a, b):
    return f(-x, a, b), -f(x, a, b)
