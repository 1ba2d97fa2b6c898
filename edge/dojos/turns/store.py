"""Roles and turns in Postgres, changed by compare-and-set: whoever was faster wins, the other looks again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from edge.dojos.turns.commands import (
    OF_ONE_TURN,
    ROOM_ENDED,
    STALE_VERSION,
    SYSTEM,
    Applied,
    Command,
    Refused,
    Stop,
    TurnEnded,
    Who,
)
from edge.dojos.turns.rules import apply, stamped
from edge.dojos.turns.state import TurnState, decode, encode

ATTEMPTS: Final = 10
"""A try fails only because another has succeeded, so ten mean ten changes of one room within milliseconds."""
RETRY_SECONDS: Final = 0.002
"""Longest pause before the second try; it doubles with each."""

_LOAD: Final = (
    "SELECT dojo_id, status = 'ACTIVE' AS open, version, sensei_id, turn::text AS turn, clock_timestamp() AS now"
    " FROM dojo_rooms WHERE tenant_id = $1 AND room_id = $2"
)
_SAVE: Final = (
    "UPDATE dojo_rooms SET turn = $4::text::jsonb, sensei_id = $5, version = version + 1"
    " WHERE tenant_id = $1 AND room_id = $2 AND version = $3 AND status = 'ACTIVE' RETURNING version"
)
_ENDED: Final = (
    "INSERT INTO dojo_turns (tenant_id, room_id, turn_number, pilot_id, copilot_id, started_at, ended_at,"
    " paused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)


class NoRoom(Exception):
    """There is no such room in this tenant."""


class Contended(Exception):
    """Others changed the room each time it was tried. Try again."""


@dataclass(frozen=True, slots=True)
class RoomTurns:
    """Roles and turns of one room as they were at `read_at`, by the database's clock."""

    tenant: UUID
    room: UUID
    dojo: UUID
    open: bool
    version: int
    state: TurnState
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """A command and who gives it. `expected`: only if roles and turn are still those of this version."""

    command: Command
    who: Who = SYSTEM
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The room after some orders, and the answer to each. `saved`: something has changed."""

    after: RoomTurns
    answers: tuple[Applied | Refused, ...]
    saved: bool


async def load(db: Any, tenant: UUID, room: UUID) -> RoomTurns:
    """The room as it is, in a transaction that speaks for `tenant`. Raises `NoRoom`."""
    row = await db.fetchrow(_LOAD, tenant, room)
    if row is None:
        raise NoRoom
    state = decode(row["turn"], row["sensei_id"])
    return RoomTurns(tenant, room, row["dojo_id"], row["open"], row["version"], state, row["now"])


async def change(db: Any, tenant: UUID, room: UUID, orders: Sequence[Order]) -> Change:
    """Carry out `orders` one after the other, in a transaction (of isolation level read committed) that speaks for
    `tenant`. Turns that end are written down in it. Raises `NoRoom`, `Contended`."""
    seen: int | None = None
    for attempt in range(ATTEMPTS):
        before = await load(db, tenant, room)
        if seen is None:
            seen = before.state.turn_number
        if not before.open:
            return Change(before, tuple(ROOM_ENDED for _ in orders), saved=False)
        state, answers = carried_out(before, orders, seen)
        if state is before.state:
            return Change(before, answers, saved=False)
        version = await db.fetchval(_SAVE, tenant, room, before.version, encode(state), state.sensei)
        if version is not None:
            await _write_down(db, before, answers)
            return Change(replace(before, version=version, state=state), answers, saved=True)
        await asyncio.sleep(random.uniform(0, RETRY_SECONDS * 2**attempt))  # noqa: S311 - spreads tries, hides nothing
    raise Contended


async def end_turns(db: Any, tenant: UUID, room: UUID) -> None:
    """Before a room ends, in the transaction that ends it: the turn under way is over, and written down. Raises
    `NoRoom`, `Contended`."""
    await change(db, tenant, room, [Order(Stop())])


def carried_out(
    before: RoomTurns, orders: Sequence[Order], seen_turn: int
) -> tuple[TurnState, tuple[Applied | Refused, ...]]:
    """The state after `orders`, and their answers. `seen_turn` is the turn under way when they were given."""
    state, answers = before.state, []
    for order in orders:
        answer = _answer(state, before, order, seen_turn)
        if isinstance(answer, Applied) and answer.state is not state:
            state = stamped(state, answer.state, before.version + 1)
            answer = replace(answer, state=state)
        answers.append(answer)
    return state, tuple(answers)


def _answer(state: TurnState, before: RoomTurns, order: Order, seen_turn: int) -> Applied | Refused:
    if order.expected is not None and not state.changed_in <= order.expected <= before.version:
        return STALE_VERSION
    if isinstance(order.command, OF_ONE_TURN) and state.turn_number != seen_turn:
        return STALE_VERSION
    return apply(state, order.command, before.read_at, order.who)


async def _write_down(db: Any, before: RoomTurns, answers: Sequence[Applied | Refused]) -> None:
    for answer in answers:
        for event in answer.events if isinstance(answer, Applied) else ():
            if isinstance(event, TurnEnded):
                await db.execute(_ENDED, before.tenant, before.room, *astuple(event))
