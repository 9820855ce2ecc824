"""Pictures of operators, each made by calling the operator that it shows.

``PICTURES`` maps the name of an operator to ``function(figure, operator)``; its docstring is the caption.
"""

from collections.abc import Callable
from importlib import import_module

from matplotlib import rc_context
from matplotlib.figure import Figure

from refnorm import OPERATORS

from .style import STYLE

__all__ = ["PICTURES", "caption", "draw", "figure", "picture", "write"]

PICTURES: dict[str, Callable] = {}


def picture(*names: str) -> Callable:
    """Enter a function as the picture of these operators; a family shares one, which is told by its second argument."""

    def enter(function):
        PICTURES.update(dict.fromkeys(names, function))
        return function

    return enter


def caption(name: str) -> str:
    """Return what the picture of an operator shows, in a sentence or two: also its text for those who cannot see it."""
    return " ".join(PICTURES[name].__doc__.split())


def figure(name: str) -> Figure:
    """Return the picture of an operator, of the figure class itself: pyplot would keep it, and choose a backend."""
    with rc_context(STYLE):
        drawn = Figure(dpi=72)  # a pixel is a point: what is measured on it is what is written
        PICTURES[name](drawn, OPERATORS[name].function)
        drawn.get_layout_engine().execute(drawn)
        drawn.set_layout_engine(None)  # it is laid out now: writing would draw it once more for that
    return drawn


def write(drawn: Figure, path) -> None:
    """Write a picture as SVG: the same bytes every time, so that a site changes only where a picture does."""
    with rc_context(STYLE):
        drawn.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def draw(name: str, path) -> None:
    """Write the picture of an operator as SVG into a file."""
    write(figure(name), path)


for wing in ("norm", "pool", "proj", "prob"):
    import_module(f".{wing}", __name__)
