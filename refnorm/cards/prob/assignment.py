"""How soft assignments and their target are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.assignment import dec_target_distribution, student_t_assignment

conventions(student_t_assignment, "code", "PAMC, as catalogued", nu=1.0)
conventions(dec_target_distribution, "code", "PAMC, as catalogued")


def assigned(x, center, nu, power=None, square=True, over=True):
    of = x.dtype.type
    d = x[..., None, :] - center
    scale = np.max(np.abs(d), axis=(-2, -1), keepdims=True, initial=0)
    scale = np.where(scale < np.finfo(x.dtype).max ** 0.25, of(1), scale)
    far = np.sum((d / scale) ** 2, axis=-1)
    far = far if square else np.sqrt(far)
    scale = scale[..., 0]
    w = 1 / scale / scale + (far / of(nu) if over else far)
    q = (w / np.min(w, axis=-1, keepdims=True)) ** of(-(nu + 1) / 2 if power is None else power)
    return q / np.sum(q, axis=-1, keepdims=True)


def wrong(name, kind, twin):
    mistake(student_t_assignment, name, kind=kind)(lambda x, center, /, *, nu=1.0: twin(x, center, nu))


def gaussian(x, center, nu):
    d = np.sum((x[..., None, :] - center) ** 2, axis=-1)
    q = np.exp((np.min(d, axis=-1, keepdims=True) - d) / 2)
    return q / np.sum(q, axis=-1, keepdims=True)


wrong("half of the power left out", "exponent", lambda x, c, nu: assigned(x, c, nu, -(nu + 1)))
wrong("power nu / 2", "exponent", lambda x, c, nu: assigned(x, c, nu, -nu / 2))
wrong("power +", "sign", lambda x, c, nu: assigned(x, c, nu, (nu + 1) / 2))
wrong("always nu 1", "option not read", lambda x, c, nu: assigned(x, c, 1.0))
wrong("distances not divided by nu", "place of a parameter", lambda x, c, nu: assigned(x, c, nu, over=False))
wrong("distances not squared", "statistic", lambda x, c, nu: assigned(x, c, nu, square=False))
wrong("Gaussian", "statistic", gaussian)
honest(student_t_assignment, "NumPy")(lambda x, center, /, *, nu=1.0: assigned(x, center, nu))


def sharpened(q, f=None):
    f = np.sum(q, axis=0) if f is None else f
    one, top = q.dtype.type(1), np.max(q, axis=1, keepdims=True)
    p = (q / np.where(top == 0, one, top)) * (q / np.where(f == 0, one, f))
    return p / np.sum(p, axis=1, keepdims=True)


mistake(dec_target_distribution, "sizes left out", kind="statistic")(lambda x, /: sharpened(x, np.ones_like(x[:1])))
mistake(dec_target_distribution, "not squared", kind="exponent")(lambda x, /: normalized(x / np.sum(x, axis=0)))
mistake(dec_target_distribution, "times the sizes", kind="reciprocal")(lambda x, /: normalized(x * x * x.sum(axis=0)))
mistake(dec_target_distribution, "rows in place of clusters", kind="axis")(
    lambda x, /: sharpened(x, np.sum(x, axis=1, keepdims=True))
)
mistake(dec_target_distribution, "not normalized", kind="denominator")(lambda x, /: x * (x / np.sum(x, axis=0)))
honest(dec_target_distribution, "NumPy")(lambda x, /: sharpened(x))


def normalized(p):
    return p / np.sum(p, axis=1, keepdims=True)
