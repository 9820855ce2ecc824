"""Pictures of projections: where points go, what becomes of spectra, and what a random map keeps."""

import numpy as np

import refnorm

from . import picture
from .colours import BLUE, COLOURS, DASHES, INK, PALE, QUIET, RED, SHADES, SIGNS
from .style import arrows, bare, bars, dots, heat, label, panels, plane, sized

CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 181)), np.sin(np.linspace(0, 2 * np.pi, 181))], axis=1)
WHITENING = {"pca_whiten": "y, along principal axes", "zca_whiten": "y, along the axes of x"}


def moves(ax, operator, x, *rest, **options):
    """Draw points, and an arrow from each to its projection."""
    y = operator(x, *rest, **options)
    dots(ax, x, size=14)
    arrows(ax, x, y)
    dots(ax, y, BLUE, size=14)
    return y


def spread(seed, count=18, reach=2.0):
    return np.random.default_rng(seed).uniform(-reach, reach, size=(count, 2))


@picture("project_simplex")
def project_simplex(figure, operator):
    """Points of the plane go to the nearest point of the segment whose elements are not negative and sum to 1; many
    end at a corner."""
    ax = plane(panels(figure, height=240), 2.1)
    ax.plot([0, 1], [1, 0], color=RED, lw=3, zorder=1)
    moves(ax, operator, spread(1))


@picture("project_l2_ball")
def project_l2_ball(figure, operator):
    """Points outside of the ball go straight to its border; those inside stay."""
    ax = plane(panels(figure, height=240), 2.1)
    ax.fill(*CIRCLE.T, color=RED, alpha=0.12, lw=0)
    ax.plot(*CIRCLE.T, color=RED, lw=1.6)
    moves(ax, operator, spread(2))


@picture("project_l0_ball")
def project_l0_ball(figure, operator):
    """Vectors of two elements keep the larger one: each goes to the nearer axis."""
    ax = plane(panels(figure, height=240), 2.1)
    ax.plot([-2.1, 2.1], [0, 0], color=RED, lw=1.6, zorder=1)
    ax.plot([0, 0], [-2.1, 2.1], color=RED, lw=1.6, zorder=1)
    moves(ax, operator, spread(3), k=1)


def triangle(points):
    """Return where points whose three elements sum to 1 lie in the triangle of its corners."""
    return points @ np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, np.sqrt(3)]])


@picture("project_box_simplex")
def project_box_simplex(figure, operator):
    """Points of sum 1, drawn in the triangle of the simplex, go to the nearest point of the part (red) in which no
    element is above 0.6 or below 0.1."""
    rng = np.random.default_rng(19)
    lower, upper = np.full(3, 0.1), np.full(3, 0.6)
    x = rng.uniform(-0.6, 0.9, size=(22, 3))
    x += (1 - x.sum(axis=1, keepdims=True)) / 3
    angle = np.linspace(0, 2 * np.pi, 361)[:, None] + np.array([0.0, 2.0, 4.0]) * np.pi / 3
    border = operator(12 * np.cos(angle), lower, upper)  # what lies far out ends on the border
    ax = bare(panels(figure, height=240))
    ax.plot(*triangle(np.eye(3)[[0, 1, 2, 0]]).T, color=QUIET, lw=1.2)
    ax.fill(*triangle(border).T, color=RED, alpha=0.14, lw=0)
    ax.plot(*triangle(border).T, color=RED, lw=1.6)
    dots(ax, triangle(x), size=14)
    arrows(ax, triangle(x), triangle(operator(x, lower, upper)))
    for corner, words in zip(triangle(np.eye(3)), ("x₁ = 1", "x₂ = 1", "x₃ = 1"), strict=True):
        label(ax, *(corner + (corner - [0, 0.577]) * 0.2), words, QUIET, size=9.5)
    ax.set(aspect="equal", ylim=(-0.75, 2.1), xlim=(-1.7, 1.7))


@picture("subspace_project")
def subspace_project(figure, operator):
    """Points go to the nearest point of a line that passes through a given origin (square)."""
    basis, origin = np.array([[0.8, 0.6]]), np.array([0.3, -0.4])
    ax = plane(panels(figure, height=240), 2.1)
    ax.plot(*(origin + np.outer([-4, 4], basis[0])).T, color=RED, lw=1.6, zorder=1)
    dots(ax, origin, RED, size=50, marker="s")
    moves(ax, operator, spread(5), basis, origin)


@picture("subspace_remove")
def subspace_remove(figure, operator):
    """An unwanted direction (red) is taken off points: all of it (alpha 1), or half."""
    direction = np.array([[0.8, 0.5]])
    for ax, alpha in zip(panels(figure, 2, height=185), (1.0, 0.5), strict=True):
        plane(ax, 2.1, f"alpha = {alpha:g}")
        ax.annotate("", 2 * direction[0], (0, 0), arrowprops={"color": RED, "width": 1.6, "headwidth": 8, "shrink": 0})
        moves(ax, operator, spread(6, 12, 1.7), direction, alpha=alpha)


@picture("perp_grad")
def perp_grad(figure, operator):
    """Gradients (black) at a weight (red), and what is left of each (blue): the part at right angles to the weight,
    which does not change its length."""
    angles = np.array([0.2, 1.5, 2.6, 4.4])
    weight = np.array([1.5, 0.9])
    ax = plane(panels(figure, height=240), 2.7)
    ax.plot(*(np.linalg.norm(weight) * CIRCLE).T, color=RED, lw=0.8, ls=(0, (4, 3)))
    arrows(ax, np.zeros((1, 2)), weight[None], RED)
    for angle in angles:
        gradient = 0.95 * np.array([np.cos(angle), np.sin(angle)])
        left = operator(gradient, weight)
        arrows(ax, weight[None], (weight + gradient)[None], INK)
        arrows(ax, weight[None], (weight + left)[None], BLUE)
        ax.plot(*np.stack([weight + gradient, weight + left]).T, color=QUIET, lw=0.9, ls=DASHES[2])
    label(ax, 0.6, 0.55, "weight", RED, rotation=31)
    ax.set(xlim=(-0.4, 2.9), ylim=(-0.5, 2.1))


@picture("subspace_mixture_denoiser")
def subspace_mixture_denoiser(figure, operator):
    """Points seen in noise move towards the one of two lines that they are likelier to come from, and a little towards
    the origin."""
    basis = np.array([[[0.95, 0.3122499]], [[-0.2, 0.9797959]]])
    ax = plane(panels(figure, height=240), 2.1)
    for line in basis[:, 0]:
        ax.plot(*np.outer([-4, 4], line).T, color=RED, lw=1.4, zorder=1)
    moves(ax, operator, spread(7, 26), basis, std=0.35)


@picture("soft_threshold")
def soft_threshold(figure, operator):
    """What comes out against what goes in: everything is drawn towards zero by the threshold, and what lies within it
    becomes 0. Dotted: what would leave all as it is."""
    x = np.linspace(-2, 2, 401)
    ax = panels(figure, height=225)
    ax.plot(x, x, color=QUIET, lw=0.9, ls=(0, (1, 2)))
    for threshold, colour, dash in zip((0.25, 0.5, 1.0), COLOURS, DASHES, strict=False):
        ax.plot(x, operator(x, threshold=threshold), color=colour, ls=dash, label=f"threshold {threshold:g}")
    ax.set(xlabel="x", ylabel="y", xlim=(-2, 2), ylim=(-2, 2))
    ax.legend(loc="upper left", labelspacing=0.2)


def low_rank_image():
    """Return a matrix of rank 3 in noise."""
    rng = np.random.default_rng(8)
    row, column = np.linspace(0, 1, 14)[:, None], np.linspace(0, 1, 14)
    image = 2 * np.sin(4 * row) * np.cos(5 * column) + 1.5 * (row - 0.5) * np.sin(9 * column) + row * (column > 0.5)
    return image + 0.35 * rng.normal(size=image.shape)


@picture("singular_value_threshold")
def singular_value_threshold(figure, operator):
    """A noisy matrix, its singular values before (grey) and after (blue), and the matrix that these leave."""
    x = low_rank_image()
    y = operator(x, threshold=2.0)
    left, middle, right = panels(figure, 3, height=135)
    heat(left, x, "x", cmap=SIGNS, lines=0.2, vmin=-3, vmax=3)
    heat(right, y, "y", cmap=SIGNS, lines=0.2, vmin=-3, vmax=3)
    middle.set_box_aspect(1)
    bars(middle, np.linalg.svd(x, compute_uv=False), PALE)
    bars(middle, np.linalg.svd(y, compute_uv=False), BLUE, "singular values")
    middle.axhline(2, color=RED, lw=1.2)


@picture("truncated_svd")
def truncated_svd(figure, operator):
    """A noisy matrix and the nearest ones of rank 1 and 3; below, its singular values, and how much of the matrix is
    left over at each rank."""
    x = low_rank_image()
    axes = sized(figure, 270).subplot_mosaic([["x", "rank 1", "rank 3"], ["errors"] * 3])
    rest = []
    for rank in range(1, 15):
        u, s, v = operator(x, rank=rank)
        rest.append(np.linalg.norm(x - (u * s) @ v.T))
        title = {14: "x"}.get(rank, f"rank {rank}")
        if title in axes:
            heat(axes[title], (u * s) @ v.T, title, cmap=SIGNS, lines=0.2, vmin=-3, vmax=3)
    ax = axes["errors"]
    bars(ax, s, PALE, label="singular values")
    ax.plot(range(14), rest, color=BLUE, marker="o", ms=4, label="length of what is left over")
    ax.set(xticks=range(14), xticklabels=range(1, 15), xlabel="rank")
    ax.legend(loc="upper right")


def slanted_cloud():
    return np.random.default_rng(9).normal(size=(90, 2)) @ np.array([[1.5, 0.9], [-0.25, 0.45]]) + [0.8, -0.5]


@picture("pca_basis")
def pca_basis(figure, operator):
    """A cloud of rows, its mean, and its principal axes: each as long as two deviations along it."""
    x = slanted_cloud()
    mean, basis, var = operator(x)
    ax = bare(panels(figure, height=220))
    dots(ax, x, QUIET, size=12)
    for axis, length, colour in zip(basis, 2 * np.sqrt(var), (BLUE, RED), strict=True):
        ax.quiver(*mean, *(length * axis), angles="xy", scale_units="xy", scale=1, color=colour, width=0.012, zorder=4)
    ax.set(aspect="equal")


@picture("pca_project")
def pca_project(figure, operator):
    """A cloud of rows (left), and its coordinates along its own principal axes, from its mean (right): one colour from
    end to end of the first."""
    x = slanted_cloud()
    y = operator(x)
    for ax, points, title in zip(panels(figure, 2, height=165), (x - [0.8, -0.5], y), ("x", "y"), strict=True):
        plane(ax, 3.5, title)
        ax.scatter(*points.T, c=y[:, 0], cmap=SHADES, vmin=-7, s=14, linewidth=0, zorder=3)


@picture(*WHITENING)
def whitening(figure, operator):
    """A cloud of rows, and the same after whitening: uncorrelated, of variance 1 in every direction. The shade
    goes from end to end of the cloud of before."""
    x = slanted_cloud()
    y = operator(x, *refnorm.proj.pca_basis(x))
    along = refnorm.proj.pca_project(x)[:, 0]
    titles = ("x", WHITENING[operator.__name__])
    for ax, points, title in zip(panels(figure, 2, height=195), (x, y), titles, strict=True):
        plane(ax, 3.5, title)
        ax.scatter(*points.T, c=along, cmap=SHADES, vmin=-7, s=14, linewidth=0, zorder=3)


@picture("orthogonal_procrustes")
def orthogonal_procrustes(figure, operator):
    """Points (black) and the target of each (red): before; and after the turn that brings them nearest."""
    rng = np.random.default_rng(10)
    x = np.array([[1.6, 0.2], [1.0, 1.0], [0.1, 1.5], [-0.8, 1.0], [-1.2, -0.2], [-0.3, -0.9], [0.9, -0.8]])
    turn = np.array([[np.cos(2.0), np.sin(2.0)], [-np.sin(2.0), np.cos(2.0)]])
    target = x @ turn + 0.15 * rng.normal(size=x.shape)
    before, after = panels(figure, 2, height=190)
    turned = x @ operator(x, target)
    for ax, points, colour, title in ((before, x, INK, "before"), (after, turned, BLUE, "after")):
        plane(ax, 2.0, title)
        for point, aim in zip(points, target, strict=True):
            ax.plot(*np.stack([point, aim]).T, color=PALE, lw=1.4, zorder=1)
        ax.plot(*points[[*range(7), 0]].T, color=colour, lw=1)
        ax.plot(*target[[*range(7), 0]].T, color=RED, lw=1, ls=(0, (4, 2)))
        dots(ax, points, colour, size=26)
        dots(ax, target, RED, size=26, marker="s")


@picture("walsh_hadamard_transform")
def walsh_hadamard_transform(figure, operator):
    """The matrix that it multiplies by, of size 16: what it makes of the identity. Blue is 1, red is -1."""
    heat(panels(figure, height=240), operator(np.eye(16), axis=0), cmap=SIGNS, vmin=-1.4, vmax=1.4)


@picture("sparse_random_matrix")
def sparse_random_matrix(figure, operator):
    """Uniform numbers, 12 x 24, turned into elements above zero (blue), below (red) and of zero: a third of them, and
    a tenth, is not 0."""
    x = np.random.default_rng(11).uniform(size=(12, 24))
    for ax, density in zip(panels(figure, 1, 2, height=290), (1 / 3, 0.1), strict=True):
        reach = 1.5 / np.sqrt(density)
        heat(ax, operator(x, density=density), f"density {density:.2g}", cmap=SIGNS, vmin=-reach, vmax=reach)


def distances(points):
    """Return the distances of all pairs of points."""
    return np.linalg.norm(points[:, None] - points[None], axis=-1)[np.triu_indices(len(points), 1)]


def maps(rng, name, inputs, outputs):
    """Return what a random map of some inputs to fewer outputs is called with, beside the data."""
    if name == "count_sketch":
        signs = rng.choice([-1.0, 1.0], size=inputs)
        return (rng.integers(outputs, size=inputs), signs), {"output_size": outputs}
    signs, gains = rng.choice([-1.0, 1.0], size=inputs), rng.normal(size=inputs)
    return (signs, rng.permutation(inputs), gains), {"output_size": outputs}


@picture("count_sketch", "fastfood_project")
def distances_kept(figure, operator):
    """The distances of all pairs of 20 points of 256 elements: after a random map to 8, and to 128 outputs, against
    before. On the line they are kept."""
    rng = np.random.default_rng(12)
    x = rng.normal(size=(20, 256)) * rng.uniform(0.3, 1.6, size=(20, 1))
    before = distances(x)
    for ax, outputs in zip(panels(figure, 2, height=185, sharey=True), (8, 128), strict=True):
        arrays, options = maps(rng, operator.__name__, 256, outputs)
        after = distances(operator(x, *arrays, **options))
        ax.plot([0, 40], [0, 40], color=RED, lw=1.2)
        dots(ax, np.stack([before, after], axis=1), BLUE, size=9, alpha=0.6)
        ax.set(xlim=(0, 38), ylim=(0, 52), title=f"{outputs} outputs", xlabel="before")
        if outputs == 8:
            ax.set(ylabel="after")


@picture("random_subspace_project")
def random_subspace_project(figure, operator):
    """A grid of two coordinates (left), laid through a point (square) of a space of three parameters, seen from aside
    (right): training moves on this plane alone."""
    weight, origin = np.array([[0.3, 0.6], [0.9, 0.1], [-0.3, 0.8]]), np.array([0.5, 0.3, 0.9])
    line = np.linspace(-1, 1, 9)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    left, right = panels(figure, 2, height=185)
    look = np.array([[-0.5, -0.35], [1.0, 0.0], [0.0, 1.0]])  # how the three axes are drawn on paper
    theta = operator(grid, weight, origin)
    for ax, points in ((left, grid), (right, theta @ look)):
        for k in range(9):
            ax.plot(*points[k].T, color=BLUE, lw=0.9)
            ax.plot(*points[:, k].T, color=BLUE, lw=0.9)
    for axis, name in zip(look * 1.7, ("θ₁", "θ₂", "θ₃"), strict=True):
        right.plot([0, axis[0]], [0, axis[1]], color=QUIET, lw=1, zorder=0)
        label(right, *(1.12 * axis), name, QUIET)
    dots(left, np.zeros(2), RED, size=50, marker="s")
    dots(right, origin @ look, RED, size=50, marker="s")
    bare(left, "x").set(aspect="equal")
    bare(right, "y").set(aspect="equal")


@picture("simplex_vertices")
def simplex_vertices(figure, operator):
    """The three corners round a centre of the plane, all as far from it and from one another, for three scales."""
    centres = np.array([[-2.6, 0.0], [0.0, 0.0], [2.6, 0.0]])
    ax = bare(panels(figure, height=160))
    for centre, scale in zip(centres, (1.2, 0.8, 0.4), strict=True):
        corners = operator(centre, scale=scale)
        ax.plot(*(centre + scale * CIRCLE).T, color=QUIET, lw=0.8, ls=(0, (4, 3)))
        label(ax, centre[0], -1.55, f"scale {scale:g}")
        ax.plot(*corners[[0, 1, 2, 0]].T, color=QUIET, lw=1)
        arrows(ax, np.repeat(centre[None], 3, axis=0), corners)
    dots(ax, centres, RED, size=26)
    ax.set(aspect="equal")


@picture("simplex_etf")
def simplex_etf(figure, operator):
    """The inner products of five columns: orthonormal before (0 beside the diagonal); after it, all as far apart as
    five directions can be."""
    u, _ = np.linalg.qr(np.random.default_rng(13).normal(size=(8, 5)))
    m = operator(u)
    for ax, columns, title in zip(panels(figure, 2, height=185), (u, m), ("x", "y"), strict=True):
        gram = np.round(columns.T @ columns, 9) + 0.0  # no "-0.00"
        heat(ax, gram, title, cmap=SIGNS, numbers=".2f", vmin=-1.4, vmax=1.4)


@picture("orthogonal_gaussian_matrix")
def orthogonal_gaussian_matrix(figure, operator):
    """The cosines of eight random rows of eight elements, before; and after, when they are at right angles."""
    rng = np.random.default_rng(14)
    x = rng.normal(size=(8, 8))
    y = operator(x, rng.normal(size=(1, 8, 8)))
    for ax, rows, title in zip(panels(figure, 2, height=185), (x, y), ("x", "y"), strict=True):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        heat(ax, unit @ unit.T, title, cmap=SIGNS, vmin=-1.3, vmax=1.3)


@picture("positive_random_features")
def positive_random_features(figure, operator):
    """The inner products of the features of two rows against the exponential that they stand for: with 16 and with
    1024 random features. On the line they agree."""
    rng = np.random.default_rng(15)
    x, y = 0.5 * rng.normal(size=(2, 60, 4))
    exact = np.exp((x * y).sum(axis=1))
    for ax, count in zip(panels(figure, 2, height=190, sharey=True), (16, 1024), strict=True):
        directions = rng.normal(size=(count, 4))
        estimate = (operator(x, directions) * operator(y, directions)).sum(axis=1)
        ax.plot([0.1, 10], [0.1, 10], color=RED, lw=1.2)
        dots(ax, np.stack([exact, estimate], axis=1), BLUE, size=14)
        ax.set(xscale="log", yscale="log", xlim=(0.12, 8), ylim=(0.12, 8), title=f"{count} features", xlabel="exact")
        ax.set(xticks=[0.2, 1, 5], xticklabels=["0.2", "1", "5"], yticks=[0.2, 1, 5], yticklabels=["0.2", "1", "5"])
        ax.minorticks_off()
        if count == 16:
            ax.set(ylabel="estimate")


@picture("taylor_softmax_features")
def taylor_softmax_features(figure, operator):
    """What the inner products of features are, against the exponential (grey): a series that is cut off at the
    degree."""
    x = np.linspace(-2.5, 2.5, 201)[:, None]
    ax = panels(figure, height=225)
    ax.plot(x[:, 0], np.exp(x[:, 0]), color=INK, lw=3, alpha=0.35, label="exp")
    for degree, colour, dash in zip((1, 2, 4), COLOURS, DASHES, strict=False):
        product = operator(x, degree=degree) @ operator(np.ones(1), degree=degree)
        ax.plot(x[:, 0], product, color=colour, ls=dash, label=f"degree {degree}")
    ax.set(xlabel="⟨x, y⟩", xlim=(-2.5, 2.5), ylim=(-2, 10))
    ax.legend(loc="upper left", labelspacing=0.2)


@picture("spectral_mode_mixing")
def spectral_mode_mixing(figure, operator):
    """A single mode of a single channel goes in (left). Channels are mixed mode by mode, then modes channel by channel:
    what comes out where modes do not mix (middle) and where they do (right)."""
    rng = np.random.default_rng(16)
    x = np.zeros((1, 4, 7))
    x[0, 1, 2] = 1.5
    channels = 0.8 * rng.normal(size=(4, 4, 7))
    apart, together = np.repeat(np.eye(7)[..., None], 4, axis=2), 0.5 * rng.normal(size=(7, 7, 4))
    shown = ((x, "x"), (operator(x, channels, apart, residual=False), "modes apart"),
             (operator(x, channels, together, residual=False), "modes mixed"))  # fmt: skip
    for ax, (values, title) in zip(panels(figure, 3, height=120), shown, strict=True):
        heat(ax, values[0], title, cmap=SIGNS, vmin=-1.5, vmax=1.5)
        ax.set(xlabel="modes")
        if title == "x":
            ax.set(ylabel="channels")


@picture("norm_growth_limiter")
def norm_growth_limiter(figure, operator):
    """The lengths of updates, with a few that leap (grey), and after the limiter (blue): none grows by more than a
    tenth from one to the next."""
    lengths = 1 + 0.15 * np.sin(np.arange(60) * 0.35)
    lengths[[14, 15, 33, 47]] = 3.2, 2.6, 4.0, 2.9
    old, limited = None, []
    for length in lengths:
        y, old = operator(np.array([length, 0.0]), old, growth=1.1)
        limited.append(np.linalg.norm(y))
    ax = panels(figure, height=190)
    ax.plot(lengths, color=QUIET, lw=1.2, ls=(0, (3, 1.5)), label="before")
    ax.plot(limited, color=BLUE, label="after")
    ax.set(xlabel="steps", ylabel="length", ylim=(0, 4.3), xlim=(0, 59))
    ax.legend(loc="upper right", ncols=1, labelspacing=0.2)


@picture("cp_reconstruct")
def cp_reconstruct(figure, operator):
    """Two outer products, and the matrix that they add up to."""
    row, column = np.linspace(0, 1, 10), np.linspace(0, 1, 12)
    a, b = np.stack([np.sin(3 * row), row - 0.4], axis=1), np.stack([np.cos(4 * column), 2 * (column > 0.5)], axis=1)
    axes = panels(figure, 3, height=130)
    parts = (operator(a[:, :1], b[:, :1]), operator(a[:, 1:], b[:, 1:]), operator(a, b))
    for ax, part, title in zip(axes, parts, ("first", "+  second", "=  both"), strict=True):
        heat(ax, part, title, cmap=SIGNS, vmin=-1.6, vmax=1.6)


@picture("fuzzy_union")
def fuzzy_union(figure, operator):
    """Memberships of directed edges (left) made symmetric: how much either direction belongs (union), or both
    (intersection)."""
    x = np.array([[0, 0.9, 0.3, 0], [0.2, 0, 0, 1], [0.8, 0.5, 0, 0.4], [0, 0.6, 0.1, 0]])
    shown = ((x, "x"), (operator(x, alpha=1.0), "union"), (operator(x, alpha=0.0), "intersection"))
    for ax, (values, title) in zip(panels(figure, 3, height=140), shown, strict=True):
        heat(ax, values, title, numbers=".1f", vmin=0, vmax=1.3)
