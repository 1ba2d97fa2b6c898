"""Tables of months: a table of this test's own, turned by the tables' owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from kernel.months import cutoff
from tests.conftest import Database

FOREVER = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The tables' owner, with a table that has a default partition and nothing else."""
    connection = await asyncpg.connect(database.dsn("dojo_owner"))
    await connection.execute(
        "CREATE TABLE said (word text, at timestamptz NOT NULL, PRIMARY KEY (at, word)) PARTITION BY RANGE (at);"
        "CREATE TABLE said_default PARTITION OF said DEFAULT"
    )
    yield connection
    await connection.close()


async def turn(owner: asyncpg.Connection, before: datetime = FOREVER) -> tuple[int, int]:
    return tuple(await owner.fetchrow("SELECT made, dropped FROM months_turn('said', $1)", before))


async def say(owner: asyncpg.Connection, *at: datetime) -> None:
    await owner.executemany("INSERT INTO said VALUES ('x', $1)", [(each,) for each in at])


async def months(owner: asyncpg.Connection) -> dict[str, int]:
    """How many rows each partition has."""
    rows = await owner.fetch("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'said'::regclass")
    return {name.removeprefix("said_"): await owner.fetchval(f"SELECT count(*) FROM {name}") for (name,) in rows}


def month(at: datetime) -> str:
    return at.strftime("%Y%m")


async def test_this_month_and_the_next_three_are_made_once(owner: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    assert await turn(owner) == (4, 0)
    assert await turn(owner) == (0, 0)
    made = sorted(await months(owner))
    assert (made[0], made[-1], len(made)) == (month(now), "default", 5)
    secured = "SELECT relrowsecurity FROM pg_class WHERE oid = $1::text::regclass"
    assert await owner.fetchval(secured, f"said_{month(now)}")


async def test_what_fell_into_the_default_one_moves_to_its_month(owner: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    long_ago, ahead = now - timedelta(days=200), now + timedelta(days=400)
    await say(owner, now, long_ago, ahead)
    assert await turn(owner) == (5, 0)
    rows = await months(owner)
    assert (rows[month(now)], rows[month(long_ago)], rows["default"]) == (1, 1, 1)
    assert await owner.fetchval("SELECT count(*) FROM said") == 3


async def test_months_before_the_cutoff_go_whole_and_no_other_row(owner: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    this_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_of_before = this_month - timedelta(microseconds=1)
    await say(owner, last_of_before)
    await turn(owner)
    assert await turn(owner, last_of_before) == (0, 0)
    await say(owner, now - timedelta(days=300))
    assert await turn(owner, this_month) == (0, 1)
    assert await owner.fetchval("SELECT count(*) FROM said") == 0


async def test_a_cutoff_in_the_future_is_a_mistake(owner: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="future"):
        await turn(owner, datetime.now(UTC) + timedelta(hours=1))


async def test_a_retention_reaches_back_to_the_start_of_a_month(owner: asyncpg.Connection) -> None:
    start = await cutoff(owner, timedelta(days=90))
    wanted = datetime.now(UTC) - timedelta(days=90)
    assert start == wanted.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def test_nobody_but_the_owner_turns_them(owner: asyncpg.Connection, database: Database) -> None:
    for role in ("dojo_worker", "dojo_service", "dojo_definer"):
        connection = await asyncpg.connect(database.dsn("postgres"))
        await connection.execute(f"SET ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT months_turn('said', now())")
        await connection.close()
