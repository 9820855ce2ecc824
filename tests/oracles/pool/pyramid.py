"""Pyramids of bins in long double, one bin after the other."""

import itertools
import math

import numpy as np

from oracles import WIDE


def edges(n, o, binning):
    """Return (start, stop) of the bins along an axis."""
    if binning == "window":
        window, stride = math.ceil(n / o), n // o
        return [(stride * i, stride * i + window) for i in range((n - window) // stride + 1)]
    return [(math.floor(i * n / o), math.ceil((i + 1) * n / o)) for i in range(o)]


def reduced(cells, reduce):
    flat = cells.reshape(cells.shape[0], math.prod(cells.shape[1:]))
    return flat.max(axis=1) if reduce == "max" else flat.sum(axis=1) / WIDE(flat.shape[1])


def spatial_pyramid_pool(x, *, levels=(1, 2, 3, 6), reduce="max", binning="adaptive", tokens=False):
    cuts = [[edges(n, o, binning) for n in x.shape[2:]] for o in levels]
    samples = []
    for sample in x:
        parts = []
        for level in cuts:
            bins = [
                reduced(sample[(slice(None), *(slice(*b) for b in place))], reduce)
                for place in itertools.product(*level)
            ]
            parts.append(np.stack(bins))  # (bins, C)
        samples.append(np.concatenate(parts) if tokens else np.concatenate([p.T.ravel() for p in parts]))
    cells = sum(math.prod(map(len, level)) for level in cuts)
    shape = (cells, x.shape[1]) if tokens else (x.shape[1] * cells,)
    return np.array(samples, dtype=WIDE).reshape(len(x), *shape)


def spatial_pyramid_roi_pool(x, boxes, ids, *, stride=16, levels=(1, 2, 3, 6), reduce="max", kind="paper"):
    y = np.empty((len(boxes), x.shape[1] * sum(n * n for n in levels)), WIDE)
    for r, (box, i) in enumerate(zip(boxes, ids, strict=True)):
        cells = []
        for low, high, size in ((box[1], box[3], x.shape[2]), (box[0], box[2], x.shape[3])):
            low, high = low / WIDE(stride), high / WIDE(stride)
            if kind == "code":
                first, last = math.floor(low + WIDE(0.5)), math.ceil(high - WIDE(0.5))
            else:
                first, last = math.floor(low) + 1, math.ceil(high) - 1
            if first > last:
                first = last = (first + last) // 2
            first, last = (min(max(end, 0), size - 1) for end in (first, last))
            cells.append(slice(first, last + 1))
        crop = x[i : i + 1, :, cells[0], cells[1]]
        y[r] = spatial_pyramid_pool(crop, levels=levels, reduce=reduce)[0]
    return y


def spatial_pyramid_code_pool(x, coordinates, *, levels=(1, 2), reduce="max"):
    parts = []
    for level in levels:
        for place in itertools.product(range(level), repeat=coordinates.shape[1]):
            cells = np.clip(np.floor(coordinates * level), 0, level - 1)
            inside = (cells == np.array(place)).all(axis=1)
            parts.append(reduced(x[inside].T, reduce) if inside.any() else np.zeros(x.shape[1], WIDE))
    return np.stack(parts)
