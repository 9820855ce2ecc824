"""Region norm in long double, a channel and a region at a time; the mean is taken twice, as its rounding is large."""

import numpy as np

from oracles import WIDE


def region_norm(
    x, mask, weight=None, bias=None, *, axis=1, per_sample=False, eps=1e-5, eps_mode="region", leak_bias=False
):
    planes, regions = np.moveaxis(x, axis, 1), np.moveaxis(mask, axis, 1)[:, 0]
    y = np.zeros_like(planes)
    batches = [slice(n, n + 1) for n in range(len(x))] if per_sample else [slice(None)]
    for batch in batches:
        for r in (0, 1):
            here = regions[batch] == bool(r)
            count = int(here.sum())
            if not count:
                continue
            own = WIDE(eps) * (here.size / WIDE(count) if eps_mode == "plane" else 1)
            for c in range(planes.shape[1]):
                v = planes[batch, c][here]
                d = v - v.sum() / WIDE(count)
                d = d - d.sum() / WIDE(count)
                d = d / np.sqrt((d * d).sum() / WIDE(count) + own)
                y[batch, c][here] = d if weight is None else d * weight[r, c]
                if bias is not None:
                    y[batch, c][here] += bias[0, c] + bias[1, c] if leak_bias else bias[r, c]
    return np.moveaxis(y, 1, axis)
