"""Numbers as distributions over bins, in long double."""

import numpy as np

from oracles import WIDE


def two_hot_project(x, *, low, high, count):
    """By the interval each number lies in."""
    low, high = WIDE(low), WIDE(high)
    step, p = (high - low) / (count - 1), np.zeros((*x.shape, count), WIDE)
    y = np.clip(x, low, high)
    left = np.minimum(np.floor((np.where(np.isnan(y), low, y) - low) / step), count - 2)
    left = left - (y < low + left * step)  # y - low was rounded up
    for i in range(count - 1):
        here = left == i
        p[..., i] = np.where(here, (low + (i + 1) * step - y) / step, p[..., i])
        p[..., i + 1] = np.where(here, (y - (low + i * step)) / step, p[..., i + 1])
    return np.where(np.isnan(y)[..., None], np.nan, p)


def categorical_project(x, atoms, *, low, high, count):
    shares = two_hot_project(atoms, low=low, high=high, count=count)
    m = np.zeros((*x.shape[:-1], count), WIDE)
    for j in range(x.shape[-1]):
        m = m + x[..., j, None] * shares[..., j, :]
    return m
