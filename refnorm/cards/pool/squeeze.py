"""How gates of pooled vectors are got wrong, and what papers and code call them with."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...pool.squeeze import aggregation_gate, concurrent_squeeze_excite, spatial_squeeze_excite, squeeze_excite

conventions(squeeze_excite, "torchvision", "SqueezeExcitation: its defaults", reduce="mean", activation="relu")
conventions(squeeze_excite, "efficientnet", "SqueezeExcitation(activation=SiLU)", activation="silu")
conventions(squeeze_excite, "ai-med", "ChannelSELayer, a reduction by 2")
conventions(spatial_squeeze_excite, "ai-med", "SpatialSELayer")
conventions(concurrent_squeeze_excite, "ai-med", "ChannelSpatialSELayer", combine="max")
conventions(aggregation_gate, "osnet", "ChannelGate of deep-person-reid, a reduction by 16")


def sigmoid(q):
    """Return the gate in long double, whose exponent has room for one that x lifts out of the denormals."""
    with np.errstate(all="ignore"):
        e = np.exp(-np.abs(q).astype(np.longdouble))
        return np.where(q < 0, e / (1 + e), 1 / (1 + e))


def relu(h):
    return np.where(h < 0, h.dtype.type(0), h)


def silu(h):
    return (h * sigmoid(h)).astype(h.dtype)


ACTS = {"relu": relu, "silu": silu}


def gates(x, w, v, b, c, *, reduce="mean", act=relu, gate=sigmoid, inside=lambda h: h):
    """Return the gate of each channel (N, C)."""
    z = {"mean": np.mean, "max": np.max, "sum": np.sum}[reduce](x, axis=tuple(range(2, x.ndim)))
    with np.errstate(all="ignore"):
        h = inside(act(z @ w.T + (0 if b is None else b)).astype(x.dtype))
        return gate((h @ v.T + (0 if c is None else c)).astype(x.dtype))


def scaled(x, s):
    with np.errstate(all="ignore"):
        return (x * s.reshape(*s.shape, *(1 for _ in x.shape[2:]))).astype(x.dtype)


def channel_twin(name, kind, how=lambda x, s: scaled(x, s), **wrong):
    @mistake(squeeze_excite, name, kind=kind)
    def _(x, w, v, b=None, c=None, /, *, reduce="mean", activation="relu"):
        options = {"reduce": reduce, "act": ACTS[activation]} | wrong
        return how(x, gates(x, w, v, b, c, **options))


channel_twin("no rectifier between", "statistic", act=lambda h: h)
channel_twin("tanh between", "statistic", act=np.tanh)
channel_twin("maximum always", "statistic", reduce="max")
channel_twin("sum in place of mean", "denominator", reduce="sum")
channel_twin("no sigmoid", "statistic", gate=lambda q: q)
channel_twin("hard sigmoid", "statistic", gate=lambda q: np.clip(q / 6 + 0.5, 0, 1))
channel_twin("softmax over channels", "statistic", gate=lambda q: np.exp(q - q.max(-1, keepdims=True))
             / np.exp(q - q.max(-1, keepdims=True)).sum(-1, keepdims=True))  # fmt: skip
channel_twin("x added to what is gated", "order of steps", how=lambda x, s: x + scaled(x, s))
channel_twin("gated twice", "order of steps", how=lambda x, s: scaled(scaled(x, s), s))


@mistake(squeeze_excite, "biases left out", kind="place of a parameter")
def _(x, w, v, b=None, c=None, /, *, reduce="mean", activation="relu"):
    return scaled(x, gates(x, w, v, None, None, reduce=reduce, act=ACTS[activation]))


@mistake(squeeze_excite, "the means of the first sample", kind="axis")
def _(x, w, v, b=None, c=None, /, *, reduce="mean", activation="relu"):
    return scaled(x, np.broadcast_to(gates(x, w, v, b, c, reduce=reduce, act=ACTS[activation])[:1], x.shape[:2]))


@honest(squeeze_excite, "NumPy")
def _(x, w, v, b=None, c=None, /, *, reduce="mean", activation="relu"):
    return scaled(x, gates(x, w, v, b, c, reduce=reduce, act=ACTS[activation]))


survivor(
    squeeze_excite,
    "squeeze_excite_vjp > activation_slope: return xp.astype(pre > 0, pre.dtype): pre > 0 -> pre >= 0",
    "tells only where a rectifier gets exactly 0: a kink, where any slope from 0 to 1 is right",
)


def by_site(x, w, b, gate=sigmoid):
    with np.errstate(all="ignore"):
        q = np.einsum("nc...,c->n...", x, w) + (0 if b is None else b)
        return (x * gate(q.astype(x.dtype))[:, None]).astype(x.dtype)


@mistake(spatial_squeeze_excite, "bias left out", kind="place of a parameter")
def _(x, w, b=None, /):
    return by_site(x, w, None)


@mistake(spatial_squeeze_excite, "mean over channels", kind="denominator")
def _(x, w, b=None, /):
    return by_site(x, w / len(w), b)


@mistake(spatial_squeeze_excite, "no sigmoid", kind="statistic")
def _(x, w, b=None, /):
    return by_site(x, w, b, gate=lambda q: q)


@mistake(spatial_squeeze_excite, "one gate for all sites", kind="axis")
def _(x, w, b=None, /):
    return by_site(x, w, b, gate=lambda q: sigmoid(np.broadcast_to(
        q.mean(axis=tuple(range(1, q.ndim)), keepdims=True), q.shape)))  # fmt: skip


@honest(spatial_squeeze_excite, "NumPy")
def _(x, w, b=None, /):
    return by_site(x, w, b)


JOIN = {
    "max": np.maximum, "sum": np.add, "product": np.multiply, "concat": lambda a, b: np.concatenate([a, b], axis=1),
}  # fmt: skip


def both(x, w, v, t, b, c, d, join, one=None):
    channels = scaled(x, gates(x, w, v, b, c))
    with np.errstate(all="ignore"):
        return join(channels, channels if one == "channels" else by_site(x, t, d)).astype(x.dtype)


def both_twin(name, kind, join=None, **wrong):
    @mistake(concurrent_squeeze_excite, name, kind=kind)
    def _(x, w, v, t, b=None, c=None, d=None, /, *, combine="max"):
        return both(x, w, v, t, b, c, d, join or JOIN[combine], **wrong)


both_twin("mean of the two", "denominator", join=lambda a, b: (a + b) / 2)
both_twin("channels twice", "statistic", one="channels")
both_twin("the larger magnitude", "sign", join=lambda a, b: np.where(np.abs(a) > np.abs(b), a, b))


@mistake(concurrent_squeeze_excite, "sites after channels", kind="order of steps")
def _(x, w, v, t, b=None, c=None, d=None, /, *, combine="max"):
    return by_site(scaled(x, gates(x, w, v, b, c)), t, d)


@mistake(concurrent_squeeze_excite, "biases left out", kind="place of a parameter")
def _(x, w, v, t, b=None, c=None, d=None, /, *, combine="max"):
    return both(x, w, v, t, None, None, None, JOIN[combine])


@honest(concurrent_squeeze_excite, "NumPy")
def _(x, w, v, t, b=None, c=None, d=None, /, *, combine="max"):
    return both(x, w, v, t, b, c, d, JOIN[combine])


def streams(x, w, v, b, c, of=lambda x, t: x[t], how=np.sum):
    with np.errstate(all="ignore"):
        return how([scaled(x[t], gates(of(x, t), w, v, b, c)) for t in range(len(x))], axis=0).astype(x.dtype)


def stream_twin(name, kind, **wrong):
    @mistake(aggregation_gate, name, kind=kind)
    def _(x, w, v, b=None, c=None, /):
        return streams(x, w, v, b, c, **wrong)


stream_twin("mean of streams", "denominator", how=np.mean)
stream_twin("the gate of the sum for all", "order of steps", of=lambda x, t: x.sum(axis=0))
stream_twin("the gate of the stream beside", "axis", of=lambda x, t: x[t - 1])
stream_twin("maximum of streams", "statistic", how=np.max)


@mistake(aggregation_gate, "biases left out", kind="place of a parameter")
def _(x, w, v, b=None, c=None, /):
    return streams(x, w, v, None, None)


@honest(aggregation_gate, "NumPy")
def _(x, w, v, b=None, c=None, /):
    return streams(x, w, v, b, c)
