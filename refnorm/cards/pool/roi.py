"""How samples in boxes are got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.roi import roi_align

conventions(roi_align, "torchvision", "ops.roi_align(aligned=False, sampling_ratio=-1)", aligned=False)
conventions(roi_align, "detectron2", "ROIAlign(aligned=True)", aligned=True)
conventions(roi_align, "onnx", "half_pixel, since opset 16 (onnx#3428)", aligned=True)
conventions(roi_align, "onnx, opset 10", "output_half_pixel", aligned=False)


def bilinear(plane, v, u, border, edge=1):
    """Return one sample of (C, H, W); `border`: what lies outside is taken to the border, however far."""
    height, width = plane.shape[1:]
    if not border and not (-edge <= v <= height - 1 + edge and -edge <= u <= width - 1 + edge):
        return np.zeros(len(plane), plane.dtype)
    v, u = min(max(v, 0), height - 1), min(max(u, 0), width - 1)
    i, k = int(v), int(u)
    p, q = plane.dtype.type(v - i), plane.dtype.type(u - k)
    below, right = min(i + 1, height - 1), min(k + 1, width - 1)
    return ((1 - p) * (1 - q) * plane[:, i, k] + (1 - p) * q * plane[:, i, right]
            + p * (1 - q) * plane[:, below, k] + p * q * plane[:, below, right])  # fmt: skip


def align(
    x, boxes, ids, output_size, scale, samples, aligned, *, border=False, edge=1, middle=0.5, least=True, half=0.5,
    how=np.mean, nearest=False,
):  # fmt: skip
    tall, wide = output_size if isinstance(output_size, tuple) else (output_size,) * 2
    y = np.empty((len(boxes), x.shape[1], tall, wide), x.dtype)
    for r, i in enumerate(ids):
        x0, y0, x1, y1 = boxes[r].astype(float) * scale - (half if aligned else 0)
        w, h = x1 - x0, y1 - y0
        if not aligned and least:
            w, h = max(w, 1.0), max(h, 1.0)
        for a, b in np.ndindex(tall, wide):
            seen = []
            for p, q in np.ndindex(samples, samples):
                v = y0 + h * (a * samples + p + middle) / (tall * samples)
                u = x0 + w * (b * samples + q + middle) / (wide * samples)
                v, u = (np.round(v), np.round(u)) if nearest else (v, u)
                seen.append(bilinear(x[i], v, u, border, edge))
            y[r, :, a, b] = how(seen, axis=0)
    return y


def align_twin(name, kind, turn=lambda boxes: boxes, **wrong):
    @mistake(roi_align, name, kind=kind)
    def _(x, boxes, ids, /, *, output_size, scale=1.0, samples=2, aligned=True):
        how = {"scale": scale, "samples": samples, "aligned": aligned} | wrong
        return align(x, turn(boxes), ids, output_size, **how)


align_twin("half a cell put on", "sign", half=-0.5)
align_twin("scale left out", "place of a parameter", scale=1.0)
align_twin("x and y changed round", "axis", turn=lambda boxes: boxes[:, [1, 0, 3, 2]])
align_twin("width and height for the far corner", "place of a parameter", turn=lambda boxes: np.concatenate(
    [boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1))  # fmt: skip
align_twin("samples at the corners of their cells", "order of steps", middle=0.0)
align_twin("samples far outside taken to the border", "tail", border=True)
align_twin("samples just outside counted as 0", "tail", edge=0)
align_twin("one sample a bin", "statistic", samples=1)
align_twin("maximum in place of mean", "statistic", how=np.max)
align_twin("nearest cell", "statistic", nearest=True)
align_twin("boxes below a cell left so", "region", least=False)
align_twin("sum in place of mean", "denominator", how=np.sum)


@mistake(roi_align, "the first image always", kind="place of a parameter")
def _(x, boxes, ids, /, *, output_size, scale=1.0, samples=2, aligned=True):
    return align(x, boxes, 0 * ids, output_size, scale, samples, aligned)


@honest(roi_align, "NumPy")
def _(x, boxes, ids, /, *, output_size, scale=1.0, samples=2, aligned=True):
    return align(x, boxes, ids, output_size, scale, samples, aligned)
