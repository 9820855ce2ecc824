"""How pyramids of bins are got wrong, and what papers and code call them with."""

import itertools

import numpy as np

from ..._registry import conventions, honest, mistake
from ...pool.pyramid import spatial_pyramid_code_pool, spatial_pyramid_pool, spatial_pyramid_roi_pool

conventions(spatial_pyramid_pool, "paper", "section 2.2: windows and steps, a maximum", binning="window")
conventions(spatial_pyramid_pool, "code", "SPP_net: adaptive bins; its maximum starts at 0", binning="adaptive")
conventions(spatial_pyramid_pool, "p2at", "as the text has it", reduce="mean", tokens=True)
conventions(spatial_pyramid_roi_pool, "paper", "appendix", kind="paper")
conventions(spatial_pyramid_roi_pool, "code", "its maximum starts at 0; two offsets added to the boxes", kind="code")
conventions(spatial_pyramid_code_pool, "paper", "levels 1 and 2, maximum", levels=(1, 2), reduce="max")

HOW = {"max": np.max, "mean": np.mean}


def ends(n, o, binning):
    """Return (start, stop) of the bins along an axis."""
    if binning == "window":
        window, stride = -(-n // o), n // o
        return [(a, a + window) for a in range(0, n - window + 1, stride)]
    return [(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]


def leveled(x, levels, how, cut):
    """Return, for each level, (N, C, *bins)."""
    parts = []
    for level in levels:
        cuts = [cut(n, level) for n in x.shape[2:]]
        y = np.empty((*x.shape[:2], *map(len, cuts)), x.dtype)
        for place in np.ndindex(*y.shape[2:]):
            cells = x[(slice(None), slice(None), *(slice(*c[i]) for c, i in zip(cuts, place, strict=True)))]
            y[(..., *place)] = how(cells, axis=tuple(range(2, x.ndim)))
        parts.append(y)
    return parts


def laid(parts, tokens):
    n, c = parts[0].shape[:2]
    if tokens:
        flat = [y.reshape(n, c, int(np.prod(y.shape[2:]))) for y in parts]
        return np.concatenate(flat, axis=2).swapaxes(1, 2)
    return np.concatenate([y.reshape(n, int(np.prod(y.shape[1:]))) for y in parts], axis=1)


def pyramid_twin(name, kind, how=None, cut=ends, lay=laid):
    @mistake(spatial_pyramid_pool, name, kind=kind)
    def _(x, /, *, levels=(1, 2, 3, 6), reduce="max", binning="adaptive", tokens=False):
        return lay(leveled(x, levels, how or HOW[reduce], lambda n, o: cut(n, o, binning)), tokens)


def split(n, o):
    """Return bins none of which share a cell."""
    edges = np.cumsum([0] + [len(part) for part in np.array_split(np.arange(n), o)])
    return list(itertools.pairwise(edges))


pyramid_twin("maximum starts at zero", "tail", how=lambda v, axis: np.maximum(np.max(v, axis=axis), 0))
pyramid_twin("always the mean", "statistic", how=np.mean)
pyramid_twin("bins that share no cell", "region", cut=lambda n, o, binning: (
    ends(n, o, binning) if binning == "window" else split(n, o)))  # fmt: skip
pyramid_twin("channels last", "axis", lay=lambda parts, tokens: (
    laid(parts, tokens) if tokens else laid([np.moveaxis(y, 1, -1) for y in parts], False)))  # fmt: skip
pyramid_twin("bins across before bins down", "order of axes", lay=lambda parts, tokens: laid(
    [y.swapaxes(2, y.ndim - 1) for y in parts], tokens))  # fmt: skip
pyramid_twin("levels the other way round", "order of steps", lay=lambda parts, tokens: laid(parts[::-1], tokens))
pyramid_twin("sum in place of mean", "denominator", how=np.sum)
pyramid_twin("NaN taken for the least", "NaN", how=np.nanmax)


@honest(spatial_pyramid_pool, "NumPy")
def _(x, /, *, levels=(1, 2, 3, 6), reduce="max", binning="adaptive", tokens=False):
    return laid(leveled(x, levels, HOW[reduce], lambda n, o: ends(n, o, binning)), tokens)


def of_box(x, box, ids, stride, levels, how, kind, clip=True):
    rows = []
    for (x0, y0, x1, y1), i in zip(box.astype(float) / stride, ids, strict=True):
        cut = []
        for a, b, n in ((y0, y1, x.shape[2]), (x0, x1, x.shape[3])):
            first, last = (np.floor(a + 0.5), np.ceil(b - 0.5)) if kind == "code" else (np.floor(a) + 1, np.ceil(b) - 1)
            if first > last and clip:
                first = last = np.floor((first + last) / 2)
            first, last = (int(min(max(v, 0), n - 1)) for v in (first, last))
            cut.append(slice(first, max(first, last) + 1))
        crop = x[i : i + 1, :, cut[0], cut[1]]
        rows.append(laid(leveled(crop, levels, how, lambda n, o: ends(n, o, "adaptive")), False))
    width = x.shape[1] * sum(n * n for n in levels)
    return np.concatenate(rows) if rows else np.zeros((0, width), x.dtype)


def box_twin(name, kind_of, how=None, turn=lambda box: box, **wrong):
    @mistake(spatial_pyramid_roi_pool, name, kind=kind_of)
    def _(x, box, ids, /, *, stride=16, levels=(1, 2, 3, 6), reduce="max", kind="paper"):
        options = {"stride": stride, "kind": kind} | wrong
        return of_box(x, turn(box), ids, levels=levels, how=how or HOW[reduce], **options)


box_twin("x and y changed round", "axis", turn=lambda box: box[:, [1, 0, 3, 2]])
box_twin("a stride of 16 always", "place of a parameter", stride=16)
box_twin("always the maximum", "statistic", how=np.max)


@mistake(spatial_pyramid_roi_pool, "the first image always", kind="place of a parameter")
def _(x, box, ids, /, *, stride=16, levels=(1, 2, 3, 6), reduce="max", kind="paper"):
    return of_box(x, box, 0 * ids, stride, levels, HOW[reduce], kind)


@honest(spatial_pyramid_roi_pool, "NumPy")
def _(x, box, ids, /, *, stride=16, levels=(1, 2, 3, 6), reduce="max", kind="paper"):
    return of_box(x, box, ids, stride, levels, HOW[reduce], kind)


def by_cell(x, u, levels, how, nearest=False):
    parts = []
    for level in levels:
        at = np.clip((np.round if nearest else np.floor)(u.astype(float) * level), 0, level - 1).astype(int)
        cell = np.ravel_multi_index(tuple(at.T), (level,) * u.shape[1])
        y = np.zeros((level ** u.shape[1], x.shape[1]), x.dtype)
        for c in set(cell):
            y[c] = how(x[cell == c], axis=0)
        parts.append(y)
    return np.concatenate(parts)


def code_twin(name, kind, how=None, turn=lambda u: u, **wrong):
    @mistake(spatial_pyramid_code_pool, name, kind=kind)
    def _(x, u, /, *, levels=(1, 2), reduce="max"):
        return by_cell(x, turn(u), levels, how or HOW[reduce], **wrong)


code_twin("rounded, not rounded down", "region", nearest=True)
code_twin("always the maximum", "statistic", how=np.max)
code_twin("sum in place of mean", "denominator", how=np.sum)
code_twin("coordinates changed round", "axis", turn=lambda u: u[:, ::-1])


@mistake(spatial_pyramid_code_pool, "maximum starts at zero", kind="tail")
def _(x, u, /, *, levels=(1, 2), reduce="max"):
    y = by_cell(x, u, levels, HOW[reduce])
    return np.maximum(y, 0) if reduce == "max" else y


@honest(spatial_pyramid_code_pool, "NumPy")
def _(x, u, /, *, levels=(1, 2), reduce="max"):
    return by_cell(x, u, levels, HOW[reduce])
