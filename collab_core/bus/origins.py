"""The other nodes that have a room open: what was heard of each, when, and whether something is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from collab_core.bus.messages import Origin

ORIGINS_REMEMBERED = 64
"""More nodes than ever have one room open; the one not heard for longest is forgotten first."""


@dataclass(slots=True)
class Heard:
    """What is known of one other node's room."""

    at: float
    """When it was last heard, on our monotonic clock."""
    number: int = 0
    """Its last numbered message that came."""
    composer: int = 0
    """The client id of its own document."""


class Origins:
    """The other nodes of one room. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._heard: dict[Origin, Heard] = {}
        self.last_heard = float("-inf")
        """When any other node was last heard."""

    def __iter__(self) -> Iterator[tuple[Origin, Heard]]:
        return iter(list(self._heard.items()))

    def __len__(self) -> int:
        return len(self._heard)

    def __contains__(self, origin: Origin) -> bool:
        return origin in self._heard

    def get(self, origin: Origin) -> Heard | None:
        """What is known of one origin."""
        return self._heard.get(origin)

    def hear(self, origin: Origin, now: float) -> Heard:
        """Something came from this origin."""
        heard = self._heard.pop(origin, None) or Heard(now)
        self._heard[origin] = heard  # to the end: the longest silent stand first
        heard.at = self.last_heard = now
        if len(self._heard) > ORIGINS_REMEMBERED:
            del self._heard[next(iter(self._heard))]
        return heard

    @staticmethod
    def follows(heard: Heard, number: int) -> bool:
        """Note a numbered message. False if one before it is missing; of an origin just met nothing is, that it has
        not answered for itself."""
        missing = bool(heard.number) and number > heard.number + 1
        heard.number = max(heard.number, number)
        return not missing

    def leave(self, origin: Origin) -> None:
        """The origin closed the room in order."""
        self._heard.pop(origin, None)
