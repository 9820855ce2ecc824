"""How running statistics are kept wrong, and how frameworks keep them."""

from ..._registry import conventions, honest, mistake
from ...norm.running import update_running

conventions(update_running, "torch", "the variance; pytorch#1410", momentum=0.1, correction=1)
conventions(update_running, "onnx", "training_mode=1; biased variance", momentum=0.9, weighs="old")
conventions(update_running, "keras", "biased variance. pytorch#18525, transformers#19454", momentum=0.99, weighs="old")
conventions(update_running, "flax", "biased variance", momentum=0.99, weighs="old")


def unbiased(new, count, correction):
    return new * (count / (count - correction)) if correction else new


def weighted(old, new, momentum, weighs):
    share = momentum if weighs == "new" else 1 - momentum
    return (1 - share) * old + share * new


@mistake(update_running, "momentum weighs the other one", kind="state update")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return weighted(old, unbiased(new, count, correction), 1 - momentum, weighs)


@mistake(update_running, "weighs not read: always the new", kind="state update")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return weighted(old, unbiased(new, count, correction), momentum, "new")


@mistake(update_running, "correction left out", kind="denominator")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return weighted(old, new, momentum, weighs)


@mistake(update_running, "correction the wrong way round", kind="denominator")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return weighted(old, new * ((count - correction) / count) if correction else new, momentum, weighs)


@mistake(update_running, "correction of the old one too", kind="order of the correction")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return unbiased(weighted(old, new, momentum, weighs), count, correction)


@mistake(update_running, "the old one not scaled down", kind="sum of the shares")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return old + (momentum if weighs == "new" else 1 - momentum) * unbiased(new, count, correction)


# ---- other people's right ones ----


@honest(update_running, "NumPy")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    return weighted(old, unbiased(new, count, correction), momentum, weighs)


@honest(update_running, "torch", needs="torch")
def _(old, new, /, *, momentum, weighs="new", count=None, correction=0):
    import torch

    share = momentum if weighs == "new" else 1 - momentum
    old, new = torch.from_numpy(old.copy()), torch.from_numpy(new.copy())
    return torch.add((1 - share) * old, unbiased(new, count, correction), alpha=share).numpy()
