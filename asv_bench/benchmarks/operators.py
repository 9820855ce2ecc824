"""Time, peak memory and largest error of every operator, and the time of its gradient, on its bench case."""

import numpy as np
import oracles

import refnorm
from refnorm import OPERATORS

from . import LANES

SEED = 0
FAR = 1e4  # a mean that costs float32 arithmetic three digits
ELEMENTS = 1 << 18  # of hard data: long double is slow, and a few hundred rows show the worst


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
            self.out = self.operator.function(*self.arrays, **self.options)

    def call(self, lane):
        with refnorm.lane(lane):
            return self.operator.function(*self.arrays, **self.options, out=self.out)


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

    def time_gradient(self, name, lane):
        with refnorm.lane(lane):
            self.operator.gradient(self.out, *self.arrays, **self.options)


class Accuracy(Bench):
    """float32 against long double on data far from zero, the same at every commit."""

    unit = "ulp"

    def setup(self, name, lane):
        super().setup(name, lane)
        x = self.arrays[0]
        x = x[: max(1, ELEMENTS // x[0].size)] + np.float32(FAR)
        self.arrays[0], self.out = x, None

    def track_max_ulp(self, name, lane):
        exact = oracles.ORACLES[name](*(a.astype(oracles.WIDE) for a in self.arrays), **self.options)
        return round(float(np.max(oracles.ulps(self.call(lane), exact))), 4)
