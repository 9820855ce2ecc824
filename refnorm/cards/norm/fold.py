"""How norms are folded wrong into the weights beside them, and what code has them for."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.fold import fold_batch_norm, fold_layer_norm, recenter_output

conventions(fold_layer_norm, "paper", "Pre-RMSNorm of Jiang et al.", compressed=False)
conventions(fold_layer_norm, "pre-crmsnorm", "Pre-CRMSNorm of Jiang et al.: one input less", compressed=True)
conventions(fold_layer_norm, "slicegpt", "fuse_ln_linear; its RMS norm has eps 1e-5 whatever the model had")
conventions(recenter_output, "paper", "LinearZeroMeanOutput of Jiang et al.", compressed=False)
conventions(recenter_output, "pre-crmsnorm", "Pre-CRMSNorm of Jiang et al.: one output less", compressed=True)
conventions(recenter_output, "slicegpt", "bake_mean_into_linear; embeddings minus the mean of their features")
conventions(fold_batch_norm, "torch", "torch.nn.utils.fusion.fuse_linear_bn_weights, fuse_conv_bn_weights", eps=1e-5)
conventions(fold_batch_norm, "onnx", "behind Conv and Gemm", eps=1e-5)
conventions(fold_batch_norm, "keras", "kernels have their outputs last", axis=-1, eps=1e-3)


def folded(weight, gain, shift, bias, rotation, compressed, shifted=None, last=np.subtract):
    w = weight if gain is None else weight * gain
    new = np.zeros(len(weight), weight.dtype) if bias is None else bias
    if shift is not None:
        new = new + (weight if shifted is None else shifted(w)) @ shift
    w = w if rotation is None else w @ rotation
    return (last(w[:, :-1], w[:, -1:]) if compressed else w), new


@mistake(fold_layer_norm, "shift goes through the weight that has the gain already", kind="order of the steps")
def _(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    return folded(weight, gain, shift, bias, rotation, compressed, shifted=lambda w: w)


@mistake(fold_layer_norm, "shift left out", kind="missing term")
def _(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    return folded(weight, gain, None, bias, rotation, compressed)


@mistake(fold_layer_norm, "rotated by the transpose", kind="rotation")
def _(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    return folded(weight, gain, shift, bias, None if rotation is None else rotation.T, compressed)


@mistake(fold_layer_norm, "last column dropped, not taken off the others", kind="compression")
def _(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    return folded(weight, gain, shift, bias, rotation, compressed, last=lambda w, _: w)


@mistake(fold_layer_norm, "last column taken off before the gain", kind="order of the steps")
def _(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    if not compressed or gain is None:
        return folded(weight, gain, shift, bias, rotation, compressed)
    w, new = folded(weight, None, shift, bias, rotation, True)
    return w * gain[:-1], new


@honest(fold_layer_norm, "NumPy")
def _(weight, gain=None, shift=None, bias=None, rotation=None, /, *, compressed=False):
    return folded(weight, gain, shift, bias, rotation, compressed)


def recentred(weight, bias, rotation, compressed, mean=lambda w: np.mean(w, axis=0, keepdims=True), of_bias=np.mean):
    w = weight - mean(weight)
    b = np.zeros(len(weight), weight.dtype) if bias is None else bias - of_bias(bias)
    w, b = (w, b) if rotation is None else (rotation.T @ w, rotation.T @ b)
    return (w[:-1], b[:-1]) if compressed else (w, b)


@mistake(recenter_output, "mean over the inputs", kind="axis")
def _(weight, bias=None, rotation=None, /, *, compressed=False):
    return recentred(weight, bias, rotation, compressed, mean=lambda w: np.mean(w, axis=1, keepdims=True))


@mistake(recenter_output, "one mean for the whole matrix", kind="axis")
def _(weight, bias=None, rotation=None, /, *, compressed=False):
    return recentred(weight, bias, rotation, compressed, mean=np.mean)


@mistake(recenter_output, "bias left as it was", kind="missing term")
def _(weight, bias=None, rotation=None, /, *, compressed=False):
    return recentred(weight, bias, rotation, compressed, of_bias=lambda b: 0)


@mistake(recenter_output, "rotated by the transpose", kind="rotation")
def _(weight, bias=None, rotation=None, /, *, compressed=False):
    return recentred(weight, bias, None if rotation is None else rotation.T, compressed)


@mistake(recenter_output, "last output dropped before the mean is taken", kind="order of the steps")
def _(weight, bias=None, rotation=None, /, *, compressed=False):
    if compressed:
        weight, bias = weight[:-1], bias if bias is None else bias[:-1]
    return recentred(weight, bias, rotation, False)


@honest(recenter_output, "NumPy")
def _(weight, bias=None, rotation=None, /, *, compressed=False):
    w, b = recentred(weight, bias, None, False)  # twice: columns far from 0 keep their digits
    return recentred(w, b, rotation, compressed)


def one_by_one(weight, mean, var, bias, gain, shift, axis, eps, root=np.sqrt):
    scale = (1 if gain is None else gain) / root(var + weight.dtype.type(eps))
    b = ((0 if bias is None else bias) - mean) * scale
    w = np.moveaxis(np.moveaxis(weight, axis, -1) * scale, -1, axis)
    return w, (b if shift is None else b + shift)


@mistake(fold_batch_norm, "variance taken for the deviation", kind="statistic")
def _(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    return one_by_one(weight, mean, var, bias, gain, shift, axis, eps, root=np.positive)


@mistake(fold_batch_norm, "eps left out", kind="place of a parameter")
def _(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    return one_by_one(weight, mean, var, bias, gain, shift, axis, 0.0)


@mistake(fold_batch_norm, "bias not scaled", kind="order of the steps")
def _(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    w, b = one_by_one(weight, mean, var, None, gain, shift, axis, eps)
    return w, (b if bias is None else b + bias)


@mistake(fold_batch_norm, "bias forgotten", kind="missing term")
def _(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    return one_by_one(weight, mean, var, None, gain, shift, axis, eps)


@mistake(fold_batch_norm, "mean left out", kind="missing term")
def _(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    return one_by_one(weight, 0 * mean, var, bias, gain, shift, axis, eps)


@honest(fold_batch_norm, "NumPy")
def _(weight, mean, var, bias=None, gain=None, shift=None, /, *, axis=0, eps=1e-5):
    return one_by_one(weight, mean, var, bias, gain, shift, axis, eps)
