"""Norm and nonlinearity in one formula: the statistics of the data bend it."""

from __future__ import annotations

from .._cases import case, normal, positive, uniform
from .._core.channels import affine, as_rows, channel_of, elements, moved
from .._core.logistic import sigmoids
from .._core.moments import centered, root_mean_square
from .._lanes import load, run, takes
from .._registry import law, operator
from .._xp import check_out, give_back, prepare, require_along, require_shape, roomy, widen
from .group import by_channel, by_group, channel_beside, columns, group_size

kernels = load(__name__)

BENCH = normal(32, 64, 56, 56)


def deviation(xp, rows, eps, *, roomy):
    """Return sqrt(variance + eps) along the last axis, kept."""
    return root_mean_square(xp, centered(xp, rows, roomy=roomy), eps, roomy=roomy)


KINDS = ("b0", "b1", "b2", "s0", "s1", "s2")


def require_kind(kind, v, groups, var, channels) -> int:
    """Return the channels a group of the S series, 0 for the B series; refuse what belongs to another kind."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if (v is None) == kind.endswith("0"):
        raise ValueError(f"kind {kind!r} {'needs a slope v' if v is None else 'has no slope: v must be None'}")
    if kind.startswith("b") and groups is not None:
        raise ValueError(f"kind {kind!r} has no groups, got {groups!r}")
    if kind.startswith("s") and var is not None:
        raise ValueError(f"kind {kind!r} has no stored variance: var must be None")
    return group_size(channels, groups) if kind.startswith("s") else 0


def beside(xp, kind, rows, slope, eps, *, roomy):
    """Return what the B series holds against the deviation over the batch."""
    if kind == "b0":
        return slope * rows + deviation(xp, rows, eps, roomy=roomy)
    own = root_mean_square(xp, rows, eps, roomy=roomy)
    return (rows + 1) * own if kind == "b1" else own - rows


def bent(xp, planes, v, weight, bias, var, kind, size, eps):
    """Return the answer for (N, C, ...): the S series in groups of `size` channels, the B series where that is 0."""
    wide, slope, w, b, stored = widen(xp, planes, *columns(xp, v, weight, bias, var))
    rows, spare = by_channel(xp, wide, planes.shape), roomy(planes, wide)
    if size:
        groups = by_group(xp, wide, size)
        s = (root_mean_square if kind == "s2" else deviation)(xp, groups, eps, roomy=spare)
        y = by_channel(xp, xp.reshape(groups / s, planes.shape), planes.shape)
        y = y * sigmoids(xp, rows if slope is None else slope * rows)[0]
    else:
        (whole,) = as_rows(xp, xp.permute_dims(rows, (1, 0, 2)))
        over_batch = deviation(xp, whole, eps, roomy=spare) if var is None else xp.sqrt(stored + eps)
        y = rows / xp.maximum(over_batch, beside(xp, kind, rows, slope, eps, roomy=spare))
    return xp.reshape(affine(y, w, b), planes.shape)


def summable(xp, kind, planes) -> bool:
    """Return whether a kernel can take the mean squares of a kind, which it adds up as variance and square of the mean:
    of an infinity those are NaN, so that such data take the formula in either lane."""
    return kind in ("b0", "s0", "s1") or bool(xp.all(xp.isfinite(planes)))


def bent_by_kernel(xp, planes, v, weight, bias, var, kind, groups, eps, out):
    """Return it by a kernel; the variance over the batch is taken of a view with the channels first."""
    n, c = planes.shape[:2]
    if kind.startswith("s"):
        how = weight, bias, groups, int(kind == "s2"), eps
        return run(kernels.evonorm_s, planes, v, *how, out=out, units=n * groups)
    how = weight, bias, var, int(kind[1]), eps
    return run(kernels.evonorm_b, planes, *moved(xp, 1, 0, planes), v, *how, out=out, units=c)


@operator(
    paper="liu2020evolving",
    kernel="evonorm_s",
    cases=[
        case("b0", normal(4, 3, 5, 6), normal(3), kind="b0"),
        case("s0", normal(4, 6, 5, 3, mean=0.5), normal(6), normal(6), normal(6), kind="s0", groups=2, eps=0.1),
        case("b0, affine", normal(5, 3, 4, mean=1.0), normal(3), normal(3), normal(3), kind="b0", eps=0.5),
        case("b0, stored", normal(3, 4, 7), normal(4), normal(4), None, positive(4), kind="b0", eps=0.1),
        case("s0, channels last", normal(3, 5, 4, mean=2.0), normal(4), None, normal(4), kind="s0", groups=2, axis=-1),
        case("b1", normal(4, 3, 5, mean=0.5), kind="b1", eps=0.1),
        case("b1, stored, affine", normal(3, 4, 7), None, normal(4), normal(4), positive(4), kind="b1"),
        case("b2", normal(4, 3, 2, 5, mean=0.5), kind="b2", eps=0.1),
        case("b2, stored, affine", normal(3, 4, 7, std=2.0), None, normal(4), normal(4), positive(4), kind="b2"),
        case("s1", normal(3, 6, 5, mean=1.0), None, normal(6), normal(6), kind="s1", groups=2, eps=0.3),
        case("s2, channels last", normal(3, 5, 4, mean=1.0), None, normal(4), kind="s2", groups=2, axis=-1, eps=0.3),
        case("no samples", normal(0, 4, 3), normal(4), kind="s0", groups=1),
    ],
    bench=case("s0", BENCH, normal(64), normal(64), normal(64), kind="s0", groups=32),
    rows=lambda x, rng: ([x, *rng.normal(size=(3, x.shape[1]))], {"kind": "s0", "groups": 1}),
)
def evonorm(x, v=None, weight=None, bias=None, var=None, /, *, kind, groups=None, axis=1, eps=1e-5, out=None):
    r"""Normalize and bend `x` by one of the EvoNorms B0, B1, B2, S0, S1 and S2, then scale and shift.

    .. math:: y = \frac{x \, \sigma(v x)}{\sqrt{s^2_{w,h,c/g}(x) + \epsilon}} \, \gamma + \beta \quad \text{S0}, \qquad
        \text{S1: } v = 1, \qquad \text{S2: } v = 1 \text{ and } m^2 \text{ in place of } s^2

    where the variances :math:`s^2` and the mean squares :math:`m^2` are taken over the batch and the positions, over
    the positions, or over the positions and the channels of a group, and :math:`\sigma` is the logistic function. x
    itself is not centred.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with axis 0 for the samples and a channel axis of size C: (N, C, *spatial).
    v : array, optional
        For B0 and S0, the slope, of shape (C,). None for the others.
    weight, bias : array, optional
        The gain :math:`\gamma` and the shift :math:`\beta`, of shape (C,).
    var : array, optional
        For the B series, the stored variance over the batch, of shape (C,); that of `x` where it is None.
    kind : {"b0", "b1", "b2", "s0", "s1", "s2"}
        Which of the six.
    groups : int, optional
        For the S series, the number of groups, which divides C; the paper has 32. None for the B series.
    axis : int
        The channel axis, not 0.
    eps : float
        Added to every variance and mean square, in units of x squared.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no samples. A NaN or an infinity makes NaN
        what shares a variance with it.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, `axis` or `groups` is no int.
    ValueError
        A parameter has not the shape (C,), `axis` is 0 or missing, `kind` is another word, `v`, `groups` or `var` does
        not belong to it or is wanting, `groups` does not divide C, a variance would be of nothing, `eps` is negative,
        or `out` overlaps.

    Notes
    -----
    All variances are biased. What is stored for the B series differs: timm keeps the unbiased variance with the factor
    0.1 on the new one, Google's code the biased one with 0.99 on the old: ``update_running`` with `correction` 1 or 0
    makes either of what :func:`batch_moments` returns. See ``refnorm conventions evonorm``.

    References
    ----------
    Liu et al., Evolving Normalization-Activation Layers, 2020 (its table of formulas not read; timm/layers/evo_norm.py
    was, for all six. Google's code is as catalogued).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[[1.0, 3.0]]])
    >>> refnorm.norm.evonorm(x, np.zeros(1), kind="s0", groups=1, eps=0.0)  # half of x over its deviation
    array([[[0.5, 1.5]]])
    >>> refnorm.norm.evonorm(x, np.ones(1), kind="b0", eps=0.0)
    array([[[0.5 , 0.75]]])
    >>> refnorm.norm.evonorm(x, kind="b2", eps=4.0)  # a mean square of 5: the largest of sqrt(5) and 3 - x
    array([[[0.4472136 , 1.34164079]]])
    """
    xp, x, v, weight, bias, var = prepare(x, v, weight, bias, var)
    channel = channel_beside(x, axis)
    require_along(x, channel, eps, weight, bias)
    size = require_kind(kind, v, groups, var, x.shape[channel])
    for name, one in (("v", v), ("var", var)):
        require_shape(name, one, (x.shape[channel],))
    if not size and var is None:
        elements(x, channel)
    check_out(out, x, v, weight, bias, var)
    planes, into = moved(xp, channel, 1, x, out)
    if takes(kernels, planes, v, weight, bias, var) and summable(xp, kind, planes):
        y = bent_by_kernel(xp, planes, v, weight, bias, var, kind, groups, eps, into)
    else:
        y = bent(xp, planes, v, weight, bias, var, kind, size, eps)
    return give_back(xp, *moved(xp, 1, channel, y), x, out=out)


@law(evonorm, normal(3, 4, 5, mean=2.0), normal(4))
def without_a_slope_s0_is_half_of_x(f, x, v):
    std = (x.reshape(3, 2, 10).var(axis=2, keepdims=True) + 0.5) ** 0.5
    return f(x, 0 * v, kind="s0", groups=2, eps=0.5), (x.reshape(3, 2, 10) / std / 2).reshape(x.shape)


@law(evonorm, normal(3, 4, 5), normal(4))
def opposite_slopes_add_up(f, x, v):
    both = f(x, v, kind="s0", groups=1, eps=0.5) + f(x, -v, kind="s0", groups=1, eps=0.5)
    return both, 2 * f(x, 0 * v, kind="s0", groups=1, eps=0.5)


@law(evonorm, normal(3, 4, 5), normal(4))
def b0_without_a_slope_and_a_huge_stored_variance(f, x, v):
    return f(x, 0 * v, None, None, 0 * v + 1e4, kind="b0", eps=0.5), x / (1e4 + 0.5) ** 0.5


@law(evonorm, normal(3, 4, 5), normal(4))
def b0_bends_as_a_scale_free_layer(f, x, v):
    return f(4 * x, v, kind="b0", eps=0.0), f(x, v, kind="b0", eps=0.0)


@law(evonorm, normal(3, 4, 5), normal(4), normal(4), normal(4))
def the_affine_part_is_last(f, x, v, weight, bias):
    plain = f(x, v, kind="b0", eps=0.5)
    return f(x, v, weight, bias, kind="b0", eps=0.5), plain * weight[:, None] + bias[:, None]


@law(evonorm, normal(3, 4, 5, mean=1.0))
def s1_adds_to_its_mirror_image(f, x):
    """The two logistic functions of x and -x add up to 1."""
    std = (x.reshape(3, 2, 10).var(axis=2, keepdims=True) + 0.5) ** 0.5
    both = f(x, kind="s1", groups=2, eps=0.5) - f(-x, kind="s1", groups=2, eps=0.5)
    return both, (x.reshape(3, 2, 10) / std).reshape(x.shape)


@law(evonorm, normal(3, 4, 5, mean=1.0))
def and_so_does_s2(f, x):
    rms = ((x.reshape(3, 2, 10) ** 2).mean(axis=2, keepdims=True) + 0.5) ** 0.5
    both = f(x, kind="s2", groups=2, eps=0.5) - f(-x, kind="s2", groups=2, eps=0.5)
    return both, (x.reshape(3, 2, 10) / rms).reshape(x.shape)


@law(evonorm, normal(3, 4, 5, mean=1.0), positive(4))
def b1_and_b2_by_no_stored_variance(f, x, var):
    """Where it is least, the one divides x by (x + 1) of the root mean square, the other -x by that and x."""
    x, none = abs(x), 0 * var
    rms = ((x * x).mean(axis=2, keepdims=True) + 0.5) ** 0.5
    y = f(x, None, None, None, none, kind="b1", eps=0.5)
    return y / f(-x, None, None, None, none, kind="b2", eps=0.5), -(rms + x) / ((x + 1) * rms)


# ---- Dice ----


@operator(
    paper="zhou2018deep",
    cases=[
        case("table", normal(7, 4), normal(4)),
        case("loud eps", normal(6, 5, mean=1.0), normal(5), eps=0.5),
        case("stored", normal(5, 3), normal(3), normal(3), positive(3), eps=0.1),
        case("stored, with a slope", normal(2, 5, 3), uniform(3), normal(3), positive(3), normal(3, std=2.0), eps=0.3),
        case("channels first, offset", normal(3, 4, 6, mean=100.0), normal(4), axis=1),
        case("steep", normal(7, 2, 5), normal(5), None, None, normal(5, std=3.0)),
    ],
    bench=case("table", normal(65536, 64), normal(64)),
    rows=lambda x, rng: ([x.T, rng.normal(size=len(x))], {}),
)
def dice_activation(x, alpha, mean=None, var=None, gain=None, /, *, axis=-1, eps=1e-8):
    r"""Let `x` pass where it is large for its feature, and `alpha` of it where it is small.

    .. math:: y = p \, x + (1 - p) \, \alpha x, \qquad
        p = \frac{1}{1 + e^{-g \hat x}}, \quad \hat x = \frac{x - E[x]}{\sqrt{\operatorname{Var}[x] + \epsilon}}

    for every feature with its own :math:`\alpha`; mean and variance run over all other axes. Where they are 0 and the
    scores infinitely steep, this is PReLU.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The data, with a feature axis of size C and at least one axis beside it.
    alpha : array
        The slope of what does not pass, of shape (C,).
    mean, var : array, optional
        Stored moments of shape (C,), both or neither; those of `x` where they are None. The variance is biased.
    gain : array, optional
        What the scores are multiplied by, of shape (C,): the released code learns it; 1 where it is None.
    axis : int
        The feature axis.
    eps : float
        Added to the variance, in units of x squared.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes its feature NaN; with stored moments
        only itself, and an infinity stays infinite or, where `alpha` times nothing of it passes, NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is not one int.
    ValueError
        A parameter has not the shape (C,), one of `mean` and `var` is given alone, a feature has no elements, or `eps`
        is negative.

    Notes
    -----
    The released code does not do what the paper says: it leaves out its own batch statistics in favour of a batch norm
    in inference mode, whose moments stay 0 and 1, with eps 1e-3, and multiplies the scores by a learned gain that
    begins at 0. Pass zeros and ones as moments for it. See ``refnorm conventions dice_activation``.

    References
    ----------
    Zhou et al., Deep Interest Network for Click-Through Rate Prediction, 2018 (first on arXiv in 2017; not read again:
    the formula is as catalogued. The released code, zhougr1993/DeepInterestNetwork, was read).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x = np.array([[-2.0], [2.0]])
    >>> refnorm.norm.dice_activation(x, np.array([0.0]), eps=0.0).round(3)  # scores of -1 and 1
    array([[-0.538],
           [ 1.462]])
    """
    xp, x, alpha, mean, var, gain = prepare(x, alpha, mean, var, gain, need=2)
    channel = channel_of(x, axis)
    if (mean is None) != (var is None):
        raise ValueError("mean and var must be given both or not at all")
    for name, one in dict(alpha=alpha, mean=mean, var=var, gain=gain).items():
        require_shape(name, one, (x.shape[channel],))
    require_along(x, channel, eps)
    if mean is None:
        elements(x, channel)
    (planes,) = moved(xp, channel, 0, x)
    rows, a, m, v, g = as_rows(xp, *widen(xp, planes, alpha, mean, var, gain))
    if mean is None:
        spare = roomy(x, rows)
        c = centered(xp, rows, roomy=spare)
        score = c / root_mean_square(xp, c, eps, roomy=spare)
    else:
        score = (rows - m) / xp.sqrt(v + eps)
    p, rest = sigmoids(xp, score if g is None else score * g)
    y = xp.reshape(rows * (p + rest * a), planes.shape)
    return give_back(xp, *moved(xp, 0, channel, y), x)


@law(dice_activation, normal(7, 4), normal(4))
def alpha_one_is_the_identity(f, x, alpha):
    return f(x, 0 * alpha + 1, eps=0.5), x


@law(dice_activation, normal(7, 4), normal(4))
def free_of_shift_and_scale_but_for_the_factor_x(f, x, alpha):
    return f(4 * x + 8, alpha, eps=0.0) / (4 * x + 8), f(x, alpha, eps=0.0) / x


@law(dice_activation, normal(7, 4), normal(4))
def a_batch_of_its_own_moments(f, x, alpha):
    return f(x, alpha, eps=0.5), f(x, alpha, x.mean(axis=0), x.var(axis=0), eps=0.5)


@law(dice_activation, normal(7, 4), normal(4))
def without_a_gain_half_passes(f, x, alpha):
    return f(x, alpha, None, None, 0 * alpha, eps=0.5), x * (1 + alpha) / 2
