"""How ghost batch norm is got wrong, and how codes cut their ghosts."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.ghost import ghost_batch_norm_train
from ..channels import affine, along_channels, unshifted

conventions(ghost_batch_norm_train, "paper", "running statistics move by one ghost after the other", eps=1e-5)
conventions(ghost_batch_norm_train, "tabnet", "chunks in a row, the last one shorter; eps of torch", eps=1e-5)
conventions(
    ghost_batch_norm_train,
    "tf",
    "virtual_batch_size = N / groups; tensorflow/python/layers/normalization.py",
    interleaved=True,
    axis=-1,
    eps=1e-3,
)
conventions(
    ghost_batch_norm_train,
    "cifar10-fast",
    "num_splits = groups: view(-1, C * num_splits, H, W) takes every num_splits-th sample",
    interleaved=True,
    eps=1e-5,
)


def over_root(c, var, eps):
    return c / np.sqrt(var + c.dtype.type(eps))


def written(divide=over_root, less=0, whole=False, per_sample=False, cut=None, moments=lambda mean, var: (mean, var)):
    """The operator in plain NumPy, and where its options say so, a wrong twin."""

    def call(x, weight=None, bias=None, /, *, groups, interleaved=False, axis=1, eps=1e-5):
        y, taking_turns = np.empty_like(x), interleaved if cut is None else cut
        others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
        w, b = (p if p is None else along_channels(x, p, axis) for p in (weight, bias))
        size, kept = len(x) // groups, []
        for g in range(groups):
            place = slice(g, None, groups) if taking_turns else slice(g * size, (g + 1) * size)
            part = x if whole else x[place]
            over = others[1:] if per_sample else others
            mean = np.mean(part, axis=over, keepdims=True)
            square = np.sum((part - mean) ** 2, axis=over, keepdims=True)
            var = square / x.dtype.type(part.size // mean.size - less)
            y[place] = affine(divide(x[place] - mean, var, eps), w, b)
            kept.append([np.mean(m, axis=others) for m in (mean, var)])
        return y, *moments(*(np.stack(m) for m in zip(*kept, strict=True)))

    return call


for name, kind, wrong in [
    ("moments of the whole batch", "statistic", {"whole": True}),
    ("every sample by its own moments", "axis", {"per_sample": True}),
    ("ghosts always in a row", "order", {"cut": False}),
    ("ghosts always interleaved", "order", {"cut": True}),
    ("n - 1 in place of n", "denominator", {"less": 1}),
    ("eps outside the root", "place of a parameter", {"divide": lambda c, var, eps: c / (np.sqrt(var) + eps)}),
    ("eps left out", "place of a parameter", {"divide": lambda c, var, eps: c / np.sqrt(var)}),
    ("standard deviations returned", "state update", {"moments": lambda mean, var: (mean, np.sqrt(var))}),
]:
    mistake(ghost_batch_norm_train, name, kind=kind)(written(**wrong))

honest(ghost_batch_norm_train, "NumPy, ghost by ghost")(written())


@honest(ghost_batch_norm_train, "torch, ghosts folded into channels", needs="torch")
def _(x, weight=None, bias=None, /, *, groups, interleaved=False, axis=1, eps=1e-5):
    import torch

    planes, n = np.moveaxis(x, axis, 1), len(x)
    order = np.arange(n) if interleaved else np.arange(n).reshape(groups, -1).T.reshape(-1)
    t = torch.from_numpy(planes[order].copy())
    folded = t.reshape(n // groups, groups * t.shape[1], *t.shape[2:])
    w, b = (p if p is None else torch.from_numpy(np.tile(p, groups)) for p in (weight, bias))
    y = torch.native_batch_norm(folded, w, b, None, None, True, 0.1, eps)[0].reshape(t.shape).numpy()
    others = [a for a in range(folded.ndim) if a != 1]
    back = np.empty_like(y)
    back[order] = y
    mean, var = (m.reshape(groups, -1).numpy() for m in (folded.mean(others), folded.var(others, correction=0)))
    return np.moveaxis(back, 1, axis), mean, var


unshifted(ghost_batch_norm_train)
