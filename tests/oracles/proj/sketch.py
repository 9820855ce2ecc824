"""Sketches in long double, bucket by bucket."""

import numpy as np

from oracles import WIDE


def count_sketch(x, ids, signs, *, output_size):
    y = np.zeros((*x.shape[:-1], output_size), WIDE)
    signed = x[..., None] * np.reshape(signs, (len(ids), -1))
    for j in range(output_size):
        members = signed[..., np.reshape(ids, (len(ids), -1)) == j]
        if members.shape[-1]:
            y[..., j] = np.sum(members, axis=-1)
    return y
