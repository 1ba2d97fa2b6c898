from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from collab_core.identity import RoomKey
from collab_core.journal.envelope import decode
from collab_core.journal.postgres import PostgresJournal
from collab_core.room import Room
from collab_core.splice import Splice
from edge.live.commands import RoomCommands
from kernel.database import create_pool
from tests.collab_core.client import DEADLINE_SECONDS
from tests.collab_core.live import Live, live, tenant_of, user_of
from tests.conftest import Database

ROOM = UUID("00000000-0000-4000-8000-0000000000aa")
KEY = RoomKey(tenant_of("acme"), str(ROOM))
ANA = user_of("ana")
MAIN = "file/main.py"


@pytest.fixture
async def everything(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, and a room of a dojo of Acme's."""
    connection = await asyncpg.connect(database.dsn("postgres"))
    dojo = uuid4()
    await connection.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, 'Acme')", KEY.tenant)
    await connection.execute(
        "INSERT INTO users (tenant_id, user_id, full_name) VALUES ($1, $2, 'Ana')", KEY.tenant, ANA
    )
    await connection.execute(
        "INSERT INTO dojos (tenant_id, dojo_id, creator_id, name, language) VALUES ($1, $2, $3, 'Kata', 'python')",
        KEY.tenant,
        dojo,
        ANA,
    )
    await connection.execute(
        "INSERT INTO dojo_rooms (tenant_id, dojo_id, room_id, name) VALUES ($1, $2, $3, 'Main')", KEY.tenant, dojo, ROOM
    )
    yield connection
    await connection.close()


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    opened = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10, max_size=4)
    yield opened
    await opened.close()


@pytest.fixture
async def running(database: Database) -> AsyncIterator[Live]:
    journal = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    async with live(journal=journal) as serving:
        yield serving
    await journal.close()


async def wanted(everything: asyncpg.Connection, code: dict[str, str]) -> UUID:
    """Ana wants the code of a snapshot back."""
    snapshot = uuid4()
    await everything.execute(
        "INSERT INTO dojo_code_snapshots (tenant_id, snapshot_id, dojo_id, room_id, code)"
        " SELECT tenant_id, $1, dojo_id, room_id, $2 FROM dojo_rooms",
        snapshot,
        msgspec.json.encode(code).decode(),
    )
    command: UUID = await everything.fetchval(
        "INSERT INTO dojo_room_commands (tenant_id, room_id, user_id, kind, payload)"
        " VALUES ($1, $2, $3, 'RESTORE', $4) RETURNING command_id",
        KEY.tenant,
        ROOM,
        ANA,
        msgspec.json.encode({"snapshot": snapshot}).decode(),
    )
    return command


async def outcome(everything: asyncpg.Connection, command: UUID) -> str | None:
    found: str | None = await everything.fetchval(
        "SELECT outcome FROM dojo_room_commands WHERE command_id = $1", command
    )
    return found


async def opened(running: Live, text: str = "one\ntwo\n") -> Room:
    """The room, with a member in it and some code."""
    await running.member("bob", str(ROOM))
    room = running.room(str(ROOM))
    room.compose(user_of("bob"), MAIN, [Splice(0, 0, text)])
    return room


async def test_a_snapshot_comes_back_as_edits_of_who_asked(
    running: Live, everything: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    room = await opened(running)
    room.compose(user_of("bob"), "file/other.py", [Splice(0, 0, "stays")])
    command = await wanted(everything, {"main.py": "one\n2\ntwo\n", "new.py": "😀"})
    assert await RoomCommands(pool, running.hub.rooms).run(KEY) == 1
    assert [room.view.text(name) for name in (MAIN, "file/new.py", "file/other.py")] == ["one\n2\ntwo\n", "😀", "stays"]
    assert await outcome(everything, command) == "DONE"
    await running.writer.drain(DEADLINE_SECONDS)
    rows = await everything.fetch("SELECT entries FROM collab_journal ORDER BY committed_at, node_sequence")
    authors = [entry.author for row in rows for entry in decode(row["entries"])]
    assert authors == [user_of("bob"), user_of("bob"), ANA, ANA]


async def test_two_nodes_do_it_once(running: Live, everything: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    room = await opened(running, "")
    await wanted(everything, {"main.py": "x"})
    done = await asyncio.gather(*(RoomCommands(pool, running.hub.rooms).run(KEY) for _ in range(3)))
    assert sum(done) == 1
    assert room.view.text(MAIN) == "x"


async def test_a_room_that_is_not_open_here_is_left_alone(
    running: Live, everything: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    command = await wanted(everything, {"main.py": "x"})
    assert await RoomCommands(pool, running.hub.rooms).run(KEY) == 0
    assert await outcome(everything, command) is None


async def test_a_room_that_takes_no_edits_is_tried_again(
    running: Live, everything: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    room = await opened(running)
    command = await wanted(everything, {"main.py": "x"})
    room.writable = False
    commands = RoomCommands(pool, running.hub.rooms)
    assert await commands.run(KEY) == 0
    assert await outcome(everything, command) is None
    room.writable = True
    assert await commands.run(KEY) == 1
    assert room.view.text(MAIN) == "x"
