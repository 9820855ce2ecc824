"""Pictures of pools: which inputs feed which output, and by how much."""

import numpy as np

import refnorm

from . import picture
from .colours import BLUE, CARD, COLOURS, DASHES, INK, PALE, QUIET, RED, SHADES, SIGNS
from .style import bare, bars, dots, frame, heat, label, panels

WINDOWS = {
    "avg_pool": {"window": 2},
    "max_pool": {"window": 2},
    "lp_pool": {"window": 2},
}
IMAGE = np.array(
    [
        [1, 2, 3, 1, 0, 2],
        [4, 3, 1, 5, 2, 1],
        [2, 6, 1, 2, 3, 3],
        [1, 3, 4, 2, 5, 1],
        [3, 1, 2, 2, 1, 4],
        [2, 2, 5, 1, 3, 2],
    ],
    dtype=float,
)
PLACES = {"last_token_pool": {}, "position_weighted_mean_pool": {}, "masked_avg_pool": {"axis": 0}}


def influence(operator, x, place, step=1e-5):
    """Return how fast the output at a place grows with each input: its derivative, by differences."""
    slopes = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        slopes[index] = (operator(up)[place] - operator(down)[place]) / (2 * step)
    return slopes


@picture(*WINDOWS)
def windows(figure, operator):
    """Windows of 2 x 2 cells, and what each becomes. Blue: how much the outlined output grows with each input."""

    def pool(x):
        return operator(x[None, None], **WINDOWS[operator.__name__])[0, 0]

    cut_in_windows(figure, influence(pool, IMAGE, (1, 0)), pool(IMAGE))


@picture("stochastic_pool")
def stochastic_pool(figure, operator):
    """Windows of 2 x 2 cells, and one draw of each. Blue: how often each cell of the outlined window is drawn, over
    240 uniform numbers; the larger, the oftener."""
    u = (np.arange(240) + 0.5) / 240
    drawn = operator(np.repeat(IMAGE[None, None], 240, axis=0), np.tile(u[:, None, None, None], (1, 1, 3, 3)), window=2)
    often = np.zeros((6, 6))
    often[2:4, :2] = (drawn[:, 0, 1, 0, None, None] == IMAGE[2:4, :2]).mean(axis=0)
    cut_in_windows(figure, often, drawn[np.flatnonzero(u > 0.6)[0], 0])


def cut_in_windows(figure, shares, y):
    """Show the image in its windows, what has a share in one output, and all outputs."""
    left, right = panels(figure, 2, height=200, width_ratios=(6, 3.4))
    heat(left, shares, "x", vmin=0, vmax=2.2 * max(0.6, shares.max()))
    numbers(left, IMAGE)
    for cut in (2, 4):
        left.plot([cut, cut], [0, 6], color=QUIET, lw=1)
        left.plot([0, 6], [cut, cut], color=QUIET, lw=1)
    frame(left, 2, 0, 2, 2)
    heat(right, np.zeros((3, 3)), "y", vmin=0, vmax=1)
    numbers(right, y)
    frame(right, 1, 0)


def numbers(ax, values, **options):
    """Write values into the cells of a matrix: in one decimal where they are not whole."""
    form = ".0f" if np.all(values == np.round(values)) else ".1f"
    for (i, j), value in np.ndenumerate(values):
        label(ax, j + 0.5, i + 0.52, format(value, form), size=9.5, **options)


@picture("neighborhood_pool")
def neighborhood_pool(figure, operator):
    """Every cell becomes the mean of the 3 x 3 cells round it; zeros lie around the map. Blue: what feeds the outlined
    cells."""
    x = np.arange(30.0).reshape(5, 6) % 7

    def pool(x):
        return operator(x[None, None], window=3)[0, 0]

    y = pool(x)
    left, right = panels(figure, 2, height=170)
    heat(left, influence(pool, x, (2, 2)) + influence(pool, x, (0, 5)), "x", vmin=0, vmax=0.3)
    numbers(left, x)
    heat(right, np.zeros_like(y), "y", vmin=0, vmax=1)
    numbers(right, y)
    for row, column in ((2, 2), (0, 5)):
        frame(right, row, column)


@picture("adaptive_avg_pool")
def adaptive_avg_pool(figure, operator):
    """The share that each of 8 inputs has in each output: 4 bins fit, 3 bins overlap by a cell."""
    for ax, bins in zip(panels(figure, 1, 2, height=265, height_ratios=(4, 3)), (4, 3), strict=True):
        shares = operator(np.eye(8)[None], output_size=bins)[0].T
        heat(ax, shares, f"{bins} bins", vmin=0, vmax=1.1)
        for (output, cell), share in np.ndenumerate(shares):
            label(ax, cell + 0.5, output + 0.52, f"1/{1 / share:.0f}" if share else "", size=9.5)
        ax.set(xlabel="inputs", ylabel="outputs")


@picture("max_unpool")
def max_unpool(figure, operator):
    """The largest of every window, put back where it was found; zeros elsewhere."""
    x = np.array([[1, 2, 3, 1], [4, 3, 1, 5], [2, 6, 1, 2], [1, 3, 4, 2]], dtype=float)

    def pool(x):
        return refnorm.pool.max_pool(x[None, None], window=2)[0, 0]

    tops = pool(x)
    found = np.array([influence(pool, x, place).argmax() for place in np.ndindex(2, 2)]).reshape(2, 2)
    y = operator(tops[None, None], found[None, None], output_size=4)[0, 0]
    mark = np.isin(np.arange(16), found).reshape(4, 4) * 1.0
    axes = panels(figure, 3, height=135, width_ratios=(4, 2.6, 4))
    shown = ((x, mark, "before max_pool"), (tops, np.ones((2, 2)), "x"), (y, mark, "y"))
    for ax, (values, shade, title) in zip(axes, shown, strict=True):
        heat(ax, shade, title, vmin=0, vmax=2.2)
        numbers(ax, values)


@picture("spatial_pyramid_pool")
def spatial_pyramid_pool(figure, operator):
    """A map, cut into 1, into 2 x 2 and into 4 x 4 bins: the cells of a bin feed the output whose number it has."""
    axes = panels(figure, 3, height=140)
    for ax, level in zip(axes, (1, 2, 4), strict=True):
        shares = operator(np.eye(64).reshape(64, 1, 8, 8), levels=(level,), reduce="mean")
        bin_of = shares.argmax(axis=1).reshape(8, 8)
        row, column = np.divmod(bin_of, level)
        heat(ax, (row + column) % 2, f"{level} × {level} bins", lines=0, vmin=-0.4, vmax=4)
        for output in range(level**2):
            y, x = np.argwhere(bin_of == output).mean(axis=0) + 0.5
            label(ax, x, y, str(output), size=9.5)


@picture("roi_align")
def roi_align(figure, operator):
    """A box that does not lie on cells, in 2 x 2 bins. Blue: the share that each cell has in the upper left bin, by
    four samples (dots) that are bilinear between cells."""
    box = np.array([[1.3, 1.6, 7.1, 6.0]])
    cells = np.eye(72).reshape(72, 1, 8, 9)
    shares = operator(cells, np.repeat(box, 72, axis=0), np.arange(72), output_size=2)[:, 0, 0, 0].reshape(8, 9)
    ax = panels(figure, height=240)
    heat(ax, shares, vmin=0, vmax=0.22)
    x0, y0, x1, y1 = box[0]
    for share in (0, 0.5, 1):
        ax.plot([x0 + share * (x1 - x0)] * 2, [y0, y1], color=RED, lw=1.8)
        ax.plot([x0, x1], [y0 + share * (y1 - y0)] * 2, color=RED, lw=1.8)
    at = [(x0 + (x1 - x0) * u, y0 + (y1 - y0) * v) for u in (0.125, 0.375) for v in (0.125, 0.375)]
    dots(ax, np.array(at), RED, size=26)


@picture("gem_pool", "softmax_pool")
def between(figure, operator):
    """Six numbers (black) pooled to one: from their mean on it rises to the largest as the option grows."""
    x = np.array([0.4, 0.9, 1.2, 2.0, 3.1, 4.0])
    option, first, last = {"gem_pool": ("p", 1, 60), "softmax_pool": ("scale", 0.02, 12)}[operator.__name__]
    values = np.geomspace(first, last, 60)
    y = [float(operator(x, axis=0, **{option: float(value)})) for value in values]
    ax = panels(figure, height=215)
    for height, name in ((x.mean(), "mean"), (x.max(), "maximum")):
        ax.axhline(height, color=QUIET, lw=1, ls=(0, (4, 3)))
        ax.text(values[-1], height + 0.08, name, ha="right")
    ax.plot(values, y, color=BLUE)
    dots(ax, np.stack([np.full(6, values[0]), x], axis=1), size=26, clip_on=False)
    ax.set(xscale="log", xlabel=option, ylabel="y", ylim=(0, 4.5), xlim=(first, last))
    ax.xaxis.set_major_formatter("{x:g}")


@picture("segment_pool")
def segment_pool(figure, operator):
    """Members of three segments, in any order, and what each segment becomes: its mean (full) or its maximum
    (outline)."""
    x = np.array([2.0, 4.5, 1.0, 3.0, 5.0, 0.8, 2.6, 4.1, 1.6, 3.4])
    ids = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    left, right = panels(figure, 2, height=190, width_ratios=(5, 2.4), sharey=True)
    for place, (value, segment) in enumerate(zip(x, ids, strict=True)):
        left.plot([place, place], [0, value], color=COLOURS[segment], lw=1.4)
        dots(left, np.array([place, value]), COLOURS[segment], size=44, marker="os^"[segment])
    right.bar(range(3), operator(x, ids, segments=3), color=COLOURS[:3], width=0.72)
    right.bar(range(3), operator(x, ids, segments=3, reduce="max"), color="none", edgecolor=COLOURS[:3], width=0.72)
    for ax, name in ((left, "members"), (right, "segments")):
        ax.axhline(0, color=QUIET, lw=0.8)
        bare(ax).set(xlabel=name, ylim=(0, 5.4))


@picture("change_point_pool")
def change_point_pool(figure, operator):
    """Frames of two features, over time: where their direction turns a new segment begins, and each becomes the mean
    of its frames (lines)."""
    rng = np.random.default_rng(2)
    levels = np.repeat(np.array([[3.0, 0.6], [0.8, 2.4], [2.6, 2.2]]), (9, 7, 8), axis=0)
    x = levels + 0.18 * rng.normal(size=levels.shape)
    y, ids = operator(x, threshold=0.1)
    ax = panels(figure, height=195)
    for feature, colour in enumerate((BLUE, RED)):
        dots(ax, np.stack([np.arange(len(x)), x[:, feature]], axis=1), colour, size=22, marker="os"[feature])
        for segment in range(ids.max() + 1):
            inside = np.flatnonzero(ids == segment)
            ax.plot(inside[[0, -1]] + [-0.4, 0.4], [y[segment, feature]] * 2, color=colour)
    for cut in np.flatnonzero(np.diff(ids)):
        ax.axvline(cut + 0.5, color=QUIET, lw=1, ls=(0, (4, 3)))
    ax.set(xticks=[], yticks=[], xlabel="time", ylim=(0, 3.6))
    ax.spines["left"].set_visible(False)


@picture(*PLACES)
def places(figure, operator):
    """Eight tokens, of which the last two are padding (hatched): the share that each has in the answer."""
    mask = np.arange(8) < 6

    def pool(x):
        shown = mask[:, None] if operator.__name__ == "masked_avg_pool" else mask
        return operator(x, shown, **PLACES[operator.__name__])

    shares = pool(np.eye(8))
    ax = bars(panels(figure, height=170), shares)
    top = shares.max()
    ax.bar(np.flatnonzero(~mask), np.full(2, 0.05 * top), color="none", edgecolor=QUIET, hatch="////", width=0.72)
    for place, share in enumerate(shares):
        label(ax, place, share + (0.06 + 0.04 * ~mask[place]) * top, f"{share:.2f}", size=9.5)
    ax.set(xticks=range(8), xlabel="token", ylim=(0, 1.15 * top))
    ax.tick_params(bottom=False)


@picture("farthest_point_sample")
def farthest_point_sample(figure, operator):
    """A cloud of points, and the first eight that are taken, in their order: each the farthest from those before it."""
    x = np.random.default_rng(11).normal(size=(70, 2)) * [1.6, 0.9]
    points, _ = operator(x, k=8)
    ax = bare(panels(figure, height=225))
    dots(ax, x, QUIET, size=12)
    dots(ax, points, BLUE, size=170)
    for order, point in enumerate(points):
        label(ax, *point, str(order + 1), CARD, size=9.5, weight="bold", zorder=4)
    ax.set(aspect="equal")
    ax.margins(0.06)


@picture("knn_pool")
def knn_pool(figure, operator):
    """Points in a plane and three places to pool at (squares): lines lead from each to the four members that have a
    share in its answer."""
    rng = np.random.default_rng(12)
    place = rng.uniform(size=(36, 2)) * [1.6, 1.0]
    query = np.array([[0.35, 0.3], [0.85, 0.75], [1.3, 0.35]])
    shares = operator(np.eye(36), place, query, k=4, reduce="mean")
    ax = bare(panels(figure, height=215))
    dots(ax, place, QUIET, size=18)
    for at, share, colour in zip(query, shares, COLOURS, strict=False):
        for member in np.flatnonzero(share):
            ax.plot(*np.stack([at, place[member]]).T, color=colour, lw=1.6)
            dots(ax, place[member], colour, size=34)
        dots(ax, at, colour, size=80, marker="s")
    ax.set(aspect="equal")


NODES = np.array([[0.0, 1.0], [1.0, 1.7], [1.1, 0.3], [2.2, 1.2], [3.2, 1.9], [3.3, 0.4], [4.3, 1.1]])
EDGES = np.array([[0, 0, 1, 2, 3, 3, 4, 5, 1], [1, 2, 3, 3, 4, 5, 6, 6, 2]])


def graph(ax, nodes, edges, names, colour, title):
    for ends in edges.T:
        ax.plot(*nodes[ends].T, color=QUIET, lw=1.6, zorder=1)
    dots(ax, nodes, colour, size=520)
    for node, name in zip(nodes, names, strict=True):
        label(ax, *node, name, CARD, size=9, zorder=4)
    bare(ax, title).set(aspect="equal", xlim=(-0.5, 4.8), ylim=(-0.2, 2.4))


@picture("top_k_graph_pool")
def top_k_graph_pool(figure, operator):
    """A graph with the score of each node; and the four best nodes, with the edges between them and what the node is
    multiplied by."""
    scores = np.array([0.2, 0.9, -0.5, 1.4, 0.6, -1.0, 0.1])
    y, index, edges = operator(np.ones((7, 1)), scores, np.ones(7), EDGES, k=4, alpha=0.0)
    above, below = panels(figure, 1, 2, height=290)
    graph(above, NODES, EDGES, [f"{score:.1f}" for score in scores], INK, "a graph and its scores")
    kept, values = edges[:, edges[0] >= 0], [f"{value:.1f}" for value in y[:, 0]]
    graph(below, NODES[index], kept, values, BLUE, "the 4 best, times tanh(score)")


@picture("edge_contraction_pool")
def edge_contraction_pool(figure, operator):
    """A graph whose three best edges are red; and what is left when each is drawn together to one node, the mean of
    its parts."""
    scores = np.array([0.9, 0.2, 0.1, 0.3, 0.2, 0.8, 0.7, 0.1, 0.2])
    y, ids, edges = operator(NODES, EDGES, scores, k=3)
    above, below = panels(figure, 1, 2, height=290)
    graph(above, NODES, EDGES, [str(i) for i in range(7)], INK, "a graph and its 3 best edges")
    for ends in EDGES[:, np.argsort(-scores)[:3]].T:
        above.plot(*NODES[ends].T, color=RED, lw=4, zorder=2)
    parts = [",".join(str(i) for i in np.flatnonzero(ids == node)) for node in range(ids.max() + 1)]
    graph(below, y[: ids.max() + 1], edges[:, edges[0] >= 0], parts, BLUE, "each of them made one node")


def scattered():
    """Return points in a square and a value of each, which rises to one side."""
    place = np.random.default_rng(13).uniform(size=(26, 2))
    return place, place.sum(axis=1) + 0.4 * np.sin(9 * place[:, 0])


@picture("grid_scatter_pool")
def grid_scatter_pool(figure, operator):
    """Points of values (left, as shades) fall into the cells of a grid; a cell takes the largest of its own (right),
    an empty one the fill."""
    place, value = scattered()
    grid, counts, _ = operator(value[:, None], place, output_size=4, fill=-1.0)
    left, right = panels(figure, 2, height=190)
    shown = np.where(counts > 0, grid[0], np.nan)
    for cut in range(5):
        left.plot([cut, cut], [0, 4], color=PALE, lw=1, zorder=0)
        left.plot([0, 4], [cut, cut], color=PALE, lw=1, zorder=0)
    left.scatter(*(4 * place[:, ::-1]).T, c=value, cmap=SHADES, vmin=-0.4, vmax=2.2, s=34, linewidth=0)
    bare(left, "points").set(aspect="equal", xlim=(0, 4), ylim=(4, 0))
    heat(right, shown, "grid", vmin=-0.4, vmax=2.2)


@picture("grid_gather")
def grid_gather(figure, operator):
    """A grid, looked up along a line across it: the cell a point is in, or what is linear between the centres of
    cells."""
    grid = np.array([[0.4, 1.0, 2.2, 1.4], [0.8, 2.0, 2.6, 1.0], [0.2, 1.2, 1.6, 2.4]])
    along = np.linspace(0, 1, 161)
    line = np.stack([0.2 + 0.6 * along, along], axis=1)
    left, right = panels(figure, 2, height=165)
    heat(left, grid, "grid", vmin=0, vmax=3.4)
    left.plot(4 * line[:, 1], 3 * line[:, 0], color=RED)
    for kind, colour, dash in (("nearest", INK, DASHES[2]), ("linear", BLUE, "-")):
        right.plot(along, operator(grid[None], line, kind=kind)[:, 0], color=colour, ls=dash, label=kind)
    right.set(xlabel="along the line", ylabel="value", ylim=(0, 3.4), xticks=[])
    right.legend(loc="upper left", labelspacing=0.2)


@picture("covariance_pool")
def covariance_pool(figure, operator):
    """Tokens of two features, and the ellipse of two deviations of the covariance that they are pooled to."""
    x = np.random.default_rng(14).normal(size=(60, 2)) @ np.array([[1.5, 0.8], [0.0, 0.5]])
    covariance = operator(x)
    angle = np.linspace(0, 2 * np.pi, 181)
    ring = 2 * np.linalg.cholesky(covariance) @ np.stack([np.cos(angle), np.sin(angle)])
    left, right = panels(figure, 2, height=165, width_ratios=(3, 2))
    dots(left, x, size=12)
    left.plot(*(ring + x.mean(axis=0)[:, None]), color=BLUE)
    bare(left, "tokens").set(aspect="equal")
    heat(right, covariance, "covariance", numbers=".2f", vmin=0, vmax=4)


@picture("bilinear_pool")
def bilinear_pool(figure, operator):
    """Two kinds of features over 24 sites, and how much each of one kind goes together with each of the other."""
    site = np.linspace(0, 2 * np.pi, 24)
    x, other = np.stack([np.sin(site), np.cos(site), np.sin(2 * site)]), np.stack([np.cos(site), np.sin(site)])
    y = operator(x.T, other.T).reshape(3, 2)
    left, middle, right = panels(figure, 3, height=140, width_ratios=(3, 3, 1.6))
    for ax, features, title in ((left, x, "x"), (middle, other, "other")):
        for row, feature in enumerate(features):
            ax.plot(site, feature - 2.4 * row, color=COLOURS[row], lw=1.6)
        bare(ax, title)
    heat(right, y, cmap=SIGNS, vmin=-0.6, vmax=0.6)
    right.set(xlabel="y")
    mark = {"lw": 4, "solid_capstyle": "butt", "clip_on": False}
    for row in range(3):
        right.plot([-0.2, -0.2], [row + 0.1, row + 0.9], color=COLOURS[row], **mark)
    for column in range(2):
        right.plot([column + 0.1, column + 0.9], [-0.2, -0.2], color=COLOURS[column], **mark)
