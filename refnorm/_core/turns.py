"""Cosines of whole parts of a turn, rounded right whatever library asks for them."""

from .._xp import device

__all__ = ["cosines"]

ONE = 1 << 160  # numbers with so many binary places are whole ones here
PI = 3141592653589793238462643383279502884197169399375105820974944592 * ONE // 10**63


def first_step(steps):
    """Return cosine and sine of a quarter turn in so many steps, by the series of exp."""
    parts, term, power = [0, 0], ONE, 0
    while term:
        parts[power % 2] += term if power % 4 < 2 else -term
        power += 1
        term = term * PI // (2 * steps) // ONE // power
    return parts


def turn(steps):
    """Return the cosines of a whole turn, a quarter in so many steps."""
    (c, s), quarter = first_step(steps), []
    x, y = ONE, 0
    for _ in range(steps):
        quarter.append(x / ONE)  # of whole numbers the quotient is rounded right
        x, y = (x * c - y * s) // ONE, (x * s + y * c) // ONE
    half = [*quarter, 0.0, *(-x for x in quarter[:0:-1])]
    return half + [-x for x in half]


def cosines(xp, places, others, steps, like):
    """Return the cosines of all products of two lists of whole numbers, of which 4 `steps` are a turn."""
    places, others = (xp.asarray(list(n), device=device(like)) for n in (places, others))
    at = (places[:, None] * others) % (4 * steps)
    table = xp.asarray(turn(steps), dtype=like.dtype, device=device(like))
    return xp.reshape(xp.take(table, xp.reshape(at, (-1,))), at.shape)
