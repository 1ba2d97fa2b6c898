"""When a room asks for what it lacks, and whom. Pure: the clock and the dice are passed in.

Every few seconds nodes say what they have. Of a difference most is still on its way, so a short and random while passes
before anybody is asked. First asked are the others, who hold what is not committed; then the journal is read. The
pauses double, so that a difference which cannot be healed costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto

from collab_core.bus.messages import Origin

FIRST_SECONDS = 0.05
"""A message between two nodes takes 1 ms, and tens of them while both are busy."""
AGAIN_SECONDS = 0.5
"""An answer takes some ms; a node that has not answered by now may be gone."""
LONGEST_SECONDS = 15.0
ASKED_TIMES = 2
"""Then the journal is read; and the others are asked again after that."""
GIVE_UP_AFTER = 10
"""Attempts for clocks that somebody had and nobody has any more: never committed, never acknowledged."""
DIFFERENT_TIMES = 2
"""Digests in a row with the same state vector and another delete set; one alone is what is still on its way."""


class Step(Enum):
    """What the room has to do now."""

    NOTHING = auto()
    ASK = auto()
    """Ask `Healing.source` for what is missing."""
    READ = auto()
    """Read the journal."""


class Healing:
    """What one room lacks. `dice` gives numbers from 0 to 1, evenly."""

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice = dice
        self._wanted: dict[int, int] = {}
        self._claims: dict[int, Origin] = {}
        self._different: dict[Origin, int] = {}
        self._lost = False
        self._suspects: dict[Origin, None] = {}
        self._unread = False
        self._attempts = 0
        self.due: float | None = None
        """When to look next; `None` while there is nothing to look for."""

    def claim(self, origin: Origin, state: Mapping[int, int], own: Mapping[int, int], now: float) -> None:
        """Another node says how far it is; `own` is how far this one is."""
        for client, clock in state.items():
            if clock <= own.get(client, 0):
                continue
            wanted = self._wanted.get(client, 0)
            if clock > wanted or (clock == wanted and client not in self._claims):  # who had it may be gone
                self._wanted[client] = clock
                self._claims[client] = origin
                self._suspect(now)

    def compare(self, origin: Origin, now: float, *, differs: bool) -> None:
        """Another node is exactly as far as this one and has deleted something else (`differs`), or not."""
        if not differs:
            self._different.pop(origin, None)
            return
        self._different[origin] = self._different.get(origin, 0) + 1
        if self._different[origin] >= DIFFERENT_TIMES:
            self._suspect(now)

    def missed(self, origin: Origin, now: float) -> None:
        """A message of this origin is missing."""
        self._suspects[origin] = None
        self._suspect(now)

    def lost(self, now: float) -> None:
        """Messages were lost, nobody knows whose."""
        self._lost = True
        self._suspect(now)

    def unread(self, now: float, within: float) -> None:
        """Only the journal may know: a node is gone that had committed what it could not tell, or this one was cut off
        meanwhile."""
        self._unread = True
        self._suspect(now, within)

    def read(self) -> None:
        """The journal was read, and all of it was taken."""
        self._unread = self._lost = False

    def gone(self, origin: Origin) -> None:
        """The origin is not there any more: nobody can say what else it had."""
        self._different.pop(origin, None)
        self._suspects.pop(origin, None)
        for client, claimed in list(self._claims.items()):
            if claimed == origin:
                del self._claims[client]

    def helped(self, origin: Origin) -> None:
        """An answer came, and was taken. What is still wanted stays wanted."""
        self._lost = False
        self._suspects.pop(origin, None)

    @property
    def source(self) -> Origin | None:
        """Whom to ask; `None`: everybody."""
        for origin in (*self._suspects, *self._claims.values()):
            return origin
        for origin, times in self._different.items():
            if times >= DIFFERENT_TIMES:
                return origin
        return None

    def step(self, own: Mapping[int, int], now: float) -> Step:
        """Look again. `own` is the room's state vector."""
        if self.due is None or now < self.due:
            return Step.NOTHING
        for client, clock in list(self._wanted.items()):
            if own.get(client, 0) >= clock:
                del self._wanted[client]
                self._claims.pop(client, None)
        if self._attempts >= GIVE_UP_AFTER:
            self._wanted.clear()
            self._claims.clear()
            self._suspects.clear()
        different = any(times >= DIFFERENT_TIMES for times in self._different.values())
        if not (self._wanted or self._suspects or self._lost or self._unread or different):
            self.due = None
            self._attempts = 0
            return Step.NOTHING
        self._attempts += 1
        pause = min(LONGEST_SECONDS, AGAIN_SECONDS * 2 ** min(self._attempts - 1, GIVE_UP_AFTER))
        self.due = now + pause * (0.5 + self._dice() / 2)
        for origin, times in self._different.items():
            if times >= DIFFERENT_TIMES:
                self._different[origin] = DIFFERENT_TIMES - 1  # asked now; the next digest tells whether it helped
        return Step.ASK if self._attempts % (ASKED_TIMES + 1) and not self._unread else Step.READ

    def _suspect(self, now: float, within: float = 2 * FIRST_SECONDS) -> None:
        if self.due is None:
            self._attempts = 0
            self.due = now + within * (0.25 + 0.75 * self._dice())
