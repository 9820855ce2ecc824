"""adaptive_avg_pool in long double, one bin after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE


def adaptive_avg_pool(x, *, output_size):
    spatial = x.shape[2:]
    asked = output_size if isinstance(output_size, tuple) else (output_size,) * len(spatial)
    sizes = [n if o is None else o for n, o in zip(spatial, asked, strict=True)]
    y = np.empty((*x.shape[:2], *sizes), dtype=WIDE)
    for place in itertools.product(*map(range, sizes)):
        # cell j is in bin i where [j / n, (j + 1) / n) and [i / o, (i + 1) / o) overlap
        cells = [
            np.flatnonzero((np.arange(n) * o < (i + 1) * n) & (np.arange(1, n + 1) * o > i * n))
            for i, n, o in zip(place, spatial, sizes, strict=True)
        ]
        block = x[np.ix_(range(x.shape[0]), range(x.shape[1]), *cells)]
        y[(..., *place)] = block.sum(axis=tuple(range(2, x.ndim))) / WIDE(math.prod(block.shape[2:]))
    return y
