"""Pictures of distributions: what shares scores are given, what is drawn, and how distances of distributions go."""

import numpy as np

import refnorm

from . import picture
from .colours import BLUE, COLOURS, DASHES, GREEN, INK, PALE, QUIET, RED
from .style import bare, bars, dots, heat, label, panels

SCORES = np.array([2.1, 1.4, 0.9, 0.2, -0.4, -1.3])
COINS = {
    "kl_divergence": {"kind": "bernoulli"},
    "hellinger_distance": {},
    "total_variation_distance": {},
}


def write_shares(ax, shares, top=1.0):
    """Write over every bar what it stands for; a share of exactly 0 is written as such."""
    for place, share in enumerate(shares):
        words = "0" if share == 0 else f"{share:.2f}" if share >= 0.005 else "…"
        label(ax, place, share + 0.055 * top, words, size=9)
    ax.set(ylim=(0, 1.12 * top))


@picture("softmax")
def softmax(figure, operator):
    """Six scores, and the shares that they get at three temperatures: the colder, the more the largest has of it."""
    axes = panels(figure, 2, 2, height=225)
    bars(axes[0, 0], SCORES, INK, "scores")
    axes[0, 0].axhline(0, color=QUIET, lw=0.8)
    axes[0, 0].spines["bottom"].set_visible(False)
    axes[0, 0].set(ylim=(-1.7, 2.4))
    for ax, tau in zip(np.ravel(axes)[1:], (2.0, 1.0, 0.3), strict=True):
        shares = operator(SCORES / tau)
        write_shares(bars(ax, shares, BLUE, f"temperature {tau:g}"), shares)


@picture("log_sum_exp")
def log_sum_exp(figure, operator):
    """Of a score and 0: a smooth maximum (blue), always above the maximum itself (broken), the most where both are
    equal."""
    x = np.linspace(-4, 4, 201)
    ax = panels(figure, height=210)
    ax.plot(x, operator(np.stack([x, np.zeros(201)], axis=1)), color=BLUE)
    ax.plot(x, np.maximum(x, 0), color=INK, lw=1.2, ls=DASHES[1])
    ax.annotate("log 2", (0, np.log(2)), (-1.6, 1.6), arrowprops={"arrowstyle": "-", "color": QUIET}, ha="center")
    ax.set(xlabel="x", ylabel="y", xlim=(-4, 4))


@picture("softmax_entropy")
def softmax_entropy(figure, operator):
    """Of two classes, three and four, against how far the score of one is above the others: it is largest where all
    are alike."""
    x = np.linspace(-6, 6, 241)
    ax = panels(figure, height=210)
    for classes, colour, dash in zip((4, 3, 2), COLOURS, DASHES, strict=False):
        scores = np.concatenate([x[:, None], np.zeros((241, classes - 1))], axis=1)
        ax.plot(x, operator(scores), color=colour, ls=dash, label=f"{classes} classes")
    ax.set(xlabel="score of one", ylabel="entropy, nats", xlim=(-6, 6), ylim=(0, 1.5))
    ax.legend(loc="upper right", labelspacing=0.2)


@picture("softmax_minus_one")
def softmax_minus_one(figure, operator):
    """Scores of which two are 0, and their shares: the softmax gives those something, this gives nothing."""
    x = np.array([2.0, 1.0, 0.0, 0.0])
    left, middle, right = panels(figure, 3, height=145)
    bars(left, x, INK, "scores").set(ylim=(0, 2.2))
    write_shares(bars(middle, refnorm.prob.softmax(x), PALE, "softmax"), refnorm.prob.softmax(x), 0.85)
    write_shares(bars(right, operator(x), BLUE, "minus one"), operator(x), 0.85)


@picture("entmax")
def entmax(figure, operator):
    """The share of one of three scores against how high it is, the others being 0 and -0.5: with alpha above 1 it is
    exactly 0, or 1, from some point on (dots)."""
    x = np.linspace(-3, 3, 601)
    scores = np.stack([x, np.zeros(601), np.full(601, -0.5)], axis=1)
    ax = panels(figure, height=230)
    for alpha, colour, dash in zip((1.0, 1.25, 1.5, 2.0), (INK, GREEN, RED, BLUE), DASHES[::-1], strict=True):
        y = (refnorm.prob.softmax(scores) if alpha == 1 else operator(scores, alpha=alpha))[:, 0]
        ax.plot(x, y, color=colour, ls=dash, label=f"alpha {alpha:g}" if alpha > 1 else "1: softmax")
        ends = [index for index in (np.flatnonzero(y > 0)[0], np.flatnonzero(y < 1)[-1]) if 0 < index < 600]
        dots(ax, np.stack([x[ends], y[ends]], axis=1), colour, size=30)
    ax.set(xlabel="score", ylabel="share", xlim=(-3, 3), ylim=(-0.02, 1.05))
    ax.legend(loc="upper left", labelspacing=0.2)


@picture("stablemax")
def stablemax(figure, operator):
    """The share of a score beside nine of 0, against how high it is: it grows like a power, where the softmax (broken)
    grows like an exponential and soon is 1 to rounding."""
    x = np.linspace(-10, 40, 401)
    scores = np.concatenate([x[:, None], np.zeros((401, 9))], axis=1)
    ax = panels(figure, height=215)
    ax.plot(x, refnorm.prob.softmax(scores)[:, 0], color=INK, lw=1.4, ls=DASHES[1], label="softmax")
    ax.plot(x, operator(scores)[:, 0], color=BLUE, label="stablemax")
    ax.set(xlabel="score", ylabel="share", xlim=(-10, 40), ylim=(0, 1.05))
    ax.legend(loc="center right", labelspacing=0.2)


@picture("log_softmax", "log_stablemax")
def logarithms(figure, operator):
    """The logarithm of the share of a score beside nine of 0, against how high it is. Blue is this operator, grey the
    other of softmax and stablemax: below 0 the one falls in a straight line, the other like a logarithm."""
    x = np.linspace(-15, 15, 301)
    scores = np.concatenate([x[:, None], np.zeros((301, 9))], axis=1)
    ax = panels(figure, height=215)
    for measure, name, dash in (
        (refnorm.prob.log_softmax, "softmax", DASHES[1]),
        (refnorm.prob.log_stablemax, "stablemax", "-"),
    ):
        mine = measure is operator
        ax.plot(x, measure(scores)[:, 0], color=BLUE if mine else QUIET, lw=2.2 if mine else 1.4, ls=dash, label=name)
    ax.set(xlabel="score", ylabel="log share", xlim=(-15, 15))
    ax.legend(loc="lower right", labelspacing=0.2)


def triangle(shares):
    """Return where shares of three classes lie in the triangle of its corners."""
    return shares @ np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, np.sqrt(3)]])


@picture("gumbel_softmax")
def gumbel_softmax(figure, operator):
    """Samples of a distribution of three classes (red) in the triangle of the simplex: the colder, the nearer to a
    corner; in which of the three regions one falls does not change."""
    rng = np.random.default_rng(1)
    chances = np.array([0.5, 0.3, 0.2])
    u = rng.uniform(size=(150, 3))
    for ax, tau in zip(panels(figure, 3, height=125), (2.0, 0.7, 0.1), strict=True):
        samples = operator(np.repeat(np.log(chances)[None], 150, axis=0), u, tau=tau)
        ax.plot(*triangle(np.eye(3)[[0, 1, 2, 0]]).T, color=QUIET, lw=1)
        for end in np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]]) / 2:
            ax.plot(*triangle(np.stack([np.full(3, 1 / 3), end])).T, color=PALE, lw=1, zorder=0)
        dots(ax, triangle(samples), BLUE, size=8, alpha=0.6, clip_on=False)
        dots(ax, triangle(chances), RED, size=32, marker="D")
        bare(ax, f"tau = {tau:g}").set(aspect="equal")


@picture("binary_concrete")
def binary_concrete(figure, operator):
    """Two thousand coins of which six in ten should be heads: the colder, the nearer to 0 and 1."""
    u = np.random.default_rng(2).uniform(size=2000)
    x = np.full(2000, np.log(0.6 / 0.4))
    for ax, tau in zip(panels(figure, 3, height=135, sharey=True), (2.0, 0.5, 0.1), strict=True):
        ax.hist(operator(x, u, tau=tau), bins=np.linspace(0, 1, 16), color=BLUE, rwidth=0.85)
        ax.set(title=f"tau = {tau:g}", yticks=[], xticks=[0, 1], xlim=(-0.02, 1.02))
        ax.spines["left"].set_visible(False)


@picture("gumbel_top_k")
def gumbel_top_k(figure, operator):
    """Six weights (left), and how often each is among the two that are drawn without replacement, in 3000 draws."""
    weights = np.array([8.0, 5.0, 3.0, 2.0, 1.0, 1.0])
    u = np.random.default_rng(3).uniform(size=(3000, 6))
    _, places = operator(np.repeat(np.log(weights)[None], 3000, axis=0), u, k=2)
    often = np.bincount(places.ravel(), minlength=6) / 3000
    left, right = panels(figure, 2, height=160)
    bars(left, weights, INK, "weights").set(ylim=(0, 9))
    write_shares(bars(right, often, BLUE, "drawn, k = 2"), often)


def sums_beside(ax, plan):
    """Show the sums of rows and columns of a matrix as bars beside it and below it."""
    rows, columns = plan.shape
    ax.barh(np.arange(rows) + 0.5, 0.8 * plan.sum(axis=1), left=columns + 0.25, color=RED, height=0.7)
    ax.bar(np.arange(columns) + 0.5, 0.8 * plan.sum(axis=0), bottom=rows + 0.25, color=GREEN, width=0.7)
    ax.set(xlim=(0, columns + 2.4), ylim=(rows + 2.4, 0))


@picture("sinkhorn", "sinkhorn_assignment")
def sinkhorn(figure, operator):
    """The softmax of each row of scores, with the sums of rows (red) and of columns (green); and the plan, in which
    the columns share alike too."""
    x = np.random.default_rng(4).normal(size=(6, 6)) + np.array([1.0, 0.4, 0.0, 0.0, -0.5, -1.0])
    before = refnorm.prob.softmax(x)
    after, _ = operator(x, tau=1.0, iterations=50)
    for ax, plan, title in zip(panels(figure, 2, height=190), (before, after), ("softmax of rows", "y"), strict=True):
        heat(ax, plan, title, vmin=0, vmax=0.8)
        sums_beside(ax, plan)


@picture("inverted_softmax")
def inverted_softmax(figure, operator):
    """Similarities of queries (rows) to a gallery, of which one member is near to everybody, a hub; and what is left
    when each column is divided by what it has in all. Red: the nearest of each query."""
    x = 0.25 * np.random.default_rng(5).normal(size=(6, 7)) + 0.8 * np.eye(6, 7)
    x[:, 6] += 0.75
    y = operator(x, x, beta=5.0)
    for ax, values, title in zip(panels(figure, 2, height=185), (x, y), ("x", "y"), strict=True):
        heat(ax, values, title, vmin=np.quantile(values, 0.2), vmax=1.4 * values.max())
        for row, column in enumerate(values.argmax(axis=1)):
            dots(ax, np.array([column + 0.5, row + 0.5]), RED, size=44)


@picture("two_hot_project")
def two_hot_project(figure, operator):
    """Three numbers (red lines) written as shares of the two nearest of six atoms: the nearer has more."""
    atoms = np.linspace(0, 5, 6)
    for ax, value in zip(panels(figure, 3, height=140, sharey=True), (1.3, 3.0, 4.5), strict=True):
        shares = operator(np.array([value]), low=0.0, high=5.0, count=6)[0]
        ax.bar(atoms, shares, color=BLUE, width=0.55)
        ax.axvline(value, color=RED, lw=1.6, ls=DASHES[1])
        ax.set(title=f"x = {value:g}", xticks=atoms, yticks=[], ylim=(0, 1.08))
        ax.spines["left"].set_visible(False)


@picture("categorical_project")
def categorical_project(figure, operator):
    """Masses at places between atoms (top), as when returns are shrunk and shifted, and moved to the atoms (bottom),
    each to the two nearest. The mean (broken line) stays."""
    masses, places = np.array([0.15, 0.3, 0.35, 0.2]), np.array([0.6, 1.45, 2.3, 3.15])
    y = operator(masses, places, low=0.0, high=5.0, count=6)
    above, below = panels(figure, 1, 2, height=235, sharex=True)
    for ax, at, mass, colour, name in ((above, places, masses, INK, "x"), (below, np.arange(6.0), y, BLUE, "y")):
        ax.bar(at, mass, color=colour, width=0.22)
        ax.axvline(at @ mass, color=RED, lw=1.4, ls=DASHES[1])
        ax.set(yticks=[], ylim=(0, 0.42), xticks=range(6))
        ax.set_ylabel(name, rotation=0)
        ax.spines["left"].set_visible(False)


@picture("top_k_top_p_filter")
def top_k_top_p_filter(figure, operator):
    """The shares of eight tokens; the three likeliest alone; and the fewest that together reach 0.8. What is cut is
    grey."""
    x = np.log(np.array([0.12, 0.34, 0.05, 0.25, 0.03, 0.16, 0.01, 0.04]))
    options = (("all", {}), ("k = 3", {"k": 3}), ("p = 0.8", {"p": 0.8}))
    for ax, (title, option) in zip(panels(figure, 3, height=145, sharey=True), options, strict=True):
        stay = np.isfinite(operator(x, **option))
        bars(ax, np.exp(x), [BLUE if kept else PALE for kept in stay], title)
        ax.text(7.4, 0.33, f"{stay.sum()} of 8", ha="right", size=9.5)


@picture(*COINS)
def coins(figure, operator):
    """How far two coins are apart, of which one comes up heads with the chance p, the other as marked (dots): blue.
    Grey: the other two of divergence, Hellinger distance and total variation."""
    p = np.linspace(0.002, 0.998, 301)
    for ax, q in zip(panels(figure, 2, height=205, sharey=True), (0.5, 0.8), strict=True):
        first, second = (np.stack([chance, 1 - chance], axis=1) for chance in (p, np.full(301, q)))
        for (name, options), dash in zip(COINS.items(), DASHES, strict=False):
            measure = getattr(refnorm.prob, name)
            y = measure(p[:, None], np.full((301, 1), q), **options) if options else measure(first, second)
            mine = measure is operator
            ax.plot(p, y, color=BLUE if mine else QUIET, ls=dash, lw=2.2 if mine else 1.2, zorder=3 if mine else 2)
            words = {"kl_divergence": "KL", "hellinger_distance": "Hellinger", "total_variation_distance": "TV"}[name]
            ax.plot([], color=BLUE if mine else QUIET, ls=dash, label=words)
        dots(ax, np.array([q, 0.0]), RED, size=36, clip_on=False)
        ax.set(xlabel="p", xlim=(0, 1), ylim=(0, 1.3), title=f"other = {q:g}")
    ax.legend(loc="upper right", labelspacing=0.2)


@picture("student_t_assignment")
def student_t_assignment(figure, operator):
    """The shares of points on a line to three centres (marks): the fewer degrees of freedom, the more a far centre
    still has."""
    x, center = np.linspace(-4, 5, 301)[:, None], np.array([[-2.0], [0.5], [3.0]])
    for ax, nu in zip(panels(figure, 2, height=175, sharey=True), (1.0, 50.0), strict=True):
        for k, share in enumerate(operator(x, center, nu=nu).T):
            ax.plot(x[:, 0], share, color=COLOURS[k], ls=DASHES[k])
            dots(ax, np.array([center[k, 0], 0.0]), COLOURS[k], size=46, marker="os^"[k], clip_on=False)
        ax.set(title=f"nu = {nu:g}", xlabel="x", xlim=(-4, 5), ylim=(0, 1.03))
        if nu == 1:
            ax.set(ylabel="share")


@picture("dec_target_distribution")
def dec_target_distribution(figure, operator):
    """The shares of 60 points in the first of two clusters, before and after: sharpened, and against the larger
    cluster, so that a half goes to the smaller."""
    x = np.sort(np.random.default_rng(6).beta(1.6, 1.0, size=60))
    before = np.stack([x, 1 - x], axis=1)
    after = operator(before)
    ax = panels(figure, height=215)
    ax.plot([0, 1], [0, 1], color=QUIET, lw=0.9, ls=(0, (1, 2)))
    ax.plot(before[:, 0], after[:, 0], color=BLUE, lw=1)
    dots(ax, np.stack([before[:, 0], after[:, 0]], axis=1), BLUE, size=14)
    ax.set(xlabel="share before", ylabel="share after", xlim=(0, 1), ylim=(0, 1))


@picture("highest_density_region")
def highest_density_region(figure, operator):
    """Samples of a distribution of two hills (marks below): blue is the smallest region that holds all but a fifth of
    them. It may be of several pieces; the broken line is the density at its edge."""
    rng = np.random.default_rng(7)
    samples = np.concatenate([rng.normal(-2, 0.6, 160), rng.normal(1.6, 1.0, 140)])

    def log_density(x):
        hills = 0.53 / 0.6 * np.exp(-0.5 * ((x + 2) / 0.6) ** 2) + 0.47 * np.exp(-0.5 * (x - 1.6) ** 2)
        return np.log(hills / np.sqrt(2 * np.pi))

    inside, edge = operator(log_density(samples), alpha=0.2)
    x = np.linspace(-4.5, 5.5, 401)
    density, level = np.exp(log_density(x)), np.exp(edge)
    ax = panels(figure, height=200)
    ax.fill_between(x, density, where=density >= level, color=BLUE, alpha=0.25, lw=0)
    ax.plot(x, density, color=INK, lw=1.4)
    ax.axhline(level, color=RED, lw=1.2, ls=DASHES[1])
    for colour, shown in ((BLUE, inside), (QUIET, ~inside)):
        ax.plot(samples[shown], np.full(shown.sum(), -0.03), "|", color=colour, ms=8, mew=0.8)
    ax.set(yticks=[], xlabel="x", ylim=(-0.06, None), xlim=(-4.5, 5.5))
    ax.spines["left"].set_visible(False)


@picture("dirichlet_evidence")
def dirichlet_evidence(figure, operator):
    """Beliefs in three classes (blue) and what stays uncertain (grey), together 1: for scores that say little, that
    contradict one another, and that say much for one."""
    x = np.array([[0.4, 0.0, -0.5], [9.0, 8.0, 0.0], [16.0, 1.0, 0.0]])
    _, belief, _, uncertainty = operator(x)
    titles = ("little", "much, for two", "much, for one")
    axes = panels(figure, 3, height=155, sharey=True)
    for ax, shares, title in zip(axes, np.concatenate([belief, uncertainty], axis=1), titles, strict=True):
        write_shares(bars(ax, shares, [BLUE] * 3 + [QUIET], title), shares)
        ax.set(xticks=range(4), xticklabels=["1", "2", "3", "?"])
        ax.tick_params(bottom=False)


@picture("contrastive_decoding_logits")
def contrastive_decoding_logits(figure, operator):
    """The scores of six tokens, those from a distorted input, and what the contrast makes of them: what both like is
    held back, what only the first likes gains; implausible tokens are cut (crosses)."""
    x, other = np.array([3.0, 2.6, 2.1, 1.2, -0.8, -1.5]), np.array([3.0, 1.2, 2.4, 0.9, -2.5, 1.0])
    y = operator(x, other)
    shown = ((x, INK, "x"), (other, QUIET, "other"), (y, BLUE, "y"))
    for ax, (values, colour, title) in zip(panels(figure, 3, height=150, sharey=True), shown, strict=True):
        bars(ax, np.where(np.isfinite(values), values, 0), colour, title)
        ax.axhline(0, color=QUIET, lw=0.8)
        ax.spines["bottom"].set_visible(False)
        for place in np.flatnonzero(np.isinf(values)):
            label(ax, place, 0, "×", RED, size=15)


@picture("distribution_alignment")
def distribution_alignment(figure, operator):
    """The mean prediction of a batch that prefers the first classes; and after each prediction is divided by the
    running mean: hardly one is preferred. The line is an equal share."""
    rng = np.random.default_rng(8)
    x = refnorm.prob.softmax(rng.normal(size=(64, 5)) + np.array([1.2, 0.6, 0.0, -0.4, -0.9]))
    y, _ = operator(x, x.mean(axis=0))
    before, after = panels(figure, 2, height=150, sharey=True)
    for ax, rows, colour, title in ((before, x, INK, "x, mean"), (after, y, BLUE, "y, mean")):
        bars(ax, rows.mean(axis=0), colour, title).axhline(0.2, color=RED, lw=1.2, ls=DASHES[1])
