"""How whitening by principal axes is got wrong."""

import numpy as np

from ..._registry import conventions, decomposition, honest, mistake
from ...proj.pca import pca_basis, pca_project, pca_whiten, zca_whiten
from ..matrices import svd

conventions(pca_basis, "scikit-learn", "PCA: mean_, components_, explained_variance_", correction=1)
conventions(pca_basis, "MatryoshkaKV", "variances of a population", correction=0)
conventions(pca_project, "scikit-learn", "PCA(rank).fit_transform")
conventions(pca_whiten, "scikit-learn", "PCA(whiten=True).transform; var = explained_variance_", eps=0.0)
conventions(pca_whiten, "retrieval", "unit rows before and after", normalize=True)
conventions(zca_whiten, "paper", eps=0.0)


@decomposition(pca_basis)
def _(mean, basis, var):
    """Signs of axes are free; that each is in its place shows in a sum of their projectors with falling weights."""
    weights = 1 / np.arange(1, var.shape[-1] + 1, dtype=var.dtype)
    return mean, var, basis @ basis.mT, (basis.mT * weights) @ basis


@decomposition(pca_project)
def _(y):
    """Signs of columns are free: judged are their lengths, and the sum of y y^T / |y| over them."""
    size = np.sqrt(np.sum(y * y, axis=-2, keepdims=True))
    return size, (y / np.where(size == 0, 1, size)) @ y.mT


def axes(x, rank=None, correction=1, mean=None, kept=slice):
    """Return mean, axes and variances in the type of x, or wider where LAPACK has no such."""
    mean = x.mean(axis=-2, keepdims=True) if mean is None else mean
    _, s, vt = svd(x - mean)
    kept = kept(s.shape[-1] if rank is None else rank)
    return mean[..., 0, :], vt[..., kept, :], s[..., kept] ** 2 / s.dtype.type(x.shape[-2] - correction)


@mistake(pca_basis, "not centred", kind="centering")
def _(x, /, *, rank=None, correction=1):
    _, basis, var = axes(x, rank, correction, mean=0 * x[..., :1, :])
    return x.mean(axis=-2), basis, var


@mistake(pca_basis, "variances of a population, or of a sample", kind="correction")
def _(x, /, *, rank=None, correction=1):
    return axes(x, rank, 1 - correction)


@mistake(pca_basis, "smallest variances kept", kind="set")
def _(x, /, *, rank=None, correction=1):
    return axes(x, rank, correction, kept=lambda r: slice(-r, None))


@mistake(pca_basis, "variances ascending, as eigh gives them", kind="order")
def _(x, /, *, rank=None, correction=1):
    mean, basis, var = axes(x, rank, correction)
    return mean, basis[..., ::-1, :], var[..., ::-1]


@mistake(pca_basis, "standard deviations for variances", kind="statistic")
def _(x, /, *, rank=None, correction=1):
    mean, basis, var = axes(x, rank, correction)
    return mean, basis, np.sqrt(var)


@mistake(pca_basis, "axes as long as their deviations", kind="denominator")
def _(x, /, *, rank=None, correction=1):
    mean, basis, var = axes(x, rank, correction)
    return mean, basis * np.sqrt(var)[..., None], var


@honest(pca_basis, "NumPy", baseline=True)
def _(x, /, *, rank=None, correction=1):
    narrow = x.astype(np.promote_types(x.dtype, np.float32))
    return tuple(part.astype(x.dtype) for part in axes(narrow, rank, correction))


@honest(pca_basis, "sklearn.decomposition.PCA", needs="sklearn")
def _(x, /, *, rank=None, correction=1):
    from sklearn.decomposition import PCA

    wide = x.reshape(-1, *x.shape[-2:]).astype("float64")
    fits = [PCA(rank, svd_solver="full").fit(table) for table in wide]
    r = rank or min(x.shape[-2:])
    shapes = ((x.shape[-1],), (r, x.shape[-1]), (r,))
    parts = zip(shapes, ("mean_", "components_", "explained_variance_"), strict=True)
    mean, basis, var = (
        np.reshape([getattr(fit, name) for fit in fits], (*x.shape[:-2], *shape)) for shape, name in parts
    )
    share = (x.shape[-2] - 1) / (x.shape[-2] - correction)
    return mean.astype(x.dtype), basis.astype(x.dtype), (var * share).astype(x.dtype)


@mistake(pca_project, "not centred", kind="centering")
def _(x, /, *, rank=None):
    return x @ axes(x, rank, 0, mean=0 * x[..., :1, :])[1].mT


@mistake(pca_project, "mean left in the coordinates", kind="centering")
def _(x, /, *, rank=None):
    return x @ axes(x, rank, 0)[1].mT


@mistake(pca_project, "smallest variances kept", kind="set")
def _(x, /, *, rank=None):
    return (x - x.mean(axis=-2, keepdims=True)) @ axes(x, rank, 0, kept=lambda r: slice(-r, None))[1].mT


@mistake(pca_project, "whitened", kind="denominator")
def _(x, /, *, rank=None):
    return svd(x - x.mean(axis=-2, keepdims=True))[0][..., :rank]


@mistake(pca_project, "columns ascending, as eigh gives them", kind="order")
def _(x, /, *, rank=None):
    return ((x - x.mean(axis=-2, keepdims=True)) @ axes(x, rank, 0)[1].mT)[..., ::-1]


@mistake(pca_project, "back among the columns: the nearest rows of that rank", kind="order of the steps")
def _(x, /, *, rank=None):
    mean, basis, _ = axes(x, rank, 0)
    return ((x - mean[..., None, :]) @ basis.mT @ basis)[..., : basis.shape[-2]]


@honest(pca_project, "NumPy", baseline=True)
def _(x, /, *, rank=None):
    narrow = x.astype(np.promote_types(x.dtype, np.float32))
    u, s, _ = svd(narrow - narrow.mean(axis=-2, keepdims=True))
    return (u * s[..., None, :])[..., :rank].astype(x.dtype)


def unit(x):
    size = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return x / np.where(size == 0, 1, size)


def white(x, mean, basis, var, eps, normalize=False, root=np.sqrt, back=False):
    x, mean, basis, var = (a.astype(np.float64) for a in (x, mean, basis, var))
    y = ((unit(x) if normalize else x) - mean) @ basis.T / root(var + eps)
    y = y @ basis if back else y
    return unit(y) if normalize else y


@mistake(pca_whiten, "divided by the variance", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize, root=lambda v: v)


@mistake(pca_whiten, "mean not taken off", kind="centering")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, 0 * mean, basis, var, eps, normalize)


@mistake(pca_whiten, "eps outside the root", kind="place of eps")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize, root=lambda v: np.sqrt(v - eps) + eps)


@mistake(pca_whiten, "not divided", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize, root=np.ones_like)


@mistake(pca_whiten, "never unit rows", kind="place of a parameter")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps)


@mistake(pca_whiten, "unit rows after alone", kind="order of the steps")
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    y = white(x, mean, basis, var, eps)
    return unit(y) if normalize else y


@honest(pca_whiten, "NumPy", baseline=True)
def _(x, mean, basis, var, /, *, eps=0.0, normalize=False):
    return white(x, mean, basis, var, eps, normalize).astype(x.dtype)


@mistake(zca_whiten, "divided by the variance", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, root=lambda v: v, back=True)


@mistake(zca_whiten, "mean put back", kind="centering")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, back=True) + mean


@mistake(zca_whiten, "eps left out", kind="place of eps")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, 0.0, back=True)


@mistake(zca_whiten, "not divided", kind="denominator")
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, root=np.ones_like, back=True)


@honest(zca_whiten, "NumPy", baseline=True)
def _(x, mean, basis, var, /, *, eps=0.0):
    return white(x, mean, basis, var, eps, back=True).astype(x.dtype)
