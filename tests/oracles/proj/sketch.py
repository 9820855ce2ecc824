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


def tensor_sketch(x, ids, signs, *, output_size):
    y = count_sketch(x, ids[0], signs[0], output_size=output_size)
    for h, s in zip(ids[1:], signs[1:], strict=True):
        a, b = y, count_sketch(x, h, s, output_size=output_size)
        y = np.zeros_like(a)
        for k in range(output_size):
            y[..., k] = sum(a[..., j] * b[..., (k - j) % output_size] for j in range(output_size))
    return y
