"""What only the real store can show: who may see what, commits whose outcome is unknown, folds among open commits."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from collab_core.identity import RoomKey
from collab_core.journal.envelope import EnvelopeError, encode
from collab_core.journal.port import JournalUnavailable, Row
from collab_core.journal.postgres import PostgresJournal
from kernel.database import NotDurable, create_pool, tenant_scope
from tests.collab_core.journal.answer_loser import answer_loser
from tests.collab_core.journal.watching import ACME, GLOBEX, ROOM, entry, join, rows
from tests.conftest import Database

THEIRS = RoomKey(GLOBEX, ROOM.room)
INSERT = "INSERT INTO collab_journal (tenant_id, room, node_epoch, node_sequence, entries) VALUES ($1, $2, $3, $4, $5)"


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[PostgresJournal]:
    opened = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    yield opened
    await opened.close()


@pytest.fixture
async def service(database: Database) -> AsyncIterator[asyncpg.Pool]:
    pool = await create_pool(database.dsn("dojo_service"), name="test", statement_seconds=10, max_size=2)
    yield pool
    await pool.close()


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_journal"))
    yield connection
    await connection.close()


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_owner"))
    yield connection
    await connection.close()


class TestRowLevelSecurity:
    @pytest.mark.parametrize("table", ["collab_journal", "collab_base", "collab_journal_history", "schema_migration"])
    async def test_the_writer_reads_nothing(self, writer: asyncpg.Connection, table: str) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await writer.fetch(f"SELECT * FROM {table}")

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM collab_journal",
            "UPDATE collab_journal SET room = 'x'",
            "TRUNCATE collab_journal",
            "INSERT INTO collab_journal_history SELECT",
            "SELECT collab_history_turn(now())",
            "SELECT months_turn('collab_journal_history', now())",
            "INSERT INTO collab_journal (tenant_id, room, node_epoch, node_sequence, entries)"
            " VALUES (gen_random_uuid(), 'r', gen_random_uuid(), 1, '') RETURNING room",
        ],
    )
    async def test_the_writer_can_only_append(self, writer: asyncpg.Connection, statement: str) -> None:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.PostgresSyntaxError)):
            await writer.execute(statement)

    async def test_a_service_sees_only_its_tenant(self, journal: PostgresJournal, service: asyncpg.Pool) -> None:
        await journal.append([*rows(b"mine"), *rows(b"theirs", key=THEIRS)])
        for key in (ROOM, THEIRS):
            await journal.compact(key, join)
        await journal.append([*rows(b"mine"), *rows(b"theirs", key=THEIRS)])
        for table in ("collab_journal", "collab_base", "collab_journal_history"):
            async with tenant_scope(service, ACME) as connection:
                seen = await connection.fetch(f"SELECT tenant_id FROM {table}")
            assert [one["tenant_id"] for one in seen] == [ACME], table

    async def test_without_a_tenant_nothing_is_seen(self, journal: PostgresJournal, service: asyncpg.Pool) -> None:
        await journal.append(rows(b"mine"))
        async with tenant_scope(service, ACME) as connection:
            assert await connection.fetchval("SELECT count(*) FROM collab_journal") == 1
        async with service.acquire() as connection:  # the same connection, where the setting is '' by now
            assert await connection.fetchval("SELECT count(*) FROM collab_journal") == 0
            assert await connection.fetchval("SELECT current_setting('app.tenant')") == ""

    async def test_another_tenants_rows_cannot_be_removed(
        self, journal: PostgresJournal, service: asyncpg.Pool
    ) -> None:
        await journal.append(rows(b"mine"))
        async with tenant_scope(service, GLOBEX) as connection:
            assert await connection.execute("DELETE FROM collab_journal") == "DELETE 0"
            assert await connection.execute("UPDATE collab_base SET base = ''") == "UPDATE 0"
        assert list((await journal.load(ROOM)).updates) == [b"mine"]

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO collab_base (tenant_id, room, base, rows_folded) VALUES ($1, 'kata', '', 0)",
            "INSERT INTO collab_journal_history VALUES ($1, 'kata', gen_random_uuid(), 1, now(), '')",
            "INSERT INTO collab_journal VALUES ($1, 'kata', gen_random_uuid(), 1, now(), '')",
        ],
    )
    async def test_nothing_is_written_in_another_tenants_name(self, service: asyncpg.Pool, statement: str) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_scope(service, GLOBEX) as connection:
                await connection.execute(statement, ACME)

    async def test_partitions_are_no_way_round(self, owner: asyncpg.Connection, service: asyncpg.Pool) -> None:
        partitions = await owner.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits")
        tables = [row["name"] for row in partitions if row["name"].startswith("collab_journal_history_")]
        tables = [name for name in tables if not name.endswith(("_idx", "_pkey"))]
        assert len(tables) >= 5
        for table in tables:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tenant_scope(service, ACME) as connection:
                    await connection.fetch(f"SELECT * FROM {table}")

    async def test_the_owner_is_bound_too(self, journal: PostgresJournal, owner: asyncpg.Connection) -> None:
        await journal.append(rows(b"mine"))
        assert await owner.fetchval("SELECT count(*) FROM collab_journal") == 0


class TestUnknownOutcome:
    async def test_a_commit_whose_answer_is_lost_can_be_sent_again(self, database: Database) -> None:
        journal_dsn = database.dsn("dojo_journal")
        socket = Path(parse_qs(urlsplit(journal_dsn).query)["host"][0]) / ".s.PGSQL.5432"
        with tempfile.TemporaryDirectory() as folder:
            async with answer_loser(Path(folder), socket) as way:
                loose_dsn = f"postgresql://dojo_journal@/{database.name}?host={folder}"
                journal = await PostgresJournal.open(loose_dsn, database.dsn("dojo_service"))
                try:
                    batch = rows(b"a", b"b")
                    way.lose_next()
                    with pytest.raises(JournalUnavailable) as caught:
                        await journal.append(batch)
                    assert caught.value.__cause__ is not None
                    assert way.lost == 1
                    assert len((await journal.load(ROOM)).updates) == 2
                    await journal.append(batch)
                    assert sorted((await journal.load(ROOM)).updates) == [b"a", b"b"]
                finally:
                    await journal.close()

    async def test_the_appending_connection_is_replaced(self, journal: PostgresJournal, database: Database) -> None:
        superuser = await asyncpg.connect(database.dsn("postgres"))
        try:
            cut = (
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'dojo-journal'"
            )
            assert await superuser.fetchval(cut)
            batch = rows(b"a")
            try:
                await journal.append(batch)
            except JournalUnavailable:  # the first to notice; an end already noticed is mended silently
                await journal.append(batch)
        finally:
            await superuser.close()
        assert list((await journal.load(ROOM)).updates) == [b"a"]

    async def test_a_commit_that_waits_is_cut_off(
        self, journal: PostgresJournal, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("collab_core.journal.postgres.APPEND_SECONDS", 0.2)
        journal._drop_connection()  # the next one has the shorter limit
        batch = rows(b"a")
        async with owner.transaction():
            await owner.execute("LOCK TABLE collab_journal IN EXCLUSIVE MODE")
            with pytest.raises(JournalUnavailable):
                await journal.append(batch)
        await journal.append(batch)
        assert list((await journal.load(ROOM)).updates) == [b"a"]


class TestRefusedRows:
    async def test_a_room_name_that_is_no_text_is_not_called_unavailable(self, journal: PostgresJournal) -> None:
        with pytest.raises(asyncpg.DataError):
            await journal.append(rows(b"a", key=RoomKey(ACME, "a\0b")))
        await journal.append(rows(b"a"))
        assert list((await journal.load(ROOM)).updates) == [b"a"]

    async def test_a_damaged_row_keeps_the_room_closed(
        self, journal: PostgresJournal, writer: asyncpg.Connection
    ) -> None:
        await writer.execute(INSERT, ACME, ROOM.room, uuid4(), 1, b"\x01\x92")
        with pytest.raises(EnvelopeError):
            await journal.load(ROOM)
        with pytest.raises(EnvelopeError):
            await journal.compact(ROOM, join)


class TestFolding:
    async def test_a_row_that_commits_later_is_not_lost(
        self, journal: PostgresJournal, writer: asyncpg.Connection
    ) -> None:
        """A row with an earlier time and a lower number is still being committed when the others are folded."""
        epoch = uuid4()
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(INSERT, ACME, ROOM.room, epoch, 1, encode([entry(b"early")]))
        await journal.append([Row(ROOM, epoch, 2, [entry(b"late")])])
        assert await journal.compact(ROOM, join) == 1
        await transaction.commit()
        loaded = await journal.load(ROOM)
        assert (loaded.base, list(loaded.updates)) == (b"late", [b"early"])
        assert await journal.compact(ROOM, join) == 1
        assert (await journal.load(ROOM)).base == b"late|early"

    async def test_a_long_fold_stops_nobody(self, journal: PostgresJournal, database: Database) -> None:
        await journal.append([Row(ROOM, uuid4(), 1, [entry(b"x")] * 300)])
        inside, go_on = threading.Event(), threading.Event()

        def long_fold(base: bytes, updates: Sequence[bytes]) -> bytes:
            inside.set()
            assert go_on.wait(20)
            return join(base, updates)

        other = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
        try:
            first = asyncio.create_task(journal.compact(ROOM, long_fold))
            assert await asyncio.to_thread(inside.wait, 20)
            assert await other.compact(ROOM, join) == 0
            await other.append(rows(b"meanwhile"))
            assert len((await other.load(ROOM)).updates) == 301
            go_on.set()
            assert await first == 1
            assert list((await other.load(ROOM)).updates) == [b"meanwhile"]
        finally:
            go_on.set()
            await other.close()

    async def test_rows_folded_are_counted(self, journal: PostgresJournal, service: asyncpg.Pool) -> None:
        for _ in range(2):
            await journal.append(rows(b"a", b"b"))
            await journal.compact(ROOM, join)
        async with tenant_scope(service, ACME) as connection:
            assert await connection.fetchval("SELECT rows_folded FROM collab_base") == 4


class TestOpening:
    async def test_a_store_that_is_away(self, tmp_path: Path) -> None:
        nowhere = f"postgresql://dojo_journal@/dojo?host={tmp_path}"
        with pytest.raises(JournalUnavailable):
            await PostgresJournal.open(nowhere, nowhere)

    async def test_a_store_that_would_lose_commits_is_refused(self, database: Database) -> None:
        superuser = await asyncpg.connect(database.dsn("postgres"))
        try:
            setting = f"ALTER ROLE dojo_journal IN DATABASE {database.name}"
            await superuser.execute(f"{setting} SET synchronous_commit = off")
            with pytest.raises(NotDurable, match=r"synchronous_commit = off for role dojo_journal"):
                await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
        finally:
            await superuser.close()
