"""How penalties of beams are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...prob.overtrust import over_trust_penalty, penalized_beam_logits

conventions(over_trust_penalty, "opera", "without its factor of 1e-7, as catalogued", scale=50.0)
conventions(penalized_beam_logits, "opera", "the others at -inf, not at -999", alpha=1.0)


def leaning(x, window, scale, *, heads=np.max, over=None, own=True, whole=False, best=np.max, product=np.prod):
    k = x.shape[-2] if window is None else window
    w = heads(x, axis=-3)[..., -k:, :]
    parts = w[..., -k:]
    divisor = 1 if over == "nothing" else (parts if over == "window" else w).sum(axis=-1, keepdims=True)
    w = parts / divisor * x.dtype.type(scale)
    place = np.arange(k)
    before = place[:, None] < place if own else place[:, None] <= place
    columns = product(w if whole else np.where(before, w.dtype.type(1), w), axis=-2)
    return best(columns, axis=-1), np.argmax(columns, axis=-1) + x.shape[-1] - k


def wrong(name, kind, **how):
    mistake(over_trust_penalty, name, kind=kind)(
        lambda x, /, *, window=None, scale=50.0: leaning(x, window, scale, **how)
    )


wrong("mean of heads", "statistic", heads=np.mean)
wrong("not divided by the sum", "denominator", over="nothing")
wrong("shares of the window alone", "denominator", over="window")
wrong("own row left out", "edges", own=False)
wrong("columns of the future too", "edges", whole=True)
wrong("least column", "sign", best=np.min)
wrong("sums down columns", "statistic", product=np.sum)
mistake(over_trust_penalty, "always 50", kind="option not read")(
    lambda x, /, *, window=None, scale=50.0: leaning(x, window, 50.0)
)
mistake(over_trust_penalty, "all rows", kind="option not read")(
    lambda x, /, *, window=None, scale=50.0: leaning(x, None, scale)
)


@mistake(over_trust_penalty, "place within the window", kind="shift")
def _(x, /, *, window=None, scale=50.0):
    penalty, place = leaning(x, window, scale)
    return penalty, place - x.shape[-1] + (x.shape[-2] if window is None else window)


honest(over_trust_penalty, "NumPy")(lambda x, /, *, window=None, scale=50.0: leaning(x, window, scale))


def penalised(x, indices, penalty, alpha, *, elsewhere=-np.inf, shares=True, among_all=False):
    z = np.take_along_axis(x, indices, axis=-1) - x.dtype.type(alpha) * penalty
    if shares:
        of = x if among_all else z
        m = np.max(of, axis=-1, keepdims=True)
        e = np.exp(of - m)
        largest = np.arange(of.shape[-1]) == np.argmax(of, axis=-1, keepdims=True)  # its share is the 1 of log1p
        z = (z - m) - np.log1p(np.sum(np.where(largest, e - 1, e), axis=-1, keepdims=True))
    y = np.full(x.shape, elsewhere, x.dtype)
    np.put_along_axis(y, indices, z, axis=-1)
    return y


def wrong_scores(name, kind, twin):
    @mistake(penalized_beam_logits, name, kind=kind)
    def _(x, indices, penalty, /, *, alpha=1.0):
        return twin(x, indices, penalty, alpha)


wrong_scores("no penalty", "option not read", lambda x, i, p, a: penalised(x, i, p, 0.0))
wrong_scores("penalty added", "sign", lambda x, i, p, a: penalised(x, i, p, -a))
wrong_scores("alpha of one", "option not read", lambda x, i, p, a: penalised(x, i, p, 1.0))
wrong_scores("no shares", "statistic", lambda x, i, p, a: penalised(x, i, p, a, shares=False))
wrong_scores("shares among all tokens", "denominator", lambda x, i, p, a: penalised(x, i, p, a, among_all=True))
wrong_scores("-999 elsewhere", "edges", lambda x, i, p, a: penalised(x, i, p, a, elsewhere=-999.0))
honest(penalized_beam_logits, "NumPy")(
    lambda x, indices, penalty, /, *, alpha=1.0: penalised(x, indices, penalty, alpha)
)
