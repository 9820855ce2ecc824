"""Running statistics in long double."""

from oracles import WIDE


def update_running(old, new, *, momentum, weighs="new", count=None, correction=0):
    if correction:
        new = new * WIDE(count) / (WIDE(count) - WIDE(correction))
    share = WIDE(momentum) if weighs == "new" else 1 - WIDE(momentum)
    return (1 - share) * old + share * new
