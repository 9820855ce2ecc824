"""Run as a script under REFNORM_CPU: every kernel at one CPU level, on every case and dtype, against the oracle."""

import sys

import numpy as np
import oracles
from libraries import DTYPES

import refnorm
from refnorm import OPERATORS
from refnorm._lanes import cpu_level


def several(gradients):
    return [g for g in (gradients if isinstance(gradients, tuple) else (gradients,)) if g is not None]


def check_values(operator, case, dtype):
    arrays = case.arrays(3, DTYPES[dtype])
    oracle = oracles.ORACLES[operator.name]
    y = operator.function(*arrays, **case.options)
    off = oracles.ulps(y, oracle(*(a if a is None else a.astype(oracles.WIDE) for a in arrays), **case.options))
    allowed = 2 * oracles.condition(oracle, arrays, case.options, dtype) if dtype == "float64" else 0.55
    assert np.all(off <= allowed), f"{operator.name}, {case.label}, {dtype}: {off.max():.3f} ulp"


def check_gradients(operator, case, dtype):
    arrays = case.arrays(3, DTYPES[dtype])
    cotangent = np.random.default_rng(4).normal(size=operator.function(*arrays, **case.options).shape)
    got = several(operator.gradient(cotangent.astype(DTYPES[dtype]), *arrays, **case.options))
    with refnorm.lane("formula"):
        wanted = several(operator.gradient(cotangent.astype(DTYPES[dtype]), *arrays, **case.options))
    for a, b in zip(got, wanted, strict=True):
        a, b = a.astype("float64"), b.astype("float64")
        step = 2.0 ** -oracles.DIGITS[dtype][0] * max(1.0, np.abs(b).max(initial=0))
        assert np.all(np.abs(a - b) <= 16 * step), f"{operator.name}_vjp, {case.label}, {dtype}"


def check_special(operator, value):
    case = operator.cases[0]
    arrays = case.arrays(3)
    arrays[0].flat[1] = value
    y = operator.function(*arrays, **case.options)
    with refnorm.lane("formula"), np.errstate(all="ignore"):
        assert np.array_equal(y, operator.function(*arrays, **case.options), equal_nan=True), (operator.name, value)


def main(level: str) -> None:
    if cpu_level() is None:
        print("absent")
        return
    assert cpu_level() == level
    with refnorm.lane("kernel"):
        for operator in (o for o in OPERATORS.values() if o.kernel):
            for value in (np.nan, np.inf, -np.inf):
                check_special(operator, value)
            for case in operator.cases:
                for dtype in DTYPES:
                    check_values(operator, case, dtype)
                    if operator.gradient:
                        check_gradients(operator, case, dtype)
    print("right")


if __name__ == "__main__":
    main(sys.argv[1])
