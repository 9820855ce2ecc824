"""How weighted windows are got wrong, and what code calls them with."""

import numpy as np

from ..._core.windows import windows
from ..._registry import conventions, honest, mistake
from ...pool.weighted_window import neighborhood_pool, token_aware_avg_pool, weighted_window_pool
from .context import plain, softmax
from .window import cells

conventions(weighted_window_pool, "ppllava", "scores of a softmax already", tau=0.01)
conventions(token_aware_avg_pool, "tapadl", "divides by 9 at the border too", count_include_pad=True)
conventions(token_aware_avg_pool, "poolformer", "its pool leaves padding out", count_include_pad=False)
conventions(neighborhood_pool, "musc", "LNAMD, behind a layer norm; windows of 1, 3 and 5")


def weighted(x, s, window, stride, padding, ceil_mode, tau, share=softmax, power=1, outside=-np.inf):
    axes = windows(x.shape, window, stride, padding, 1, ceil_mode)
    with np.errstate(all="ignore"):
        w = share(cells(s[:, None], axes, outside) / x.dtype.type(tau), -1) ** power
        return (w * cells(x, axes, 0.0)).sum(-1).astype(x.dtype)


def score_twin(name, kind, **wrong):
    @mistake(weighted_window_pool, name, kind=kind)
    def _(x, s, /, *, window, stride=None, padding=0, ceil_mode=False, tau=0.01):
        how = {"window": window, "stride": stride, "padding": padding, "ceil_mode": ceil_mode, "tau": tau}
        return weighted(x, s, **(how | wrong))


score_twin("plain mean", "statistic", share=plain)
score_twin("scores as weights", "denominator", share=lambda q, axis: np.where(np.isfinite(q), q, 0))
score_twin("temperature left out", "place of a parameter", tau=1.0)
score_twin("stride 1", "place of a parameter", stride=1)
score_twin("padding has a score of 0", "denominator", outside=0.0)
score_twin("weights squared", "statistic", power=2)
score_twin("weights of the whole map", "denominator", share=lambda q, axis: np.exp(q) / np.exp(q).sum(
    axis=tuple(range(1, q.ndim)), keepdims=True))  # fmt: skip


@mistake(weighted_window_pool, "multiplied by the temperature", kind="place of a parameter")
def _(x, s, /, *, window, stride=None, padding=0, ceil_mode=False, tau=0.01):
    return weighted(x, s, window, stride, padding, ceil_mode, 1 / tau)


@honest(weighted_window_pool, "NumPy")
def _(x, s, /, *, window, stride=None, padding=0, ceil_mode=False, tau=0.01):
    return weighted(x, s, window, stride, padding, ceil_mode, tau)


def aware(x, w, count_include_pad, first=1, fill=0.0, dilation=lambda k: k):
    y = (w[:, :1] * x).astype(x.dtype)
    for k in range(1, w.shape[1]):
        d = dilation(k)
        axes = windows(x.shape, 3, 1, d, d)
        n = x.dtype.type(3 ** len(axes)) if count_include_pad else cells(np.ones_like(x), axes, 0.0).sum(-1)
        y = y + w[:, k : k + 1] * (cells(x, axes, fill).sum(-1, dtype=x.dtype) / n)
    return y.astype(x.dtype)


def aware_twin(name, kind, turn=lambda w: w, **wrong):
    @mistake(token_aware_avg_pool, name, kind=kind)
    def _(x, w, /, *, count_include_pad=True):
        return aware(x, turn(w), **({"count_include_pad": count_include_pad} | wrong))


aware_twin("dilation 1 always", "place of a parameter", dilation=lambda k: 1)
aware_twin("dilation one larger", "place of a parameter", dilation=lambda k: k + 1)
aware_twin("weights the other way round", "order of steps", turn=lambda w: w[:, ::-1])
aware_twin("weights of the first sample", "axis", turn=lambda w: np.broadcast_to(w[:1], w.shape))


@mistake(token_aware_avg_pool, "the site left out of its neighbourhoods", kind="region")
def _(x, w, /, *, count_include_pad=True):
    y = aware(x, w, count_include_pad)
    return y - (w[:, 1:].sum(axis=1, keepdims=True) * x) / 3 ** (x.ndim - 2)


@honest(token_aware_avg_pool, "NumPy")
def _(x, w, /, *, count_include_pad=True):
    return aware(x, w, count_include_pad)


def near(x, window, output_size, major=1, fill=0.0, split=False):
    each = window if isinstance(window, tuple) else (window,) * (x.ndim - 2)
    seen = cells(x, windows(x.shape, window, 1, tuple((n // 2, n // 2) for n in each)), fill)
    order = (0, *range(2, x.ndim), *((1, x.ndim) if major else (x.ndim, 1)))
    seen = seen.transpose(order)
    v = seen.reshape(*seen.shape[:-2], seen.shape[-2] * seen.shape[-1])
    o, n = x.shape[1] if output_size is None else output_size, v.shape[-1]
    edges = [(i * n // o, (i + 1) * n // o if split else -(-(i + 1) * n // o)) for i in range(o)]
    y = np.stack([v[..., a:b].mean(-1) for a, b in edges], axis=1)
    return y.astype(x.dtype)


def near_twin(name, kind, **wrong):
    @mistake(neighborhood_pool, name, kind=kind)
    def _(x, /, *, window=3, output_size=None):
        return near(x, **({"window": window, "output_size": output_size} | wrong))


near_twin("cells first, channels last", "axis", major=0)
near_twin("bins that share nothing", "region", split=True)


@mistake(neighborhood_pool, "padding left out of the mean", kind="denominator")
def _(x, /, *, window=3, output_size=None):
    return near(x, window, output_size) / near(np.ones_like(x), window, output_size)


@mistake(neighborhood_pool, "window of 3 always", kind="place of a parameter")
def _(x, /, *, window=3, output_size=None):
    return near(x, 3, output_size)


@honest(neighborhood_pool, "NumPy")
def _(x, /, *, window=3, output_size=None):
    return near(x, window, output_size)
