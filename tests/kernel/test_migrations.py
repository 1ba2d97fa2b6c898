from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from dojo.embedded.postgres import EmbeddedPostgres
from dojo.migrate import FOLDERS
from kernel.migrations import MigrationError, migrate, read_migrations
from tests.conftest import Database

JOURNAL = FOLDERS[:2]
"""The journal's, and what it stands on."""
JOURNAL_FILES = [f"{folder.parent.name}/{file.name}" for folder in JOURNAL for file in sorted(folder.glob("*.sql"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A component `notes` with one migration."""
    made = tmp_path / "notes" / "migrations"
    made.mkdir(parents=True)
    (made / "0001_notes.sql").write_text("CREATE TABLE note (id int); INSERT INTO note VALUES (1);")
    return made


async def fetch(database: Database, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(database.dsn("dojo_owner"))
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_files_are_applied_once(empty_database: Database, folder: Path) -> None:
    dsn = empty_database.dsn("dojo_owner")
    assert await migrate(dsn, [*JOURNAL, folder]) == [*JOURNAL_FILES, "notes/0001_notes.sql"]
    assert await migrate(dsn, [*JOURNAL, folder]) == []
    assert await fetch(empty_database, "SELECT id FROM note") == [(1,)]


async def test_an_older_database_gets_what_is_new(empty_database: Database, folder: Path) -> None:
    dsn = empty_database.dsn("dojo_owner")
    await migrate(dsn, [folder])
    (folder / "0002_more.sql").write_text("ALTER TABLE note ADD COLUMN text text DEFAULT 'kept'")
    (folder / "0010_most.sql").write_text("INSERT INTO note VALUES (2, 'new')")
    assert await migrate(dsn, [folder]) == ["notes/0002_more.sql", "notes/0010_most.sql"]
    assert await fetch(empty_database, "SELECT id, text FROM note ORDER BY id") == [(1, "kept"), (2, "new")]


async def test_many_starters_at_once(empty_database: Database, folder: Path) -> None:
    (folder / "0002_slow.sql").write_text("SELECT pg_sleep(0.2); INSERT INTO note VALUES (2);")
    dsn = empty_database.dsn("dojo_owner")
    results = await asyncio.gather(*(migrate(dsn, [*JOURNAL, folder]) for _ in range(4)))
    assert sorted(map(len, results)) == [0, 0, 0, len(JOURNAL_FILES) + 2]
    assert await fetch(empty_database, "SELECT id FROM note ORDER BY id") == [(1,), (2,)]


async def test_roles_of_the_whole_cluster_made_by_two_databases_at_once(tmp_path: Path) -> None:
    """On a cluster that has no roles yet; each database has a lock of its own."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    await server.start()
    try:
        superuser = await asyncpg.connect(server.dsn("postgres", "postgres"))
        for number in range(3):
            await superuser.execute(f"CREATE DATABASE d{number} OWNER dojo_owner")
        dsns = [server.dsn("dojo_owner", f"d{number}") for number in range(3)]
        done = await asyncio.gather(*(migrate(dsn, JOURNAL) for dsn in dsns))
        assert done == [JOURNAL_FILES] * 3
        roles = await superuser.fetch(
            "SELECT rolname, rolbypassrls OR rolsuper AS loose, rolcanlogin FROM pg_roles"
            " WHERE rolname LIKE 'dojo%' ORDER BY 1"
        )
        assert [tuple(role) for role in roles] == [
            ("dojo_definer", False, False),
            ("dojo_journal", False, True),
            ("dojo_owner", False, True),
            ("dojo_service", False, True),
            ("dojo_worker", False, True),
        ]
        await superuser.close()
    finally:
        await server.stop()


async def test_a_failing_file_leaves_nothing_behind(empty_database: Database, folder: Path) -> None:
    dsn = empty_database.dsn("dojo_owner")
    (folder / "0002_broken.sql").write_text("INSERT INTO note VALUES (2); SELECT no_such_column;")
    (folder / "0003_after.sql").write_text("INSERT INTO note VALUES (3);")
    with pytest.raises(MigrationError, match=r"notes/0002_broken\.sql failed, nothing .*no_such_column"):
        await migrate(dsn, [folder])
    assert await fetch(empty_database, "SELECT id FROM note") == [(1,)]
    (folder / "0002_broken.sql").write_text("INSERT INTO note VALUES (2);")
    assert await migrate(dsn, [folder]) == ["notes/0002_broken.sql", "notes/0003_after.sql"]


async def test_an_edited_file_is_noticed(empty_database: Database, folder: Path) -> None:
    dsn = empty_database.dsn("dojo_owner")
    await migrate(dsn, [folder])
    with (folder / "0001_notes.sql").open("a") as file:
        file.write("-- harmless, is it?")
    with pytest.raises(MigrationError, match=r"notes/0001_notes\.sql was applied .* with other content"):
        await migrate(dsn, [folder])


async def test_a_number_that_was_passed_by_is_refused(empty_database: Database, folder: Path) -> None:
    dsn = empty_database.dsn("dojo_owner")
    (folder / "0005_later.sql").write_text("SELECT 1")
    await migrate(dsn, [folder])
    (folder / "0003_between.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="give it the next number"):
        await migrate(dsn, [folder])


async def test_a_newer_database_is_left_alone(
    empty_database: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dsn = empty_database.dsn("dojo_owner")
    newer = folder / "0002_newer.sql"
    newer.write_text("INSERT INTO note VALUES (2)")
    await migrate(dsn, [folder])
    newer.unlink()
    assert await migrate(dsn, [folder]) == []
    assert "newer migration than this program: notes/0002" in caplog.text


@pytest.mark.parametrize("name", ["1_short.sql", "0002-dash.sql", "0002_Capital.sql", "0001_twice.sql"])
def test_a_file_with_a_wrong_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        read_migrations([folder])


def test_folders_that_are_empty_or_of_the_same_name_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no migrations"):
        read_migrations([tmp_path])
    with pytest.raises(MigrationError, match="'notes'"):
        read_migrations([folder, folder])
