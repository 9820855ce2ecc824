"""Leading singular triples in long double, by Jacobi's rotations, and how many are kept."""

import numpy as np

from oracles import WIDE
from oracles.jacobi import svd


def truncated_svd(x, *, rank=None):
    return tuple(part[..., :rank] for part in svd(x))


def low_rank_gradient_step(x, direction, *, step=1.0, rank=None):
    u, s, v = svd(x - WIDE(step) * direction)
    y = np.zeros(x.shape, WIDE)
    for k in range(s.shape[-1])[:rank]:
        y = y + s[..., k, None, None] * u[..., :, None, k] * v[..., None, :, k]
    return y


def energy_rank(x, *, ratio=0.99, p=1):
    y, share = np.zeros(x.shape[:-1], int), np.zeros(x.shape[:-1], WIDE)
    for place in np.ndindex(y.shape):
        powers = np.abs(x[place]) ** WIDE(p)
        powers = powers if np.isnan(powers).any() else np.sort(powers)
        left_out, whole = np.cumsum(powers), np.sum(powers)
        dropped = np.count_nonzero(left_out[:-1] <= (1 - WIDE(ratio)) * whole)
        y[place] = len(powers) - dropped
        share[place] = np.sum(powers[dropped:]) / whole if whole != 0 else 1
    return y, share


def greedy_rank_allocation(x, old, *, step, count):
    y, errors = old.copy(), {place: x[place] for place in np.ndindex(x.shape)}
    known = sorted((place for place, e in errors.items() if e == e), key=errors.get)
    lowered = 0
    for place in [*known, *(place for place, e in errors.items() if e != e)]:
        if lowered < count and y[place] > step:
            y[place] -= step
            lowered += 1
    return y, np.asarray(WIDE(sum(y.reshape(-1).tolist())) / y.size)
