"""The seconds a check may take, and who is told how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .calls import Call
from .trial import Trial, ask

__all__ = ["Pace"]


@dataclass
class Pace:
    """A clock that stops the asking; `progress` is called with what is being asked, `tall` lets 2^23 rows be asked."""

    budget: float
    progress: Callable[[str], None] | None = None
    candidate: object = None
    tall: bool = False
    seed: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def gone(self) -> str:
        """Why the candidate cannot be asked again, if so."""
        return getattr(self.candidate, "gone", "")

    @property
    def spent(self) -> str:
        """Why nothing more is asked; nothing while there is time."""
        return self.gone or ("out of time" if self.seconds > self.budget else "")

    def affords(self, share: float, asked: int) -> float:
        """Return how many calls a share of the time left is enough for, when `asked` took what is gone by now."""
        return share * max(0.0, self.budget - self.seconds) * asked / max(self.seconds, 1e-6)

    def tell(self, what: str) -> None:
        if self.progress is not None:
            self.progress(what)

    def ask_all(self, candidate, calls: Iterable[Call]) -> Iterator[Trial]:
        """Yield the candidate's answers until the time is up."""
        for call in calls:
            if self.spent:
                return
            yield ask(candidate, call)
