"""The real migrations: on an empty database, on one of an earlier version that is in use, and by several at once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Row
from collab_core.journal.postgres import PostgresJournal
from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.migrate import FOLDERS, migrate
from kernel import migrations
from tests.conftest import Database
from tests.isolation.catalogue import findings

ACME = UUID(int=1)


async def everything_applied(database: Database) -> bool:
    owner = await asyncpg.connect(database.dsn(OWNER))
    try:
        rows = await owner.fetch("SELECT component, version FROM schema_migration")
    finally:
        await owner.close()
    wanted = {(migration.component, migration.version) for migration in migrations.read_migrations(FOLDERS)}
    return {(row["component"], row["version"]) for row in rows} == wanted


async def test_a_database_from_before_there_were_accounts_keeps_its_rooms(
    empty_database: Database, tmp_path: Path
) -> None:
    """The first release knew the journal only: its rows stay, and the program that is running appends more."""
    first = tmp_path / "journal" / "migrations"
    first.mkdir(parents=True)
    (journal_folder,) = [folder for folder in FOLDERS if folder.parent.name == "journal"]
    shutil.copy(journal_folder / "0001_journal.sql", first)
    assert await migrations.migrate(empty_database.dsn(OWNER), [first]) == ["journal/0001_journal.sql"]
    journal = await PostgresJournal.open(empty_database.dsn("dojo_journal"), empty_database.dsn("dojo_service"))
    key = RoomKey(ACME, "kata")
    epoch = uuid4()
    entry = Entry(author=UUID(int=2), at_ms=1_700_000_000_000, update=b"\x00\x00")
    try:
        await journal.append([Row(key, epoch, 1, [entry])])
        applied = await migrate(empty_database.dsn(OWNER))
        assert "identity/0001_identity.sql" in applied
        await journal.append([Row(key, epoch, 2, [entry])])
        loaded = await journal.load(key)
    finally:
        await journal.close()
    assert len(loaded.updates) == 2


async def test_what_was_said_before_chat_had_months_moves_into_them(empty_database: Database, tmp_path: Path) -> None:
    *below, dojos = FOLDERS
    before = tmp_path / "dojos" / "migrations"
    before.mkdir(parents=True)
    for file in ("0001_dojos.sql", "0002_looking_back.sql"):
        shutil.copy(dojos / file, before)
    await migrations.migrate(empty_database.dsn(OWNER), [*below, before])
    superuser = await asyncpg.connect(empty_database.dsn("postgres"))
    try:
        await superuser.execute(
            "INSERT INTO dojo_chat_messages (tenant_id, dojo_id, room_id, user_id, user_name, message, timestamp)"
            " SELECT $1, $1, $1, $1, 'Ana', 'oi', now() - days * interval '1 day' FROM unnest(ARRAY[0, 100]) AS days",
            ACME,
        )
        assert "dojos/0003_upkeep.sql" in await migrate(empty_database.dsn(OWNER))
        assert await superuser.fetchval("SELECT count(*) FROM dojo_chat_messages") == 2
        assert await superuser.fetchval("SELECT count(*) FROM dojo_chat_messages_default") == 0
    finally:
        await superuser.close()


async def test_several_starters_migrate_an_empty_database_once(empty_database: Database) -> None:
    results = await asyncio.gather(*(migrate(empty_database.dsn(OWNER)) for _ in range(3)))
    assert sorted(map(bool, results)) == [False, False, True]
    assert await everything_applied(empty_database)


async def test_two_databases_of_a_new_cluster_are_migrated_at_the_same_moment(tmp_path: Path) -> None:
    """Their roles are the cluster's, and each database has a lock of its own."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    await server.start()
    try:
        superuser = await asyncpg.connect(server.dsn("postgres", "postgres"))
        names = ["one", "two", "three"]
        for name in names:
            await superuser.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        await superuser.close()
        await asyncio.gather(*(migrate(server.dsn(OWNER, name)) for name in names))
        for name in names:
            looking = await asyncpg.connect(server.dsn("postgres", name))
            assert await findings(looking) == []
            await looking.close()
    finally:
        await server.stop()
