"""How scalings by rows and columns are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...prob.scaling import sinkhorn, sinkhorn_assignment

conventions(sinkhorn, "pot", "ot.sinkhorn of uniform sums, costs -x, reg=tau: its plan times R", tau=0.1)
conventions(sinkhorn, "supernets", "as catalogued: T is 1 / tau, until KL(m, uniform) is below 1e-4", tau=1.0)
conventions(
    sinkhorn_assignment, "swav", "vissl, swav, clip-rocket, MGCA, Franca, as catalogued", tau=0.05, iterations=3
)


def softened(z, axis):
    """Return the softmax along an axis and the logarithm of its sum."""
    m = np.max(z, axis=axis, keepdims=True)
    e = np.exp(z - m)
    total = np.sum(e, axis=axis, keepdims=True)
    return e / total, m + np.log(total)


def scaled(x, tau, iterations, *, rows=-1, columns=-2, share=True, last=True):
    """Return the plan of sinkhorn and the sums of its rows, rows and columns being axes of x."""
    k = x / x.dtype.type(tau)
    part = x.dtype.type(x.shape[columns] / x.shape[rows] if share else 1)
    g = k.dtype.type(0)
    for i in range(iterations):
        plan, f = softened(k + g, rows)
        if last or i < iterations - 1:
            plan, g = softened(k - f, columns)
            plan, g = plan * part, np.log(part) - g
    return plan, np.sum(plan, axis=rows)


def wrong(name, kind, twin):
    @mistake(sinkhorn, name, kind=kind)
    def _(x, /, *, tau=0.1, iterations=50):
        return twin(x, tau, iterations)


wrong("softmax of rows alone", "statistic", lambda x, t, n: scaled(x, t, 1, last=False))
wrong("columns first", "order", lambda x, t, n: scaled(x, t, n, rows=-2, columns=-1))
wrong("rows last", "order", lambda x, t, n: scaled(x, t, n, last=False))
wrong("times tau", "reciprocal", lambda x, t, n: scaled(x, 1 / t, n))
wrong("costs in place of scores", "sign", lambda x, t, n: scaled(-x, t, n))
wrong("columns sum to one", "denominator", lambda x, t, n: scaled(x, t, n, share=False))
wrong("always fifty iterations", "option not read", lambda x, t, n: scaled(x, t, 50))
wrong("the whole sums to one", "denominator", lambda x, t, n: (scaled(x, t, n)[0] / x.shape[-2], scaled(x, t, n)[1]))


@honest(sinkhorn, "NumPy", baseline=True)
def _(x, /, *, tau=0.1, iterations=50):
    return scaled(x, tau, iterations)


def assigned(x, tau, iterations, **how):
    plan, sums = scaled(np.swapaxes(x, -1, -2), tau, iterations, **how)
    return np.swapaxes(plan, -1, -2) * x.dtype.type(x.shape[-2] / x.shape[-1]), sums


def unmeasured(shares, sums):
    """Return what each prototype has, not in units of B / K."""
    return shares, sums * (shares.shape[-2] / shares.shape[-1])


def wrong_shares(name, kind, twin):
    @mistake(sinkhorn_assignment, name, kind=kind)
    def _(x, /, *, tau=0.05, iterations=3):
        return twin(x, tau, iterations)


wrong_shares("softmax", "statistic", lambda x, t, n: scaled(x, t, 1, last=False))
wrong_shares("samples first", "order", lambda x, t, n: scaled(x, t, n))
wrong_shares("times tau", "reciprocal", lambda x, t, n: assigned(x, 1 / t, n))
wrong_shares("always three iterations", "option not read", lambda x, t, n: assigned(x, t, 3))
wrong_shares(
    "the whole sums to one", "denominator", lambda x, t, n: (assigned(x, t, n)[0] / x.shape[-2], assigned(x, t, n)[1])
)
wrong_shares("costs in place of scores", "sign", lambda x, t, n: assigned(-x, t, n))
wrong_shares("one iteration more", "order", lambda x, t, n: assigned(x, t, n + 1))
wrong_shares("sums of prototypes as they are", "denominator", lambda x, t, n: unmeasured(*assigned(x, t, n)))


@honest(sinkhorn_assignment, "NumPy", baseline=True)
def _(x, /, *, tau=0.05, iterations=3):
    return assigned(x, tau, iterations)


# ---- mutants that no check sees ----

for mutant in (
    "sinkhorn > softened: rest = rest + xp.sum(rest_q + e / d * low, axis=-1, keepdims=True): "
    "rest + xp.sum(rest_q + e / d * low, axis=-1, keepdims=True) narrowed",
    "sinkhorn > softened: rest = ((s - divisor) + rest) / divisor: (s - divisor + rest) / divisor narrowed",
    "sinkhorn > softened: c = -rest / (1 + rest): -rest / (1 + rest) -> -rest * (1 + rest)",
    "sinkhorn > softened: c = -rest / (1 + rest): -rest / (1 + rest) -> -rest",
    "sinkhorn > softened: c = -rest / (1 + rest): -rest / (1 + rest) narrowed",
    "sinkhorn > softened: c = -rest / (1 + rest): 1 + rest -> 1 - rest",
    "sinkhorn > softened: c = -rest / (1 + rest): 1 + rest -> 1",
    "sinkhorn > softened: by = low + c + low * c: low + c + low * c -> low + c - low * c",
    "sinkhorn > softened: by = low + c + low * c: low + c + low * c -> low + c",
):
    survivor(sinkhorn, mutant, "a part in 1e8 of the answer, squared or rounded to float32: half a unit of float64")
survivor(
    sinkhorn,
    "sinkhorn > logarithms: return two_sum(xp, k, -xp.max(k, axis=-1, keepdims=True)): "
    "-xp.max(k, axis=-1, keepdims=True) -> xp.max(k, axis=-1, keepdims=True)",
    "what is taken off every row is a factor that the first scaling takes back",
)
for one in (sinkhorn, sinkhorn_assignment):
    survivor(
        one,
        f"{one.__name__} > scalings: across, pairs = (none, none + 1, none), []: 1 -> 2",
        "one factor of all columns, which the first scaling of rows takes back",
    )
