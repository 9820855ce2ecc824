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
        "fastfood_project": fastfood_project,
    }.get(case.operator)  # fmt: skip
    if kernel is None or case.vjp or case.channels_last:
        return
    n, c, *_ = (*arrays[0].shape, 0)
    shapes = {
        "max_pool": (n, c, 56, 56),
        "avg_pool": (n, c, 56, 56),
        "gem_pool": (n, c),
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


@njit(fastmath=True, nogil=True)
def butterflies(u):
    h = 1
    while h < len(u):
        for start in range(0, len(u), 2 * h):
            for j in range(start, start + h):
                a, b = u[j], u[j + h]
                u[j], u[j + h] = a + b, a - b
        h *= 2
