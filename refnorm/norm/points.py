"""Point sets and neighbourhoods centred, and scaled by one number: the farthest point, or one deviation."""

from __future__ import annotations

import numpy as np

from .._cases import Draw, case, normal
from .._core.channels import affine
from .._core.logistic import sigmoids
from .._core.moments import centered, root_mean_square
from .._core.sums import mean, total, two_sum
from .._registry import law, operator
from .._xp import check_out, give_back, like_weight, prepare, require_along, require_shape, roomy, widen


def require_cloud(x) -> None:
    """Refuse what is no set of points with coordinates."""
    if x.ndim < 2 or 0 in x.shape[-2:]:
        raise ValueError(f"x must hold points with coordinates, shape (..., N, D), got {tuple(x.shape)}")


def from_mean(xp, x, *, roomy):
    """Return x - mean(x) along the last axis, rounded once, not twice as `centered` does it."""
    if roomy:
        return centered(xp, x, roomy=roomy)
    first = x[..., :1]
    c, lost = two_sum(xp, x, -(first + mean(xp, x - first, roomy=roomy)))
    return c + (lost - (mean(xp, c, roomy=roomy) + mean(xp, lost, roomy=roomy)))


def lengths(xp, c, *, roomy):
    """Return the Euclidean lengths of points (..., N, D) as (..., N, 1), so that no square overflows or vanishes."""
    if roomy:
        return root(xp, total(xp, c * c, roomy=roomy))
    info, largest = xp.finfo(c.dtype), xp.max(xp.abs(c), axis=(-2, -1), keepdims=True)
    usual = (largest > info.smallest_normal**0.25) & (largest < info.max**0.25)  # there, scaling would only round
    scale = xp.where((largest > 0) & xp.isfinite(largest) & ~usual, largest, xp.ones_like(largest))
    return scale * root(xp, total(xp, (c / scale) ** 2, roomy=roomy))


def into_sphere(xp, x, *, roomy):
    """Return the distances to the mean, and how far the farthest point is: NaN where that is not finite."""
    c = xp.matrix_transpose(from_mean(xp, xp.matrix_transpose(x), roomy=roomy))
    radius = xp.max(lengths(xp, c, roomy=roomy), axis=-2, keepdims=True)
    # what is not finite is NaN for all coordinates, not for its own alone
    return c, xp.where(xp.isfinite(radius), radius, xp.full_like(radius, float("nan")))


def root(xp, s):
    """Return the square root; its gradient at 0 is 0."""
    none = s == 0
    return xp.where(none, xp.zeros_like(s), xp.sqrt(xp.where(none, xp.ones_like(s), s)))


@operator(
    paper="ma2024shapesplat",
    cases=[
        case("cloud", normal(7, 3)),
        case("clouds", normal(2, 9, 3), eps=0.5),
        case("plane, offset", normal(5, 11, 2, mean=100.0)),
        case("small", normal(6, 4, std=1e-3), eps=1e-3),
        case("no clouds", normal(0, 4, 3)),
    ],
    bench=case("clouds", normal(64, 1024, 3)),
    rows=lambda x, rng: ([x.T], {}),
)
def unit_sphere_normalize(x, /, *, eps=0.0, out=None):
    r"""Centre a point set on its mean and scale it into the unit sphere.

    .. math:: y_n = \frac{x_n - \mu}{\max_m \|x_m - \mu\|_2 + \epsilon}, \qquad \mu = \frac{1}{N} \sum_n x_n

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        N points of D coordinates, or a batch of such sets: (..., N, D).
    eps : float
        Added to the radius, in units of x.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`; empty where there are no sets. The farthest point has length 1
        while eps is 0. Points that are all the same give NaN, and 0 where eps > 0. A NaN or an infinity makes its
        whole set NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `eps` is no number.
    ValueError
        `x` has no points or no coordinates, `eps` is negative, or `out` overlaps `x` in part.

    Notes
    -----
    For Gaussian splats see :func:`gaussian_splat_normalize`.

    References
    ----------
    Ma et al., ShapeSplat: A Large-scale Dataset of Gaussian Splats and Their Self-Supervised Pretraining, 2024
    (as catalogued from its released code, pc_norm: no eps).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.norm.unit_sphere_normalize(np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 0.0]]))
    array([[ 1.,  0.],
           [-1.,  0.],
           [ 0.,  0.]])
    """
    xp, x = prepare(x)
    require_cloud(x)
    require_along(x, -1, eps)
    check_out(out, x)
    (wide,) = widen(xp, x)
    c, radius = into_sphere(xp, wide, roomy=roomy(x, wide))
    return give_back(xp, c / (radius + eps), x, out=out)


@law(unit_sphere_normalize, normal(7, 3))
def shift_and_scale_free(f, x):
    return f(4 * x + 2), f(x)


@law(unit_sphere_normalize, normal(7, 3))
def a_turn_comes_after_as_well(f, x):
    turn = [[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, -1.0]]
    return f(x @ turn), f(x) @ turn


@law(unit_sphere_normalize, normal(7, 3))
def eps_is_in_units_of_length(f, x):
    return f(8 * x, eps=2.0), f(x, eps=0.25)


@operator(
    paper=("liu2025hymamba", "han2024mamba3d"),
    cases=[
        case("features", normal(2, 3, 4, 5), normal(2, 3, 5), eps=0.5),
        case("affine", normal(3, 2, 5, 4), normal(3, 2, 4), normal(8), normal(8), eps=0.1),
        case("weight alone", normal(3, 4, 3, 2), normal(3, 4, 2), normal(4)),
        case("offset", normal(2, 3, 5, 3, mean=1e4), normal(2, 3, 3, mean=1e4), None, normal(6)),
    ],
    bench=case("features", normal(16, 64, 8, 96), normal(16, 64, 96), normal(192), normal(192)),
    rows=lambda x, rng: ([x[None, :, None, :], rng.normal(size=(1, *x.shape))], {}),
)
def knn_feature_norm(x, center, weight=None, bias=None, /, *, eps=1e-5):
    r"""Put the features of neighbours relative to their centre, scaled by one deviation, beside the centre's own.

    .. math:: y_{bgk} = \Bigl[ \frac{x_{bgk} - z_{bg}}{\sigma + \epsilon}, \; z_{bg} \Bigr] \odot w + b, \qquad
        \sigma^2 = \frac{1}{n - 1} \sum_{bgkc} (d_{bgkc} - \bar d)^2, \quad d_{bgkc} = x_{bgkc} - z_{bgc}

    where :math:`\sigma` is one number, taken over all n differences of all samples, groups, neighbours and channels.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The features of K neighbours of G centres in B samples, of C channels: (B, G, K, C).
    center : array
        The features :math:`z` of the centres: (B, G, C).
    weight, bias : array, optional
        The gain :math:`w` and the shift :math:`b`, of shape (2 C,).
    eps : float
        Added to the deviation, in units of x.

    Returns
    -------
    array
        Of shape (B, G, K, 2 C); the dtype, library and device of `x`. Where all differences are the same the first
        half is :math:`d / \epsilon`. A NaN or an infinity makes the first half of everything NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `eps` is no number.
    ValueError
        `x` has not four axes or fewer than two numbers, so that there is no deviation (an empty batch among them),
        an array has not the shape it must have, or `eps` is negative.

    Notes
    -----
    The deviation is unbiased, has eps added to itself and not to its square, and is shared by the whole batch: the
    answer for one cloud depends on the others.

    References
    ----------
    Liu et al., HyMamba: Mamba with Hybrid Geometry-Feature Coupling for Efficient Point Cloud Classification, 2025
    (not read again), which builds on Han et al., Mamba3D: Enhancing Local Features for 3D Point Cloud Analysis via
    State Space Model, 2024 (as catalogued from its code, K_Norm).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, center = np.array([[[[1.0], [3.0]]]]), np.array([[[1.0]]])
    >>> refnorm.norm.knn_feature_norm(x, center, eps=0.0).round(3)
    array([[[[0.   , 1.   ],
             [1.414, 1.   ]]]])
    """
    xp, x, center, weight, bias = prepare(x, center, weight, bias, need=2)
    require_neighbours(x)
    require_shape("center", center, (*x.shape[:2], x.shape[3]))
    require_shape("weight", weight, (2 * x.shape[3],))
    require_shape("bias", bias, (2 * x.shape[3],))
    require_along(x, -1, eps)
    wide, z, w, b = widen(xp, x, center, weight, bias)
    z = xp.broadcast_to(z[:, :, None, :], x.shape)
    d, spare = wide - z, roomy(x, wide)
    c = centered(xp, xp.reshape(d, (-1,)), roomy=spare)
    n = c.shape[0]
    deviation = root_mean_square(xp, c, 0.0, roomy=spare) * (n / (n - 1)) ** 0.5
    y = affine(xp.concat([d / (deviation + eps), z], axis=-1), w, b)
    return give_back(xp, y, x)


def require_neighbours(x) -> None:
    """Refuse what is not (B, G, K, C), or has no deviation."""
    if x.ndim != 4:
        raise ValueError(f"x must have shape (B, G, K, C), got {tuple(x.shape)}")
    size = x.shape[0] * x.shape[1] * x.shape[2] * x.shape[3]
    if size < 2:
        raise ValueError(f"x must hold two numbers at least, so that there is a deviation, got shape {tuple(x.shape)}")


@law(knn_feature_norm, normal(2, 3, 4, 5), normal(2, 3, 5))
def a_shared_shift_goes(f, x, center):
    return f(x + 2, center + 2, eps=0.5)[..., :5], f(x, center, eps=0.5)[..., :5]


@law(knn_feature_norm, normal(2, 3, 4, 5), normal(2, 3, 5), normal(10), normal(10))
def affine_last(f, x, center, weight, bias):
    return f(x, center, weight, bias, eps=0.5), f(x, center, eps=0.5) * weight + bias


@law(knn_feature_norm, normal(2, 3, 4, 5), normal(2, 3, 5))
def eps_is_added_to_the_deviation(f, x, center):
    return f(4 * x, 4 * center, eps=2.0)[..., :5], f(x, center, eps=0.5)[..., :5]


# ---- Gaussian splats ----

BAND = 0.28209479177387814  # 1 / (2 sqrt(pi)), the spherical harmonic of degree 0
KINDS = ("opacity", "scale", "sh")


def half_turns(*shape):
    """Draw quaternions, of which every third has no real part."""

    def make(rng, s):
        q = rng.normal(size=s)
        q[..., ::3, 0] = 0.0
        return q

    return Draw(shape, make, "half_turns")


def apart(x):
    """Return points of which one at least lies off the others, so that there is a radius to divide scales by."""
    return np.concatenate([1.25 * x[:, :1], x[:, 1:]], axis=1).T


def require_splats(x, log_scale, rotation, opacity, sh, kinds) -> None:
    """Refuse attributes that are not those of the points, and words that name none."""
    require_cloud(x)
    points = tuple(x.shape[:-1])
    require_shape("log_scale", log_scale, tuple(x.shape))
    require_shape("rotation", rotation, (*points, 4))
    require_shape("opacity", opacity, points)
    require_shape("sh", sh, (*points, *sh.shape[-1:]))
    if not isinstance(kinds, tuple | list) or set(kinds) - set(KINDS):
        raise ValueError(f"kinds must be a tuple of some of {', '.join(KINDS)}, got {kinds!r}")


@operator(
    paper="ma2024shapesplat",
    cases=[
        case("cloud", normal(7, 3), normal(7, 3), normal(7, 4), normal(7), normal(7, 3)),
        case("clouds, all", normal(2, 9, 3, mean=1.0), normal(2, 9, 3), normal(2, 9, 4), normal(2, 9, std=3.0),
             normal(2, 9, 3, std=3.0), kinds=("opacity", "scale", "sh"), eps=0.5),
        case("opacity, half turns", normal(6, 3), normal(6, 3), half_turns(6, 4), normal(6, std=2.0), normal(6, 3),
             kinds=("opacity",), eps=0.1),
        case("scale, offset", normal(5, 11, 2, mean=100.0), normal(5, 11, 2, mean=-4.0), normal(5, 11, 4),
             normal(5, 11), normal(5, 11, 3), kinds=("scale",)),
        case("sh", normal(8, 3), normal(8, 3), normal(8, 4, std=0.1), normal(8), normal(8, 5, std=2.0), kinds=("sh",),
             eps=0.25),
        case("no clouds", normal(0, 4, 3), normal(0, 4, 3), normal(0, 4, 4), normal(0, 4), normal(0, 4, 3)),
    ],
    bench=case("clouds", normal(64, 1024, 3), normal(64, 1024, 3), normal(64, 1024, 4), normal(64, 1024),
               normal(64, 1024, 3), kinds=("opacity", "scale", "sh")),
    rows=lambda x, rng: (
        [apart(x), rng.normal(np.log(abs(x).max()), 1, size=x.T.shape), *(rng.normal(size=(x.shape[1], *s)) for s in (
            (4,), (), (3,)))],
        {"kinds": ("opacity", "scale", "sh")},
    ),
)  # fmt: skip
def gaussian_splat_normalize(x, log_scale, rotation, opacity, sh, /, *, kinds=(), eps=1e-9):
    r"""Bring sets of Gaussian splats into the unit sphere, and each of their attributes into its proper range.

    .. math:: x' = \frac{x - \mu}{m}, \quad s = \frac{e^{\lambda}}{m}, \quad
        q' = \pm \frac{q}{\|q\| + \epsilon}, \quad o = \frac{1}{1 + e^{-z}}, \qquad m = \max_n \|x_n - \mu\|_2

    and, where `kinds` names them,

    .. math:: s' = \frac{s - \nu}{r}, \quad o' = 2 o - 1, \quad
        h' = \frac{2}{\sqrt 3} \operatorname{clip} \Bigl( \frac{h}{2 \sqrt \pi}, -\frac12, \frac12 \Bigr), \qquad
        r = \max_n \|s_n - \nu\|_2

    for the means :math:`\mu` and :math:`\nu` of a set, and the sign for which the real part of :math:`q'` is not below
    zero.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The centres of N splats in D dimensions, or a batch of such sets: (..., N, D).
    log_scale : array
        The logarithms :math:`\lambda` of the scales, of the shape of `x`.
    rotation : array
        The quaternions q, real part first: (..., N, 4).
    opacity : array
        The opacities before the logistic function, z: (..., N).
    sh : array
        The coefficients h of the constant spherical harmonics, one a colour: (..., N, K).
    kinds : tuple of {"opacity", "scale", "sh"}
        Which attributes are brought to the range about 0 as well.
    eps : float
        Added to the length of a quaternion.

    Returns
    -------
    tuple
        ``(x, scale, rotation, opacity, sh, mean, radius)``: the attributes, and what ``scale * radius + mean`` undoes
        the scaling of scales by: :math:`\nu`, of shape (..., D), and r, of shape (...); 0 and 1 where "scale" is not in
        `kinds`. All have the library and device of `x` and the dtype of what they are made from. Where all centres are
        the same they are NaN, and s, :math:`\nu` and r infinite. A NaN or an infinity in `x` makes x', s, :math:`\nu`
        and r of its set NaN, one in `log_scale` the scales of its set where "scale" is in `kinds`.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `eps` is no number.
    ValueError
        `x` has no points or no coordinates, an attribute has another shape, `kinds` holds another word, or `eps` is
        negative.

    Notes
    -----
    The released code multiplies a quaternion by the sign of its real part, so that a half turn, whose real part is 0,
    is lost; here it stays as it is. Rotations are in the list of what it normalizes, and no step follows. It returns no
    centre or radius of the points, and here there is none either: :math:`\mu` and m are not undone.

    References
    ----------
    Ma et al., ShapeSplat: A Large-scale Dataset of Gaussian Splats and Their Self-Supervised Pretraining, 2024 (the
    text not read; ``read_gaussian_attribute`` and ``pc_norm_gs`` of datasets/ShapeNet55Gaussian.py of the released
    code, qimaqi/ShapeSplats-Gaussian-MAE, were).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> x, zero = np.array([[4.0], [0.0]]), np.zeros((2, 1))
    >>> q, z = np.array([[-3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]]), np.zeros(2)
    >>> y, scale, rotation, opacity, *_ = refnorm.norm.gaussian_splat_normalize(x, zero, q, z, zero, eps=0.0)
    >>> y.tolist(), scale.tolist(), opacity.tolist()
    ([[1.0], [-1.0]], [[0.5], [0.5]], [0.5, 0.5])
    >>> rotation
    array([[ 0.6, -0.8, -0. , -0. ],
           [ 0. ,  0. ,  0. ,  1. ]])
    """
    xp, *given = prepare(x, log_scale, rotation, opacity, sh, need=5)
    require_along(x, -1, eps)
    require_splats(*given, kinds)
    wide, log_s, q, z, h = widen(xp, *given)
    spare = roomy(x, wide)
    c, m = into_sphere(xp, wide, roomy=spare)
    scale = xp.exp(log_s)
    if "scale" in kinds:  # the radius of the points goes: it need not come first
        center = mean(xp, xp.matrix_transpose(scale), roomy=spare) / xp.matrix_transpose(m)
        scale, r = into_sphere(xp, scale, roomy=spare)
        scale, center, radius = scale / r, center[..., 0], (r / m)[..., 0, 0]
    else:
        scale, center, radius = scale / m, xp.zeros_like(scale[..., 0, :]), xp.ones_like(scale[..., 0, 0])
    q = xp.where(q[..., :1] < 0, -q, q) / (lengths(xp, q, roomy=spare) + eps)
    o = xp.tanh(z / 2) if "opacity" in kinds else sigmoids(xp, z)[0]
    h = xp.clip(BAND * h, -0.5, 0.5) * (2 / 3**0.5) if "sh" in kinds else h
    done = [like_weight(xp, y, a) for y, a in zip((c / m, scale, q, o, h), given, strict=True)]
    return *done, give_back(xp, center, log_scale), give_back(xp, radius, log_scale)


SPLATS = normal(7, 3), normal(7, 3), normal(7, 4), normal(7), normal(7, 3, std=3.0)


@law(gaussian_splat_normalize, *SPLATS)
def a_cloud_twice_as_large_has_scales_half_as_large(f, x, log_scale, rotation, opacity, sh):
    return 2 * f(2 * x + 4, log_scale, rotation, opacity, sh)[1], f(x, log_scale, rotation, opacity, sh)[1]


@law(gaussian_splat_normalize, *SPLATS)
def scales_are_given_back(f, x, log_scale, rotation, opacity, sh):
    _, scale, *_, center, radius = f(x, log_scale, rotation, opacity, sh, kinds=("scale",))
    return scale * radius + center, f(x, log_scale, rotation, opacity, sh)[1]


@law(gaussian_splat_normalize, *SPLATS)
def opposite_quaternions_are_one_rotation(f, x, log_scale, rotation, opacity, sh):
    one = abs(rotation[:, :1]) * rotation / rotation[:, :1]
    wanted = one / ((one * one).sum(axis=1, keepdims=True) ** 0.5 + 0.5)
    return f(x, log_scale, -rotation, opacity, sh, eps=0.5)[2], wanted


@law(gaussian_splat_normalize, *SPLATS)
def opacity_from_minus_one_to_one(f, x, log_scale, rotation, opacity, sh):
    both = f(x, log_scale, rotation, opacity, sh)[3], f(x, log_scale, rotation, opacity, sh, kinds=("opacity",))[3]
    return both[1], 2 * both[0] - 1


@law(gaussian_splat_normalize, *SPLATS)
def colours_within_a_cube_in_the_unit_sphere(f, x, log_scale, rotation, opacity, sh):
    signs = sh / abs(sh)
    return f(x, log_scale, rotation, opacity, 100 * signs, kinds=("sh",))[4] * 3**0.5, signs
