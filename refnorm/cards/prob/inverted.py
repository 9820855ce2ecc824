"""How inverted softmaxes are got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake, survivor
from ...prob.inverted import dual_inverted_softmax, dynamic_inverted_softmax, inverted_softmax

conventions(inverted_softmax, "code", "DBNorm IS, not in log space", beta=20.0)
conventions(dual_inverted_softmax, "code", "DBNorm dual IS, x in both factors", beta=1 / 1.99, gallery_beta=3.0)
conventions(dynamic_inverted_softmax, "code", "QB-Norm: the rows of others stay similarities", beta=20.0, k=1)


def inverted(x, bank, beta, axis=0, reduce=np.sum, log=False):
    beta = x.dtype.type(beta)
    m = np.max(bank, axis=axis, keepdims=True)
    with np.errstate(over="ignore"):
        y = beta * (x - m) - np.log(reduce(np.exp(beta * (bank - m)), axis=axis, keepdims=True))
        return (y if log else np.exp(y).astype(x.dtype)).reshape(x.shape)


def wrong(name, kind, twin):
    mistake(inverted_softmax, name, kind=kind)(lambda x, bank, /, *, beta=20.0: twin(x, bank, beta))


def softmax(x, bank, beta):
    return inverted(x, x, beta, axis=-1)


wrong("softmax along the gallery", "axis", softmax)
wrong("mean over the bank", "denominator", lambda x, bank, beta: inverted(x, bank, beta, reduce=np.mean))
wrong("divided by beta", "reciprocal", lambda x, bank, beta: inverted(x, bank, 1 / beta))
wrong("beta left out", "option not read", lambda x, bank, beta: inverted(x, bank, 1.0))
wrong("logarithm", "statistic", lambda x, bank, beta: inverted(x, bank, beta, log=True))
wrong("one sum for all columns", "axis", lambda x, bank, beta: inverted(x, bank, beta, axis=(0, 1)))
honest(inverted_softmax, "NumPy")(lambda x, bank, /, *, beta=20.0: inverted(x, bank, beta))


def dual(x, bank, gallery, beta, gamma, **how):
    beta, gamma = x.dtype.type(beta), x.dtype.type(gamma)
    y = inverted(x, bank, beta, log=True, **how) + inverted(x, gallery, gamma, log=True, **how)
    with np.errstate(over="ignore"):
        return np.exp(y).astype(x.dtype)


def wrong_dual(name, kind, twin):
    mistake(dual_inverted_softmax, name, kind=kind)(
        lambda x, bank, gallery_bank, /, *, beta=1 / 1.99, gallery_beta=3.0: twin(
            x, bank, gallery_bank, beta, gallery_beta
        )
    )


wrong_dual("the queries' bank alone", "option not read", lambda x, s, t, b, c: inverted(x, s, b))
wrong_dual("the gallery's bank alone", "option not read", lambda x, s, t, b, c: inverted(x, t, c))
wrong_dual("sharpnesses exchanged", "order", lambda x, s, t, b, c: dual(x, s, t, c, b))
wrong_dual("one sharpness for both", "option not read", lambda x, s, t, b, c: dual(x, s, t, b, b))
wrong_dual("sum of both", "statistic", lambda x, s, t, b, c: inverted(x, s, b) + inverted(x, t, c))
wrong_dual("means over the banks", "denominator", lambda x, s, t, b, c: dual(x, s, t, b, c, reduce=np.mean))
honest(dual_inverted_softmax, "NumPy")(
    lambda x, bank, gallery_bank, /, *, beta=1 / 1.99, gallery_beta=3.0: dual(x, bank, gallery_bank, beta, gallery_beta)
)


def dynamic(x, bank, beta, k, others=lambda x: x, turned=False):
    order = np.argsort(-bank, axis=-1, kind="stable")[:, :k]
    hub = np.zeros(x.shape[-1], bool)
    for row, places in zip(bank, order, strict=True):
        hub[places[~np.isnan(row[places])]] = True
    hit = (hub != turned)[np.argmax(x, axis=-1)][..., None]
    return np.where(hit, inverted(x, bank, beta), others(x))


def wrong_dynamic(name, kind, twin):
    mistake(dynamic_inverted_softmax, name, kind=kind)(lambda x, bank, /, *, beta=20.0, k=1: twin(x, bank, beta, k))


wrong_dynamic("all queries", "option not read", lambda x, bank, beta, k: inverted(x, bank, beta))
wrong_dynamic("no query", "option not read", lambda x, bank, beta, k: x)
wrong_dynamic("one hub of each", "option not read", lambda x, bank, beta, k: dynamic(x, bank, beta, 1))
wrong_dynamic("those whose nearest is no hub", "sign", lambda x, bank, beta, k: dynamic(x, bank, beta, k, turned=True))
wrong_dynamic(
    "exponentials of the others", "statistic", lambda x, bank, beta, k: dynamic(x, bank, beta, k, lambda x: np.exp(x))
)
honest(dynamic_inverted_softmax, "NumPy")(lambda x, bank, /, *, beta=20.0, k=1: dynamic(x, bank, beta, k))


# ---- mutants that no check sees ----
# With one bank the product of sums is 1 times a sum, exact however it is split: two banks, in dual_inverted_softmax,
# tell these from the right ones.

for mutant in (
    "inverted_softmax > two_product: p, high_a, high_b = a * b, halved(a), halved(b): a * b narrowed",
    "inverted_softmax > half: return most - (most - x): most - (most - x) -> most",
    "inverted_softmax > half: return most - (most - x): most - (most - x) -> -(most - x)",
    "inverted_softmax > half: return most - (most - x): most - x -> -x",
    "inverted_softmax_vjp > half: return most - (most - x): most - (most - x) -> most + (most - x)",
    "inverted_softmax_vjp > half: return most - (most - x): most - (most - x) -> most",
    "inverted_softmax_vjp > half: return most - (most - x): most - (most - x) -> -(most - x)",
    "inverted_softmax_vjp > half: return most - (most - x): most - x -> -x",
):
    survivor(inverted_softmax, mutant, "the product of one bank's sum and 1 is exact however its factors are split")


# ---- mutants that no check sees ----

survivor(
    dynamic_inverted_softmax,
    "dynamic_inverted_softmax > two_product: p, high_a, high_b = a * b, halved(a), halved(b): a * b narrowed",
    "what the first part is short of the second one has",
)
