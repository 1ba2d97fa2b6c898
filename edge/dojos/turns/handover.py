"""The end of a turn as one live node sees it: which of the pilot's connections have yet to say that all they wrote is
in. The order of frames on a socket decides what counts, not the time at which they were written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Generic, TypeVar

Connection = TypeVar("Connection")


class Phase(Enum):
    """ENDING: told `turn.ending`, and what still comes counts. FLUSHED: all have answered. CUT: too late to."""

    ENDING = auto()
    FLUSHED = auto()
    CUT = auto()


@dataclass(frozen=True, slots=True)
class Ending(Generic[Connection]):
    """`waiting` are connections that were told and have not answered. `cut_at` is by the database's clock."""

    turn_number: int
    cut_at: datetime
    waiting: frozenset[Connection]

    def phase(self, now: datetime) -> Phase:
        """FLUSHED or CUT: tell the store `Flushed`, and take nothing more from any of them."""
        if not self.waiting:
            return Phase.FLUSHED
        return Phase.CUT if now >= self.cut_at else Phase.ENDING

    def may_write(self, connection: Connection, now: datetime) -> bool:
        """Whether an edit of `connection` counts: one that has answered has nothing more to say."""
        return connection in self.waiting and now < self.cut_at

    def answered(self, connection: Connection, turn_number: int) -> Ending[Connection]:
        """After `turn.flushed`; an answer about another turn is none."""
        return self.without(connection) if turn_number == self.turn_number else self

    def without(self, connection: Connection) -> Ending[Connection]:
        """After the connection is gone, with which nothing more can come."""
        return replace(self, waiting=self.waiting - {connection})


def ending(turn_number: int, cut_at: datetime, connections: Iterable[Connection]) -> Ending[Connection]:
    """The end of a turn, of which all the pilot's `connections` here are told."""
    return Ending(turn_number, cut_at, frozenset(connections))
