"""Orthogonal matrices from free parameters: the exponential, Cayley's map, and products of reflections."""

from __future__ import annotations

import numpy as np

from .._cases import case, normal
from .._core.triples import require_matrices
from .._registry import gradient, law, operator
from .._xp import device, give_back, prepare, require_same_shape, widen

KINDS = ("exp", "cayley", "householder")
# Higham's approximant of degree 7, good to a double's last digit up to NORM, and how often its argument is halved first
PADE, NORM, HALVINGS = (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0), 0.95, 16


def of_rows(x, rng):
    """Return a square of rows, of numbers within one of zero."""
    return [x[:, : len(x)] / np.max(np.abs(x))], {}


def require_kind(x, kind) -> None:
    """Refuse what are no matrices, and an unknown map."""
    require_matrices("x", x)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")


def identity(xp, x):
    return xp.eye(x.shape[-1], dtype=x.dtype, device=device(x))


def skew(xp, x):
    """Return L - L^T for the part L of tall matrices below the diagonal, columns of zeros behind them."""
    m, n = x.shape[-2:]
    lower = xp.tril(x, k=-1)
    if n < m:
        lower = xp.concat([lower, xp.zeros((*x.shape[:-1], m - n), dtype=x.dtype, device=device(x))], axis=-1)
    return lower - xp.matrix_transpose(lower)


def exponential(xp, a):
    """Return e^a of matrices: halved until they are small, and squared as often. It takes no singular vectors."""
    norm = largest_sum(xp, a)
    halvings = xp.ceil(xp.log2(xp.where(norm > NORM, norm, xp.full_like(norm, NORM)) / NORM))
    a, one = a / 2**halvings, identity(xp, a)
    two = xp.matmul(a, a)
    four = xp.matmul(two, two)
    six = xp.matmul(four, two)
    c = PADE
    odd = xp.matmul(a, c[7] * six + c[5] * four + c[3] * two + c[1] * one)
    even = c[6] * six + c[4] * four + c[2] * two + c[0] * one
    y = xp.linalg.solve(even - odd, even + odd)
    for i in range(HALVINGS):
        y = xp.where(halvings > i, xp.matmul(y, y), y)
    return xp.where(halvings > HALVINGS, xp.full_like(y, float("nan")), y)


def cayley(xp, a):
    """Return (I - a / 2)^-1 (I + a / 2) of skew matrices."""
    a, far = tamed(xp, a)
    one = identity(xp, a)
    return xp.linalg.solve(one - a / 2, one + a / 2) + far


def tamed(xp, a):
    """Return matrices beside which I still counts, zeros in place of others, and what makes these NaN."""
    far = largest_sum(xp, a) * xp.finfo(a.dtype).eps > 0.125
    return xp.where(far, xp.zeros_like(a), a), xp.where(
        far, xp.full_like(a[..., :1, :1], float("nan")), 0 * a[..., :1, :1]
    )


def largest_sum(xp, a):
    """Return the largest sum of sizes of a column."""
    return xp.max(xp.sum(xp.abs(a), axis=-2, keepdims=True), axis=-1, keepdims=True)


def reflectors(xp, x):
    """Return (v, tau) of I - tau v v^T for each column: ones on the diagonal, what is below it below."""
    m, n = x.shape[-2:]
    v = xp.tril(x, k=-1) + xp.eye(m, n, dtype=x.dtype, device=device(x))
    v = v / xp.max(xp.abs(v), axis=-2, keepdims=True)  # its length is free, and no square overflows
    return [(v[..., j : j + 1], 2 / xp.sum(v[..., j : j + 1] ** 2, axis=-2, keepdims=True)) for j in range(n)]


def reflected(xp, v, tau, y):
    return y - tau * v * xp.sum(v * y, axis=-2, keepdims=True)


def columns(xp, x, kind):
    """Return orthonormal columns of the shape of tall matrices."""
    if kind == "householder":
        return reflections(xp, x)
    a = skew(xp, x)
    return (exponential(xp, a) if kind == "exp" else cayley(xp, a))[..., : x.shape[-1]]


def reflections(xp, x):
    """Return the first columns of the product of all reflections."""
    y = xp.zeros_like(x) + xp.eye(*x.shape[-2:], dtype=x.dtype, device=device(x))
    for v, tau in reversed(reflectors(xp, x)):
        y = reflected(xp, v, tau, y)
    return y


@operator(
    paper=("zhou2022bt2", "ricci2024backward", "lin2024matryoshkakv"),
    cases=[
        case("turn", normal(4, 4)),
        case("reflections", normal(6, 3), kind="householder"),
        case("cayley", normal(5, 5), kind="cayley"),
        case("large", normal(2, 3, 3, std=4.0)),
        case("tall", normal(5, 2), kind="cayley"),
        case("wide", normal(2, 2, 4)),
        case("wide reflections", normal(3, 4), kind="householder"),
        case("no matrices", normal(0, 3, 3)),
    ],
    bench=case("turn", normal(4, 64, 64)),
    rows=of_rows,
)
def orthogonal_parametrization(x, /, *, kind="exp"):
    r"""Make a matrix with orthonormal columns, or rows, of one that is free.

    .. math:: A = L - L^\top, \qquad Q = e^A \quad\text{or}\quad \Bigl( I - \frac{A}{2} \Bigr)^{-1}
        \Bigl( I + \frac{A}{2} \Bigr) \quad\text{or}\quad \prod_j \Bigl( I - \frac{2}{v_j^\top v_j} v_j v_j^\top \Bigr)

    for the part L of x below the diagonal, and for :math:`v_j = e_j + L_j`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        The free matrix, of shape (..., m, n). What is on and above its diagonal is not looked at; of a wide one, m < n,
        what is on and below it.
    kind : str
        "exp", "cayley" or "householder": the exponential, Cayley's map, the product of reflections in the order of
        columns.

    Returns
    -------
    array
        The shape, dtype, library and device of `x`: the first n columns of a square matrix; of a wide one the
        transposed of what the transposed has. The determinant of a square one is 1, with "householder"
        :math:`(-1)^n`. A NaN or an infinity makes its whole matrix NaN, and so does a column of A whose sizes sum to
        more than 6e4 with "exp", or with "cayley" to so much that I does not count beside it.

    Raises
    ------
    TypeError
        `x` does not hold floating numbers.
    ValueError
        `x` has not two axes or an empty one, or `kind` is another word.

    Notes
    -----
    The papers' Cayley maps differ in sign and factor; this is that of their codes and of torch, whose
    ``parametrizations.orthogonal(..., use_trivialization=False)`` gives the same matrices: for "householder" times the
    signs it keeps on the diagonal.

    References
    ----------
    Zhou et al., BT^2: Backward-compatible Training with Basis Transformation, 2022; Ricci et al., Backward-Compatible
    Aligned Representations via an Orthogonal Transformation Layer, 2024; Lin et al., MatryoshkaKV: Adaptive KV
    Compression via Trainable Orthogonal Projection, 2024 (none read again: as catalogued from the codes of all;
    confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> refnorm.proj.orthogonal_parametrization(np.array([[0.0, 9.0], [np.pi / 2, 9.0]])).round(4) + 0
    array([[ 0., -1.],
           [ 1.,  0.]])
    """
    xp, x = prepare(x)
    require_kind(x, kind)
    (wide,) = widen(xp, x)
    bad = xp.any(~xp.isfinite(wide), axis=(-2, -1), keepdims=True)
    wide = xp.where(bad, xp.zeros_like(wide), wide)
    if x.shape[-2] < x.shape[-1]:
        y = xp.matrix_transpose(columns(xp, xp.matrix_transpose(wide), kind))
    else:
        y = columns(xp, wide, kind)
    return give_back(xp, xp.where(bad, xp.full_like(y, float("nan")), y), x)


@gradient(orthogonal_parametrization)
def orthogonal_parametrization_vjp(cotangent, x, /, *, kind="exp"):
    r"""Return the cotangent of `x` for a cotangent of ``orthogonal_parametrization(x)``.

    .. math:: \bar x = \mathrm{tril}_{-1} (\bar A - \bar A^\top), \qquad
        \begin{pmatrix} e^{-A} & \bar A \\ 0 & e^{-A} \end{pmatrix} = \exp \begin{pmatrix} -A & \bar Q \\ 0 & -A
        \end{pmatrix} \quad\text{or}\quad
        \bar A = \frac{1}{2} \Bigl( I + \frac{A}{2} \Bigr)^{-1} \bar Q \, (I + Q)^\top

    and for reflections the same for each, one after the other.

    Parameters
    ----------
    cotangent : array
        The cotangent of the answer, of the shape of `x`.
    x, kind
        As in :func:`orthogonal_parametrization`.

    Returns
    -------
    array
        The cotangent of `x`: zeros where it is not looked at.

    Raises
    ------
    TypeError, ValueError
        As in :func:`orthogonal_parametrization`; also where `cotangent` has not the shape of `x`.

    References
    ----------
    The derivative of the maps used by Zhou et al., 2022, Ricci et al., 2024, and Lin et al., 2024; the block
    exponential is Van Loan's.

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> g = np.array([[0.0, 0.0], [1.0, 0.0]])
    >>> refnorm.proj.orthogonal_parametrization_vjp(g, np.zeros((2, 2)), kind="cayley")
    array([[0., 0.],
           [1., 0.]])
    """
    xp, x, g = prepare(x, cotangent, need=2)
    require_kind(x, kind)
    require_same_shape("cotangent", g, x)
    wide, g = widen(xp, x, g)
    bad = xp.any(~xp.isfinite(wide) | ~xp.isfinite(g), axis=(-2, -1), keepdims=True)
    wide, g = (xp.where(bad, xp.zeros_like(a), a) for a in (wide, g))
    pull = from_reflections if kind == "householder" else from_skew
    if x.shape[-2] < x.shape[-1]:
        dx = xp.matrix_transpose(pull(xp, xp.matrix_transpose(g), xp.matrix_transpose(wide), kind))
    else:
        dx = pull(xp, g, wide, kind)
    return give_back(xp, xp.where(bad, xp.full_like(dx, float("nan")), dx), x)


def from_skew(xp, g, x, kind):
    """Return the cotangent of tall x through the skew matrix that is made of it."""
    m, n = x.shape[-2:]
    a = skew(xp, x)
    g = xp.concat([g, xp.zeros_like(a[..., n:])], axis=-1)
    if kind == "cayley":
        a, far = tamed(xp, a)
        one = identity(xp, a)
        da = xp.matmul(xp.linalg.solve(one + a / 2, g), xp.matrix_transpose(one + cayley(xp, a))) / 2 + far
    else:
        size = xp.max(xp.abs(g), axis=(-2, -1), keepdims=True)
        size = xp.where(size > 0, size, xp.ones_like(size))
        above = xp.concat([-a, g / size], axis=-1)
        block = xp.concat([above, xp.concat([xp.zeros_like(a), -a], axis=-1)], axis=-2)
        da = size * exponential(xp, block)[..., :m, m:]
    return xp.tril(da - xp.matrix_transpose(da), k=-1)[..., :n]


def from_reflections(xp, g, x, _):
    """Return the cotangent of tall x through the reflections, the last one first taken off the answer."""
    y, parts = reflections(xp, x), []
    for j, (v, tau) in enumerate(reflectors(xp, x)):
        y = reflected(xp, v, tau, y)
        into = xp.matmul(g, xp.matmul(xp.matrix_transpose(y), v)) + xp.matmul(y, xp.matmul(xp.matrix_transpose(g), v))
        dv = tau * (tau * v * xp.sum(v * into, axis=-2, keepdims=True) / 2 - into)
        parts.append(dv * v[..., j : j + 1, :])  # of a vector that is 1 at j
        g = reflected(xp, v, tau, g)
    return xp.tril(xp.concat(parts, axis=-1), k=-1)


# ---- laws ----


@law(orthogonal_parametrization, normal(5, 3))
def columns_are_orthonormal(f, x):
    q = f(x, kind="cayley")
    return q.T @ q, np.eye(3, dtype=x.dtype)


@law(orthogonal_parametrization, normal(4, 4))
def turns_of_opposite_parameters_are_inverse(f, x):
    return f(-x), f(x).T


@law(orthogonal_parametrization, normal(4, 4))
def half_the_parameters_turn_half_as_far(f, x):
    half = f(0.5 * x)
    return f(x), half @ half
