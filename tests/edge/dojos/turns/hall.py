"""Rooms in a real Postgres, and nodes that watch them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace
from redis.asyncio import Redis

from edge.dojos.turns.commands import SYSTEM, Applied, Command, Flushed, Refused, Start, Who
from edge.dojos.turns.state import TurnState, encode
from edge.dojos.turns.store import Order, RoomTurns, change, load
from edge.dojos.turns.watch import Watch
from kernel.database import create_pool, tenant_scope
from kernel.redis import create_client
from tests.conftest import Database
from tests.edge.dojos.turns.people import NODE

DEADLINE_SECONDS = 10.0


async def until(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.002)


@dataclass
class Hall:
    """A dojo of one tenant. `everything` sees all rows."""

    pool: Any
    everything: Any
    tenant: UUID
    dojo: UUID
    host: UUID

    async def room(self, status: str = "ACTIVE") -> UUID:
        return UUID(
            str(
                await self.everything.fetchval(
                    "INSERT INTO dojo_rooms (tenant_id, dojo_id, name, status) VALUES ($1, $2, 'kata', $3)"
                    " RETURNING room_id",
                    self.tenant,
                    self.dojo,
                    status,
                )
            )
        )

    async def do(
        self, room: UUID, command: Command, who: Who = SYSTEM, expected: int | None = None
    ) -> Applied | Refused:
        async with tenant_scope(self.pool, self.tenant) as db:
            return (await change(db, self.tenant, room, [Order(command, who, expected)])).answers[0]

    async def start(self, room: UUID, who: Who = SYSTEM, node: str = NODE) -> Applied | Refused:
        """Turns of a minute, once those on `node` who wrote freely have been heard out."""
        answer = await self.do(room, Start(60), who)
        await self.do(room, Flushed(node, (await self.load(room)).state.turn_number))
        return answer

    async def load(self, room: UUID) -> RoomTurns:
        async with tenant_scope(self.pool, self.tenant) as db:
            return await load(db, self.tenant, room)

    async def age(self, room: UUID, seconds: float) -> None:
        """As if all that has happened had happened `seconds` earlier."""
        held = await self.load(room)
        state = _shifted(held.state, timedelta(seconds=-seconds))
        await self.everything.execute(
            "UPDATE dojo_rooms SET turn = $2::text::jsonb, version = version + 1 WHERE room_id = $1",
            room,
            encode(state),
        )

    async def history(self, room: UUID) -> list[tuple[int, UUID]]:
        rows = await self.everything.fetch(
            "SELECT turn_number, pilot_id FROM dojo_turns WHERE room_id = $1 ORDER BY 1", room
        )
        return [tuple(row) for row in rows]


@dataclass
class Node:
    """A live node's watch, and what it was told of each room."""

    watch: Watch
    told: dict[UUID, list[RoomTurns]] = field(default_factory=dict)

    async def open(self, hall: Hall, room: UUID) -> RoomTurns:
        seen = self.told.setdefault(room, [])
        return await self.watch.open(hall.tenant, room, lambda _, after: seen.append(after))

    def state(self, hall: Hall, room: UUID) -> TurnState:
        held = self.watch.held(hall.tenant, room)
        assert held is not None
        return held.state


@asynccontextmanager
async def hall(database: Database) -> AsyncIterator[Hall]:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=5, max_size=8)
    everything = await create_pool(database.dsn("postgres"), name="all", statement_seconds=5, max_size=1)
    tenant, dojo, host = uuid4(), uuid4(), uuid4()
    await everything.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Acme')", tenant)
    await everything.execute("INSERT INTO users (tenant_id, user_id, full_name) VALUES ($1, $2, 'Host')", tenant, host)
    await everything.execute(
        "INSERT INTO dojos (tenant_id, dojo_id, creator_id, name, language, status)"
        " VALUES ($1, $2, $3, 'Bowling', 'python', 'ACTIVE')",
        tenant,
        dojo,
        host,
    )
    yield Hall(pool, everything, tenant, dojo, host)
    await everything.close()
    await pool.close()


@asynccontextmanager
async def node(hall: Hall, redis_url: str | None, name: str) -> AsyncIterator[Node]:
    redis: Redis | None = create_client(redis_url) if redis_url is not None else None
    watch = Watch(hall.pool, redis, node=name, monotonic=time.monotonic)
    watch.start()
    if redis is not None:
        await until(lambda: watch.hears)
    try:
        yield Node(watch)
    finally:
        await watch.close()
        if redis is not None:
            await redis.aclose()


def _shifted(state: TurnState, by: timedelta) -> TurnState:
    timer = state.timer
    timer = replace(
        timer,
        ends_at=timer.ends_at and timer.ends_at + by,
        break_ends_at=timer.break_ends_at and timer.break_ends_at + by,
    )
    seats = {
        user: replace(seat, away_since=seat.away_since and seat.away_since + by) for user, seat in state.seats.items()
    }
    handover = state.handover and replace(state.handover, cut_at=state.handover.cut_at + by)
    return replace(
        state,
        timer=timer,
        seats=seats,
        handover=handover,
        started_at=state.started_at and state.started_at + by,
        confirm_by=state.confirm_by and state.confirm_by + by,
        due_at=state.due_at and state.due_at + by,
    )
