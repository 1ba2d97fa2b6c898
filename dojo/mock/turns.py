"""Roles and turns in memory, by the real rules: what `edge.dojos.turns.watch.Watch` keeps in Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from edge.dojos.turns import commands as c
from edge.dojos.turns.commands import SYSTEM, Applied, Command, Refused, Who
from edge.dojos.turns.rules import apply, stamped
from edge.dojos.turns.state import TurnState
from edge.dojos.turns.store import NoRoom, RoomTurns
from edge.dojos.turns.watch import Listener

NODE: Final = "mock"


class MemoryWatch:
    """The turns of one room. Called as `Watch` is."""

    def __init__(self, clock: Callable[[], datetime], tenant: UUID, dojo: UUID, room: UUID) -> None:
        self._clock = clock
        self._held = RoomTurns(tenant, room, dojo, open=True, version=1, state=TurnState(), read_at=clock())
        self._listener: Listener | None = None
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        """The mock's clock."""
        return self._clock()

    async def open(self, tenant: UUID, room: UUID, listener: Listener) -> RoomTurns:
        """Tell `listener` of each change."""
        self._listener = listener
        return self._held

    def shut(self, tenant: UUID, room: UUID) -> None:
        """Tell nobody any more."""
        self._listener = None
        if self._timer is not None:
            self._timer.cancel()

    def held(self, tenant: UUID, room: UUID) -> RoomTurns | None:
        """As it is."""
        return self._held if room == self._held.room else None

    def enter(self, tenant: UUID, room: UUID, user: UUID, *, able: bool) -> None:
        """`user` is connected."""
        seat = self._held.state.seats.get(user)
        if seat is None or seat.nodes.get(NODE) is not able:
            self._soon(c.Joined(user, NODE, able))

    def leave(self, tenant: UUID, room: UUID, user: UUID) -> None:
        """The last connection of `user` is gone."""
        self._soon(c.Dropped(user, NODE))

    async def ask(
        self, tenant: UUID, room: UUID, command: Command, who: Who = SYSTEM, expected: int | None = None
    ) -> Applied | Refused:
        """Carry out `command`. Raises `NoRoom`."""
        if room != self._held.room:
            raise NoRoom
        if expected is not None and expected < self._held.state.changed_in:
            return c.STALE_VERSION
        return self._carry_out(command, who)

    def _soon(self, command: Command) -> None:
        """Not in the middle of the room's work: elsewhere a database is asked in between."""
        asyncio.get_running_loop().call_soon(self._carry_out, command, SYSTEM)

    def _carry_out(self, command: Command, who: Who) -> Applied | Refused:
        before = self._held
        now = self._clock()
        answer = apply(before.state, command, now, who)
        if isinstance(answer, Refused) or answer.state is before.state:
            return answer
        version = before.version + 1
        self._held = replace(before, version=version, state=stamped(before.state, answer.state, version), read_at=now)
        self._wait()
        if self._listener is not None:
            self._listener(before, self._held)
        self._confirm()
        return answer

    def _confirm(self) -> None:
        """The pilot is connected here, or has no seat: there is no other node to ask."""
        state = self._held.state
        if state.confirm_by is not None and state.pilot is not None:
            self._carry_out(c.Confirm(state.pilot, state.turn_number), SYSTEM)

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._held.state.due_at
        if due is not None:
            seconds = max(0.0, (due - self._clock()).total_seconds())
            self._timer = asyncio.get_running_loop().call_later(seconds, self._carry_out, c.Expire(), SYSTEM)
