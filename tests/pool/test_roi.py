"""Samples in boxes by hand, refusals, and against onnxruntime."""

import numpy as np
import pytest
from onnx_node import session_of

import refnorm
from refnorm.pool import roi_align, roi_align_vjp

X = np.arange(16.0).reshape(1, 1, 4, 4)
FIRST = np.array([0])


def pooled(*box, **options):
    return roi_align(X, np.array([box]), FIRST, **({"output_size": 1} | options)).tolist()[0][0]


def test_by_hand():
    assert pooled(0.0, 0.0, 4.0, 2.0, output_size=(1, 2)) == [[2.5, 4.5]]
    assert pooled(0.5, 0.5, 1.5, 1.5, samples=1) == [[2.5]]  # half a cell off: cells 0 to 1
    assert pooled(0.5, 0.5, 1.5, 1.5, samples=1, aligned=False) == [[5.0]]
    assert pooled(2.0, 1.0, 2.0, 1.0, samples=1, aligned=False) == [[8.5]]  # one cell at least
    assert pooled(2.0, 1.0, 2.0, 1.0, samples=1) == [[3.5]]
    assert pooled(8.0, 8.0, 12.0, 12.0, scale=0.25, samples=1) == [[10.0]]
    assert pooled(-0.5, 0.5, -0.5, 0.5, samples=1) == [[0.0]]  # one cell outside still is the border
    assert pooled(4.5, 3.5, 4.5, 3.5, samples=1) == [[15.0]]
    assert pooled(4.6, 3.5, 4.6, 3.5, samples=1) == [[0.0]]
    assert np.isnan(pooled(np.nan, 0.0, 4.0, 2.0)).all()


@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
def test_equals_onnx(mode):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 9, 8)).astype("float32")
    boxes = rng.uniform(-6, 40, (20, 4)).astype("float32")
    boxes[:, 2:] = boxes[:, :2] + rng.uniform(0, 20, (20, 2))
    ids = rng.integers(0, 2, 20)
    inputs = [("x", "FLOAT", x.shape), ("b", "FLOAT", boxes.shape), ("i", "INT64", ids.shape)]
    run = session_of("RoiAlign", inputs, [("y", "FLOAT", None)], output_height=3, output_width=2, sampling_ratio=2,
                     spatial_scale=0.25, coordinate_transformation_mode=mode)  # fmt: skip
    (wanted,) = run.run(None, {"x": x, "b": boxes, "i": ids})
    how = refnorm.convention("onnx" if mode == "half_pixel" else "onnx, opset 10", "roi_align")
    got = roi_align(x, boxes, ids, output_size=(3, 2), scale=0.25, samples=2, **how)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5)


def test_gradient_by_hand():
    g, box = np.array([[[[4.0]]]]), np.array([[0.5, 0.5, 3.5, 3.5]])
    dx, dbox = roi_align_vjp(g, X, box, FIRST, output_size=1, samples=1)
    assert dx[0, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert dbox.tolist() == [[2, 8, 2, 8]]  # a step to the right is worth 1, one down 4
    dx, dbox = roi_align_vjp(g, X, box - 9, FIRST, output_size=1, samples=1)
    assert not dx.any()
    assert not dbox.any()


def test_refusals():
    box = np.zeros((2, 4))
    ids = np.array([0, 0])
    for call, error, said in [
        (lambda: roi_align(X[0], box, ids, output_size=1), ValueError, "x must have shape"),
        (lambda: roi_align(X, box[:, :3], ids, output_size=1), ValueError, "boxes must have shape"),
        (lambda: roi_align(X, box, ids[:1], output_size=1), ValueError, "ids must have shape"),
        (lambda: roi_align(X, box, ids * 1.0, output_size=1), TypeError, "ids must hold integers"),
        (lambda: roi_align(X, box, ids, output_size=0), ValueError, "output_size must be at least 1"),
        (lambda: roi_align(X, box, ids, output_size=1, samples=0), ValueError, "samples must be at least 1"),
        (lambda: roi_align(X, box, ids, output_size=1, samples=None), TypeError, "samples must be an int"),
        (lambda: roi_align(X, box, ids, output_size=1, scale=0.0), ValueError, "scale must be"),
        (lambda: roi_align(X, box, ids, output_size=1, aligned=1), TypeError, "aligned must be True or False"),
    ]:
        with pytest.raises(error, match=said):
            call()
