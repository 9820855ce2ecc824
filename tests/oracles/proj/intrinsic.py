"""Weights moved in a random subspace, in long double, layer by layer."""

import numpy as np

from oracles import WIDE
from oracles.proj.hadamard import fastfood_project


def structure_aware_subspace(x, origin, signs, permutation, gains):
    m, size = origin.shape
    v, steps = x[: len(x) - m], x[len(x) - m :]
    y = np.empty(origin.shape, WIDE)
    for i in range(m):
        direction = fastfood_project(v, signs[i], permutation[i], gains[i], output_size=size)
        for j in range(size):
            y[i, j] = origin[i, j] + steps[i] * direction[j]
    return y
