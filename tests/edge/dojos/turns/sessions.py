"""Sessions under way, and what tests of the rules do with them."""

from __future__ import annotations

from uuid import UUID

from edge.dojos.turns.commands import (
    SYSTEM,
    Confirm,
    Flushed,
    Start,
)
from edge.dojos.turns.rights import may_write
from edge.dojos.turns.state import CUT, GRACE
from tests.edge.dojos.turns.people import NODE, Table

MINUTES_5 = 300
CUT_SECONDS = CUT.total_seconds()
GRACE_SECONDS = GRACE.total_seconds()


def taking_turns(*people: UUID, seconds: int | None = None) -> Table:
    table = Table(*people)
    table.done(Start(seconds))
    confirmed(table)
    return table


def confirmed(table: Table) -> None:
    if table.state.pilot is not None:
        table.done(Confirm(table.state.pilot, table.state.turn_number), SYSTEM)


def flush(table: Table, node: str = NODE) -> None:
    table.done(Flushed(node, table.state.turn_number), SYSTEM)


def writes(table: Table, user: UUID, able: bool = True) -> bool:
    return may_write(table.state, user, able=able, now=table.now)
