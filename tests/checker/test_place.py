"""Where a mask is true, in words; each phrase with masks that come near and must not get it."""

import numpy as np
import pytest

from refnorm.checker.place import place, place_in


def mask(shape, *true):
    wrong = np.zeros(shape, bool)
    for where in true:
        wrong[where] = True
    return wrong


S = np.s_


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (mask((4, 8)), "nowhere"),
        (mask((0, 8)), "nowhere"),
        (mask((4, 8), S[:]), "everywhere"),
        (mask((), ()), "everywhere"),
        (mask((4, 8), (3, 7)), "one element, (3, 7)"),
        (mask((5,), 2), "one element, (2,)"),
        # a row
        (mask((4, 8), S[3]), "only in the last row (index 3 of axis 0)"),
        (mask((4, 8), S[0]), "only in the first row (index 0 of axis 0)"),
        (mask((4, 8), S[2]), "only in one row (index 2 of axis 0)"),
        (mask((4, 8), S[3, 3:]), "only in the last row (index 3 of axis 0), 5 of 8 elements there"),
        (mask((2, 3, 8), S[1, 2]), "only in the last row (index (1, 2))"),
        (mask((2, 3, 8), S[0, 2]), "only in one row (index (0, 2))"),
        # several rows, columns, slices
        (mask((4, 8), S[2:]), "only in the last 2 elements of axis 0"),
        (mask((4, 8), S[:, -5:]), "only in the last 5 elements of axis 1"),
        (mask((4, 8), S[:, :3]), "only in the first 3 elements of axis 1"),
        (mask((4, 8), S[:, 7]), "only at the last index of axis 1"),
        (mask((4, 8), S[:, 2]), "only at index 2 of axis 1"),
        (mask((4, 8), S[:, 2:5]), "only in elements 2 to 4 of axis 1"),
        (mask((2, 3, 8), S[:, 2]), "only at the last index of axis 1"),
        (mask((4, 8), S[1:3, 6:]), "only in elements 1 to 2 of axis 0 and in the last 2 elements of axis 1"),
        (mask((4, 8), S[2, 6:], S[3, 7]),
         "only in the last 2 elements of axis 0 and in the last 2 elements of axis 1, 3 of 4 elements there"),
        (mask((4, 8), S[:, 1::2]), "only in every other element of axis 1, from index 1 on"),
        (mask((9,), S[::2]), "only in every other element, from index 0 on"),
        (mask((13,), S[3::4]), "only in every 4th element, from index 3 on"),
        (mask((9,), S[-5:]), "only in the last 5 elements"),
        # through all axes
        (mask((3, 3), S[0, ::2], S[1, 1], S[2, ::2]), "only in every other element in memory order, from index 0 on"),
        (mask((4, 8), S[1, 3:], S[2:]), "only in the last 3 elements of axis 0, 21 of 24 elements there"),
        # nothing in common
        (mask((5, 9), (0, 3), (2, 4), (4, 6), (1, 0), (3, 8)), "5 of 45 elements, the first at (0, 3)"),
        (mask((5, 9), (0, 3), (4, 6)), "2 of 45 elements, the first at (0, 3)"),
        (mask((99, 9), (3, 3), (4, 5)), "2 of 891 elements, the first at (3, 3)"),
        (mask((9,), 0, 3, 4), "3 of 9 elements, the first at (0,)"),
        (mask((9,), 0, 2, 4), "3 of 9 elements, the first at (0,)"),
    ],
)  # fmt: skip
def test_the_narrowest_words_that_fit(wrong, said):
    assert place(wrong) == said


@pytest.mark.parametrize("stray", [(0, 0), (2, 7), (1, 3)])
def test_one_element_elsewhere_and_it_is_not_only_the_last_row(stray):
    assert "last row" not in place(mask((4, 8), S[3], stray))


def test_outputs_laid_end_to_end_are_told_apart():
    shapes = ((2, 3), (2,), ())
    assert place_in(mask((9,), S[3:6]), shapes) == "output 0 only in the last row (index 1 of axis 0)"
    assert place_in(mask((9,), 7, 8), shapes) == "output 1 one element, (1,); output 2 everywhere"
    assert place_in(mask((9,)), shapes) == "nowhere"
    assert place_in(mask((6,), S[3:6]), (2, 3)) == "only in the last row (index 1 of axis 0)"
    assert place_in(mask((1,), 0), ()) == "everywhere"
