"""Special functions against mpmath, in ulp, on every library; their coefficients once more."""

import libraries
import mpmath as mp
import numpy as np
import pytest

from refnorm._core import special

NAN, INF = float("nan"), float("inf")
RNG = np.random.default_rng(0)
REAL = np.concatenate([RNG.normal(size=150) * 3, RNG.uniform(-26.5, 26.5, 100), [0.0, -0.0, 1e-300, 0.5, 1.0, -1.0]])
ABOVE = np.concatenate([np.exp(RNG.uniform(0, 12, 100)), RNG.uniform(0.01, 1, 50), [1.0, 2.0, 1e15]])


def entropy(x):
    """The entropy of a gamma distribution, in digits enough for its cancellation."""
    return x + mp.loggamma(x) + (1 - x) * mp.psi(0, x)


# function -> the same of mpmath, where, the largest error in ulp of what is at least this large (over x below 1)
FUNCTIONS = {
    "erf": (mp.erf, REAL, 2, 0),
    "erfc": (mp.erfc, REAL, 2, 0),
    "digamma_lag": (lambda x: mp.log(x) - mp.psi(0, x), ABOVE, 3, 0),
    "entropy_excess": (lambda x: entropy(x) - mp.log(2 * mp.pi * mp.e * x) / 2, ABOVE, 2, 1),
}


@pytest.mark.parametrize("library", ["numpy", "strict", "torch", "jax"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_mpmath(name, library):
    if not libraries.present(library):
        pytest.skip(f"no {library}")
    f, x, allowed, least = FUNCTIONS[name]
    lib = libraries.library(library)
    with lib.opened():
        given = lib.take(x)
        got = lib.give(getattr(special, name)(namespace(given), given))
    with mp.workdps(60):
        wanted = [f(mp.mpf(float(v))) for v in x]
        sizes = np.maximum(np.abs(np.array(wanted, float)), least / np.minimum(np.abs(x), 1) if least else 0)
        off = [float(abs(mp.mpf(float(g)) - w) / u) for g, w, u in zip(got, wanted, np.spacing(sizes), strict=True)]
    assert max(off) <= allowed, (max(off), x[np.argmax(off)])


def namespace(x):
    from array_api_compat import array_namespace

    return array_namespace(x)


def test_ends():
    ends = np.array([INF, -INF, NAN])
    assert np.array_equal(special.erf(np, ends), [1, -1, NAN], equal_nan=True)
    assert np.array_equal(special.erfc(np, ends), [0, 2, NAN], equal_nan=True)
    assert np.array_equal(special.digamma_lag(np, np.array([INF, NAN])), [0, NAN], equal_nan=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        got = special.entropy_excess(np, np.array([INF, 0.0, -1.0, NAN]))
    assert np.array_equal(got, [0, -INF, NAN, NAN], equal_nan=True)


SERIES = {
    "ERFCX": (lambda x: (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x), special.HALF_LINE, 0),
    "ENTROPY": (lambda x: entropy(x) - mp.log(2 * mp.pi * mp.e * x) / 2, special.FROM_ONE, 1),
    "DIGAMMA": (lambda x: x * (mp.log(x) - mp.psi(0, x)), special.FROM_ONE, 1),
}


@pytest.mark.parametrize("name", SERIES)
def test_coefficients(name):
    """Chebyshev's, from the values at 60 of his points."""
    f, c, start = SERIES[name]
    with mp.workdps(40):
        angles = [mp.pi * (2 * k + 1) / 120 for k in range(60)]
        values = [f(start + c * (1 + mp.cos(a)) / (1 - mp.cos(a))) for a in angles]
        given = getattr(special, name)
        for j in range(len(given) + 1):
            wanted = sum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / (60 if j == 0 else 30)
            assert abs(wanted - (given[j] if j < len(given) else 0)) < mp.mpf(2) ** -54 * (abs(wanted) + 1), j
