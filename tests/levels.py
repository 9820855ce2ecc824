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
    got = oracles.outputs(operator.function(*arrays, **case.options))
    wanted = oracles.exact(operator.name, arrays, case.options)
    units = oracles.condition(operator.name, arrays, case.options, dtype)
    for y, w, unit in zip(got, wanted, units, strict=True):
        off = oracles.ulps(y, w)
        allowed = 2 * unit if dtype == "float64" else 0.55
        assert np.all(off <= allowed), f"{operator.name}, {case.label}, {dtype}: {off.max():.3f} ulp"


def check_gradients(operator, case, dtype):
    arrays = case.arrays(3, DTYPES[dtype])
    rng = np.random.default_rng(4)
    ys = [y for y in oracles.outputs(operator.function(*arrays, **case.options)) if oracles.is_float(y)]
    cotangents = tuple(rng.normal(size=y.shape).astype(DTYPES[dtype]) for y in ys)
    cotangent = cotangents if isinstance(operator.function(*arrays, **case.options), tuple) else cotangents[0]
    got = several(operator.gradient(cotangent, *arrays, **case.options))
    with refnorm.lane("formula"):
        wanted = several(operator.gradient(cotangent, *arrays, **case.options))
    for a, b in zip(got, wanted, strict=True):
        a, b = a.astype("float64"), b.astype("float64")
        step = 2.0 ** -oracles.DIGITS[dtype][0] * max(1.0, np.abs(b).max(initial=0))
        assert np.all(np.abs(a - b) <= 16 * step), f"{operator.name}_vjp, {case.label}, {dtype}"


def check_special(operator, value):
    case = operator.cases[0]
    arrays = case.arrays(3)
    arrays[0].flat[1] = value
    got = oracles.outputs(operator.function(*arrays, **case.options))
    with refnorm.lane("formula"), np.errstate(all="ignore"):
        wanted = oracles.outputs(operator.function(*arrays, **case.options))
    for y, w in zip(got, wanted, strict=True):
        assert np.array_equal(y, w, equal_nan=True), (operator.name, value)


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
