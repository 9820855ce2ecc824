"""Gradients off the weight's direction or in a low-rank basis, and what keeps their steps in bounds."""

from __future__ import annotations

import math
import operator as op

import numpy as np

from .._cases import case, normal, orthonormal, positive
from .._core.norms import length, square_scale
from .._core.products import inner
from .._core.sums import total
from .._core.triples import leading, require_matrices, require_rank
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_same_shape, require_shape, require_switch, roomy, widen


def flat(xp, x):
    """Return all elements as one row."""
    return xp.reshape(x, (1, -1))


def require_basis(x, basis) -> None:
    """Refuse what is no matrix, and a basis that has no row for each of its rows."""
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have shape (m, n) without a 0, got {tuple(x.shape)}")
    if basis.ndim != 2 or basis.shape[0] != x.shape[0] or basis.shape[1] == 0:
        raise ValueError(f"basis must have shape ({x.shape[0]}, r), got {tuple(basis.shape)}")


def transposed_product(xp, a, b, *, roomy):
    """Return A^T B."""
    return inner(xp, xp.matrix_transpose(a), xp.matrix_transpose(b), roomy=roomy)


def product(xp, a, b, *, roomy):
    """Return A B."""
    return inner(xp, a, xp.matrix_transpose(b), roomy=roomy)


@operator(
    paper="prieto2025grokking",
    cases=[
        case("matrix", normal(4, 8), normal(4, 8)),
        case("loud eps", normal(3, 5), normal(3, 5), eps=8.0),
        case("length kept", normal(2, 3, 7), normal(2, 3, 7, mean=2.0), rescale=True),
        case("length kept, loud eps", normal(21), normal(21), rescale=True, eps=2.0),
    ],
    bench=case("matrix", normal(1024, 1024), normal(1024, 1024)),
    rows=lambda x, rng: ([x, rng.normal(size=x.shape)], {}),
)
def perp_grad(x, weight, /, *, rescale=False, eps=1e-30):
    r"""Take off a gradient what points along the weight, over the whole array.

    .. math:: y = g - \frac{\langle w, g \rangle}{\langle w, w \rangle + \epsilon} \, w

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The gradient :math:`g`, of any shape.
    weight : array
        The weight :math:`w`, of the same shape.
    rescale : bool
        Whether y gets the length of g back: y |g| / (|y| + eps), as the released optimizer always does.
    eps : float
        What is added to <w, w>, in squared units of `weight`, and to |y| where it is rescaled.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`. A NaN or an infinity makes everything NaN; a weight of zeros
        takes nothing off.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is of the wrong type.
    ValueError
        The shapes differ, `x` is empty, or `eps` is negative or not finite.

    References
    ----------
    Prieto et al., Grokking at the Edge of Numerical Stability, 2025 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.perp_grad(np.array([3.0, 4.0]), np.array([0.0, 2.0]))
    array([3., 0.])
    """
    xp, x, weight = prepare(x, weight, need=2)
    require_same_shape("weight", weight, x)
    require_along(flat(xp, x), -1, eps)
    require_switch("rescale", rescale)
    wide, w = widen(xp, x, weight)
    spare, g, w = roomy(x, wide), flat(xp, wide), flat(xp, w)
    scale = square_scale(xp, w, roomy=spare)
    w = w / scale
    y = g - total(xp, w * g, roomy=spare) / (total(xp, w * w, roomy=spare) + eps / scale / scale) * w
    if rescale:
        y = y * (length(xp, g, roomy=spare) / (length(xp, y, roomy=spare) + eps))
    return give_back(xp, xp.reshape(y, x.shape), x)


@operator(
    paper="chen2024fira",
    cases=[
        case("growing", normal(4, 8), positive()),
        case("within bounds", normal(3, 5), positive(), growth=40.0),
        case("loud eps", normal(2, 3, 4), positive(), eps=1.5, growth=1.25),
        case("the first", normal(5), None),
    ],
    bench=case("matrix", normal(1024, 1024), positive()),
    rows=lambda x, rng: ([x, np.asarray(rng.uniform(1, 2))], {"growth": 1.25}),
)
def norm_growth_limiter(x, old=None, /, *, growth=1.01, eps=1e-8):
    r"""Shrink an update whose length has grown by more than a factor.

    .. math:: q = \max \Bigl( \frac{\lVert x \rVert}{n + \epsilon}, \gamma \Bigr) / \gamma, \qquad
        y = x / q, \qquad n' = \lVert x \rVert / q

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The update, of any shape; its length is that of all elements.
    old : array, optional
        The length :math:`n` given back the time before, of shape (); without it x comes back as it is.
    growth : float
        The factor :math:`\gamma` by which lengths may grow from one time to the next, above zero.
    eps : float
        What is added to `old`.

    Returns
    -------
    tuple of array
        (y, n'), in the dtype, library and device of `x`: n' is handed in as `old` the next time.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        `x` is empty, `old` has an axis, `growth` is not above zero, or `eps` is negative.

    Notes
    -----
    Fira limits what is added to the low-rank update, matrix by matrix, not the whole update.

    References
    ----------
    Chen et al., Fira, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> y, n = refnorm.proj.norm_growth_limiter(np.array([6.0, 8.0]), np.asarray(2.5), growth=2.0, eps=0.0)
    >>> y.tolist(), float(n)
    ([3.0, 4.0], 5.0)
    """
    xp, x, old = prepare(x, old)
    require_along(flat(xp, x), -1, eps)
    require_shape("old", old, ())
    if not 0 < growth < math.inf:
        raise ValueError(f"growth must be finite and above zero, got {growth!r}")
    wide, before = widen(xp, x, old)
    size = length(xp, flat(xp, wide), roomy=roomy(x, wide))
    quotient = xp.ones_like(size)
    if before is not None:
        ratio = size / (before + eps)
        quotient = xp.where(ratio <= growth, quotient, ratio / growth)
    y, new = flat(xp, wide) / quotient, size / quotient
    return give_back(xp, xp.reshape(y, x.shape), x), give_back(xp, xp.reshape(new, ()), x)


@operator(
    paper="chen2024fira",
    cases=[
        case("wide", normal(4, 7), orthonormal(4, 2), normal(2, 7)),
        case("tall", normal(6, 3), orthonormal(6, 3), normal(3, 3), alpha=0.5),
        case("loud eps", normal(3, 5), orthonormal(3, 1), normal(1, 5), eps=0.75),
    ],
    bench=case("matrix", normal(512, 1024), normal(512, 64, std=0.04), normal(64, 1024)),
    rows=lambda x, rng: (
        [x[:, :40], orthonormal(len(x), min(2, len(x)))(rng), rng.normal(size=x[:2, :40].shape)],
        {"alpha": 0.0},
    ),
)
def fira_scale(x, basis, other, /, *, alpha=1.0, eps=1e-8):
    r"""Add to a low-rank update what its basis leaves of the gradient, scaled column by column as the update is.

    .. math:: R = P^T G, \quad s_j = \frac{\lVert N_{:j} \rVert}{\lVert R_{:j} \rVert + \epsilon}, \quad
        Y = \alpha P N + s \, (G - \alpha P R)

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The gradient :math:`G`, of shape (m, n).
    basis : array
        The orthonormal columns :math:`P`, of shape (m, r); see :func:`svd_projector`. Not checked.
    other : array
        What the optimizer made of the projected gradient R, :math:`N`, of shape (r, n).
    alpha : float
        The factor of the low-rank part. The released code multiplies the projection taken off by it too, so that only
        for 1 the rest is what is at right angles to the basis.
    eps : float
        What is added to the lengths of the columns of R.

    Returns
    -------
    array
        (m, n), in the dtype, library and device of `x`. A NaN makes its column NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        A shape does not fit, `alpha` is not finite, or `eps` is negative.

    Notes
    -----
    Where rows are fewer than columns; else hand in the transposes.

    References
    ----------
    Chen et al., Fira, 2024 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> g, basis, update = np.array([[2.0], [3.0]]), np.array([[1.0], [0.0]]), np.array([[1.0]])
    >>> refnorm.proj.fira_scale(g, basis, update, eps=0.0)
    array([[1. ],
           [1.5]])
    """
    xp, x, basis, other = prepare(x, basis, other, need=3)
    require_basis(x, basis)
    require_along(x, -1, eps)
    require_shape("other", other, (basis.shape[1], x.shape[1]))
    if not math.isfinite(alpha):
        raise ValueError(f"alpha must be finite, got {alpha!r}")
    g, p, n = widen(xp, x, basis, other)
    spare = roomy(x, g)
    r = transposed_product(xp, p, g, roomy=spare)
    sizes = [xp.matrix_transpose(length(xp, xp.matrix_transpose(a), roomy=spare)) for a in (n, r)]
    rest = g - alpha * product(xp, p, r, roomy=spare)
    return give_back(xp, alpha * product(xp, p, n, roomy=spare) + sizes[0] / (sizes[1] + eps) * rest, x)


@operator(
    paper="chen2024fira",
    cases=[
        case("wide", normal(3, 6), rank=2),
        case("tall", normal(6, 4), rank=2),
        case("square", normal(4, 4), rank=3),
        case("left", normal(2, 5, 3), rank=1, side="left"),
        case("right", normal(3, 5), rank=2, side="right"),
        case("all, of no matrices", normal(0, 3, 4)),
    ],
    bench=case("wide", normal(128, 256), rank=2),
    rows=lambda x, rng: ([x[:6] / (1 + abs(x).max())], {"rank": 2}),
)
def svd_projector(x, /, *, rank=None, side="auto"):
    r"""Return the leading singular vectors of gradients: the basis that their moments are to live in.

    .. math:: X = U \, \mathrm{diag}(s) \, V^T, \qquad
        P = \begin{cases} U_{:,:r} & \text{left: fewer rows than columns} \\ V_{:,:r} & \text{right} \end{cases}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Gradients, of shape (..., m, n).
    rank : int, optional
        How many vectors, r, of 1 to min(m, n); all when left out.
    side : str
        "left" or "right" vectors, or "auto": the shorter side, and of square gradients the right.

    Returns
    -------
    array
        Orthonormal columns, (..., m, r) or (..., n, r), in the dtype, library and device of `x`, by falling singular
        value; signs are those of :func:`truncated_svd`. A NaN or an infinity makes its whole matrix NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or `rank` is no int.
    ValueError
        `x` is no matrix or an empty one, `rank` is out of its range, or `side` is another word.

    Notes
    -----
    From the left a gradient is reduced to P^T X and comes back as P P^T X, from the right to X P and X P P^T: what is
    lost has the squared length of the other singular values. :func:`galore_adam_step` takes left vectors; of a tall
    gradient hand it the transpose and this basis. Where values tie or vanish, vectors may be turned among themselves.

    References
    ----------
    Chen et al., Fira, 2024 (not read again: as catalogued from its code, which is GaLore's).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.svd_projector(np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]]), rank=1).tolist()
    [[1.0], [0.0]]
    """
    xp, x = prepare(x)
    require_matrices("x", x)
    r = require_rank(rank, min(x.shape[-2:]))
    if side not in ("auto", "left", "right"):
        raise ValueError(f"side must be auto, left or right, got {side!r}")
    (wide,) = widen(xp, x)
    u, _, v = leading(xp, wide, r)
    right = x.shape[-2] >= x.shape[-1] if side == "auto" else side == "right"
    return give_back(xp, v if right else u, x)


def remaining(rate, step) -> float:
    """Return 1 - rate^step without cancellation."""
    return -math.expm1(step * math.log(rate)) if rate > 0 else 1.0


def require_rates(momentum, beta, step, scale) -> None:
    """Refuse rates outside 0..1, a step before the first and a scale that is no number."""
    for name, rate in (("momentum", momentum), ("beta", beta)):
        if not 0 <= rate < 1:
            raise ValueError(f"{name} must be in 0..1 and below 1, got {rate!r}")
    if op.index(step) < 1:
        raise ValueError(f"step must be 1 or more, got {step!r}")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")


@operator(
    paper=("huang2024gradient", "chen2024fira"),
    cases=[
        case("first step", normal(4, 7), orthonormal(4, 2)),
        case("later", normal(5, 6), orthonormal(5, 3), normal(3, 6), positive(3, 6), step=7, scale=0.25),
        case("loud rates", normal(3, 4), orthonormal(3, 2), normal(2, 4), positive(2, 4), momentum=0.5, beta=0.25),
        case("loud eps", normal(3, 5), orthonormal(3, 1), normal(1, 5), eps=0.75, momentum=0.0, step=2),
    ],
    bench=case("matrix", normal(512, 1024), normal(512, 64, std=0.04), normal(64, 1024), positive(64, 1024), step=9),
    rows=lambda x, rng: (
        [x[:, :40] / (1 + abs(x[:, :40]).max()), orthonormal(len(x), 1)(rng)],
        {"step": 3, "beta": 0.5, "eps": 0.5},
    ),
)
def galore_adam_step(x, basis, mean=None, var=None, /, *, momentum=0.9, beta=0.999, eps=1e-8, step=1, scale=1.0):
    r"""Return an Adam update whose moments live in a low-rank basis.

    .. math::
        R = P^T G, \quad M' = \beta_1 M + (1 - \beta_1) R, \quad V' = \beta_2 V + (1 - \beta_2) R^2, \quad
        Y = s \, \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \, P \, \frac{M'}{\sqrt{V'} + \epsilon}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The gradient :math:`G`, of shape (m, n).
    basis : array
        The orthonormal columns :math:`P`, of shape (m, r); see :func:`svd_projector`. Not checked.
    mean, var : array, optional
        The moments :math:`M` and :math:`V` so far, of shape (r, n); 0 when left out.
    momentum, beta : float
        The rates :math:`\beta_1` and :math:`\beta_2`, from 0 and below 1.
    eps : float
        What is added to the root, before its bias is corrected.
    step : int
        The number :math:`t` of this step, counted from 1.
    scale : float
        The factor :math:`s`, GaLore's alpha.

    Returns
    -------
    tuple of array
        (Y, M', V'), of shapes (m, n), (r, n) and (r, n), in the dtype, library and device of `x`. Weights move by
        minus the rate times Y; weight decay is taken of the moved weights there.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or an option is no number.
    ValueError
        A shape does not fit, or an option is out of its range.

    Notes
    -----
    Where rows are fewer than columns; else hand in the transposes.

    References
    ----------
    Huang et al., Gradient Weight-Normalized Low-Rank Projection, 2024; Chen et al., Fira, 2024 (neither read again:
    as catalogued from their code, which is GaLore's).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.galore_adam_step(np.array([[2.0], [3.0]]), np.array([[1.0], [0.0]]))[0].round(6)
    array([[1.],
           [0.]])
    """
    xp, x, basis, mean, var = prepare(x, basis, mean, var, need=2)
    require_basis(x, basis)
    require_along(x, -1, eps)
    require_rates(momentum, beta, step, scale)
    for name, moment in (("mean", mean), ("var", var)):
        require_shape(name, moment, (basis.shape[1], x.shape[1]))
    g, p, m, v = widen(xp, x, basis, mean, var)
    spare = roomy(x, g)
    r = transposed_product(xp, p, g, roomy=spare)
    m, v = (xp.zeros_like(r) if a is None else a for a in (m, v))
    m = momentum * m + (1 - momentum) * r
    # the root of V' as a length: its squares may overflow or vanish
    parts = xp.stack([xp.sqrt(beta * v), math.sqrt(1 - beta) * r], axis=-1)
    root = length(xp, parts, roomy=spare)[..., 0]
    factor = scale * math.sqrt(remaining(beta, step)) / remaining(momentum, step)
    y = factor * product(xp, p, m / (root + eps), roomy=spare)
    return tuple(give_back(xp, a, x) for a in (y, m, beta * v + (1 - beta) * r * r))


# ---- laws ----


@law(perp_grad, normal(4, 7), normal(4, 7))
def nothing_is_left_along_the_weight(f, x, w):
    return (w * f(x, w)).sum() + 1, np.asarray(1.0)


@law(perp_grad, normal(4, 7), normal(4, 7))
def length_of_the_weight_is_free(f, x, w):
    return f(x, 4 * w), f(x, w)


@law(perp_grad, normal(4, 7), normal(4, 7))
def length_of_the_gradient_comes_back(f, x, w):
    return (f(x, w, rescale=True) ** 2).sum(), (x * x).sum()


@law(norm_growth_limiter, normal(4, 7), positive())
def lengths_do_not_grow_by_more(f, x, n):
    return f(64 * x, n, eps=0.0, growth=1.5)[1], 1.5 * n


@law(norm_growth_limiter, normal(4, 7), positive())
def length_given_back_is_that_of_the_update(f, x, n):
    y, size = f(x, n)
    return (y * y).sum(), size * size


@law(fira_scale, normal(4, 7), orthonormal(4, 2))
def a_scaled_gradient_stays_one(f, x, p):
    return f(x, p, 0.25 * (p.T @ x), eps=0.0), 0.25 * x


@law(fira_scale, normal(4, 7), orthonormal(4, 4), normal(4, 7))
def whole_basis_leaves_nothing(f, x, p, n):
    return f(x, p, n), p @ n


@law(galore_adam_step, normal(4, 7), orthonormal(4, 2))
def first_step_is_a_sign(f, x, p):
    return f(x, p, eps=0.0)[0], p @ ((p.T @ x > 0) * 2.0 - 1)


@law(galore_adam_step, normal(4, 7), orthonormal(4, 2), normal(2, 7), positive(2, 7))
def scale_is_a_factor(f, x, p, m, v):
    return f(x, p, m, v, step=3, scale=-2.0)[0], -2 * f(x, p, m, v, step=3)[0]


@law(svd_projector, normal(6, 4))
def columns_are_orthonormal(f, x):
    p = f(x, rank=3)
    return p.T @ p, np.eye(3, dtype=x.dtype)


@law(svd_projector, normal(4, 4))
def sides_are_those_of_the_transpose(f, x):
    p, q = f(x, rank=2, side="left"), f(x.T, rank=2, side="right")
    return p @ p.T, q @ q.T


@law(svd_projector, normal(4, 4))
def reduced_columns_are_at_right_angles(f, x):
    y = x @ f(x, rank=3)
    return y.T @ y, np.eye(3, dtype=x.dtype) * (y * y).sum(axis=0)
