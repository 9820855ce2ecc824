"""A subset and its superset in long double, one element at a time."""

import numpy as np


def subset_superset_pool(x, other, member, *, reduce="sum", join="concat"):
    with np.errstate(all="ignore"):
        part = np.stack([(member * x[..., i]).sum(axis=-1) for i in range(x.shape[-1])], axis=-1)
        whole = np.stack([other[..., i].sum(axis=-1) for i in range(other.shape[-1])], axis=-1)
        whole = whole / x.shape[-2] if reduce == "mean" else whole
        sets = np.broadcast_shapes(part.shape[:-1], whole.shape[:-1])
        part, whole = (np.broadcast_to(one, (*sets, one.shape[-1])) for one in (part, whole))
        return part + whole if join == "add" else np.concatenate([part, whole], axis=-1)
