"""What each kind of node does, as a call of an operator: arrays in, the outputs that are asked for out."""

from __future__ import annotations

import math

import numpy as np

import refnorm

from .nodes import KINDS, one_weight_a_group, options_of

__all__ = ["outputs_of"]


def outputs_of(kind: str, given: dict, opset: int, arrays: list, wanted: int) -> tuple:
    """Return the first `wanted` outputs of a node with these attributes and inputs, None for an input left out."""
    x = arrays[0]
    options = options_of(kind, given, opset, x.shape)
    if kind == "BatchNormalization" and given.get("training_mode", 0):
        return _batch_in_training(*arrays, eps=options["eps"], momentum=given["momentum"])
    if kind == "LayerNormalization":
        return _layer(*arrays, wanted=wanted, stash_type=given["stash_type"], **options)
    name, roles = KINDS[kind]
    operator = getattr(getattr(refnorm, refnorm.OPERATORS[name].wing), name)
    named = dict(zip(roles, arrays, strict=False))
    if one_weight_a_group(kind, opset):
        named |= {role: _of_channels(named[role], x.shape[1], options["groups"]) for role in ("weight", "bias")}
    if kind == "RMSNormalization":
        return (_rms(operator, x, named["weight"], options),)
    if kind == "BatchNormalization":
        return (operator(x, named["mean"], named["var"], named["weight"], named["bias"], **options),)
    return (operator(*named.values(), **options),)


def _of_channels(parameter, channels: int, groups: int):
    """Return a parameter of groups, as opset 18 has it, as one of channels."""
    if parameter.shape != (groups,) or channels % groups:
        raise ValueError(f"expected {groups} numbers, one a group of {channels} channels, got {parameter.shape}")
    return np.repeat(parameter, channels // groups)


def _spread(name: str, parameter, shape: tuple):
    """Return a parameter in the shape of what is normalized: ONNX lets it be broadcast."""
    if parameter is None or parameter.shape == shape:
        return parameter
    try:
        return np.broadcast_to(parameter, shape)
    except ValueError:
        raise ValueError(f"{name} must broadcast to {shape}, got {parameter.shape}") from None


def _rms(operator, x, scale, options):
    """Return the answer in the type of the scale, which ONNX lets differ from that of x."""
    scale = _spread("scale", scale, tuple(x.shape[a] for a in options["axis"]))
    if scale.dtype == x.dtype:
        return operator(x, scale, **options)
    return operator(x.astype("float64"), scale, **options).astype(scale.dtype)


def _layer(x, scale, bias=None, *, axis, eps, wanted, stash_type):
    """Return the normalized rows and, where they are asked for, the mean and the inverse deviation of each."""
    shape = tuple(x.shape[a] for a in axis)
    y = refnorm.norm.layer_norm(x, _spread("Scale", scale, shape), _spread("B", bias, shape), axis=axis, eps=eps)
    if wanted == 1:
        return (y,)
    from onnx.helper import tensor_dtype_to_np_dtype

    rows = x.reshape((math.prod(x.shape[: axis[0]]), math.prod(shape))).astype("float64")
    mean, var = refnorm.norm.batch_moments(rows, axis=0)[:2] if len(rows) else (np.empty(0), np.empty(0))
    with np.errstate(divide="ignore"):
        inverse = 1 / np.sqrt(var + eps)
    kept, stash = x.shape[: axis[0]] + (1,) * len(axis), tensor_dtype_to_np_dtype(stash_type)
    return y, mean.reshape(kept).astype(stash), inverse.reshape(kept).astype(stash)


def _batch_in_training(x, scale, bias, mean, var, *, eps, momentum):
    """Return the data by the moments of the batch, and the running ones moved towards them."""
    y, *_ = refnorm.norm.batch_norm_train(x, scale, bias, eps=eps)
    # once more, since batch_norm_train rounds the moments that it returns to the type of x
    new_mean, new_var, _ = refnorm.norm.batch_moments(x.astype("float64"))
    weighs = refnorm.convention("onnx", "update_running")["weighs"]
    moved = [
        refnorm.norm.update_running(old, new, momentum=momentum, weighs=weighs)
        for old, new in ((mean, new_mean), (var, new_var))
    ]
    return y, *moved
