"""How weights are moved wrongly in a random subspace."""

import numpy as np
import scipy.linalg

from ..._registry import conventions, honest, mistake
from ...proj.intrinsic import structure_aware_subspace

conventions(structure_aware_subspace, "paper", "a step for each layer")
conventions(structure_aware_subspace, "rabeehk/compacter", "a step for each tensor, and one that none uses")


def moved(x, origin, signs, permutation, gains, *, steps=lambda v: v, first=False, same=False, share=False, level=True):
    m, size = origin.shape
    n = signs.shape[1]
    v, step = (x[m:], x[:m]) if first else (x[: len(x) - m], x[len(x) - m :])
    h = scipy.linalg.hadamard(n).astype(x.dtype)
    v = np.concatenate([v, np.zeros(n - len(v), x.dtype)])
    out = []
    for i in range(m):
        k = 0 if same else i
        g = gains[k] / np.sqrt(np.mean(gains[k] ** 2)) if level else gains[k]
        u = h @ (signs[k] * v) / x.dtype.type(n**0.5)
        u = (h @ (g * u[permutation[k]]))[:size] / x.dtype.type(size**0.5)
        out.append(origin[i] + (steps(step[0 if share else i]) * u).astype(x.dtype))
    return np.stack(out)


def wrong(name, kind, **how):
    mistake(structure_aware_subspace, name, kind=kind)(lambda *arrays: moved(*arrays, **how))


wrong("steps of one", "option not read", steps=lambda v: 1)
wrong("the step of the first for all", "set", share=True)
wrong("the chain of the first for all", "set", same=True)
wrong("steps before what is shared", "order", first=True)
wrong("gains of any size", "denominator", level=False)
wrong("one and the step", "missing term", steps=lambda v: 1 + v)


@honest(structure_aware_subspace, "NumPy", baseline=True)
def _(x, origin, signs, permutation, gains, /):
    return moved(x, origin, signs, permutation, gains)
