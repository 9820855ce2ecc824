"""Time, peak memory and largest error of every operator, and the time of its gradient, on its bench case."""

import inspect

import numpy as np
import oracles
from oracles import outputs

import refnorm
from refnorm import OPERATORS

from . import LANES

SEED = 0
FAR = 1e4  # a mean that costs float32 arithmetic three digits
ELEMENTS, COLUMNS = 1 << 18, 1 << 10  # of hard data: long double is slow, and a few hundred rows show the worst


class Bench:
    """What the benchmarks share: a call in a lane, into memory that is already there."""

    params = (list(OPERATORS), LANES)
    param_names = ("operator", "lane")

    def setup(self, name, lane):
        self.operator = OPERATORS[name]
        if lane == "kernel" and self.operator.kernel is None:
            raise NotImplementedError("no kernel")  # asv reads this as: skip
        self.arrays, self.options = self.operator.bench.arrays(SEED), self.operator.bench.options
        with refnorm.lane(lane):  # also the first touch of the output's pages
            self.answer = self.operator.function(*self.arrays, **self.options)
        takes_out = "out" in inspect.signature(self.operator.function).parameters
        self.given = {"out": outputs(self.answer)[0]} if takes_out else {}

    def call(self, lane):
        with refnorm.lane(lane):
            return self.operator.function(*self.arrays, **self.options, **self.given)


class Forward(Bench):
    def time_forward(self, name, lane):
        self.call(lane)

    def peakmem_forward(self, name, lane):
        self.call(lane)


class Gradient(Bench):
    def setup(self, name, lane):
        if OPERATORS[name].gradient is None:
            raise NotImplementedError("no gradient")
        super().setup(name, lane)
        floats = tuple(y for y in outputs(self.answer) if not isinstance(y, int))
        self.cotangent = floats if isinstance(self.answer, tuple) else floats[0]

    def time_gradient(self, name, lane):
        with refnorm.lane(lane):
            self.operator.gradient(self.cotangent, *self.arrays, **self.options)


class Accuracy(Bench):
    """float32 against long double on data far from zero, the same at every commit."""

    unit = "ulp"

    def setup(self, name, lane):
        super().setup(name, lane)
        rng = np.random.default_rng(SEED)
        arrays, self.options = self.operator.rows(rng.normal(FAR, 1, (ELEMENTS // COLUMNS, COLUMNS)), rng)
        self.arrays = [a.astype("float32") if oracles.is_float(a) else a for a in arrays]
        self.given = {}

    def track_max_ulp(self, name, lane):
        off = oracles.errors(name, outputs(self.call(lane)), oracles.exact(name, self.arrays, self.options))
        return round(max(float(np.max(o)) for o in off), 4)
