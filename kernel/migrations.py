"""Forward-only schema migrations: plain SQL files, each applied once, in its own transaction.

A folder of files `NNNN_name.sql` belongs to one component, named after the folder's parent (`journal/migrations` is
`journal`). What was applied is recorded with a checksum, so that an edited file is noticed instead of ignored. There is
no way back: every step must be compatible with the program version before it, and a mistake is mended by a next step.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from kernel.database import CONNECT_SECONDS

log = logging.getLogger(__name__)

STATEMENT_SECONDS: Final = 300.0
LOCK_SECONDS: Final = 120.0
"""How long a starter waits for another that is migrating the same database."""
DDL_LOCK_SECONDS: Final = 10.0
"""How long a step waits for a table: whoever comes after it waits behind it, so rather fail than stop the service."""
_LOCK_KEY: Final = 0x446F6A6F  # "Dojo"; advisory locks are per database
_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    component text NOT NULL,
    version int NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, version)
)
"""


class MigrationError(Exception):
    """The files and what the database says was applied do not fit together, or a file failed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `checksum` is the SHA-256 of its bytes, hexadecimal."""

    component: str
    version: int
    name: str
    sql: str
    checksum: str


def read_migrations(folders: Sequence[Path]) -> list[Migration]:
    """All files of `folders`, in the folders' order and by number within each. Raises `MigrationError`."""
    found: list[Migration] = []
    components: set[str] = set()
    for folder in folders:
        component = folder.absolute().parent.name
        files = sorted(folder.glob("*.sql"))
        if not files:
            raise MigrationError(f"no migrations in {folder}")
        if component in components:
            raise MigrationError(f"two folders of migrations are of one component, {component!r}")
        components.add(component)
        versions: set[int] = set()
        for file in files:
            match = _FILE_NAME.fullmatch(file.name)
            if match is None:
                raise MigrationError(f"{file.name}: name a migration NNNN_what_it_does.sql")
            version = int(match[1])
            if version in versions:
                raise MigrationError(f"{component}: two migrations have the number {version:04}")
            versions.add(version)
            content = file.read_bytes()
            checksum = hashlib.sha256(content).hexdigest()
            found.append(Migration(component, version, file.name, content.decode(), checksum))
    return found


async def migrate(dsn: str, folders: Sequence[Path]) -> list[str]:
    """Bring the database up to date as the tables' owner; return the files applied, `component/name`.

    Any number of starters may call it at once: one works, the others wait and find nothing left to do. A database that
    is ahead of these files (a newer version ran before) is left as it is. Raises `MigrationError`.
    """
    migrations = read_migrations(folders)
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + LOCK_SECONDS,
        server_settings={"application_name": "dojo-migrate", "statement_timeout": f"{int(STATEMENT_SECONDS * 1000)}"},
    )
    try:
        await _take_lock(connection)
        await connection.execute("SET client_min_messages = warning")  # silence "already exists, skipping"
        await connection.execute(_TABLE)
        pending = await _pending(connection, migrations)
        for migration in pending:
            await _apply(connection, migration)
        return [f"{migration.component}/{migration.name}" for migration in pending]
    finally:
        # Ends the session, and with it the advisory lock.
        await asyncio.shield(connection.close(timeout=CONNECT_SECONDS))


async def _take_lock(connection: Any) -> None:
    await connection.execute(f"SET lock_timeout = {int(LOCK_SECONDS * 1000)}")
    try:
        await connection.execute(f"SELECT pg_advisory_lock({_LOCK_KEY})")
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(f"another process has been migrating this database for {LOCK_SECONDS:.0f} s") from error
    await connection.execute(f"SET lock_timeout = {int(DDL_LOCK_SECONDS * 1000)}")


async def _pending(connection: Any, migrations: Sequence[Migration]) -> list[Migration]:
    rows = await connection.fetch("SELECT component, version, name, checksum FROM schema_migration")
    applied = {(row["component"], row["version"]): row for row in rows}
    latest: dict[str, int] = {}
    for component, version in applied:
        latest[component] = max(version, latest.get(component, -1))
    pending = []
    for migration in migrations:
        row = applied.get((migration.component, migration.version))
        where = f"{migration.component}/{migration.name}"
        if row is None:
            if migration.version < latest.get(migration.component, -1):
                raise MigrationError(
                    f"{where} is new, but {latest[migration.component]:04} is applied already: give it the next number"
                )
            pending.append(migration)
        elif row["checksum"] != migration.checksum:
            raise MigrationError(
                f"{where} was applied as {row['name']} with other content (checksum {row['checksum'][:12]}, now"
                f" {migration.checksum[:12]}): restore the file and put the change into a new migration"
            )
    known = {(migration.component, migration.version) for migration in migrations}
    for component, version in sorted(applied.keys() - known):
        log.warning("the database has a newer migration than this program: %s/%04d", component, version)
    return pending


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (component, version, name, checksum) VALUES ($1, $2, $3, $4)",
                migration.component,
                migration.version,
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(
            f"{migration.component}/{migration.name} failed, nothing of it was applied: {error}"
        ) from error
    log.info("applied migration %s/%s", migration.component, migration.name)
