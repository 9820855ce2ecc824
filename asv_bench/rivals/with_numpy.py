"""NumPy and its BLAS, for what is a product of matrices; the threads are told to BLAS from outside."""

import math
from importlib.util import find_spec

import numpy as np
from scipy.linalg import hadamard
from scipy.sparse import csr_array


def use_threads(n: int) -> None:
    """Nothing: see OPENBLAS_NUM_THREADS in peers.py."""


def calls(case, arrays):
    """Yield (what is called, the call)."""
    if case.operator == "walsh_hadamard_transform":
        (x,) = arrays
        first, second = np.empty_like(x), np.empty_like(x)
        yield "two products, out given", lambda: transform(x, first, second)
    if case.operator == "count_sketch" and arrays[1].ndim == 2:
        x, ids, signs = arrays
        element, k = np.nonzero(ids >= 0)
        places = ids[element, k], element
        matrix = csr_array((signs[element, k], places), shape=(case.options["output_size"], len(ids)))
        yield "SciPy's CSR product, as scikit-learn has it, allocates", lambda: x @ matrix.T
    if case.operator == "project_simplex" or case.options.get("alpha") == 2:
        (x,) = arrays
        yield "sorted, allocates", lambda: project_simplex(x)
    elif case.operator == "entmax":
        (x,) = arrays
        yield "sorted, allocates", lambda: entmax(x)
    if case.operator == "sinkhorn" and find_spec("ot"):
        import ot

        (x,) = arrays
        costs, ones = -x.T, np.ones(len(x), x.dtype)  # POT scales columns first
        how = dict(numItermax=case.options["iterations"], stopThr=0, warn=False)
        yield "POT, allocates", lambda: ot.sinkhorn(ones, ones, costs, 0.1, **how).T
    if case.operator == "fastfood_project":
        x, signs, permutation, gains = arrays
        one, two, three = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        scaled = (gains / math.sqrt(len(signs) * float(gains @ gains))).astype("float32")

        def call():
            np.multiply(x, signs, out=one)
            np.take(transform(one, two, three), permutation, axis=1, out=one, mode="clip")
            return transform(np.multiply(one, scaled, out=one), two, three)

        yield "two products twice, out given", call


def project_simplex(x):
    u = -np.sort(-x, axis=1)
    theta = (np.cumsum(u, axis=1) - 1) / np.arange(1, x.shape[1] + 1, dtype="float32")
    support = np.sum(u > theta, axis=1, keepdims=True)
    return np.maximum(x - np.take_along_axis(theta, support - 1, axis=1), 0)


def entmax(x):
    z = (x - x.max(axis=1, keepdims=True)) / 2
    u = -np.sort(-z, axis=1)
    n = np.arange(1, x.shape[1] + 1, dtype="float32")
    mean = np.cumsum(u, axis=1) / n
    taus = mean - np.sqrt(np.maximum((1 - np.cumsum(u * u, axis=1)) / n + mean * mean, 0))
    support = np.sum(taus <= u, axis=1, keepdims=True)
    return np.maximum(z - np.take_along_axis(taus, support - 1, axis=1), 0) ** 2


def transform(x, first, second):
    """H of n is H (x) H of root n: two batched products."""
    rows, n = x.shape
    k = math.isqrt(n)
    h = hadamard(k, dtype="float32")
    np.matmul(x.reshape(-1, k), h, out=first.reshape(-1, k))
    return np.matmul(h, first.reshape(rows, k, k), out=second.reshape(rows, k, k)).reshape(rows, n)
