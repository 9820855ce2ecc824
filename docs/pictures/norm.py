"""Pictures of normalizations: what shares a statistic, what becomes of values, and where vectors go."""

import numpy as np
from matplotlib.collections import PolyCollection

import refnorm

from . import picture
from .colours import BLUE, CARD, COLOURS, DASHES, GREEN, INK, PALE, QUIET, RED, SIGNS
from .style import arrows, bare, dots, heat, panels, plane

SHARING = {
    "batch_norm_train": {},
    "ghost_batch_norm_train": {"groups": 2},
    "layer_norm": {"axis": (1, 2)},
    "instance_norm": {},
    "group_norm": {"groups": 2},
    "local_response_norm": {"window": 3, "alpha": 1.0},
}
COMPANDING = {
    "signed_power": (1, "p", (0.25, 0.5, 2.0), {}),
    "signed_log_compress": (8, "base", (2.0, 4.0, 8.0), {}),
    "mu_law_compress": (1, "mu", (1.0, 15.0, 255.0), {}),
    "weight_compander": (1, "b", (0.1, 0.3, 1.0), {"a": 0.6}),
}
RANGES = {"min_max_normalize": {}, "order_statistic_clip": {"low": 0.25, "high": 0.25}}


def moved(operator, shape, place, **options):
    """Return which outputs move when the input at a place is pushed: what shares a statistic with it."""
    x = np.random.default_rng(0).normal(size=shape)
    pushed = x.copy()
    pushed[place] += 1
    before, after = operator(x, **options), operator(pushed, **options)
    if isinstance(before, tuple):  # the moments come behind
        before, after = before[0], after[0]
    return np.abs(after - before) > 1e-9


@picture(*SHARING)
def sharing(figure, operator):
    """One input of a block of samples, channels and positions is pushed: the outputs that move with it are blue, for
    they share a statistic with it."""
    shape, place = (6, 6, 5), (0, 4, 0)
    blue = moved(operator, shape, place, **SHARING[operator.__name__])
    ax = bare(panels(figure, height=215))
    samples, channels, positions = shape
    across, down, back = np.array([1.0, 0.0]), np.array([0.0, -1.0]), np.array([0.52, 0.42])
    faces = [  # the three sides one sees, each with its corner, the steps along it, and what lies on it
        (np.zeros(2), across, down, blue[0], channels, positions, (4, 0)),
        (np.zeros(2), across, back, blue[:, :, 0].T, channels, samples, (4, 0)),
        (channels * across, back, down, blue[:, -1, :], samples, positions, None),
    ]
    for corner, u, v, cells, width, depth, red in faces:
        corners = [[corner + i * u + j * v, corner + (i + 1) * u + j * v, corner + (i + 1) * u + (j + 1) * v,
                    corner + i * u + (j + 1) * v] for i in range(width) for j in range(depth)]  # fmt: skip
        colours = [RED if red == (i, j) else BLUE if cells[i, j] else PALE for i in range(width) for j in range(depth)]
        ax.add_collection(PolyCollection(corners, facecolors=colours, edgecolors=CARD, linewidths=1))
    ax.text(channels / 2, -positions - 0.75, "channels", ha="center")
    ax.text(-0.55, -positions / 2, "positions", ha="center", va="center", rotation=90)
    ax.text(0.9, 1.75, "samples", ha="center", va="center", rotation=39)
    legend = ((RED, "the input\nthat is pushed"), (BLUE, "outputs\nthat move"), (PALE, "outputs\nthat stay"))
    for y, (colour, words) in zip((1.6, -0.7, -3), legend, strict=True):
        ax.text(10.1, y, "■", color=colour, va="top", size=13)
        ax.text(10.9, y - 0.12, words, va="top")
    ax.set(xlim=(-1, 14.8), ylim=(-positions - 1.2, 2.9), aspect="equal")


@picture(*COMPANDING)
def companding(figure, operator):
    """What comes out, against what goes in, for several values of the option that bends the curve. Dotted: what would
    leave all as it is."""
    reach, option, values, rest = COMPANDING[operator.__name__]
    x = np.linspace(-reach, reach, 401)
    ax = panels(figure, height=230)
    for value, colour, dash in zip(values, COLOURS, DASHES, strict=False):
        ax.plot(x, operator(x, **{option: value}, **rest), color=colour, ls=dash, label=f"{option} = {value:g}")
    y = ax.get_ylim()
    ax.plot(x, x, color=QUIET, lw=0.9, ls=(0, (1, 2)), zorder=0)
    ax.set(xlabel="x", ylabel="y", xlim=(-reach, reach), ylim=y)
    ax.legend(loc="upper left", labelspacing=0.2)


@picture("dice_activation")
def dice(figure, operator):
    """Features of mean -2, 0 and 2, bent each at its own mean: what lies above it passes, what lies below it passes
    by a tenth."""
    x, means = np.repeat(np.linspace(-4, 4, 201)[:, None], 3, axis=1), np.array([-2.0, 0.0, 2.0])
    y = operator(x, np.full(3, 0.1), means, np.full(3, 0.25))
    ax = panels(figure, height=220)
    for k, mean in enumerate(means):
        ax.plot(x[:, k], y[:, k], color=COLOURS[k], ls=DASHES[k], label=f"mean {mean:g}")
    ax.set(xlabel="x", ylabel="y", xlim=(-4, 4))
    ax.legend(loc="upper left", labelspacing=0.2)


@picture("evonorm")
def evonorm(figure, operator):
    """What the six make of a channel of numbers from -2 to 4: the B series divides by the largest of two terms, the S
    series by the deviation (S2: the root mean square) after a sigmoid."""
    x = np.linspace(-2, 4, 241)[None, None, :]
    axes = panels(figure, 2, height=215, sharey=True)
    for ax, series, v, groups in zip(axes, "bs", (1.0, 3.0), ({}, {"groups": 1}), strict=True):
        for number, colour, dash in zip("012", COLOURS, DASHES, strict=False):
            slope, name = ([np.full(1, v)], f", v = {v:g}") if number == "0" else ([], "")
            y = operator(x, *slope, kind=series + number, **groups)
            ax.plot(x[0, 0], y[0, 0], color=colour, ls=dash, label=f"{series.upper()}{number}{name}")
        ax.set(xlabel="x", xlim=(-2, 4))
        ax.legend(loc="upper left", labelspacing=0.2)
    axes[0].set(ylabel="y")


def damaged_image():
    """Return an image with a bright disc in it, and where the disc is."""
    rows, columns = np.mgrid[:12, :12]
    mask = (rows - 5.5) ** 2 + (columns - 6.5) ** 2 < 14
    texture = np.sin(columns * 1.1) + np.cos(rows * 0.9) + 0.3 * np.random.default_rng(1).normal(size=mask.shape)
    return np.where(mask, 0.4 * texture + 3, texture), mask


@picture("region_norm")
def region_norm(figure, operator):
    """A bright disc in an image: normalized apart from what surrounds it, it no longer stands out."""
    x, mask = damaged_image()
    y = operator(x[None, None], mask[None, None])[0, 0]
    before, where, after = panels(figure, 3, height=132)
    heat(before, x, "x", cmap=SIGNS, vmin=-4, vmax=4)
    heat(where, mask * 1.0, "mask", vmin=0, vmax=1.6)
    heat(after, y, "y", cmap=SIGNS, vmin=-3, vmax=3)


@picture("masked_batch_norm")
def masked_batch_norm(figure, operator):
    """Only what the mask shows counts for mean and variance: the bright disc, hidden, does not move them, and
    becomes 0."""
    x, hidden = damaged_image()
    y = operator(x[None, None], ~hidden[None, None])[0, 0]
    before, where, after = panels(figure, 3, height=132)
    heat(before, x, "x", cmap=SIGNS, vmin=-4, vmax=4)
    heat(where, ~hidden * 1.0, "mask: shown", vmin=0, vmax=1.6)
    heat(after, y, "y", cmap=SIGNS, vmin=-3, vmax=3)


@picture(*RANGES)
def ranges(figure, operator):
    """Values of a row on a line, and below it where they go."""
    x = np.array([-2.6, -0.9, -0.5, 0.1, 0.4, 0.8, 1.3, 3.4])
    y = operator(x, **RANGES[operator.__name__])
    ax = bare(panels(figure, height=150))
    for height, values, name in ((1, x, "x"), (0, y, "y")):
        ax.axhline(height, color=PALE, lw=1.2, zorder=0)
        ax.text(-3.3, height, name, va="center", ha="right")
        for value in (values.min(), values.max()):
            ax.text(value, height + (0.14 if height else -0.16), f"{value:g}", ha="center", va="center", size=9.5)
    ax.plot([x, y], [np.ones(8), np.zeros(8)], color=QUIET, lw=0.8)
    dots(ax, np.stack([x, np.ones(8)], axis=1), size=34)
    dots(ax, np.stack([y, np.zeros(8)], axis=1), BLUE, size=34)
    ax.set(xlim=(-3.8, 3.8), ylim=(-0.3, 1.3))


@picture("lp_normalize")
def lp_normalize(figure, operator):
    """Points go straight towards the origin, or away from it, until their length is 1: in the sum of magnitudes, in
    the ordinary length, in the largest magnitude."""
    x = np.random.default_rng(3).uniform(-1.9, 1.9, size=(14, 2))
    angle = np.linspace(0, 2 * np.pi, 181)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for ax, p, name in zip(panels(figure, 3, height=145), (1.0, 2.0, np.inf), ("p = 1", "p = 2", "p = ∞"), strict=True):
        plane(ax, 2.1, name).plot(*operator(ring, p=p).T, color=QUIET, lw=1)
        to(ax, x, operator(x, p=p))


def to(ax, x, y):
    """Draw points, and an arrow from each to its answer."""
    dots(ax, x, size=10)
    arrows(ax, x, y)


@picture("rms_norm")
def rms_norm(figure, operator):
    """Rows of two elements end on a circle about the origin, whatever their length: their mean square becomes 1."""
    x = np.random.default_rng(3).uniform(-2.2, 2.2, size=(16, 2))
    angle = np.linspace(0, 2 * np.pi, 181)
    ax = plane(panels(figure, height=230), 2.3)
    ax.plot(*operator(np.stack([np.cos(angle), np.sin(angle)], axis=1)).T, color=QUIET, lw=1)
    to(ax, x, operator(x))


@picture("weight_norm")
def weight_norm(figure, operator):
    """Every row of a weight keeps its direction and gets the length that is its own: here 1, 1.5 and 2."""
    angle = np.array([0.4, 2.3, 4.2])
    x = np.array([[2.2], [0.7], [1.1]]) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    gains = np.array([1.0, 1.5, 2.0])
    ax = plane(panels(figure, height=230), 2.3)
    circle = np.linspace(0, 2 * np.pi, 181)
    for k, colour in enumerate(COLOURS[:3]):
        ax.plot(gains[k] * np.cos(circle), gains[k] * np.sin(circle), color=colour, lw=0.8, ls=(0, (4, 3)))
        arrows(ax, np.zeros((1, 2)), operator(x, gains)[k : k + 1], colour)
        ax.plot(*np.stack([np.zeros(2), x[k]]).T, color=colour, lw=1, ls=DASHES[2])
        dots(ax, x[k], colour, size=40)
        ax.text(x[k, 0] + 0.14, x[k, 1] + 0.18 * np.sign(x[k, 1]), f"row {k}", color=colour, va="center")


@picture("class_norm_realign")
def class_norm_realign(figure, operator):
    """The weights of five classes, long for those that are often seen: with tau their lengths are taken out by and by,
    until all are 1."""
    angle = np.linspace(0.3, 2.8, 5)
    x = np.array([3.0, 2.2, 1.4, 0.8, 0.45])[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for ax, tau in zip(panels(figure, 3, height=110), (0.0, 0.5, 1.0), strict=True):
        y = operator(x, tau=tau)
        arrows(bare(ax, f"tau = {tau:g}"), np.zeros_like(y), y)
        ax.set(xlim=(-1.3, 3.0), ylim=(-0.1, 1.9), aspect="equal")


@picture("unit_sphere_normalize")
def unit_sphere_normalize(figure, operator):
    """A cloud of points moves to the origin and shrinks until the farthest lies on the unit circle."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 2)) * [1.6, 0.8] + [3.0, 2.0]
    ax = bare(panels(figure, height=200))
    circle = np.linspace(0, 2 * np.pi, 181)
    ax.axhline(0, color=PALE, lw=1, zorder=0)
    ax.axvline(0, color=PALE, lw=1, zorder=0)
    ax.plot(np.cos(circle), np.sin(circle), color=QUIET, lw=1)
    dots(ax, x, QUIET, size=14)
    dots(ax, operator(x), BLUE, size=14)
    ax.text(*(x.mean(axis=0) + [0.9, 1.4]), "x", color=QUIET)
    ax.text(-0.95, 0.85, "y", color=BLUE)
    ax.set(xlim=(-1.3, 7.3), aspect="equal")


def rows_of_dots(ax, rows, names, title, colour):
    """Show the values of each row on a line of its own, with their mean and, round it, one deviation."""
    for k, row in enumerate(rows):
        ax.plot([row.mean() - row.std(), row.mean() + row.std()], [k, k], color=PALE, lw=9, zorder=0)
        ax.plot([row.mean()] * 2, [k - 0.28, k + 0.28], color=RED, lw=2)
        dots(ax, np.stack([row, np.full(len(row), k)], axis=1), colour, size=13, alpha=0.75)
    ax.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)), yticklabels=names, title=title)
    ax.spines["left"].set_visible(False)
    ax.tick_params(left=False)
    ax.axvline(0, color=QUIET, lw=0.8, ls=(0, (3, 3)), zorder=0)


@picture("weight_standardization")
def weight_standardization(figure, operator):
    """The weights of four filters, with the mean (red) and the deviation (grey) of each: before, and after, when all
    have mean 0 and variance 1."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(4, 14)) * [[0.4], [1.2], [0.8], [1.6]] + [[2.0], [0.5], [-2.0], [-0.5]]
    names = [f"filter {k}" for k in range(4)]
    before, after = panels(figure, 2, height=185, sharey=True)
    rows_of_dots(before, x, names, "x", INK)
    rows_of_dots(after, operator(x, axis=0), names, "y", BLUE)


@picture("alpha_batch_norm")
def alpha_batch_norm(figure, operator):
    """A batch that has drifted away from the stored moments: with alpha 1 it is normalized by those alone and stays
    off 0, with alpha 0 by its own and does not."""
    x = 2 + 1.8 * np.random.default_rng(6).normal(size=(24, 1))
    shares = (1.0, 0.5, 0.0)
    rows = np.stack([operator(x, np.zeros(1), np.ones(1), alpha=alpha)[:, 0] for alpha in shares])
    rows_of_dots(panels(figure, height=165), rows, [f"alpha = {alpha:g}" for alpha in shares], "y", BLUE)


@picture("generalized_divisive_norm")
def generalized_divisive_norm(figure, operator):
    """What comes out of a channel against what goes in, for other values of its neighbour: the louder that is, the
    less passes."""
    sweep = np.linspace(-5, 5, 201)
    ax = panels(figure, height=225)
    for neighbour, colour, dash in zip((0.0, 2.0, 6.0), COLOURS, DASHES, strict=False):
        x = np.stack([sweep, np.full(201, neighbour)], axis=1)
        y = operator(x, np.array([[1.0, 1.0], [1.0, 1.0]]), np.ones(2))
        ax.plot(sweep, y[:, 0], color=colour, ls=dash, label=f"neighbour {neighbour:g}")
    ax.set(xlabel="x", ylabel="y", xlim=(-5, 5))
    ax.legend(loc="upper left", labelspacing=0.2)


@picture("update_running")
def update_running(figure, operator):
    """A running mean follows the means of batches: the smaller the weight of the new, the smoother and the later."""
    means = np.where(np.arange(60) < 15, 0.0, 1.0) + 0.25 * np.random.default_rng(7).normal(size=60)
    ax = panels(figure, height=205)
    dots(ax, np.stack([np.arange(60), means], axis=1), QUIET, size=12)
    for momentum, colour, dash in zip((0.5, 0.1, 0.03), COLOURS, DASHES, strict=False):
        track = [np.zeros(1)]
        for mean in means:
            track.append(operator(track[-1], np.array([mean]), momentum=momentum))
        ax.plot(np.concatenate(track[1:]), color=colour, ls=dash, label=f"momentum {momentum:g}")
    ax.set(xlabel="batches", ylabel="mean")
    ax.legend(loc="lower right", labelspacing=0.2)


@picture("merge_moments")
def merge_moments(figure, operator):
    """Three parts, each drawn as the normal curve of its mean and variance and as high as it has elements, and the
    curve of the moments they have together."""
    mean, var, count = np.array([-3.0, 0.0, 2.5]), np.array([0.3, 0.5, 0.4]), np.array([30, 60, 40])
    whole, spread = operator(mean, var, count)
    x = np.linspace(-5.5, 6, 301)

    def bell(mean, var, count):
        return count * np.exp(-((x - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)

    ax = panels(figure, height=190)
    for part in zip(mean, var, count, strict=True):
        ax.plot(x, bell(*part), color=QUIET, lw=1.4)
        ax.text(part[0], bell(*part).max() + 1.5, f"n = {part[2]}", ha="center", color=QUIET)
    ax.fill_between(x, bell(whole, spread, count.sum()), color=BLUE, alpha=0.2, lw=0)
    ax.plot(x, bell(whole, spread, count.sum()), color=BLUE)
    ax.text(4, 9, "together", color=BLUE)
    ax.set(yticks=[], xlabel="x", ylim=(0, 41), xlim=(-5.5, 6))
    ax.spines["left"].set_visible(False)


def three_series():
    """Return three series of other levels and sizes that rise and fall alike."""
    time = np.arange(40.0)
    wave = np.sin(time * 0.42) + 0.12 * np.random.default_rng(8).normal(size=(3, 40))
    return time, (np.array([[4.0], [0.0], [-3.0]]) + np.array([[0.5], [1.4], [0.9]]) * wave).T[None]


@picture("reversible_instance_norm")
def reversible_instance_norm(figure, operator):
    """Three series of other levels and sizes, before; and after, when all have mean 0 and deviation 1."""
    time, x = three_series()
    y, _, _ = operator(x)
    for ax, series, title in zip(panels(figure, 2, height=165), (x, y), ("x", "y"), strict=True):
        ax.axhline(0, color=PALE, lw=1, zorder=0)
        for k in range(3):
            ax.plot(time, series[0, :, k], color=COLOURS[k], ls=DASHES[k], lw=1.6)
        ax.set(xticks=[], xlabel="time", title=title)


@picture("reversible_instance_denorm")
def reversible_instance_denorm(figure, operator):
    """A forecast of normalized series (left, light) gets level and size back, and goes on where the series ended
    (right)."""
    time, x = three_series()
    y, mean, std = refnorm.norm.reversible_instance_norm(x)
    ahead = np.arange(40.0, 55.0)
    forecast = np.repeat(np.sin(ahead * 0.42)[None, :, None] * np.sqrt(2), 3, axis=2)
    left, right = panels(figure, 2, height=165)
    for k in range(3):
        left.plot(ahead, forecast[0, :, k], color=COLOURS[k], ls=DASHES[k], lw=1.6)
        left.plot(time, y[0, :, k], color=COLOURS[k], ls=DASHES[k], lw=1, alpha=0.45)
        right.plot(ahead, operator(forecast, mean, std)[0, :, k], color=COLOURS[k], ls=DASHES[k], lw=1.6)
        right.plot(time, x[0, :, k], color=COLOURS[k], ls=DASHES[k], lw=1, alpha=0.45)
    for ax, title in ((left, "x: forecast"), (right, "y: restored")):
        ax.axvspan(40, 54, color=PALE, alpha=0.6, lw=0, zorder=0)
        ax.set(xticks=[], xlabel="time", title=title)


@picture("spectral_norm_step")
def spectral_norm_step(figure, operator):
    """The singular values of a weight after each step: the largest nears 1 as the power iteration finds it."""
    rng = np.random.default_rng(9)
    left, right = (np.linalg.qr(rng.normal(size=(6, 6)))[0] for _ in range(2))
    x, u = left @ np.diag([3.0, 2.4, 1.8, 1.0, 0.6, 0.2]) @ right, left @ np.array([0.2, 0.4, 1.0, 1.0, 0.5, 0.5])
    spectra = []
    for _ in range(10):
        y, u = operator(x, u)
        spectra.append(np.linalg.svd(y, compute_uv=False))
    ax = panels(figure, height=205)
    number = np.arange(1, 11)
    ax.axhline(1, color=GREEN, lw=1, ls=(0, (4, 3)))
    ax.plot(number, np.array(spectra)[:, 1:], color=QUIET, lw=1)
    ax.plot(number, np.array(spectra)[:, 0], color=BLUE, marker="o", ms=4)
    ax.set(xlabel="steps", ylabel="singular values of y", xticks=number, ylim=(0, None))
