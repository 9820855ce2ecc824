"""The oracles themselves against mpmath: long double is wide enough, and the formulas are those meant."""

import mpmath
import numpy as np
import oracles
import pytest

ROWS = {
    "normal": np.random.default_rng(0).normal(size=13),
    "mean 1e6": np.random.default_rng(1).normal(1e6, 1, 13).astype("float32").astype("float64"),
    "outlier": np.array([1e8, *np.random.default_rng(2).normal(size=12)]),
}


def exact(name, row, eps):
    x = [mpmath.mpf(float(v)) for v in row]
    n = len(x)
    mean = sum(x) / n if name == "layer_norm" else 0
    if name in ("layer_norm", "rms_norm"):
        root = mpmath.sqrt(sum((v - mean) ** 2 for v in x) / n + mpmath.mpf(eps))
        return [(v - mean) / root for v in x]
    total = sum(mpmath.exp(v) for v in x)
    return [mpmath.exp(v) / total if name == "softmax" else v - mpmath.log(total) for v in x]


@pytest.mark.parametrize("data", ROWS)
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "softmax", "log_softmax"])
def test_rows(name, data):
    eps = {"eps": 0.3} if name.endswith("norm") else {}
    got = oracles.oracle(name)(ROWS[data].astype(oracles.WIDE), **eps)
    with mpmath.workdps(50 if data != "outlier" else 120):
        wanted = exact(name, ROWS[data], 0.3)
        for g, w in zip(got, wanted, strict=True):
            high = float(g)
            value = mpmath.mpf(high) + mpmath.mpf(float(g - oracles.WIDE(high)))  # a long double as two doubles
            allowed = abs(w) * mpmath.mpf(10) ** -17 + mpmath.mpf(10) ** -4900
            assert abs(value - w) <= allowed
            assert abs(value * (1 + mpmath.mpf(10) ** -16) - w) > allowed or abs(w) < mpmath.mpf(10) ** -4000
