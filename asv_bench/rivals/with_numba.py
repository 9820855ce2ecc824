"""numba: the loops that one would write, parallel, fastmath, float32, into memory that is there already."""

import math

import numba
import numpy as np
from numba import njit, prange

fast = njit(parallel=True, fastmath=True, nogil=True)


def use_threads(n: int) -> None:
    numba.set_num_threads(n)


def calls(case, arrays):
    """Yield (what is called, the call); each returns something NumPy can read."""
    kernel = {
        "layer_norm": layer_norm, "rms_norm": rms_norm, "softmax": softmax, "max_pool": max_pool,
        "avg_pool": avg_pool, "batch_norm_train": batch_norm_train, "instance_norm": instance_norm,
        "lp_normalize": lp_normalize, "walsh_hadamard_transform": walsh_hadamard_transform,
        "group_norm": group_norm, "gem_pool": gem_pool, "adaptive_avg_pool": adaptive_avg_pool,
        "fastfood_project": fastfood_project, "region_norm": region_norm, "crms_norm": crms_norm,
        "generalized_divisive_norm": generalized_divisive_norm, "gated_rms_norm": gated_rms_norm,
        "count_sketch": count_sketch,
        "evonorm": evonorm_s0 if case.options.get("kind") == "s0" else evonorm_b0, "weight_norm": weight_norm,
    }.get(case.operator)  # fmt: skip
    several = case.operator == "count_sketch" and arrays[1].ndim == 2  # buckets an element
    if kernel is None or case.vjp or case.channels_last or several:
        return
    n, c, *_ = (*arrays[0].shape, 0)
    shapes = {
        "max_pool": (n, c, 56, 56),
        "avg_pool": (n, c, 56, 56),
        "gem_pool": (n, c),
        "count_sketch": (n, case.options.get("output_size")),
        "adaptive_avg_pool": (n, c, *[case.options.get("output_size")] * 2),
    }
    y = np.empty(shapes.get(case.operator, arrays[0].shape), np.float32)
    numbers = [np.float32(v) if isinstance(v, float) else v for k, v in case.options.items() if k in ("groups", "p")]

    def call():
        kernel(*arrays, *numbers, y)
        return y

    yield "out given", call


@fast
def layer_norm(x, w, b, y):
    rows, n = x.shape
    for i in prange(rows):
        s = np.float32(0)
        for j in range(n):
            s += x[i, j]
        mean = s / np.float32(n)
        q = np.float32(0)
        for j in range(n):
            q += (x[i, j] - mean) * (x[i, j] - mean)
        scale = np.float32(1) / math.sqrt(q / np.float32(n) + np.float32(1e-5))
        for j in range(n):
            y[i, j] = (x[i, j] - mean) * scale * w[j] + b[j]


@fast
def rms_norm(x, w, y):
    rows, n = x.shape
    for i in prange(rows):
        q = np.float32(0)
        for j in range(n):
            q += x[i, j] * x[i, j]
        scale = np.float32(1) / math.sqrt(q / np.float32(n) + np.float32(1e-6))
        for j in range(n):
            y[i, j] = x[i, j] * scale * w[j]


@fast
def softmax(x, y):
    rows, n = x.shape
    for i in prange(rows):
        top = x[i, 0]
        for j in range(1, n):
            top = max(top, x[i, j])
        s = np.float32(0)
        for j in range(n):
            y[i, j] = math.exp(x[i, j] - top)
            s += y[i, j]
        scale = np.float32(1) / s
        for j in range(n):
            y[i, j] *= scale


@fast
def avg_pool(x, y):
    images, channels, height, width = y.shape
    for p in prange(images * channels):
        i, c = p // channels, p % channels
        for h in range(height):
            for v in range(width):
                a = x[i, c, 2 * h, 2 * v] + x[i, c, 2 * h, 2 * v + 1]
                b = x[i, c, 2 * h + 1, 2 * v] + x[i, c, 2 * h + 1, 2 * v + 1]
                y[i, c, h, v] = (a + b) * np.float32(0.25)


@fast
def max_pool(x, y):
    images, channels, height, width = y.shape
    for p in prange(images * channels):
        i, c = p // channels, p % channels
        for h in range(height):
            for v in range(width):
                best = np.float32(-np.inf)
                for r in range(max(2 * h - 1, 0), min(2 * h + 2, x.shape[2])):
                    for s in range(max(2 * v - 1, 0), min(2 * v + 2, x.shape[3])):
                        best = max(best, x[i, c, r, s])
                y[i, c, h, v] = best


@fast
def batch_norm_train(x, w, b, y):
    n, channels, height, width = x.shape
    for c in prange(channels):
        s = np.float32(0)
        for i in range(n):
            for h in range(height):
                for v in range(width):
                    s += x[i, c, h, v]
        count = np.float32(n * height * width)
        mean = s / count
        q = np.float32(0)
        for i in range(n):
            for h in range(height):
                for v in range(width):
                    q += (x[i, c, h, v] - mean) * (x[i, c, h, v] - mean)
        scale = w[c] / math.sqrt(q / count + np.float32(1e-5))
        shift = b[c] - mean * scale
        for i in range(n):
            for h in range(height):
                for v in range(width):
                    y[i, c, h, v] = x[i, c, h, v] * scale + shift


@fast
def instance_norm(x, w, b, y):
    n, channels, height, width = x.shape
    for p in prange(n * channels):
        i, c = p // channels, p % channels
        s = np.float32(0)
        for h in range(height):
            for v in range(width):
                s += x[i, c, h, v]
        count = np.float32(height * width)
        mean = s / count
        q = np.float32(0)
        for h in range(height):
            for v in range(width):
                q += (x[i, c, h, v] - mean) * (x[i, c, h, v] - mean)
        scale = w[c] / math.sqrt(q / count + np.float32(1e-5))
        shift = b[c] - mean * scale
        for h in range(height):
            for v in range(width):
                y[i, c, h, v] = x[i, c, h, v] * scale + shift


@fast
def group_norm(x, w, b, groups, y):
    n, channels, height, width = x.shape
    k = channels // groups
    for p in prange(n * groups):
        i, first = p // groups, p % groups * k
        s = np.float32(0)
        for c in range(first, first + k):
            for h in range(height):
                for v in range(width):
                    s += x[i, c, h, v]
        count = np.float32(k * height * width)
        mean = s / count
        q = np.float32(0)
        for c in range(first, first + k):
            for h in range(height):
                for v in range(width):
                    q += (x[i, c, h, v] - mean) * (x[i, c, h, v] - mean)
        root = np.float32(1) / math.sqrt(q / count + np.float32(1e-5))
        for c in range(first, first + k):
            scale = w[c] * root
            shift = b[c] - mean * scale
            for h in range(height):
                for v in range(width):
                    y[i, c, h, v] = x[i, c, h, v] * scale + shift


@fast
def evonorm_s0(x, v, w, b, groups, y):
    n, channels, height, width = x.shape
    k = channels // groups
    for p in prange(n * groups):
        i, first = p // groups, p % groups * k
        s = np.float32(0)
        for c in range(first, first + k):
            for h in range(height):
                for u in range(width):
                    s += x[i, c, h, u]
        count = np.float32(k * height * width)
        mean = s / count
        q = np.float32(0)
        for c in range(first, first + k):
            for h in range(height):
                for u in range(width):
                    q += (x[i, c, h, u] - mean) * (x[i, c, h, u] - mean)
        root = np.float32(1) / math.sqrt(q / count + np.float32(1e-5))
        for c in range(first, first + k):
            scale = w[c] * root
            for h in range(height):
                for u in range(width):
                    a = x[i, c, h, u]
                    y[i, c, h, u] = a * scale / (np.float32(1) + math.exp(-v[c] * a)) + b[c]


@fast
def evonorm_b0(x, v, w, b, y):
    n, channels, height, width = x.shape
    count = np.float32(height * width)
    for c in prange(channels):
        means, squares = np.empty(n, np.float32), np.empty(n, np.float32)
        for i in range(n):
            s = np.float32(0)
            for h in range(height):
                for u in range(width):
                    s += x[i, c, h, u]
            means[i] = s / count
            q = np.float32(0)
            for h in range(height):
                for u in range(width):
                    q += (x[i, c, h, u] - means[i]) * (x[i, c, h, u] - means[i])
            squares[i] = q / count
        whole = math.sqrt(squares.mean() + means.var() + np.float32(1e-5))
        for i in range(n):
            own = math.sqrt(squares[i] + np.float32(1e-5))
            for h in range(height):
                for u in range(width):
                    a = x[i, c, h, u]
                    y[i, c, h, u] = a / max(whole, v[c] * a + own) * w[c] + b[c]


@fast
def region_norm(x, mask, w, b, y):
    n, channels, height, width = x.shape
    for c in prange(channels):
        s0 = s1 = n0 = n1 = np.float32(0)
        for i in range(n):
            for h in range(height):
                for v in range(width):
                    a = x[i, c, h, v]
                    on = np.float32(mask[i, 0, h, v])
                    s1 += a * on
                    s0 += a
                    n1 += on
        n0 = np.float32(n * height * width) - n1
        m0, m1 = (s0 - s1) / n0, s1 / n1
        q0 = q1 = np.float32(0)
        for i in range(n):
            for h in range(height):
                for v in range(width):
                    a = x[i, c, h, v]
                    if mask[i, 0, h, v]:
                        q1 += (a - m1) * (a - m1)
                    else:
                        q0 += (a - m0) * (a - m0)
        g0, g1 = w[0, c] / math.sqrt(q0 / n0 + np.float32(1e-5)), w[1, c] / math.sqrt(q1 / n1 + np.float32(1e-5))
        r0, r1 = b[0, c] - m0 * g0, b[1, c] - m1 * g1
        for i in range(n):
            for h in range(height):
                for v in range(width):
                    on = mask[i, 0, h, v]
                    y[i, c, h, v] = x[i, c, h, v] * (g1 if on else g0) + (r1 if on else r0)


TILE = 256  # sites: their squares stay in cache


@fast
def generalized_divisive_norm(x, w, b, y):
    n, channels, height, width = x.shape
    flat, to = x.reshape(n, channels, height * width), y.reshape(n, channels, height * width)
    tiles = -(-height * width // TILE)
    for k in prange(n * tiles):
        i, first = k // tiles, k % tiles * TILE
        m = min(TILE, height * width - first)
        squares, pool = np.empty((channels, m), np.float32), np.empty(m, np.float32)
        for c in range(channels):
            for j in range(m):
                squares[c, j] = flat[i, c, first + j] * flat[i, c, first + j]
        for c in range(channels):
            for j in range(m):
                pool[j] = b[c]
            for d in range(channels):
                for j in range(m):
                    pool[j] += w[c, d] * squares[d, j]
            for j in range(m):
                to[i, c, first + j] = flat[i, c, first + j] / math.sqrt(pool[j])


@fast
def gated_rms_norm(x, z, w, y):
    rows, n = x.shape
    for i in prange(rows):
        q = np.float32(0)
        for j in range(n):
            q += x[i, j] * x[i, j]
        scale = np.float32(1) / math.sqrt(q / np.float32(n) + np.float32(1e-5))
        for j in range(n):
            y[i, j] = x[i, j] * scale * w[j] * z[i, j] / (np.float32(1) + math.exp(-z[i, j]))


@fast
def crms_norm(x, y):
    rows, n = x.shape
    for i in prange(rows):
        s = q = np.float32(0)
        for j in range(n):
            s += x[i, j]
            q += x[i, j] * x[i, j]
        scale = np.float32(1) / math.sqrt((q + s * s) / np.float32(n + 1) + np.float32(1e-5))
        for j in range(n):
            y[i, j] = x[i, j] * scale


@fast
def weight_norm(x, g, y):
    rows, n = x.shape
    for i in prange(rows):
        q = np.float32(0)
        for j in range(n):
            q += x[i, j] * x[i, j]
        scale = g[i] / math.sqrt(q)
        for j in range(n):
            y[i, j] = x[i, j] * scale


@fast
def lp_normalize(x, y):
    rows, n = x.shape
    for i in prange(rows):
        q = np.float32(0)
        for j in range(n):
            q += x[i, j] * x[i, j]
        scale = np.float32(1) / max(math.sqrt(q), np.float32(1e-12))
        for j in range(n):
            y[i, j] = x[i, j] * scale


@fast
def gem_pool(x, p, y):
    n, channels, height, width = x.shape
    for k in prange(n * channels):
        i, c = k // channels, k % channels
        s = np.float32(0)
        if p == np.float32(3):
            for h in range(height):
                for v in range(width):
                    a = max(x[i, c, h, v], np.float32(1e-6))
                    s += a * a * a
        else:
            for h in range(height):
                for v in range(width):
                    s += max(x[i, c, h, v], np.float32(1e-6)) ** p
        y[i, c] = (s / np.float32(height * width)) ** (np.float32(1) / p)


@fast
def adaptive_avg_pool(x, y):
    n, channels, height, width = x.shape
    rows, columns = y.shape[2:]
    for k in prange(n * channels):
        i, c = k // channels, k % channels
        for r in range(rows):
            top, end = r * height // rows, -(-(r + 1) * height // rows)
            for q in range(columns):
                left, right = q * width // columns, -(-(q + 1) * width // columns)
                s = np.float32(0)
                for h in range(top, end):
                    for v in range(left, right):
                        s += x[i, c, h, v]
                y[i, c, r, q] = s / np.float32((end - top) * (right - left))


@fast
def walsh_hadamard_transform(x, y):
    rows, n = x.shape
    for i in prange(rows):
        for j in range(n):
            y[i, j] = x[i, j]
        h = 1
        while h < n:
            for start in range(0, n, 2 * h):
                for j in range(start, start + h):
                    a, b = y[i, j], y[i, j + h]
                    y[i, j], y[i, j + h] = a + b, a - b
            h *= 2


@fast
def fastfood_project(x, signs, permutation, gains, y):
    rows, n = x.shape
    square = np.float32(0)
    for j in range(n):
        square += gains[j] * gains[j]
    scale = np.float32(1) / math.sqrt(np.float32(n) * square)
    for i in prange(rows):
        u = np.empty(n, np.float32)
        for j in range(n):
            u[j] = x[i, j] * signs[j]
        butterflies(u)
        for j in range(n):
            y[i, j] = u[permutation[j]] * gains[j] * scale
        butterflies(y[i])


@fast
def count_sketch(x, ids, signs, y):
    rows, n = x.shape
    for i in prange(rows):
        y[i] = 0
        for j in range(n):
            y[i, ids[j]] += signs[j] * x[i, j]


@njit(fastmath=True, nogil=True)
def butterflies(u):
    h = 1
    while h < len(u):
        for start in range(0, len(u), 2 * h):
            for j in range(start, start + h):
                a, b = u[j], u[j + h]
                u[j], u[j + h] = a + b, a - b
        h *= 2
