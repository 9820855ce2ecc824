"""How classes as subspaces are got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.grassmann import grassmann_exp, grassmann_logits, grassmann_retract, principal_angles
from ..matrices import finite, svd

conventions(grassmann_logits, "code", "unit rows, gamma 25, no bias; storage (K m, d)", scale=25.0, eps=1e-12)
conventions(principal_angles, "scipy", "linalg.subspace_angles, of columns")
conventions(grassmann_exp, "code", "moments are not carried along; rows made orthonormal every fifth step", step=1.0)
conventions(grassmann_retract, "paper", "pymanopt takes the polar factor", step=1.0)
decomposition(principal_angles)
decomposition(grassmann_exp)
decomposition(grassmann_retract)


def lengths(x, root=np.sqrt):
    return root(np.sum(x * x, axis=-1, keepdims=True))


def logits(x, basis, bias, scale, normalize, eps, size=lengths):
    x, s = x.astype(np.float64), basis.astype(np.float64)
    divisor = np.maximum(lengths(x), eps) if normalize else 1.0
    y = scale * size(np.einsum("...d,kmd->...km", x / divisor, s))[..., 0]
    return y if bias is None else y + bias


@mistake(grassmann_logits, "squared lengths", kind="statistic")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, normalize, eps, size=lambda c: np.sum(c * c, axis=-1, keepdims=True))


@mistake(grassmann_logits, "coordinates added up", kind="statistic")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, normalize, eps, size=lambda c: np.sum(c, axis=-1, keepdims=True))


@mistake(grassmann_logits, "rows as they are", kind="denominator")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, False, eps)


@mistake(grassmann_logits, "always unit rows", kind="place of a parameter")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, bias, scale, True, eps)


@mistake(grassmann_logits, "bias under the scale", kind="order of the affine part")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x, basis, None if bias is None else scale * bias, scale, normalize, eps)


@mistake(grassmann_logits, "eps added to the length", kind="place of eps")
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    return logits(x / (lengths(x) + eps) if normalize else x, basis, bias, scale, False, eps)


@honest(grassmann_logits, "NumPy", baseline=True)
def _(x, basis, bias=None, /, *, scale=25.0, normalize=True, eps=1e-12):
    wide, s = x.astype(np.float64), basis.astype(np.float64)
    y = lengths(np.einsum("...d,kmd->...km", wide, s))[..., 0]
    y = scale * (y / np.maximum(lengths(wide), eps) if normalize else y)
    return (y if bias is None else y + bias).astype(x.dtype)


def spanned(x):
    """Return orthonormal columns that span rows, in the type of x or float32; NaN where one is not finite."""
    x, good = finite(x)
    size = np.max(np.abs(x), axis=(-2, -1), keepdims=True)
    q, r = np.linalg.qr((x / np.where(size == 0, 1, size)).mT)
    turn = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1, 1).astype(q.dtype)
    return np.where(good, q * turn[..., None, :], q.dtype.type(np.nan))


def angles(a, b, spans=spanned, order=-1, by_cosine=False):
    p, q = spans(a), spans(b)
    p, q = (q, p) if p.shape[-1] < q.shape[-1] else (p, q)
    inside = p.mT @ q
    cosines, sines = svd(inside)[1][..., ::-1], svd(q - p @ inside)[1]
    y = np.arccos(np.clip(cosines, -1, 1)) if by_cosine else np.arctan2(sines, cosines)
    return y[..., ::-order]


@mistake(principal_angles, "the arccosine alone: small angles are lost", kind="stability")
def _(a, b, /):
    return angles(a, b, by_cosine=True)


@mistake(principal_angles, "smallest first", kind="order")
def _(a, b, /):
    return angles(a, b, order=1)


@mistake(principal_angles, "rows taken as orthonormal", kind="denominator")
def _(a, b, /):
    return angles(a, b, spans=lambda x: x.mT, by_cosine=True)


@mistake(principal_angles, "rows of unit length, not orthonormal", kind="denominator")
def _(a, b, /):
    return angles(a, b, spans=lambda x: (x / lengths(x)).mT, by_cosine=True)


@mistake(principal_angles, "cosines for angles", kind="statistic")
def _(a, b, /):
    return np.cos(angles(a, b))


@mistake(principal_angles, "degrees", kind="units")
def _(a, b, /):
    return np.degrees(angles(a, b))


@honest(principal_angles, "NumPy", baseline=True)
def _(a, b, /):
    return angles(a, b).astype(a.dtype)


def moved(s, h, step, back=True, swap=False, bend=np.sin):
    u, size, vt = svd(h)
    s, good = finite(s)
    s = np.where(good, s, np.nan).astype(u.dtype)
    u = np.where(good, u, np.nan).astype(u.dtype)
    angle = u.dtype.type(step) * size[..., None]
    first, second = (np.sin, np.cos) if swap else (np.cos, bend)
    y = first(angle) * (u.mT @ s) + second(angle) * vt
    return u @ y if back else y


@mistake(grassmann_exp, "not turned back", kind="axis")
def _(basis, direction, /, *, step=1.0):
    return moved(basis, direction, step, back=False)


@mistake(grassmann_exp, "sine and cosine changed about", kind="statistic")
def _(basis, direction, /, *, step=1.0):
    return moved(basis, direction, step, swap=True)


@mistake(grassmann_exp, "straight on, not along the geodesic", kind="statistic")
def _(basis, direction, /, *, step=1.0):
    return basis + step * direction


@mistake(grassmann_exp, "angles for sines", kind="statistic")
def _(basis, direction, /, *, step=1.0):
    return moved(basis, direction, step, bend=lambda t: t)


@mistake(grassmann_exp, "step of 1 whatever is asked", kind="place of a parameter")
def _(basis, direction, /, *, step=1.0):
    return moved(basis, direction, 1.0)


@mistake(grassmann_exp, "against the direction", kind="sign")
def _(basis, direction, /, *, step=1.0):
    return moved(basis, direction, -step)


@honest(grassmann_exp, "NumPy", baseline=True)
def _(basis, direction, /, *, step=1.0):
    return moved(basis, direction, step).astype(basis.dtype)


@mistake(grassmann_retract, "rows of unit length alone", kind="denominator")
def _(basis, direction, /, *, step=1.0):
    y = basis + step * direction
    return y / lengths(y)


@mistake(grassmann_retract, "not made orthonormal", kind="denominator")
def _(basis, direction, /, *, step=1.0):
    return basis + step * direction


@mistake(grassmann_retract, "the polar factor", kind="set")
def _(basis, direction, /, *, step=1.0):
    u, _, vt = svd(basis + step * direction)
    return u @ vt


@mistake(grassmann_retract, "signs as LAPACK gives them", kind="sign")
def _(basis, direction, /, *, step=1.0):
    return np.linalg.qr(finite(basis + step * direction)[0].mT)[0].mT


@mistake(grassmann_retract, "against the direction", kind="sign")
def _(basis, direction, /, *, step=1.0):
    return spanned(basis - step * direction).mT


@mistake(grassmann_retract, "step of 1 whatever is asked", kind="place of a parameter")
def _(basis, direction, /, *, step=1.0):
    return spanned(basis + direction).mT


@honest(grassmann_retract, "NumPy", baseline=True)
def _(basis, direction, /, *, step=1.0):
    with np.errstate(all="ignore"):
        narrow = np.promote_types(basis.dtype, np.float32).type
        return spanned(basis.astype(narrow) + narrow(step) * direction.astype(narrow)).mT.astype(basis.dtype)
