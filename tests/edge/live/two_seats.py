"""A dojo in Postgres, with two seats and two rooms, and people who come into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from edge.dojos import seats
from edge.dojos.seats import Newcomer
from edge.live import stays
from edge.live.stays import Stay
from kernel.database import create_pool, tenant_scope
from kernel.http.operation import Role
from tests.conftest import Database

TENANT, DOJO, ROOM, OTHER_ROOM = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
HOST, ANA, BEN = UUID(int=10), UUID(int=11), UUID(int=12)


@dataclass(frozen=True, slots=True)
class Dojo:
    """A dojo with a host, one more seat and two rooms. `everything` may do anything."""

    pool: Any
    everything: Any

    async def come(self, user: UUID, room: UUID = ROOM) -> datetime:
        async with tenant_scope(self.pool, TENANT) as db:
            await seats.take(db, TENANT, DOJO, Newcomer(user, f"number {user.int}", Role.MEMBER))
            return await stays.begin(db, TENANT, room, user)

    async def end(self, user: UUID, room: UUID = ROOM) -> bool:
        async with tenant_scope(self.pool, TENANT) as db:
            return await stays.end(db, TENANT, DOJO, room, user)

    async def renew(self, *here: Stay) -> list[Stay]:
        async with tenant_scope(self.pool, TENANT) as db:
            return await stays.renew(db, TENANT, here)

    async def resume(self, user: UUID, since: datetime) -> None:
        async with tenant_scope(self.pool, TENANT) as db:
            await stays.resume(db, TENANT, DOJO, Stay(ROOM, user), since)

    async def end_lost(self) -> int:
        async with tenant_scope(self.pool, TENANT) as db:
            return await seats.end_lost(db, TENANT, [DOJO])

    async def pass_time(self, seconds: float, user: UUID) -> None:
        """As if nobody had seen this person for so long."""
        await self.everything.execute(
            "UPDATE dojo_room_participants SET seen_at = seen_at - make_interval(secs => $2) WHERE user_id = $1",
            user,
            seconds,
        )

    async def seated(self) -> set[UUID]:
        rows = await self.everything.fetch("SELECT user_id FROM dojo_participants WHERE leave_time IS NULL")
        return {row["user_id"] for row in rows}

    async def present(self) -> list[Stay]:
        rows = await self.everything.fetch(
            "SELECT room_id, user_id FROM dojo_room_participants WHERE left_at IS NULL ORDER BY room_id, user_id"
        )
        return [Stay(row["room_id"], row["user_id"]) for row in rows]


@asynccontextmanager
async def two_seats(database: Database) -> AsyncIterator[Dojo]:
    everything = await asyncpg.connect(database.dsn("postgres"))
    await everything.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Acme')", TENANT)
    for user in (HOST, ANA, BEN):
        await everything.execute(
            "INSERT INTO users (tenant_id, user_id, full_name) VALUES ($1, $2, 'Somebody')", TENANT, user
        )
    await everything.execute(
        "INSERT INTO dojos (tenant_id, dojo_id, creator_id, name, language, max_participants, status, is_private)"
        " VALUES ($1, $2, $3, 'Kata', 'python', 2, 'ACTIVE', false)",
        TENANT,
        DOJO,
        HOST,
    )
    await everything.execute(
        "INSERT INTO dojo_participants (tenant_id, dojo_id, user_id, shown_name, role)"
        " VALUES ($1, $2, $3, 'H', 'HOST')",
        TENANT,
        DOJO,
        HOST,
    )
    for room in (ROOM, OTHER_ROOM):
        await everything.execute(
            "INSERT INTO dojo_rooms (tenant_id, dojo_id, room_id, name) VALUES ($1, $2, $3, $4)",
            TENANT,
            DOJO,
            room,
            str(room),
        )
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10, max_size=4)
    yield Dojo(pool, everything)
    await pool.close()
    await everything.close()
