"""How the sum of products of pairs is got wrong."""

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.factorization import factorization_machine_pool

conventions(factorization_machine_pool, "optfs", "FactorizationMachine(reduce_sum=False)")
conventions(factorization_machine_pool, "deepctr", "FM: followed by the sum over d")


def gated(x, gate):
    return x if gate is None else x * gate[..., None]


@mistake(factorization_machine_pool, "half forgotten", kind="denominator")
def _(x, gate=None, /):
    e = gated(x, gate)
    return e.sum(axis=-2) ** 2 - (e**2).sum(axis=-2)


@mistake(factorization_machine_pool, "squares not taken off", kind="statistic")
def _(x, gate=None, /):
    return gated(x, gate).sum(axis=-2) ** 2 / 2


@mistake(factorization_machine_pool, "mean in place of sum", kind="denominator")
def _(x, gate=None, /):
    e = gated(x, gate)
    return (e.mean(axis=-2) ** 2 - (e**2).mean(axis=-2)) / 2


@mistake(factorization_machine_pool, "gates on the squares left out", kind="place of a parameter")
def _(x, gate=None, /):
    return (gated(x, gate).sum(axis=-2) ** 2 - (x**2).sum(axis=-2)) / 2


@mistake(factorization_machine_pool, "sign turned round", kind="sign")
def _(x, gate=None, /):
    e = gated(x, gate)
    return ((e**2).sum(axis=-2) - e.sum(axis=-2) ** 2) / 2


@mistake(factorization_machine_pool, "neighbours only", kind="region")
def _(x, gate=None, /):
    e = gated(x, gate)
    return (e[..., 1:, :] * e[..., :-1, :]).sum(axis=-2)


@honest(factorization_machine_pool, "NumPy, each field times those before", baseline=True)
def _(x, gate=None, /):
    e = gated(x, gate)
    before = np.cumsum(e, axis=-2)[..., :-1, :]
    return (np.sum(before * e[..., 1:, :], axis=-2) + 0 * np.sum(e, axis=-2)).astype(x.dtype)
