"""
Whose batch norm is it?
=======================

A model was ported and its activations drift. Which of the many batch norms is this one? Nobody has to guess: a
diagnosis tries the conventions and known mistakes of the operator, and searches its parameters.
"""

import matplotlib.pyplot as plt
import numpy as np

import refnorm

# %%
# The suspect, which ignores what it is told and has an eps of its own:


def suspect(x, weight=None, bias=None, /, *, axis=1, eps=1e-5):
    axes = tuple(a for a in range(x.ndim) if a != axis)
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    mean, var = x.mean(axes), x.var(axes)
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + x.dtype.type(1e-3))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape), mean, var


report = refnorm.check(suspect, "batch_norm_train", seed=1, dtypes=("float32",))
print(report.named)

# %%
# An eps of 1e-3: Keras' default, as ``refnorm conventions batch_norm_train`` lists it.

for framework, options in refnorm.OPERATORS["batch_norm_train"].load_card().conventions.items():
    print(f"{framework:8} {options}")

# %%
# How far that moves an activation depends on the variance of its channel. The line is the operator itself with two
# values of eps, not a formula.

stds = np.geomspace(1e-3, 10, 60)
x = np.random.default_rng(0).normal(size=(256, 60)) * stds
torchs = refnorm.norm.batch_norm_train(x, **refnorm.convention("torch", "batch_norm_train"))[0]
keras = refnorm.norm.batch_norm_train(x, axis=1, eps=refnorm.convention("keras", "batch_norm_train")["eps"])[0]
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(stds, keras.std(0) / torchs.std(0))
ax.set(xscale="log", xlabel="standard deviation of the channel", ylabel="Keras' answer over torch's")
