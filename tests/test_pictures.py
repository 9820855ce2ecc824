"""The pictures of the documentation: they draw, can be read on a phone, and show what their operators compute."""

import io
import warnings
from itertools import combinations

import numpy as np
import pytest

import refnorm

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pictures = pytest.importorskip("pictures", reason="docs/ is not here")

from matplotlib.figure import Figure  # noqa: E402
from matplotlib.quiver import Quiver  # noqa: E402

SMALLEST = 9  # points, which are pixels on a phone: see pictures/style.py
CORNER = np.array([0, 4, 0])  # the input that pictures.norm.sharing pushes


def unreadable(figure):
    """Return what is written too small, over the edge of the card, or over other words; the figure has been drawn."""
    words = [text for ax in figure.axes for text in (*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label)]
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in words if text.get_text()]
    found = [f"{text.get_text()!r} is small" for text in words if text.get_text() and text.get_size() < SMALLEST]
    found += [f"{name!r} is cut off" for name, box in boxes if cut_off(figure.bbox, box)]
    over = [(first, second) for (first, one), (second, other) in combinations(boxes, 2) if one.overlaps(other)]
    return found + [f"{first!r} lies over {second!r}" for first, second in over]


def cut_off(card, box):
    return box.x0 < 0 or box.y0 < 0 or box.x1 > card.x1 or box.y1 > card.y1


def ends(name):
    """Return where the arrows of a picture end, all panels together."""
    quivers = [q for ax in pictures.figure(name).axes for q in ax.collections if isinstance(q, Quiver)]
    return np.concatenate([q.XY + np.stack([q.U, q.V], axis=1) for q in quivers])


def cells(name, panel=0):
    """Return the values of a matrix that a picture shows."""
    return np.asarray(pictures.figure(name).axes[panel].collections[0].get_array())


def test_every_picture_is_of_an_operator():
    assert set(pictures.PICTURES) <= set(refnorm.OPERATORS)


@pytest.mark.parametrize("name", sorted(pictures.PICTURES))
def test_it_draws_the_same_twice_and_can_be_read(name):
    first, second = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that the font lacks, a layout that has no room
        figure = pictures.figure(name)
        pictures.write(figure, first)
        pictures.draw(name, second)
    assert first.getvalue() == second.getvalue()
    assert b'width="340pt"' in first.getvalue()
    assert first.getvalue().count(b"<path") + first.getvalue().count(b"<use") > 20
    assert b"nan" not in first.getvalue().lower()
    assert not unreadable(figure)
    assert pictures.caption(name).endswith(".")


def test_what_cannot_be_read_is_seen():
    figure = Figure((4, 2))
    ax = figure.subplots()
    ax.text(0.5, 0.5, "fine print", size=6)
    ax.text(0.95, 0.9, "farther than the card reaches")
    ax.text(0.1, 0.1, "one thing")
    ax.text(0.12, 0.12, "another")
    figure.draw_without_rendering()
    assert [" ".join(words.split()[-2:]) for words in unreadable(figure)[:2]] == ["is small", "cut off"]
    assert "'one thing' lies over 'another'" in unreadable(figure)


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("batch_norm_train", np.s_[:, 4, :]),
        ("ghost_batch_norm_train", np.s_[:3, 4, :]),
        ("layer_norm", np.s_[0, :, :]),
        ("instance_norm", np.s_[0, 4, :]),
        ("group_norm", np.s_[0, 3:, :]),
        ("local_response_norm", np.s_[0, 3:, 0]),
    ],
)
def test_what_shares_a_statistic_moves(name, shared):
    from pictures.norm import SHARING, moved

    expected = np.zeros((6, 6, 5), dtype=bool)
    expected[shared] = True
    operator = refnorm.OPERATORS[name].function
    np.testing.assert_array_equal(moved(operator, expected.shape, tuple(CORNER), **SHARING[name]), expected)


def test_what_feeds_an_output_is_shaded():
    average, largest = cells("avg_pool"), cells("max_pool")
    np.testing.assert_allclose(average[2:4, :2], 0.25, rtol=1e-6)
    assert average.sum() == pytest.approx(1)
    np.testing.assert_allclose(largest, np.arange(36).reshape(6, 6) == 13, atol=1e-6)
    np.testing.assert_allclose(cells("stochastic_pool")[2:4, :2], np.array([[2, 6], [1, 3]]) / 12)
    assert cells("roi_align").sum() == pytest.approx(1)
    assert (cells("roi_align") > 0).sum() == 9


def test_arrows_end_where_they_should():
    simplex = ends("project_simplex")
    np.testing.assert_allclose(simplex.sum(axis=1), 1)
    assert simplex.min() >= 0
    assert np.linalg.norm(ends("project_l2_ball"), axis=1).max() == pytest.approx(1)
    assert np.abs(ends("project_l0_ball")).min(axis=1).max() == 0
    np.testing.assert_allclose((ends("subspace_project") - [0.3, -0.4]) @ [-0.6, 0.8], 0, atol=1e-12)
    np.testing.assert_allclose((ends("rms_norm") ** 2).mean(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ends("weight_norm"), axis=1), [1, 1.5, 2])
    np.testing.assert_allclose(np.abs(ends("lp_normalize"))[:14].sum(axis=1), 1)
    np.testing.assert_allclose(np.abs(ends("lp_normalize"))[-14:].max(axis=1), 1)


def test_matrices_are_what_they_should_be():
    hadamard = cells("walsh_hadamard_transform")
    np.testing.assert_array_equal(hadamard @ hadamard.T, 16 * np.eye(16))
    np.testing.assert_allclose(cells("simplex_etf", 1), 1.25 * np.eye(5) - 0.25)
    np.testing.assert_allclose(cells("orthogonal_gaussian_matrix", 1), np.eye(8), atol=1e-12)
    np.testing.assert_allclose(cells("sinkhorn", 1).sum(axis=0), 1)
    np.testing.assert_allclose(cells("sinkhorn", 1).sum(axis=1), 1, rtol=1e-3)
    np.testing.assert_array_equal(cells("fuzzy_union", 1), cells("fuzzy_union", 1).T)
