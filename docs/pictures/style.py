"""The look of all pictures: a card of its own colour, for light pages and dark, and text that a phone can show.

A picture is 340 points wide, so that a point is a pixel on a phone of that width.
"""

import numpy as np

from .colours import BLUE, CARD, INK, PALE, QUIET, RED, SHADES

WIDTH = 340  # points

STYLE = {
    "svg.hashsalt": "refnorm",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "figure.facecolor": CARD,
    "savefig.facecolor": CARD,
    "axes.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": QUIET,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
}


def sized(figure, height):
    """Give a picture its height, in points."""
    figure.set_size_inches(WIDTH / 72, height / 72)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    return figure


def panels(figure, columns=1, rows=1, *, height, **options):
    """Return the axes of a picture of a height in points: one, or an array of them."""
    axes = sized(figure, height).subplots(rows, columns, **options)
    for ax in np.ravel(axes):
        ax.locator_params(nbins=5)
    return axes


def bare(ax, title=None):
    """Leave nothing of an axes but what is drawn in it."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title)
    return ax


def plane(ax, reach, title=None):
    """Make an axes a plane round 0: equal units, and the two axes as thin lines."""
    ax.axhline(0, color=PALE, lw=1, zorder=0)
    ax.axvline(0, color=PALE, lw=1, zorder=0)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return bare(ax, title)


def heat(ax, values, title=None, *, cmap=SHADES, numbers=None, lines=0.6, **options):
    """Show a matrix as cells, its first row on top; `numbers` is the format of what is written into them."""
    rows, columns = values.shape
    ax.pcolormesh(values, cmap=cmap, edgecolors=CARD, linewidth=lines, **options)
    ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
    if numbers:
        light = ax.collections[-1].to_rgba(values)[..., :3] @ [0.3, 0.6, 0.1]
        for (i, j), value in np.ndenumerate(values):
            label(ax, j + 0.5, i + 0.53, format(value, numbers), INK if light[i, j] > 0.5 else CARD, size=9.5)
    return bare(ax, title)


def frame(ax, row, column, height=1, width=1, color=RED):
    """Outline cells of a matrix that :func:`heat` shows."""
    ys, xs = [row, row, row + height, row + height, row], [column, column + width, column + width, column, column]
    ax.plot(xs, ys, color=color, lw=2.2, clip_on=False, solid_joinstyle="miter")


def label(ax, x, y, words, color=INK, **options):
    ax.text(x, y, words, color=color, ha="center", va="center", **options)


def arrows(ax, start, end, color=BLUE):
    """Draw an arrow from each point to where it goes."""
    step = end - start
    ax.quiver(*start.T, *step.T, angles="xy", scale_units="xy", scale=1, color=color, width=0.008, zorder=2)


def dots(ax, points, color=INK, size=16, **options):
    ax.scatter(*points.T, s=size, color=color, linewidth=0, zorder=3, **options)


def bars(ax, values, color=BLUE, title=None, **options):
    """Show the shares of numbered places."""
    ax.bar(np.arange(len(values)), values, color=color, width=0.72, **options)
    ax.set(xticks=[], yticks=[])
    ax.spines["left"].set_visible(False)
    if title:
        ax.set_title(title)
    return ax
