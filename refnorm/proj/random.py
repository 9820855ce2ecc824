"""Random matrices, and what is projected with them: parameters of a subspace, and graphs."""

from __future__ import annotations

import math

import numpy as np

from .._cases import Draw, case, normal, positive, uniform
from .._core.moments import centered, root_mean_square
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import give_back, prepare, require_along, require_shape, require_switch, roomy, widen


def graph(n):
    """Draw the weights of a graph, of which there are as many rows as columns."""
    return Draw((n, n), lambda rng, s: rng.gamma(2.0, 1.0, (s[1], s[1])), "graph")


@operator(
    paper=("li2018measuring", "chen2019fast"),
    cases=[
        case("a third", uniform(6, 8), density=1 / 3),
        case("half", uniform(5, 4), density=0.5, scale=0.5),
        case("a column each", uniform(9, 5), density=0.25, normalize=True),
        case("all", uniform(7, 3), density=1.0, scale=-2.0, normalize=True),
        case("no columns", uniform(4, 0), density=0.5),
    ],
    bench=case("matrix", uniform(4096, 256), density=1 / 64),
    rows=lambda x, rng: ([rng.uniform(size=x.shape)], {"density": 0.5}),
)
def sparse_random_matrix(x, /, *, density, scale=1.0, normalize=False):
    r"""Turn uniform numbers into a very sparse random matrix of mean 0.

    .. math:: y_{ij} = \frac{s}{\sqrt{p}} \begin{cases} 1 & x_{ij} < p / 2 \\ -1 & x_{ij} > 1 - p / 2 \\
        0 & \text{else} \end{cases}

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        Uniform numbers from 0 to 1, of shape (n, d): n inputs, d outputs.
    density : float
        The share :math:`p` of elements that are not 0, above 0 and at most 1: 1/3 (Achlioptas), or n^-1/2 (Li,
        Hastie and Church), the default of scikit-learn.
    scale : float
        The factor :math:`s`: 1 for entries of variance 1; d^-1/2 keeps the lengths of what is projected.
    normalize : bool
        Whether columns get the length |s| instead; one without an element stays 0.

    Returns
    -------
    array
        (n, d), in the dtype, library and device of `x`. A NaN stays NaN.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers, or an option is of the wrong type.
    ValueError
        `x` has not two axes, `density` is not in 0..1 or 0, or `scale` is not finite.

    Notes
    -----
    Columns of unit length span a random subspace of parameters; the released code fills all layers before lengths
    are taken, and has a density for each layer.

    References
    ----------
    Li et al., Measuring the Intrinsic Dimension of Objective Landscapes, 2018; Chen et al., FastRP, 2019 (neither
    read again: as catalogued from their code, which calls scikit-learn).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.sparse_random_matrix(np.array([[0.05, 0.5], [0.95, 0.1]]), density=0.25)
    array([[ 2.,  0.],
           [-2.,  2.]])
    """
    xp, x = prepare(x)
    if x.ndim != 2:
        raise ValueError(f"x must have shape (n, d), got {tuple(x.shape)}")
    if not 0 < density <= 1:
        raise ValueError(f"density must be in 0..1 and above 0, got {density!r}")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale!r}")
    require_switch("normalize", normalize)
    (u,) = widen(xp, x)
    sign = xp.astype(u < density / 2, u.dtype) - xp.astype(u > 1 - density / 2, u.dtype)
    y = xp.where(xp.isnan(u), u, sign)
    if normalize:
        count = xp.sum(y * y, axis=0, keepdims=True)
        y = scale * y / xp.sqrt(xp.where(count == 0, xp.ones_like(count), count))
    else:
        y = scale * y / math.sqrt(density)
    return give_back(xp, y, x)


@operator(
    paper="li2018measuring",
    cases=[
        case("rows", normal(4, 3), normal(8, 3)),
        case("origin", normal(2, 3, 5), normal(7, 5), normal(7)),
        case("as it is", normal(4), normal(9, 4, mean=2.0), normal(9), normalize=False),
        case("no rows", normal(0, 2), normal(4, 2)),
    ],
    bench=case("rows", normal(16, 256), normal(65536, 256), normal(65536)),
    rows=lambda x, rng: ([x, rng.normal(size=(3, x.shape[1])) / x.shape[1]], {"normalize": False}),
)
def random_subspace_project(x, weight, origin=None, /, *, normalize=True):
    r"""Return the parameters at coordinates `x` of a random subspace through a point.

    .. math:: \theta = \theta_0 + \hat P x, \qquad \hat P_{:j} = P_{:j} / \lVert P_{:j} \rVert_2

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The coordinates, of shape (..., d).
    weight : array
        The fixed random :math:`P`, of shape (D, d): a row a parameter.
    origin : array, optional
        The parameters :math:`\theta_0` one starts from, of shape (D,); 0 when left out.
    normalize : bool
        Whether columns of P get unit length; one of zeros stays 0.

    Returns
    -------
    array
        (..., D), in the dtype, library and device of `x`. A NaN makes its whole row NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `normalize` is no bool.
    ValueError
        A shape does not fit, or d or D is 0.

    References
    ----------
    Li et al., Measuring the Intrinsic Dimension of Objective Landscapes, 2018 (not read again: as catalogued from
    its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.random_subspace_project(np.array([5.0]), np.array([[3.0], [-4.0]]), np.array([0.0, 1.0]))
    array([ 3., -3.])
    """
    xp, x, weight, origin = prepare(x, weight, origin, need=2)
    require_along(x, -1)
    if weight.ndim != 2 or weight.shape[1] != x.shape[-1] or weight.shape[0] == 0:
        raise ValueError(f"weight must have shape (D, {x.shape[-1]}), got {tuple(weight.shape)}")
    require_shape("origin", origin, weight.shape[:1])
    require_switch("normalize", normalize)
    wide, p, start = widen(xp, x, weight, origin)
    spare = roomy(x, wide)
    if normalize:
        size = length(xp, xp.matrix_transpose(p), roomy=spare)[:, 0]
        p = p / xp.where(size == 0, xp.ones_like(size), size)
    y = inner(xp, wide, p, roomy=spare)
    return give_back(xp, y if start is None else y + start, x)


def require_graph(x, directions, weights) -> None:
    """Refuse what is no square matrix with a random row for each node, and weights of no step."""
    if x.ndim != 2 or x.shape[0] != x.shape[1] or 0 in x.shape:
        raise ValueError(f"x must have shape (n, n) without a 0, got {tuple(x.shape)}")
    if directions.ndim != 2 or directions.shape[0] != x.shape[0]:
        raise ValueError(f"directions must have shape ({x.shape[0]}, d), got {tuple(directions.shape)}")
    if not isinstance(weights, tuple | list) or not weights or not all(math.isfinite(w) for w in weights):
        raise ValueError(f"weights must be finite numbers, one for each step and one at least, got {weights!r}")


def or_one(xp, x):
    """Return x with 1 in place of 0."""
    return xp.where(x == 0, xp.ones_like(x), x)


@operator(
    paper="chen2019fast",
    cases=[
        case("graph", positive(5, 5), normal(5, 3)),
        case("degrees", positive(6, 6), normal(6, 2), weights=(1.0, -0.5, 2.0), alpha=-0.25, standardize=False),
        case("unit rows", positive(4, 4), normal(4, 5), weights=(0.5, 1.5), normalize=True, standardize=False),
        case("adjacency", positive(4, 4), normal(4, 3), weights=(0.5, 1.0), transition=False, alpha=0.5),
    ],
    bench=case("graph", graph(512), normal(512, 64)),
    rows=lambda x, rng: (
        [abs(x[:, : len(x)]) / abs(x).max(), rng.normal(size=(len(x), 3))],
        {"standardize": False, "alpha": 0.5},
    ),
)
def fastrp(x, directions, /, *, weights=(1.0, 1.0), alpha=0.0, transition=True, normalize=False, standardize=True):
    r"""Embed the nodes of a graph by powers of its transition matrix on random directions.

    .. math:: N_1 = M D^\alpha R, \quad N_k = M N_{k-1}, \quad Y = \sum_k w_k N_k, \quad M = D^{-1} A

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The adjacency :math:`A`, of shape (n, n), dense; degrees :math:`D` are sums of its rows.
    directions : array
        Random numbers :math:`R`, of shape (n, d); see :func:`sparse_random_matrix`.
    weights : tuple of float
        The weight :math:`w_k` of each step.
    alpha : float
        The power of the degrees that random rows are scaled with: below 0 hubs weigh less.
    transition : bool
        Whether rows of A are divided by their sums; False takes M = A.
    normalize : bool
        Whether rows of each N_k get unit length before they are added up.
    standardize : bool
        Whether the columns of Y get mean 0 and variance 1, as in the released code, not in the paper.

    Returns
    -------
    array
        (n, d), in the dtype, library and device of `x`. A node without an edge has a row of zeros before columns are
        standardized, and so has a constant column after.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or a switch is no bool.
    ValueError
        A shape does not fit, `weights` is empty, or a number is not finite.

    Notes
    -----
    The paper scales with (d / 2m)^beta, m the sum of edges: a factor apart from alpha = beta, which columns of
    variance 1 do not show. Without weights the released code puts the N_k side by side: call it once for each.

    References
    ----------
    Chen et al., FastRP, 2019 (not read again: as catalogued from its code).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> graph = np.array([[0.0, 1.0], [3.0, 1.0]])
    >>> refnorm.proj.fastrp(graph, np.array([[4.0], [8.0]]), weights=(1.0, 0.0), standardize=False)
    array([[8.],
           [5.]])
    """
    xp, x, directions = prepare(x, directions, need=2)
    require_graph(x, directions, weights)
    if not math.isfinite(alpha):
        raise ValueError(f"alpha must be finite, got {alpha!r}")
    for name, switch in (("transition", transition), ("normalize", normalize), ("standardize", standardize)):
        require_switch(name, switch)
    m, n = widen(xp, x, directions)
    spare = roomy(x, m)
    degrees = total(xp, m, roomy=spare)
    n = xp.where(degrees == 0, xp.zeros_like(n), or_one(xp, degrees) ** alpha * n)
    m = m / or_one(xp, degrees) if transition else m
    y = xp.zeros_like(n)
    for w in weights:
        n = inner(xp, m, xp.matrix_transpose(n), roomy=spare)
        y = y + w * (n / or_one(xp, length(xp, n, roomy=spare)) if normalize else n)
    if standardize:
        c = centered(xp, xp.matrix_transpose(y), roomy=spare)
        y = xp.matrix_transpose(c / or_one(xp, root_mean_square(xp, c, 0.0, roomy=spare)))
    return give_back(xp, y, x)


# ---- laws ----


@law(sparse_random_matrix, uniform(6, 5))
def signs_turn_with_the_numbers(f, u):
    return f(1 - u, density=0.5), -f(u, density=0.5)


@law(sparse_random_matrix, uniform(6, 5))
def a_quarter_and_all_of_it(f, u):
    return f(0.25 * u, density=0.25), 2 * (f(u, density=1.0) > 0)


@law(random_subspace_project, normal(4, 3), normal(8, 3), normal(8))
def origin_is_added(f, x, p, start):
    return f(x, p, start), f(x, p) + start


@law(random_subspace_project, normal(4, 3), normal(8, 3))
def length_of_columns_is_free(f, x, p):
    return f(x, 4 * p), f(x, p)


@law(fastrp, positive(5, 5), normal(5, 3))
def transitions_are_free_of_degrees(f, a, r):
    return f(a * np.arange(1.0, 6.0)[:, None], r), f(a, r)


@law(fastrp, positive(5, 5), normal(5, 3))
def steps_add(f, a, r):
    one, two = (f(a, r, weights=w, standardize=False) for w in ((1.0, 0.0), (0.0, 1.0)))
    return f(a, r, weights=(2.0, 3.0), standardize=False), 2 * one + 3 * two
