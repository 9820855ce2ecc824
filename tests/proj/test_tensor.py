"""Tensors of few factors by hand, against einsum, and against torch's convolution by the whole kernel."""

import numpy as np
import pytest

from refnorm.proj import cp_conv, cp_reconstruct, hosvd, mode_product, truncated_svd, tucker_reconstruct


def test_by_hand():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert mode_product(x, np.array([[1.0, -1.0]]), axis=0).tolist() == [[-2, -2]]
    assert mode_product(x, np.array([[1.0, -1.0]]), axis=-1).tolist() == [[-1], [-1]]
    two = np.array([[2.0]])
    assert tucker_reconstruct(two, np.array([[1.0], [3.0]]), np.array([[5.0]]), scale=0.5).tolist() == [[5], [15]]
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 1.0], [0.0, 1.0]])
    assert cp_reconstruct(a, b).tolist() == [[5, 2]]
    assert cp_reconstruct(a, b, np.array([[2.0, 1.0]]), np.array([1.0, 10.0])).tolist() == [[[26], [20]]]
    x, one = np.array([[[[1.0, 2.0, 4.0]]]]), np.array([[1.0]])
    assert cp_conv(x, 3 * one, one, one, np.array([[1.0], [-1.0]])).tolist() == [[[[-3, -6]]]]
    assert cp_conv(x, one, one, one, one, np.array([1.0]), stride=2).tolist() == [[[[2, 5]]]]


def test_is_einsum():
    rng = np.random.default_rng(0)
    g, a, b, c = (rng.normal(size=s) for s in [(2, 3, 2), (4, 2), (5, 3), (6, 2)])
    wanted = np.einsum("pqr,ip,jq,kr->ijk", g, a, b, c)
    assert np.allclose(tucker_reconstruct(g, a, b, c), wanted, rtol=1e-12, atol=1e-13)
    b, w = rng.normal(size=(5, 2)), rng.normal(size=2)
    wanted = np.einsum("r,ir,jr,kr->ijk", w, a, b, c)
    assert np.allclose(cp_reconstruct(a, b, c, w), wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_is_the_convolution_by_the_whole_kernel(torch, stride, padding):
    x, a, b, u, v, bias = (
        torch.randn(*s, dtype=torch.float64) for s in [(2, 3, 7, 6), (4, 2), (3, 2), (3, 2), (2, 2), (4,)]
    )
    kernel = torch.einsum("or,cr,ir,jr->ocij", a, b, u, v)
    wanted = torch.nn.functional.conv2d(x, kernel, bias, stride=stride, padding=padding)
    got = cp_conv(x, a, b, u, v, bias, stride=stride, padding=padding)
    torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-11)


def test_refusals():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="axis 2 does not exist"):
        mode_product(x, x, axis=2)
    with pytest.raises(TypeError):
        mode_product(x, x, axis=1.0)
    with pytest.raises(ValueError, match="weight must have shape"):
        mode_product(x, x, axis=0)
    with pytest.raises(ValueError, match="core must have 3 axes"):
        tucker_reconstruct(x, x, x, x)
    with pytest.raises(ValueError, match="b must have shape"):
        tucker_reconstruct(x, x.T, x.T)
    with pytest.raises(ValueError, match="scale"):
        tucker_reconstruct(x, x.T, x, scale=np.inf)
    with pytest.raises(ValueError, match="b must have shape"):
        cp_reconstruct(x, x.T)
    with pytest.raises(ValueError, match="weights"):
        cp_reconstruct(x, x, None, np.ones(2))
    images, one = np.ones((1, 2, 3, 3)), np.ones((2, 1))
    with pytest.raises(ValueError, match="x must have shape"):
        cp_conv(x, one, one, one, one)
    with pytest.raises(ValueError, match="b must have shape"):
        cp_conv(images, one, np.ones((3, 1)), one, one)
    with pytest.raises(ValueError, match="stride"):
        cp_conv(images, one, one, one, one, stride=0)
    with pytest.raises(ValueError, match="does not fit"):
        cp_conv(images, one, one, np.ones((4, 1)), one)


def test_hosvd_by_hand():
    core, a, b = hosvd(np.array([[0.0, 3.0], [0.5, 0.0]]))
    assert (core.tolist(), a.tolist(), b.tolist()) == ([[3, 0], [0, 0.5]], [[1, 0], [0, 1]], [[0, 1], [1, 0]])


def test_hosvd_of_a_matrix_is_its_svd():
    x = np.random.default_rng(11).normal(size=(5, 4))
    core, a, b = hosvd(x, rank=(2, 2))
    u, s, v = truncated_svd(x, rank=2)
    assert np.allclose(np.abs(core), np.diag(s), atol=1e-13)
    assert np.allclose(tucker_reconstruct(core, a, b), (u * s) @ v.T, atol=1e-13)


def test_hosvd_loses_no_more_than_is_cut_off():
    x = np.random.default_rng(12).normal(size=(4, 5, 3))
    core, *factors = hosvd(x, rank=(2, 3, 2))
    assert core.shape == (2, 3, 2)
    cut = 0.0
    for k, r in enumerate((2, 3, 2)):
        s = np.linalg.svd(np.moveaxis(x, k, 0).reshape(x.shape[k], -1), compute_uv=False)
        cut += np.sum(s[r:] ** 2)
    assert np.sum((x - tucker_reconstruct(core, *factors)) ** 2) <= cut
    four = np.random.default_rng(13).normal(size=(2, 3, 2, 2))
    core, *factors = hosvd(four)
    assert np.allclose(np.einsum("pqrs,ip,jq,kr,ls->ijkl", core, *factors), four, atol=1e-13)


def test_refusals_of_hosvd():
    x = np.ones((3, 4))
    for rank, error in (((1,), ValueError), ((0, 1), ValueError), ((4, 1), ValueError), ((1.0, 1), TypeError)):
        with pytest.raises(error, match="rank"):
            hosvd(x, rank=rank)
    for bad in (x[0], x[:0]):
        with pytest.raises(ValueError, match="x must have"):
            hosvd(bad)
