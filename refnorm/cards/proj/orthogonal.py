"""How orthogonal matrices are made wrongly of free ones."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake, survivor
from ...proj.orthogonal import orthogonal_parametrization
from ..matrices import finite

conventions(orthogonal_parametrization, "torch", "square; use_trivialization=False", kind="exp")
conventions(orthogonal_parametrization, "MatryoshkaKV", "the exponential or Cayley of x - x^T", kind="cayley")
decomposition(orthogonal_parametrization)  # its answer is unique


def power_series(a):
    """Return the exponential by its series, of matrices halved until they are small; NaN of what is large."""
    size = np.max(np.sum(np.abs(a), axis=-2, keepdims=True), axis=-1, keepdims=True)
    far = size > 0.95 * 2.0**16
    a = np.where(far, np.nan, a)
    s = max(0, int(np.ceil(np.log2(max(float(np.max(np.where(far, 0, size), initial=0)), 1e-300)))) + 1)
    a = a / a.dtype.type(2**s)
    y = term = np.eye(a.shape[-1], dtype=a.dtype) + 0 * a
    for k in range(1, 20):
        term = term @ a / a.dtype.type(k)
        y = y + term
    for _ in range(s):
        y = y @ y
    return y


def halves(a, factor=0.5):
    """Return Cayley's map, NaN where I does not count beside a."""
    far = np.max(np.sum(np.abs(a), axis=-2, keepdims=True), axis=-1, keepdims=True) * np.finfo(a.dtype).eps > 0.125
    one, a = np.eye(a.shape[-1], dtype=a.dtype), np.where(far, 0, a)
    return np.where(far, np.nan, np.linalg.solve(one - a.dtype.type(factor) * a, one + a.dtype.type(factor) * a))


def product(x, order=reversed, twice=2):
    m, n = x.shape[-2:]
    v = np.tril(x, -1) + np.eye(m, n, dtype=x.dtype)
    v = v / np.max(np.abs(v), axis=-2, keepdims=True)
    y = np.eye(m, n, dtype=x.dtype) + 0 * x
    for j in order(range(n)):
        u = v[..., j : j + 1]
        tau = x.dtype.type(twice) / np.sum(u * u, axis=-2, keepdims=True)
        y = y - tau * u * np.sum(u * y, axis=-2, keepdims=True)
    return y


def made(x, kind, *, part=lambda x: np.tril(x, -1), sign=1, cay=halves, exp=power_series, reflect=product):
    given = x.dtype
    x, good = finite(x.astype(np.promote_types(given, np.float32)))
    wide = x.shape[-2] < x.shape[-1]
    x = x.mT if wide else x
    if kind == "householder":
        y = reflect(x)
    else:
        m, n = x.shape[-2:]
        low = part(np.concatenate([x, np.zeros((*x.shape[:-1], m - n), x.dtype)], axis=-1))
        a = sign * (low - low.mT)
        y = (exp if kind == "exp" else cay)(a)[..., :n]
    return np.where(good, y.mT if wide else y, np.nan).astype(given)


def wrong(name, kind, twin):
    mistake(orthogonal_parametrization, name, kind=kind)(lambda x, /, *, kind="exp": twin(x, kind))


wrong("the inverse turn", "sign", lambda x, k: made(x, k, sign=-1))
wrong("the part above the diagonal", "set", lambda x, k: made(x, k, part=lambda a: np.triu(a, 1)))
wrong("Cayley of the whole of A", "factor", lambda x, k: made(x, k, cay=lambda a: halves(a, 1.0)))
wrong("always the exponential", "option not read", lambda x, k: made(x, "exp" if k == "cayley" else k))
wrong("always reflections", "option not read", lambda x, k: made(x, "householder"))
wrong("the first two terms", "statistic", lambda x, k: made(x, k, exp=lambda a: np.eye(a.shape[-1]) + a + a @ a / 2))
wrong("reflections in the other order", "order", lambda x, k: made(x, k, reflect=lambda a: product(a, order=iter)))
wrong("projections in place of reflections", "factor", lambda x, k: made(x, k, reflect=lambda a: product(a, twice=1)))


@honest(orthogonal_parametrization, "NumPy", baseline=True)
def _(x, /, *, kind="exp"):
    return made(x, kind)


# ---- mutants that no check sees ----

LARGER = "xp.where(norm > NORM, norm, xp.full_like(norm, NORM))"
for gradient in ("", "_vjp"):
    for change in (f"{LARGER} * NORM", LARGER):
        survivor(
            orthogonal_parametrization,
            f"orthogonal_parametrization{gradient} > exponential: "
            f"halvings = xp.ceil(xp.log2({LARGER} / NORM)): {LARGER} / NORM -> {change}",
            "halved once less or once more: the approximant has digits to spare",
        )
