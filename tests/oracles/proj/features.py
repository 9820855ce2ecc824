"""Features whose inner products are kernels in long double, feature by feature."""

import itertools
import math

import numpy as np

from oracles import WIDE


def positive_random_features(x, directions):
    y = np.zeros((*x.shape[:-1], len(directions)), WIDE)
    for j, g in enumerate(directions):
        y[..., j] = np.exp(np.sum(g * x, axis=-1) - np.sum(x * x, axis=-1) / 2) / np.sqrt(WIDE(len(directions)))
    return y


def relu_random_features(x, directions, *, floor=0.0):
    y = np.zeros((*x.shape[:-1], len(directions)), WIDE)
    for j, g in enumerate(directions):
        z = np.sum(g * x, axis=-1)
        y[..., j] = np.where(z < WIDE(floor), WIDE(floor), z) / np.sqrt(WIDE(len(directions)))
    return y


def taylor_softmax_features(x, *, degree):
    parts = []
    for j in range(degree + 1):
        for places in itertools.product(range(x.shape[-1]), repeat=j):
            y = np.ones(x.shape[:-1], WIDE)
            for place in places:
                y = y * x[..., place]
            parts.append(y / np.sqrt(WIDE(math.factorial(j))))
    return np.stack(parts, axis=-1)


def orthogonal_gaussian_matrix(x, directions):
    y, d = np.zeros(x.shape, WIDE), x.shape[1]
    for b, block in enumerate(directions):
        done = []
        for j in range(d):
            v = block[:, j]
            for q in done * 3:
                v = v - np.sum(v * q) * q
            done.append(v / np.sqrt(np.sum(v * v)))
            if b * d + j < len(x):
                y[b * d + j] = np.sqrt(np.sum(x[b * d + j] ** 2)) * done[-1]
    return y
