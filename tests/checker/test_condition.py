"""Where an answer jumps, and where it only bends."""

from refnorm.checker import check, find_operator, plan


def calls(name, seed, dtype, kind):
    return getattr(plan(find_operator(name), seed, (dtype,)), kind)


def test_the_gradient_of_a_tie_jumps():
    """Around a hundred, half precision has few numbers for the cells of a window."""
    assert any(call.condition.jumps.any() for call in calls("max_pool", 1, "float16", "gradients"))


def test_a_share_that_leaves_the_support_bends():
    """One unit of input takes this one from 3.6e-8 to 0, and no further: as far as a sixteenth of a unit moves it."""
    call = next(c for c in calls("entmax", 201, "float32", "hard") if c.label == "axis + mean 1e+04")
    share = (1, 3, 3)
    assert 0 < call.wanted[share] < 1e-7
    assert not call.condition.jumps[share]
    assert call.condition.yardstick[share] > call.wanted[share] / 2


def test_places_of_scores_that_are_level_are_looked_at_twice():
    """Honest code rounds two scores at a million to the same number: eleven nudges missed that at this seed."""
    (honest,) = (h.function for h in find_operator("gumbel_top_k").load_card().honest if h.name == "NumPy")
    assert check(honest, "gumbel_top_k", seed=1955619805, dtypes=("float32",)).conforms

    def turned(x, u, /, *, k):
        scores, places = honest(x, u, k=k)
        return scores, places[..., ::-1]

    assert not check(turned, "gumbel_top_k", seed=1955619805, dtypes=("float32",)).conforms
