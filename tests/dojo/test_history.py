"""History is turned soon after the start and daily, in a real Postgres, and a day that fails is not the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import pytest

from dojo.history import turn_daily, turn_once
from tests.collab_core.live import until
from tests.conftest import Database

YEAR = timedelta(days=365)


async def drop_months_ahead(database: Database) -> None:
    owner = await asyncpg.connect(database.dsn("dojo_owner"))
    try:
        names = await owner.fetch(
            "SELECT relname FROM pg_class WHERE relname ~ '^collab_journal_history_[0-9]{6}$' AND relkind = 'r'"
        )
        for (name,) in names:
            await owner.execute(f"DROP TABLE {name}")
    finally:
        await owner.close()


@asynccontextmanager
async def turning(dsn: str) -> AsyncIterator[None]:
    task = asyncio.create_task(turn_daily(dsn, YEAR, first_seconds=0.0))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_coming_months_are_made(database: Database) -> None:
    await drop_months_ahead(database)
    assert (await turn_once(database.dsn("dojo_owner"), YEAR)).made == 4
    assert (await turn_once(database.dsn("dojo_owner"), YEAR)).made == 0


async def test_it_is_turned_without_waiting_for_a_day(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await drop_months_ahead(database)
    with caplog.at_level(logging.INFO):
        async with turning(database.dsn("dojo_owner")):
            await until(lambda: "4 partitions made, 0 dropped" in caplog.text)


async def test_a_day_that_fails_is_logged_and_not_the_end(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async with turning(database.dsn("dojo_service")):  # may not turn it
        await until(lambda: "history was not turned" in caplog.text)
