"""Sketches by hand, as matrices, and by the kernel as by the formula."""

import numpy as np
import pytest

import refnorm
from refnorm._lanes import cpu_level
from refnorm.proj import count_sketch, sparse_random_matrix, tensor_sketch


def test_by_hand():
    sketch = count_sketch(np.array([1.0, 2.0, 4.0]), np.array([0, 2, -1]), np.array([1.0, -1.0, 1.0]), output_size=3)
    assert sketch.tolist() == [1, 0, -2]


def test_a_sketch_is_a_matrix():
    rng = np.random.default_rng(1)
    x, ids, signs = rng.normal(size=(5, 9)), rng.integers(0, 4, 9), rng.choice([-1.0, 1.0], 9)
    matrix = np.zeros((9, 4))
    matrix[np.arange(9), ids] = signs
    assert np.allclose(count_sketch(x, ids, signs, output_size=4), x @ matrix, rtol=1e-13, atol=1e-14)


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [5, 40_000])
def test_sketches_of_rows_together_are_those_of_rows_one_by_one(size, dtype):
    """Rows with gaps, longer than is copied at once, in buckets whose sums stay in the cache or do not."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(700, 37)).astype(dtype).T[:, ::-2]
    ids, signs = rng.integers(-1, size + 1, 350), rng.choice([-1.0, 1.0], 350).astype(dtype)
    with refnorm.lane("kernel"):
        y = count_sketch(x, ids, signs, output_size=size)
        each = np.stack([count_sketch(row, ids, signs, output_size=size) for row in x])
    with refnorm.lane("formula"):
        wanted = count_sketch(x, ids, signs, output_size=size)
    assert np.array_equal(y, each)
    with refnorm.lane("kernel"):  # two buckets each, of which one is none
        pairs = np.stack([ids, -1 - np.abs(ids)], axis=1), np.stack([signs, 3 * signs], axis=1)
        for rows in (x, x[:1]):
            assert np.array_equal(count_sketch(rows, *pairs, output_size=size), y[: len(rows)])
    np.testing.assert_allclose(y, wanted, rtol=4 * np.finfo(dtype).eps, atol=1e-15)


@pytest.mark.skipif(cpu_level() is None, reason="no kernels are compiled here")
def test_threads_change_no_bit_of_a_sketch(monkeypatch):
    rng = np.random.default_rng(6)
    x, ids, signs = rng.normal(size=(333, 1024)), rng.integers(0, 30, 1024), rng.choice([-1.0, 1.0], 1024)
    answers = []
    for threads in "123":
        monkeypatch.setenv("REFNORM_NUM_THREADS", threads)
        answers.append(count_sketch(x, ids, signs, output_size=30))
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize("lane", ["auto", "formula"])
def test_several_buckets_each_are_a_sparse_matrix(lane):
    rng = np.random.default_rng(7)
    matrix = sparse_random_matrix(rng.uniform(size=(30, 12)), density=0.25, scale=12**-0.5)
    x, k = rng.normal(size=(20, 30)), int(np.max(np.sum(matrix != 0, axis=1)))
    ids = np.argsort(matrix == 0, axis=1, stable=True)[:, :k]
    signs = np.take_along_axis(matrix, ids, axis=1)
    with refnorm.lane(lane):
        y = count_sketch(x, np.where(signs == 0, -1, ids), signs, output_size=12)
    np.testing.assert_allclose(y, x @ matrix, rtol=1e-13, atol=1e-14)


def test_refusals():
    x, ids = np.ones((2, 3)), np.array([0, 1, 0])
    with pytest.raises(ValueError, match="signs"):
        count_sketch(x, ids, np.ones(2), output_size=2)
    with pytest.raises(ValueError, match="ids"):
        count_sketch(x, ids[:, None, None], np.ones((3, 1, 1)), output_size=2)
    with pytest.raises(ValueError, match="at least one bucket"):
        count_sketch(x, np.zeros((3, 0), int), np.ones((3, 0)), output_size=2)
    with pytest.raises(TypeError, match="ids"):
        count_sketch(x, np.ones(3), np.ones(3), output_size=2)
    with pytest.raises(ValueError, match="output_size"):
        count_sketch(x, ids, np.ones(3), output_size=0)


def test_products():
    x, ids, signs = np.array([2.0, 5.0]), np.array([[0, 1], [1, 1]]), np.array([[1.0, 1.0], [1.0, -1.0]])
    assert tensor_sketch(x, ids, signs, output_size=3).tolist() == [0, -6, -15]
    assert tensor_sketch(x, ids[:1], signs[:1], output_size=3).tolist() == [2, 5, 0]


def test_is_the_sketch_of_the_outer_product():
    rng = np.random.default_rng(8)
    x, ids, signs = rng.normal(size=(3, 6)), rng.integers(0, 5, (2, 6)), rng.choice([-1.0, 1.0], (2, 6))
    pairs, both = (ids[0][:, None] + ids[1]).ravel() % 5, (signs[0][:, None] * signs[1]).ravel()
    wanted = count_sketch((x[:, :, None] * x[:, None, :]).reshape(3, 36), pairs, both, output_size=5)
    assert np.allclose(tensor_sketch(x, ids, signs, output_size=5), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("coef0", [0, 2])
def test_is_what_scikit_learn_gives(coef0):
    approximation = pytest.importorskip("sklearn.kernel_approximation")
    x = np.random.default_rng(9).normal(size=(7, 6))
    theirs = approximation.PolynomialCountSketch(degree=3, gamma=0.5, coef0=coef0, n_components=16, random_state=0)
    wanted = theirs.fit_transform(x)
    given = np.concatenate([0.5**0.5 * x, np.full((7, 1), coef0**0.5)], axis=1) if coef0 else 0.5**0.5 * x
    got = tensor_sketch(given, theirs.indexHash_, theirs.bitHash_.astype(float), output_size=16)
    assert np.allclose(got, wanted, rtol=1e-11, atol=1e-12)


def test_products_refuse():
    x, ids = np.ones((2, 3)), np.zeros((2, 3), int)
    for bad in (ids[0], ids[:, :2], ids[:0]):
        with pytest.raises(ValueError, match="ids"):
            tensor_sketch(x, bad, np.ones((2, 3)), output_size=2)
    with pytest.raises(ValueError, match="signs"):
        tensor_sketch(x, ids, np.ones(3), output_size=2)
    with pytest.raises(ValueError, match="output_size"):
        tensor_sketch(x, ids, np.ones((2, 3)), output_size=0)
