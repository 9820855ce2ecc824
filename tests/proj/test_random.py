"""Random matrices, subspaces and graph embeddings by hand, and against scikit-learn; what keeps distances."""

import math

import numpy as np
import pytest

from refnorm.proj import (
    count_sketch,
    fastfood_project,
    fastrp,
    orthogonal_gaussian_matrix,
    random_subspace_project,
    random_target_projection,
    sparse_random_matrix,
    walsh_hadamard_transform,
)  # fmt: skip


def test_by_hand():
    u = np.array([[0.05, 0.5], [0.95, 0.1]])
    assert sparse_random_matrix(u, density=0.25).tolist() == [[2, 0], [-2, 2]]
    wanted = np.array([[0.5**0.5, 0], [-(0.5**0.5), 1]])
    assert np.allclose(sparse_random_matrix(u, density=0.25, normalize=True), wanted, rtol=1e-15)
    assert sparse_random_matrix(np.full((2, 1), 0.5), density=0.25, normalize=True).tolist() == [[0], [0]]
    x, p = np.array([5.0]), np.array([[3.0], [-4.0]])
    assert random_subspace_project(x, p, np.array([0.0, 1.0])).tolist() == [3, -3]
    assert random_subspace_project(x, p, normalize=False).tolist() == [15, -20]
    assert random_subspace_project(x, 0 * p).tolist() == [0, 0]
    graph, r = np.array([[0.0, 1.0], [3.0, 1.0]]), np.array([[4.0], [8.0]])
    plain = {"standardize": False}
    assert fastrp(graph, r, weights=(1.0,), **plain).tolist() == [[8], [5]]
    assert fastrp(graph, r, weights=(0.0, 2.0), **plain).tolist() == [[10], [14.5]]
    assert fastrp(graph, r, weights=(1.0,), alpha=1.0, transition=False, **plain).tolist() == [[32], [44]]
    assert fastrp(graph, r, weights=(1.0,), normalize=True, **plain).tolist() == [[1], [1]]
    assert fastrp(graph, r, weights=(1.0,)).tolist() == [[1], [-1]]
    assert fastrp(np.array([[0.0, 0.0], [0.0, 2.0]]), r, alpha=-1.0, weights=(1.0,), **plain).tolist() == [[0], [4]]


def test_powers_of_the_matrix():
    rng = np.random.default_rng(0)
    a, r = rng.uniform(size=(6, 6)), rng.normal(size=(6, 3))
    m = a / a.sum(axis=1, keepdims=True)
    wanted = sum(w * np.linalg.matrix_power(m, k) @ r for k, w in [(1, 0.5), (2, 1.0), (3, 2.0)])
    assert np.allclose(fastrp(a, r, weights=(0.5, 1.0, 2.0), standardize=False), wanted, rtol=1e-13)
    standard = (wanted - wanted.mean(axis=0)) / wanted.std(axis=0)
    assert np.allclose(fastrp(a, r, weights=(0.5, 1.0, 2.0)), standard, rtol=1e-11)


def test_entries_are_those_of_scikit_learn():
    random_projection = pytest.importorskip("sklearn.random_projection")
    theirs = random_projection.SparseRandomProjection(32, density=0.125, random_state=0).fit(np.zeros((1, 400)))
    entries = np.unique(theirs.components_.toarray())
    u = np.random.default_rng(2).uniform(size=(400, 32))
    ours = sparse_random_matrix(u, density=0.125, scale=32**-0.5)
    assert np.allclose(np.unique(ours), entries, rtol=1e-14)
    assert abs(np.mean(ours != 0) - 0.125) < 0.01


def test_refusals():
    x = np.ones((2, 3))
    for density in (0.0, 1.5, np.nan):
        with pytest.raises(ValueError, match="density"):
            sparse_random_matrix(x, density=density)
    with pytest.raises(ValueError, match="x must have shape"):
        sparse_random_matrix(x[0], density=0.5)
    with pytest.raises(ValueError, match="weight"):
        random_subspace_project(x, x.T)
    with pytest.raises(ValueError, match="origin"):
        random_subspace_project(x, x, np.ones(3))
    with pytest.raises(ValueError, match="x must have shape"):
        fastrp(x, x)
    for weights in ((), 1.0, (np.nan,)):
        with pytest.raises(ValueError, match="weights"):
            fastrp(np.ones((2, 2)), x, weights=weights)
    with pytest.raises(ValueError, match="alpha"):
        fastrp(np.ones((2, 2)), x, alpha=np.inf)
    with pytest.raises(TypeError, match="transition"):
        fastrp(np.ones((2, 2)), x, transition=1)


# ---- Johnson and Lindenstrauss ----


def enough(points, eps):
    """Return the dimensions in which all squared distances of so many points may keep within 1 - eps to 1 + eps."""
    return math.ceil(4 * math.log(points) / (eps**2 / 2 - eps**3 / 3))


def thinned(x, size, rng, density):
    return x @ sparse_random_matrix(rng.uniform(size=(x.shape[1], size)), density=density, scale=size**-0.5)


def folded(x, size, rng):
    n = x.shape[1]
    y = walsh_hadamard_transform(x * rng.choice([-1.0, 1.0], n), scale=size**-0.5)
    return y[:, rng.choice(n, size, replace=False)]


def blended(x, size, rng):
    n = x.shape[1]
    gains, signs = rng.normal(size=n), rng.choice([-1.0, 1.0], n)
    return fastfood_project(x, signs, rng.permutation(n), gains, output_size=size)


def turned(x, size, rng):
    n = x.shape[1]
    draws = rng.normal(size=(size, n)).astype("f"), rng.normal(size=(1, n, n)).astype("f")
    directions = orthogonal_gaussian_matrix(*draws)
    return x @ directions.T / size**0.5


def embedded(x, size, rng):
    """As the neighbours of the first nodes of a graph."""
    n = x.shape[1]
    graph = np.concat([x, rng.uniform(size=(n - len(x), n))]).astype("f")
    r = sparse_random_matrix(rng.uniform(size=(n, size)).astype("f"), density=1 / 3, scale=size**-0.5)
    return fastrp(graph, r, weights=(1.0,), transition=False, standardize=False)[: len(x)]


def scattered(x, size, rng):
    n = x.shape[1]
    return count_sketch(x, rng.integers(0, size, n), rng.choice([-1.0, 1.0], n), output_size=size)


PROJECTIONS = {
    "sparse_random_matrix, a third": lambda x, size, rng: thinned(x, size, rng, 1 / 3),
    "sparse_random_matrix, very sparse": lambda x, size, rng: thinned(x, size, rng, x.shape[1] ** -0.5),
    "random_subspace_project": lambda x, size, rng: random_subspace_project(x, rng.normal(size=(size, x.shape[1]))),
    "random_target_projection": lambda x, size, rng: random_target_projection(
        x, rng.normal(size=(x.shape[1], size)), scale=size**-0.5
    ),
    "walsh_hadamard_transform": folded,
    "fastfood_project": blended,
    "orthogonal_gaussian_matrix": turned,
    "fastrp": embedded,
    "count_sketch": scattered,
}


def share_outside(before, after, eps):
    """Return the share of pairs of points whose squared distance changed by more than eps of it."""
    i, j = np.triu_indices(len(before), 1)
    ratios = np.sum((after[i] - after[j]) ** 2, axis=1) / np.sum((before[i] - before[j]) ** 2, axis=1)
    return np.mean(np.abs(ratios - 1) > eps)


@pytest.mark.parametrize("name", PROJECTIONS)
def test_distances_are_kept(name):
    """In as many dimensions as the bound asks for, and not in a tenth of them.

    The bound is proved for dense random matrices. A sketch, and a very sparse matrix, needs points whose weight is
    spread over many coordinates, as here.
    """
    points, n, eps = 32, 192 if name == "orthogonal_gaussian_matrix" else 512, 0.5
    rng = np.random.default_rng(12)
    x = rng.normal(size=(points, n)) * rng.uniform(0.5, 2.0, (points, 1))
    size = enough(points, eps)
    assert share_outside(x, PROJECTIONS[name](x, size, rng), eps) == 0
    assert share_outside(x, PROJECTIONS[name](x, size // 10, rng), eps) > 0.05


def test_a_sketch_may_lose_points_of_one_coordinate():
    """Two of them in a bucket: their distance is 0 or doubled, in 160 dimensions too."""
    x, size = np.eye(64), enough(64, 0.5)
    assert share_outside(x, scattered(x, size, np.random.default_rng(0)), 0.5) > 0


def test_the_bound_is_that_of_scikit_learn():
    random_projection = pytest.importorskip("sklearn.random_projection")
    for points, eps in ((32, 0.5), (1000, 0.1)):
        assert abs(enough(points, eps) - random_projection.johnson_lindenstrauss_min_dim(points, eps=eps)) <= 1
