"""W / sigma(W): a weight over its largest singular value, found by a power iteration whose state is handed along."""

from __future__ import annotations

from .._cases import case, normal
from .._core.channels import as_rows, moved
from .._core.norms import length
from .._core.products import inner
from .._core.sums import total
from .._registry import law, operator
from .._xp import check_out, give_back, prepare, require_along, require_shape, roomy, widen
from .weight import kept_axis


def bounded_unit(xp, x, eps, *, roomy):
    """Return x / max(||x||, eps) along the last axis."""
    norm = length(xp, x, roomy=roomy)
    return x / xp.where(norm < eps, xp.full_like(norm, eps), norm)


@operator(
    paper="miyato2018spectral",
    cases=[
        case("matrix", normal(4, 7), normal(4), eps=0.0),
        case("filters", normal(5, 3, 2), normal(5), eps=0.0),
        case("loud eps", normal(4, 7), normal(4), eps=20.0),
        case("transposed convolution", normal(3, 5, 2), normal(5), axis=1),
        case("channels last", normal(3, 2, 6), normal(6), axis=-1),
        case("small", normal(3, 8, std=1e-3), normal(3), eps=2e-3),
        case("offset", normal(3, 33, mean=30.0), normal(3)),
        case("vector", normal(6), normal(6), eps=0.5),
        case("long", normal(2, 1030), normal(2)),
    ],
    bench=case("matrix", normal(1024, 1024), normal(1024)),
    rows=lambda x, rng: ([x, rng.normal(size=len(x))], {"eps": 0.0}),
)
def spectral_norm_step(x, u, /, *, axis=0, eps=1e-12, out=None):
    r"""Take one step of the power iteration for the largest singular value of the weight `x`, and divide `x` by it.

    .. math:: v = \frac{W^T u}{\max(\|W^T u\|_2, \epsilon)}, \qquad u' = \frac{W v}{\max(\|W v\|_2, \epsilon)}, \qquad
        \sigma = u'^T W v, \qquad y = \frac{x}{\sigma}

    where the rows of the matrix W are the slices of x along `axis`.

    Parameters
    ----------
    x : array of float16, bfloat16, float32 or float64
        A weight of any shape.
    u : array
        The state, of shape (n,) for an `axis` of size n: what the last step gave back, at first drawn at random. Its
        length does not matter while eps has no say.
    axis : int
        The axis that is *kept*, whose entries are the rows of W: 0, but 1 for the weights of transposed convolutions.
    eps : float
        The smallest length that is divided by.
    out : array, optional
        Where to write the answer (NumPy and CuPy): the shape and dtype of `x`; `x` itself is allowed.

    Returns
    -------
    tuple
        ``(y, u)``: the weight over sigma, of the shape, dtype, library and device of `x`, and the new state, in the
        dtype of `u`. A weight of zeros gives NaN, as in torch. A NaN or an infinity makes everything NaN.

    Raises
    ------
    TypeError
        An array does not hold floating numbers, the arrays are of two libraries, or `axis` is not one int.
    ValueError
        `u` has not the shape of `axis`, `x` is empty, `axis` does not exist, `eps` is negative, or `out` overlaps.

    Notes
    -----
    sigma is never above the largest singular value, and reaches it as steps repeat. It is one training step of
    torch.nn.utils.spectral_norm with n_power_iterations=1; for more, hand the state on. torch holds u and v fast in
    the gradient, and in evaluation takes the stored u and v without a step. Its newer parametrization takes u from the
    stored v first, and sigma is half a step ahead: of a matrix, the step with `axis` 1 and v for the state. See
    ``refnorm conventions spectral_norm_step``.

    References
    ----------
    Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, algorithm 1 (not read again: the
    formula is confirmed against torch).

    Examples
    --------
    >>> import numpy as np, refnorm
    >>> w, u = np.array([[4.0, 0.0], [0.0, 2.0]]), np.array([1.0, 1.0])
    >>> y, u = refnorm.norm.spectral_norm_step(w, u)
    >>> u.round(3)  # turns to the first axis, by the square of the ratio of the singular values
    array([0.97 , 0.243])
    >>> for _ in range(20):
    ...     y, u = refnorm.norm.spectral_norm_step(w, u)
    >>> y
    array([[1. , 0. ],
           [0. , 0.5]])
    """
    xp, x, u = prepare(x, u, need=2)
    kept = kept_axis(x, None, axis, eps)
    if kept is None:
        raise TypeError("axis must be one int, the axis that is kept, got None")
    require_along(x, kept)
    require_shape("u", u, (x.shape[kept],))
    check_out(out, x, u)
    (planes,) = moved(xp, kept, 0, x)
    wide, state = widen(xp, planes, u)
    (w,) = as_rows(xp, wide)
    spare = roomy(x, w)
    v = bounded_unit(xp, inner(xp, state[None, :], xp.matrix_transpose(w), roomy=spare), eps, roomy=spare)
    image = inner(xp, v, w, roomy=spare)
    state = bounded_unit(xp, image, eps, roomy=spare)
    y = xp.reshape(w / total(xp, state * image, roomy=spare), planes.shape)
    return give_back(xp, *moved(xp, 0, kept, y), x, out=out), give_back(xp, state[0, :], u)


@law(spectral_norm_step, normal(4, 7), normal(4))
def scale_free(f, x, u):
    return f(8 * x, u, eps=0.0)[0], f(x, u, eps=0.0)[0]


@law(spectral_norm_step, normal(4, 7), normal(4))
def the_state_is_a_direction(f, x, u):
    return f(x, 4 * u, eps=0.0)[1], f(x, u, eps=0.0)[1]


@law(spectral_norm_step, normal(4, 7), normal(4))
def the_new_state_has_length_one(f, x, u):
    return (f(x, u)[1] ** 2).sum(), 1 + 0 * u[0]


@law(spectral_norm_step, normal(4), normal(5), normal(4))
def a_matrix_of_rank_one_is_done_in_a_step(f, a, b, u):
    y = f(a[:, None] * b, u)[0]
    return y * ((a * a).sum() * (b * b).sum()) ** 0.5, a[:, None] * b


@law(spectral_norm_step, normal(3, 4, 5), normal(4))
def a_kept_axis_is_one_like_another(f, x, u):
    return f(x, u, axis=1, eps=0.5)[0], f(x.transpose(1, 0, 2), u, eps=0.5)[0].transpose(1, 0, 2)
