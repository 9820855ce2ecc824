"""Samples in boxes in long double, one after the other."""

import math

import numpy as np

from oracles import WIDE


def line(at, n):
    """Return (cell, share) pairs of a sample along an axis of n cells: none where it lies further than one outside."""
    if not -1 <= at <= n:
        return []
    at = min(max(at, WIDE(0)), WIDE(n - 1))
    low = math.floor(at)
    return [(low, 1 - (at - low)), (min(low + 1, n - 1), at - low)]


def roi_align(x, boxes, ids, *, output_size, scale=1.0, samples=2, aligned=True):
    tall, wide = output_size if isinstance(output_size, tuple) else (output_size,) * 2
    y = np.zeros((len(boxes), x.shape[1], tall, wide), WIDE)
    for r, image in enumerate(ids):
        x0, y0, x1, y1 = (WIDE(scale) * end - (WIDE(0.5) if aligned else 0) for end in boxes[r])
        width, height = x1 - x0, y1 - y0
        if not aligned:
            width, height = max(width, WIDE(1)), max(height, WIDE(1))
        for i in range(tall):
            for k in range(wide):
                for p in range(samples):
                    for q in range(samples):
                        v = y0 + i * height / tall + (p + WIDE(0.5)) * height / tall / samples
                        u = x0 + k * width / wide + (q + WIDE(0.5)) * width / wide / samples
                        for row, share in line(v, x.shape[2]):
                            for column, part in line(u, x.shape[3]):
                                y[r, :, i, k] += share * part * x[image, :, row, column]
    return y / WIDE(samples) ** 2
