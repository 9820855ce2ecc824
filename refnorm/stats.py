"""Statistics of more rows than fit in memory: taken chunk by chunk, merged in any order, exact to the last bit.

`Moments` keeps (n, mean, M2) of each feature and `Scatter` (n, mean, scatter matrix), every number in two parts of
float64. Whatever the chunks and the order in which they come or are merged, what `finalize` rounds once at the end is
the same to a unit in the last place.

>>> import numpy as np
>>> from refnorm.stats import Moments
>>> rows = np.array([[1.0, 10.0], [2.0, 10.0], [6.0, 10.0]]) + 1e8
>>> a, b = Moments().update(rows[:2]), Moments().update(rows[2:])
>>> found = a.merge(b).finalize(correction=1)
>>> found.count, found.var.tolist()
(3, [7.0, 0.0])
"""

from __future__ import annotations

import zipfile
from typing import NamedTuple

import numpy as np

from ._core import pairs
from ._core.triples import leading, require_rank
from ._xp import prepare

__all__ = ["Axes", "Moments", "Scatter", "Summary", "load"]

BITS = 20  # of a head: products of two are exact in float64, and so are the sums of
ROWS = 2**11  # of them
LOT = 2**15  # rows less one number: what cancels when their sums are centred is small beside the spare digits
PART = 2**23  # numbers of an array brought to NumPy at once
PIECE = 2**18  # numbers in float64 at once, in each of four arrays
MOST = 2**31  # bytes that a file may ask for
FORMAT = 1


class Summary(NamedTuple):
    """What was found: the number of rows, and of each feature the mean, variance and deviation, in float64."""

    count: int
    mean: np.ndarray
    var: np.ndarray
    std: np.ndarray
    covariance: np.ndarray | None = None


class Axes(NamedTuple):
    """Principal axes as `refnorm.proj.pca_whiten` and `zca_whiten` take them: ``pca_whiten(x, *axes)``."""

    mean: np.ndarray
    basis: np.ndarray
    var: np.ndarray


class Moments:
    """The number of rows seen, and the mean and sum of squared deviations of each of their features.

    A NaN or an infinity makes the mean and variance of its feature NaN and harms no other. Numbers whose squares
    overflow or vanish in float64 (beyond 1e150, below 1e-140) are not provided for.

    ``batch_norm(x, found.mean, found.var, axis=-1)`` standardises by what `finalize` found.
    """

    kind = "moments"

    def __init__(self):
        self.count = 0
        self.mean = self.squares = None

    def __repr__(self) -> str:
        features = 0 if self.mean is None else self.mean[0].shape[0]
        return f"{type(self).__name__}({self.count} rows of {features} features)"

    def update(self, rows, /):
        """Take rows in, of shape (n, features), of any floating type and array library; return itself.

        They are brought to NumPy and to float64 in blocks of bounded size, from whatever device. A call costs as
        much as a merge, whatever it is given: hand over many rows at once.
        """
        _, rows = prepare(rows)
        if rows.ndim != 2 or rows.shape[1] == 0:
            raise ValueError(f"rows must have shape (n, features), features above 0, got {tuple(rows.shape)}")
        self._require_features(rows.shape[1])
        with np.errstate(invalid="ignore", over="ignore"):
            for lot in _slices(rows, min(LOT, PART // rows.shape[1])):
                self._absorb(*self._of_lot(_numpy(lot)))
        return self

    def merge(self, other, /):
        """Take in what another has seen; return itself. Chan, Golub and LeVeque's formula, in two parts."""
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} merges with its own kind, got {type(other).__name__}")
        if other.count:
            self._require_features(other.mean[0].shape[0])
            with np.errstate(invalid="ignore", over="ignore"):
                self._absorb(other.count, other.mean, other.squares)
        return self

    def finalize(self, *, correction=0) -> Summary:
        """Return what was found, rounded once; `correction` is taken off the number of rows in the variance."""
        spread = self._over_rows(correction)
        var = self._diagonal(spread)
        covariance = spread if spread.ndim == 2 else None
        return Summary(self.count, self.mean[0] + self.mean[1], var, np.sqrt(var), covariance)

    def save(self, path, /, **beside) -> None:
        """Write the whole state to a .npz file, from which `load` goes on without loss; arrays beside it, if any."""
        if not self.count:
            raise ValueError("nothing to save: no rows were seen")
        state = {"mean": np.stack(self.mean), "squares": np.stack(self.squares)}
        about = {"format": np.int64(FORMAT), "kind": np.array(self.kind), "count": np.int64(self.count)}
        with open(path, "wb") as file:  # by its own name: savez adds an ending
            np.savez(file, **about, **state, **beside)

    @classmethod
    def load(cls, path):
        """Return the statistics in a file of `save`; refuse any other file with a ValueError."""
        found = load(path)
        if type(found) is not cls:
            raise ValueError(f"{path}: holds {found.kind}, wanted {cls.kind}")
        return found

    # ---- inside ----

    def _require_features(self, features) -> None:
        if self.mean is not None and self.mean[0].shape[0] != features:
            raise ValueError(f"rows must have {self.mean[0].shape[0]} features like those before, got {features}")

    def _over_rows(self, correction) -> np.ndarray:
        if not self.count > correction >= 0:
            raise ValueError(f"correction must be 0 or more and below the number of rows, {self.count}: {correction!r}")
        with np.errstate(invalid="ignore", over="ignore"):
            n = pairs.pair(np.float64(self.count), -np.float64(correction))
            return sum(pairs.over(self.squares, n))

    def _of_lot(self, rows):
        """Return the number, mean and squares of a lot of rows.

        Less (about) the first row, so that no mean cancels, each number is cut in a head of 20 bits, a whole multiple
        of one power of two in the whole column, and a tail below it; nothing is lost. Products and sums of heads are
        exact in float64, and what has a tail in it is so small that its roundings do not count.
        """
        grid = _grid(rows)
        near = (rows[0] + grid) - grid
        sums = squares = (0.0, 0.0)
        for piece in _slices(rows, min(ROWS, PIECE // rows.shape[1])):
            wide = piece.astype(np.float64, copy=False)
            head = wide + grid
            head -= grid
            tail = wide - head
            head -= near
            sums = pairs.add(sums, pairs.pair(head.sum(axis=0), tail.sum(axis=0)))
            squares = pairs.add(squares, pairs.pair(self._product(head, head), self._beside(head, tail)))
        shift = pairs.over(sums, (np.float64(rows.shape[0]), 0.0))
        squares = pairs.take(squares, self._outer(sums, shift))
        return rows.shape[0], pairs.add((near, 0.0), shift), squares

    def _absorb(self, count, mean, squares) -> None:
        if not self.count:
            self.count, self.mean, self.squares = count, mean, squares
            return
        old, new = (np.float64(self.count), 0.0), (np.float64(count), 0.0)
        total = pairs.add(old, new)
        apart = pairs.take(mean, self.mean)
        pull = pairs.times(apart, pairs.over(new, total))
        between = self._outer(pairs.times(pull, old), apart)
        self.squares = pairs.add(pairs.add(self.squares, squares), between)
        self.mean = pairs.add(self.mean, pull)
        self.count += count

    def _product(self, a, b):
        return np.einsum("ij,ij->j", a, b)

    def _beside(self, head, tail):
        """Return (head + tail)^2 - head^2."""
        return self._product(tail, 2 * head + tail)

    def _outer(self, a, b):
        return pairs.times(a, b)

    def _diagonal(self, spread):
        return spread


class Scatter(Moments):
    """The number of rows seen, the mean of their features, and the sums of products of their deviations.

    What `Moments` keeps, and that between two features. A NaN or an infinity makes whatever has to do with its feature
    NaN. A feature is off by a unit in the last place of its own variance; a covariance, by one of the product of two
    deviations.
    """

    kind = "scatter"

    def axes(self, *, rank=None, correction=1) -> Axes:
        """Return the mean, the `rank` axes of most variance as rows, and the variances along them.

        ``pca_whiten(x, *axes)`` then whitens, ``zca_whiten(x, *axes)`` turns back. Signs are those of
        `refnorm.proj.pca_basis`, which takes the axes from the rows themselves: from their covariance, those of
        variances below 1e-16 of the largest are noise.
        """
        spread = self._over_rows(correction)
        _, var, basis = leading(np, spread, require_rank(rank, spread.shape[0]))
        return Axes(self.mean[0] + self.mean[1], np.ascontiguousarray(basis.T), var)

    def _product(self, a, b):
        return a.T @ b

    def _beside(self, head, tail):
        product = tail.T @ (head + 0.5 * tail)
        return product + product.T

    def _outer(self, a, b):
        return pairs.outer(a, b)

    def _diagonal(self, spread):
        return np.diagonal(spread).copy()


def load(path) -> Moments | Scatter:
    """Return the statistics in a file of `Moments.save`; refuse any other file with a ValueError.

    Nothing is unpickled, and no more is read than a header of the right shape announces: 2 GiB at most.
    """
    kinds = {kind.kind: kind for kind in (Moments, Scatter)}
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST:
                raise ValueError("more than 2 GiB")
        with np.load(path, allow_pickle=False) as file:
            about = {name: file[name] for name in ("format", "kind", "count")}
            if any(value.shape != () for value in about.values()) or about["format"] != FORMAT:
                raise ValueError("another format")
            state = kinds[str(about["kind"])]()
            state.count = int(about["count"])
            mean, squares = file["mean"], file["squares"]
        features = mean.shape[-1] if mean.ndim else 0
        wanted = (2, features, features) if state.kind == "scatter" else (2, features)
        if state.count < 1 or features < 1 or mean.shape != (2, features) or squares.shape != wanted:
            raise ValueError("shapes that do not fit")
        if mean.dtype != np.float64 or squares.dtype != np.float64:
            raise ValueError("another dtype than float64")
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: no statistics of refnorm: {what}") from None
    state.mean, state.squares = tuple(mean), tuple(squares)
    return state


def _grid(rows):
    """Return what each column is rounded by when it is added and taken off again: to 20 bits of its range.

    A column in which nothing varies stays as it is. One that varies in its last bits only is rounded to a few of them.
    """
    low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
    spread, largest = high - low, np.maximum(-low, high)
    usual = np.isfinite(spread) & (spread > 0)
    e = np.frexp(np.where(usual, spread, 1.0))[1] - BITS
    least = np.frexp(np.where(usual, largest, 1.0))[1] - 51
    return np.where(usual, np.ldexp(1.5, np.maximum(e, least) + 52), 0.0)


def _slices(rows, n):
    """Yield n rows at a time, at least one."""
    for start in range(0, rows.shape[0], max(1, n)):
        yield rows[start : min(start + max(1, n), rows.shape[0]), ...]


def _numpy(block):
    """Return a block of rows of any library as NumPy memory."""
    if type(block).__module__.startswith("torch"):
        block = block.detach().cpu()
        block = (block.float() if block.dtype.itemsize < 4 else block).numpy()
    elif type(block).__module__.startswith("cupy"):
        block = block.get()
    block = np.asarray(block)
    return block if block.dtype.kind == "f" else block.astype(np.float32)  # bfloat16 has no sums of its own
