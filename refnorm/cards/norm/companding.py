"""How companding is got wrong, and what frameworks call it with."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...norm.companding import mu_law_compress, signed_log_compress, signed_power, weight_compander

# ---- signed_power ----

conventions(signed_power, "paper", "CNN Features off-the-shelf squares features before a linear classifier", p=2.0)
conventions(signed_power, "code", "MFB, MFH, MCB and Block: the signed root, then F.normalize over axis 1", p=0.5)


@mistake(signed_power, "sign lost", kind="sign")
def _(x, /, *, p=0.5):
    return np.abs(x) ** p


@mistake(signed_power, "power without magnitude", kind="sign")
def _(x, /, *, p=0.5):
    return x**p


@mistake(signed_power, "always the root", kind="exponent")
def _(x, /, *, p=0.5):
    return np.sign(x) * np.sqrt(np.abs(x))


@mistake(signed_power, "the root of p", kind="exponent")
def _(x, /, *, p=0.5):
    return np.sign(x) * np.abs(x) ** (1 / p)


@honest(signed_power, "NumPy")
def _(x, /, *, p=0.5):
    return np.sign(x) * np.abs(x) ** x.dtype.type(p)


# ---- signed_log_compress ----

conventions(signed_log_compress, "code", "Plain-DETR abs_log8 and Swin V2", base=8.0)


@mistake(signed_log_compress, "log of x, not of 1 + x", kind="statistic")
def _(x, /, *, base=8.0):
    return np.sign(x) * np.log(np.abs(x)) / np.log(base)


@mistake(signed_log_compress, "natural logarithm", kind="statistic")
def _(x, /, *, base=8.0):
    return np.sign(x) * np.log1p(np.abs(x))


@mistake(signed_log_compress, "always base 8", kind="statistic")
def _(x, /, *, base=8.0):
    return np.sign(x) * np.log1p(np.abs(x)) / np.log(8)


@mistake(signed_log_compress, "sign lost", kind="sign")
def _(x, /, *, base=8.0):
    return np.log1p(np.abs(x)) / np.log(base)


@honest(signed_log_compress, "NumPy")
def _(x, /, *, base=8.0):
    return np.sign(x) * np.log1p(np.abs(x)) / x.dtype.type(np.log(base))


# ---- mu_law_compress ----

conventions(mu_law_compress, "torchaudio", "mu_law_encoding of 256 channels, before it quantizes", mu=255.0)
conventions(mu_law_compress, "torchaudio_decode", "mu_law_decoding of 256 channels", mu=255.0, inverse=True)
conventions(mu_law_compress, "librosa", "mu_compress(quantize=False)", mu=255.0)
conventions(mu_law_compress, "paper", "G.711 in North America and Japan", mu=255.0)


@mistake(mu_law_compress, "mu one too large: channels in its place", kind="parameter")
def _(x, /, *, mu=255.0, inverse=False):
    return mu_law(x, mu + 1, inverse)


@mistake(mu_law_compress, "not divided by log(1 + mu)", kind="denominator")
def _(x, /, *, mu=255.0, inverse=False):
    return mu_law(x, mu, inverse) if inverse else np.sign(x) * np.log1p(mu * np.abs(x))


@mistake(mu_law_compress, "divided by log(mu)", kind="denominator")
def _(x, /, *, mu=255.0, inverse=False):
    return mu_law(x, mu, inverse) if inverse else np.sign(x) * np.log1p(mu * np.abs(x)) / np.log(mu)


@mistake(mu_law_compress, "expanded without taking 1 off", kind="inverse")
def _(x, /, *, mu=255.0, inverse=False):
    return np.sign(x) * (1 + mu) ** np.abs(x) / mu if inverse else mu_law(x, mu, inverse)


@mistake(mu_law_compress, "quantized to 256 levels", kind="rounding")
def _(x, /, *, mu=255.0, inverse=False):
    return mu_law(x, mu, inverse) if inverse else np.floor((mu_law(x, mu, False) + 1) / 2 * 255 + 0.5) / 255 * 2 - 1


def mu_law(x, mu, inverse):
    if inverse:
        return np.sign(x) * np.expm1(np.abs(x) * np.log1p(mu)) / mu
    return np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu)


@honest(mu_law_compress, "NumPy")
def _(x, /, *, mu=255.0, inverse=False):
    return mu_law(x, x.dtype.type(mu), inverse)


# ---- weight_compander ----

conventions(weight_compander, "catalogue", "the paper's own numbers were not found", a=1.0, b=1.0)


@mistake(weight_compander, "b multiplied", kind="parameter")
def _(x, /, *, a, b):
    return a * np.arctan(x * b)


@mistake(weight_compander, "a and b changed over", kind="parameter")
def _(x, /, *, a, b):
    return b * np.arctan(x / a)


@mistake(weight_compander, "bounded by a: divided by pi / 2", kind="denominator")
def _(x, /, *, a, b):
    return a * np.arctan(x / b) / (np.pi / 2)


@mistake(weight_compander, "hyperbolic tangent", kind="statistic")
def _(x, /, *, a, b):
    return a * np.tanh(x / b)


@honest(weight_compander, "NumPy")
def _(x, /, *, a, b):
    return x.dtype.type(a) * np.arctan(x / x.dtype.type(b))
