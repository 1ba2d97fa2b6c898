"""Brings a database's tables up to date: which folders of migrations Dojo has, and the `dojo migrate` command."""

from __future__ import annotations

from pathlib import Path

import collab_core.journal
import edge.dojos
import edge.identity
import kernel
from dojo.data_directory import DataDirectory
from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.settings import Settings
from kernel import migrations
from kernel.database import FAILURES

FOLDERS = (
    Path(kernel.__file__).parent / "schema",
    Path(collab_core.journal.__file__).parent / "migrations",
    Path(edge.identity.__file__).parent / "migrations",
    Path(edge.dojos.__file__).parent / "migrations",
)
"""In the order in which they need each other."""


async def migrate(owner_dsn: str) -> list[str]:
    """Apply what is missing, as the tables' owner; returns the names of the files applied. Raises `MigrationError`,
    also when the database cannot be reached."""
    try:
        return await migrations.migrate(owner_dsn, FOLDERS)
    except FAILURES as error:
        raise migrations.MigrationError(f"cannot migrate the database: {error}") from error


async def migrate_configured(settings: Settings) -> list[str]:
    """Migrate the database of `settings`; an embedded one is started for it, so its server must not be running."""
    if settings.database.owner is not None:
        return await migrate(settings.database.owner)
    if not settings.database.embedded:
        raise migrations.MigrationError("migrations need the setting database.owner, the tables' owner")
    directory = DataDirectory(settings.data_dir)
    lock = await directory.lock()
    try:
        postgres = EmbeddedPostgres(directory.postgres, directory.postgres_log, pass_fds=(lock.descriptor,))
        await postgres.start()
        try:
            return await migrate(postgres.dsn(OWNER))
        finally:
            await postgres.stop()
    finally:
        lock.close()
