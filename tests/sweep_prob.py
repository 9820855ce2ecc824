"""What the probability wing promises, at every scale and length: ``python tests/sweep_prob.py [--quick]``.

1. The exponentials of the kernels for every float32 from -746 to -2^-30, against NumPy's of float64 (below 1 ulp
   itself) and, every 4096th of them, against long double.
2. softmax, log_softmax, log_sum_exp, entmax and sparsemax of float32 rows from 1 to 10^6 numbers, scaled by 1e-3 to
   1e4, against long double: the largest error in units of the last place. For the gradient of softmax, whose terms
   cancel, what the exponentials of these terms may be off counts beside the unit of what is left.

A bound that does not hold is said and makes the exit status 1.
"""

from __future__ import annotations

import sys

import numpy as np
from oracles.prob import exponential, sparse
from rich.progress import track

from refnorm import prob
from refnorm.prob.exponential import kernels

WIDE = np.longdouble
SCALES = [10.0**e for e in range(-3, 5)]
LENGTHS = (1, 2, 3, 7, 10, 33, 100, 1000, 10**4, 10**5, 10**6)
COARSE, FINE = 1.7e-14, 0.7  # relative and beside half an ulp of the argument's product, ulp: as _ext/vec.h says
BOUNDS = {"softmax": 0.55, "log_softmax": 0.55, "log_sum_exp": 0.55, "entmax": 1.0, "sparsemax": 1.0}


def negative_floats(step: int):
    """Yield float32 from -746 to -2^-30, every `step`-th, in double."""
    first, last = (int(np.float32(v).view(np.uint32)) for v in (2.0**-30, 746.0))
    block = step << 22
    for start in range(first, last, block):
        bits = np.arange(start, min(start + block, last), step, dtype=np.uint32)
        yield -bits.view(np.float32).astype(np.float64)


def exponential_errors(step: int) -> tuple[float, float, float]:
    """Return the largest relative error of vexp where the answer is no denormal, over what it may be, and the errors
    of vexp_fine in ulp: against NumPy for all, against long double for some."""
    worst = [0.0, 0.0, 0.0]
    blocks = list(negative_floats(step)) if step > 64 else negative_floats(step)
    for x in track(blocks, "exponentials", total=1 + (0x443A8000 - 0x30800000) // (step << 22)):
        y, fine = np.empty_like(x), np.empty_like(x)
        kernels.exp(0, len(x), x, False, y)
        kernels.exp(0, len(x), x, True, fine)
        wanted = np.exp(x)
        usual = x > -708
        off = np.abs(y[usual] / wanted[usual] - 1) / (COARSE - 2e-16 * x[usual])
        worst[0] = max(worst[0], np.max(off, initial=0))
        worst[1] = max(worst[1], np.max(np.abs(fine - wanted) / np.spacing(wanted)))
        exact = np.exp(x[:: max(1, 4096 // step)].astype(WIDE))
        off = np.abs(fine[:: max(1, 4096 // step)] - exact) / np.spacing(exact.astype(np.float64))
        worst[2] = max(worst[2], float(np.max(off)))
    return tuple(worst)


def ulps(y, exact) -> float:
    y, exact = np.asarray(y), np.asarray(exact)
    return float(np.max(np.abs(y - exact) / np.spacing(np.abs(exact).astype(np.float32)).astype(WIDE)))


def errors(x) -> dict[str, float]:
    """Return the error of each operator on rows x of float32."""
    wide = x.astype(WIDE)
    found = {name: ulps(getattr(prob, name)(x), getattr(exponential, name)(wide)) for name in list(BOUNDS)[:3]}
    y = prob.softmax(x)
    n = x.shape[-1]
    if (y < 0).any() or np.any(np.abs(y.astype(WIDE).sum(axis=-1) - 1) > n * 2.0**-24):
        found["softmax"] = np.inf  # negative, or sums further off than n units
    if n <= 10**5:
        for name, alpha in (("entmax", 1.5), ("sparsemax", 2.0)):
            exact = sparse.entmax(wide, alpha=alpha)
            shared = (exact > 0) & (exact > 1e-4 / n)  # outside ties of the support
            found[name] = ulps(np.where(shared, prob.entmax(x, alpha=alpha), 0), np.where(shared, exact, 0))
    return found


def gradient_error(x, g) -> float:
    """Return the error of the gradient of softmax in units of the last place and of its terms' own bound."""
    y = exponential.softmax(x.astype(WIDE))
    terms = g.astype(WIDE) * y
    exact = terms - y * terms.sum(axis=-1, keepdims=True)
    sizes = np.abs(terms) + y * np.abs(terms).sum(axis=-1, keepdims=True)
    unit = np.spacing(np.abs(exact).astype(np.float32)) + COARSE * sizes
    return float(np.max(np.abs(prob.softmax_vjp(g, x) - exact) / unit))


def main(*arguments: str) -> int:
    quick = "--quick" in arguments
    coarse, near, fine = exponential_errors(40009 if quick else 1) if kernels else (0, 0, 0)
    print(f"exp: {coarse:.3f} of its bound; fine: {near:.3f} ulp from NumPy's, {fine:.3f} ulp from long double")
    failed = coarse > 1 or fine > FINE or near > FINE + 1
    rng = np.random.default_rng(0)
    for n in track(LENGTHS[:-3] if quick else LENGTHS, "rows"):
        worst = dict.fromkeys([*BOUNDS, "softmax_vjp"], 0.0)
        for scale in SCALES:
            x = (scale * rng.normal(size=(max(1, min(16 if quick else 64, 10**5 // n)), n))).astype(np.float32)
            found = errors(x)
            found["softmax_vjp"] = gradient_error(x, rng.normal(size=x.shape).astype(np.float32))
            worst = {name: max(worst[name], found.get(name, 0.0)) for name in worst}
        print(f"rows of {n}: " + ", ".join(f"{name} {off:.3f}" for name, off in worst.items()))
        failed |= any(worst[name] > bound for name, bound in {**BOUNDS, "softmax_vjp": 0.55}.items())
    print("a bound does not hold" if failed else "all bounds hold")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
