"""Softmax weights along the last axis."""

from .sums import total

__all__ = ["scores_of_shown", "softmax_weights"]


def softmax_weights(xp, s, *, roomy):
    """Return the softmax of scores along the last axis: 0 for a score of -inf, NaN where there is none above."""
    e = xp.exp(s - xp.max(s, axis=-1, keepdims=True))
    return e / total(xp, e, roomy=roomy)


def scores_of_shown(xp, shown, s):
    """Return scores where `shown`, -inf elsewhere."""
    return xp.where(shown, s, xp.full_like(s, -float("inf")))
