"""How numbers are got wrong as distributions on a support."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...prob.binning import categorical_project, hl_gauss_project, two_hot_project

conventions(two_hot_project, "paper", "as catalogued: atoms on both ends", low=-10.0, high=10.0, count=51)
conventions(categorical_project, "c51", "dopamine's Rainbow, as catalogued", low=-10.0, high=10.0, count=51)
conventions(hl_gauss_project, "paper", "its listing, as catalogued", std=0.75)


def hats(x, low, high, count, *, clip=True, bins=None, swap=False, whole=False, more=0.0):
    of = x.dtype.type
    step = (high - low) / ((count - 1) if bins is None else bins)
    start = low if bins is None else low + step / 2
    place = np.arange(count).astype(x.dtype)
    y = (np.clip(x, of(low), of(high)) if clip else x)[..., None]
    near = np.minimum(y - (of(start) + (place - 1) * of(step)), (of(start) + (place + 1) * of(step)) - y)
    p = np.maximum(near, 0 * near) / of(step + more)
    p = np.where(p > 0, of(1) - p, p) if swap else p
    return np.where(np.isnan(p), p, np.round(p)) if whole else p


def wrong(name, kind, **how):
    mistake(two_hot_project, name, kind=kind)(lambda x, /, *, low, high, count: hats(x, low, high, count, **how))

    @mistake(categorical_project, name, kind=kind)
    def _(x, atoms, /, *, low, high, count):
        return np.sum(x[..., None] * hats(atoms, low, high, count, **how), axis=-2)


wrong("not clipped", "edges", clip=False)
wrong("shares exchanged", "order", swap=True)
wrong("all to the nearest", "statistic", whole=True)
wrong("1e-2 beside the step", "place of a parameter", more=1e-2)


@mistake(two_hot_project, "steps of a range of n", kind="denominator")
def _(x, /, *, low, high, count):
    return hats(x, low, high, count, bins=count)


@mistake(categorical_project, "steps of a range of n", kind="denominator")
def _(x, atoms, /, *, low, high, count):
    return np.sum(x[..., None] * hats(atoms, low, high, count, bins=count), axis=-2)


honest(two_hot_project, "NumPy")(lambda x, /, *, low, high, count: hats(x, low, high, count))


@honest(categorical_project, "NumPy")
def _(x, atoms, /, *, low, high, count):
    return np.sum(x[..., None] * hats(atoms, low, high, count), axis=-2)


def gauss(x, low, high, count, std, *, centred=False, clipped=False, whole=None, root=2.0, density=False):
    """Take squares in long double, tails of SciPy times what is left of them at the end of the range."""
    from scipy.special import erf, erfcx

    if centred:  # n atoms from low to high, each in the middle of its bin
        step = (high - low) / (count - 1)
        low, high = low - step / 2, high + step / 2
    y, width = x.astype(np.longdouble), np.longdouble(high - low) / count
    reach = 0 if clipped else 800 * std * max(1, std / width)
    d = (low + np.arange(count + 1) * width - np.clip(y, low - reach, high + reach)[..., None]) / std
    if density:
        p = np.exp(-(((d[..., 1:] + d[..., :-1]) / 2) ** 2) / 2)
        return (p / p.sum(axis=-1, keepdims=True)).astype(x.dtype)
    off = np.maximum(np.maximum(d[..., :1], -d[..., -1:]), 0)
    a = (np.abs(d) / np.sqrt(np.longdouble(root))).astype("float64")
    tails = np.exp((off - np.abs(d)) * (off + np.abs(d)) / root) * erfcx(a)
    inside = (d[..., 1:] > 0) & (d[..., :-1] < 0)
    p = np.where(inside, erf(a[..., 1:]) + erf(a[..., :-1]), np.abs(tails[..., 1:] - tails[..., :-1]))
    return (p / (p.sum(axis=-1, keepdims=True) if whole is None else whole)).astype(x.dtype)


def wrong_gauss(name, kind, twin):
    @mistake(hl_gauss_project, name, kind=kind)
    def _(x, /, *, low, high, count, std):
        return twin(x, low, high, count, std)


wrong_gauss("clipped to the range", "edges", lambda *a: gauss(*a, clipped=True))
wrong_gauss("not divided by the mass inside", "denominator", lambda *a: gauss(*a, whole=2.0))
wrong_gauss("centres on both ends", "edges", lambda *a: gauss(*a, centred=True))
wrong_gauss("no root of 2 in erf", "place of a parameter", lambda *a: gauss(*a, root=1.0))
wrong_gauss("density at the centres", "statistic", lambda *a: gauss(*a, density=True))
wrong_gauss("a variance of std", "place of a parameter", lambda x, *a: gauss(x, *a[:3], a[3] ** 0.5))
wrong_gauss("always 3/4 of a bin", "option not read", lambda x, *a: gauss(x, *a[:3], 0.75 * (a[1] - a[0]) / a[2]))
honest(hl_gauss_project, "SciPy", needs="scipy", baseline=True)(
    lambda x, /, *, low, high, count, std: gauss(x, low, high, count, std)
)


# ---- mutants that no check sees ----

for reason, mutants in [
    (
        "a correction of what rounding took: what is off grows with x, and less than the condition does",
        [
            "hl_gauss_project > erfcx_pair: slope = 2 * x * y - 2 / math.sqrt(math.pi): 2 * x * y -> y",
            "hl_gauss_project > erfcx_pair: return y, of_y + slope * rest + (slope + 2 * y / below) * (of_t "
            "- of_q) * (x + HALF_LINE) ** 2 / (2 * HALF_LINE): slope * rest -> rest",
        ],
    ),
    (
        "a power of two that keeps squares from overflow, which no number of float32 reaches",
        [
            "hl_gauss_project > distances: unit = 2.0 ** -math.frexp(std)[1]  # no square overflows: 1 -> 0",
        ],
    ),
    (
        "the second part of a mass, or a choice between two formulas that agree: the gradient rounds by more itself",
        [
            "hl_gauss_project_vjp > bin_masses: sides = erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a: erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a -> erf_near_zero(xp.where(near, a, 0 * a)) - 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a",
            "hl_gauss_project_vjp > bin_masses: sides = erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a: erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a -> erf_near_zero(xp.where(near, a, 0 * a))",
            "hl_gauss_project_vjp > bin_masses: sides = erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a: 2 / math.sqrt(math.pi) -> 2 * math.sqrt(math.pi)",
            "hl_gauss_project_vjp > bin_masses: sides = erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a: 0 -> 1 (2)",
            "hl_gauss_project_vjp > bin_masses: sides = erf_near_zero(xp.where(near, a, 0 * a)) + 2 / "
            "math.sqrt(math.pi) * heights[0] * of_a: 0 -> -1 (2)",
            "hl_gauss_project_vjp > bin_masses: flat = near * h < 2: near * h -> near / h",
            "hl_gauss_project_vjp > quotient_pair: return y, ((a - back) - of_product + lost - y * more) / "
            "b: a - back - of_product + lost - y * more -> a - back - of_product + lost + y * more",
            "hl_gauss_project_vjp > quotient_pair: return y, ((a - back) - of_product + lost - y * more) / "
            "b: a - back - of_product + lost - y * more -> a - back - of_product + lost",
            "hl_gauss_project_vjp > quotient_pair: return y, ((a - back) - of_product + lost - y * more) / "
            "b: y * more -> more",
        ],
    ),
]:
    for mutant in mutants:
        survivor(hl_gauss_project, mutant, reason)
