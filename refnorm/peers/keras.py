"""Keras' operators on its JAX backend (set KERAS_BACKEND before for another), in float32."""

import os

import numpy as np

from ..cards.rows import rowwise

__all__ = [
    "adaptive_avg_pool", "avg_pool", "batch_norm", "batch_norm_train", "group_norm", "instance_norm", "layer_norm",
    "log_softmax", "lp_normalize", "max_pool", "rms_norm", "softmax",
]  # fmt: skip

DTYPES = ("float32",)


def _keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    return keras


# ---- along an axis ----


@rowwise
def layer_norm(x, weight=None, bias=None, *, axis=-1, eps=1e-5):
    return np.asarray(_keras().ops.layer_normalization(x, weight, bias, epsilon=eps))


@rowwise
def rms_norm(x, weight=None, *, axis=-1, eps=1e-6):
    return np.asarray(_keras().ops.rms_normalization(x, weight, epsilon=eps))


@rowwise
def softmax(x, *, axis=-1):
    return np.asarray(_keras().ops.softmax(x))


@rowwise
def log_softmax(x, *, axis=-1):
    return np.asarray(_keras().ops.log_softmax(x))


@rowwise
def lp_normalize(x, *, p=2.0, axis=-1, eps=1e-12):
    if p != int(min(p, 9)):
        raise NotImplementedError(f"Keras has whole orders, not p = {p}")
    return np.asarray(_keras().ops.normalize(x, order=int(p), epsilon=eps))


# ---- over channels ----


def batch_norm(x, mean, var, weight=None, bias=None, *, axis=1, eps=1e-5):
    return np.asarray(_keras().ops.batch_normalization(x, mean, var, axis, bias, weight, eps))


def batch_norm_train(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    """The layer, called to train. With momentum 0 its moving statistics are those of the batch."""
    layer = _affine(_keras().layers.BatchNormalization(axis=axis, momentum=0.0, epsilon=eps), x, weight, bias)
    y = layer(x, training=True)
    return tuple(np.asarray(a) for a in (y, layer.moving_mean, layer.moving_variance))


def group_norm(x, weight=None, bias=None, *, groups, axis=1, eps=1e-5):
    return np.asarray(_affine(_keras().layers.GroupNormalization(groups, axis=axis, epsilon=eps), x, weight, bias)(x))


def instance_norm(x, weight=None, bias=None, *, axis=1, eps=1e-5):
    """Keras' group norm with a group for each channel, as its documentation says."""
    return group_norm(x, weight, bias, groups=x.shape[axis], axis=axis, eps=eps)


def _affine(layer, x, weight, bias):
    layer.build(x.shape)
    if weight is not None:
        layer.gamma.assign(weight)
    if bias is not None:
        layer.beta.assign(bias)
    return layer


# ---- windows ----
# The stride is always said: where it is left out, channels_first pools of Keras 3.15 crash on JAX.


def avg_pool(x, *, window, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    _only_valid(padding, ceil_mode)
    return np.asarray(_keras().ops.average_pool(x, window, stride or window, "valid", "channels_first"))


def max_pool(x, *, window, stride=None, padding=0, dilation=1, ceil_mode=False):
    _only_valid(padding, ceil_mode)
    if dilation != 1:
        raise NotImplementedError("Keras has no dilated pools")
    return np.asarray(_keras().ops.max_pool(x, window, stride or window, "valid", "channels_first"))


def adaptive_avg_pool(x, *, output_size):
    return np.asarray(_keras().ops.adaptive_average_pool(x, output_size, "channels_first"))


def _only_valid(padding, ceil_mode) -> None:
    if padding != 0 or ceil_mode:
        raise NotImplementedError("Keras pads by the names 'valid' and 'same' only, and rounds down")
