"""How long the journal's history is kept: whole months are dropped, nothing is deleted row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

MONTHS_AHEAD: Final = 3
"""Partitions made in advance. Should they run out, rows go to the default partition and move when there is a month."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What one round did, in partitions (months)."""

    made: int
    dropped: int


async def turn_history(owner: Any, *, keep: timedelta) -> Turned:
    """Make the coming months' partitions and drop those that lie wholly before `keep` ago.

    `owner` is a connection as the tables' owner. Safe to call from several processes at once; once a day is plenty.
    """
    made = await owner.fetchval("SELECT collab_history_prepare($1)", MONTHS_AHEAD)
    dropped = await owner.fetchval("SELECT collab_history_drop_before(now() - $1::interval)", keep)
    return Turned(made, dropped)
