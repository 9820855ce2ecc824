"""A stack of pools in long double."""

import numpy as np

from oracles import WIDE
from oracles.pool.window import avg_pool


def dappm_pool_stack(x, *, window=(5, 9, 17), stride=(2, 4, 8), count_include_pad=True):
    pools = [
        avg_pool(x, window=k, stride=s, padding=k // 2, count_include_pad=count_include_pad)
        for k, s in zip(window, stride, strict=True)
    ]
    flat = x.reshape(*x.shape[:2], int(np.prod(x.shape[2:])))
    whole = flat.sum(axis=2) / WIDE(flat.shape[2])
    return x, *pools, whole.reshape(*x.shape[:2], *(1 for _ in x.shape[2:]))
