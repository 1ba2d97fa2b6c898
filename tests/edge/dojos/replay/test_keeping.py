"""What a worker makes ready for looking back, on a real Postgres and in its own role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from collab_core.journal.retention import turn_history
from collab_core.opening import fold
from edge.dojos.replay import keeping, keyframes
from edge.dojos.replay.keeping import keep_before, keep_ended
from kernel.months import cutoff
from tests.conftest import Database
from tests.edge.dojos.past_dojo import PastDojo, instant
from tests.edge.dojos.replay.writing import NOON_MS
from tests.edge.dojos.test_code import written


@pytest.fixture
async def worker(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.dsn("dojo_worker"))
    yield connection
    await connection.close()


async def earlier(past: PastDojo, back: timedelta) -> None:
    """The room and its rows are so much older."""
    for table, column in (
        ("collab_journal", "committed_at"),
        ("collab_journal_history", "committed_at"),
        ("dojo_rooms", "created_at"),
        ("dojo_rooms", "ended_at"),
    ):
        await past.api.everything.execute(f"UPDATE {table} SET {column} = {column} - $1::interval", back)


async def over(past: PastDojo) -> None:
    """The dojo has ended an hour ago."""
    assert (await past.api.put(past.dojo + "/end", past.ana)).status == 200
    await earlier(past, timedelta(hours=1))


async def totals(past: PastDojo) -> dict[str, tuple[int, int]]:
    summary: dict[str, Any] = (await past.get(past.dojo + "/summary")).body
    return {person["userName"]: (person["typed"], person["deleted"]) for person in summary["people"]}


async def test_an_ended_room_has_keyframes_and_totals_before_anybody_looks(
    past: PastDojo, worker: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "SEGMENT_ENTRIES", 2)
    await written(past)
    assert await keep_ended(worker) == (0, 0)
    await over(past)
    assert await keep_ended(worker) == (1, 1)
    assert await keep_ended(worker) == (0, 0)
    assert await past.api.everything.fetchval("SELECT count(*) FROM dojo_room_keyframes") == 1
    assert await totals(past) == {"Ana Souza": (8, 0), "Bob Lima": (2, 0)}


async def test_totals_outlive_the_journal_that_they_were_counted_from(
    past: PastDojo, worker: asyncpg.Connection
) -> None:
    await written(past)
    await over(past)
    await keep_ended(worker)
    await past.journal.compact(past.key, fold)
    await past.api.everything.execute("DELETE FROM collab_journal_history")
    assert await totals(past) == {"Ana Souza": (8, 0), "Bob Lima": (2, 0)}
    assert (await past.get(past.dojo + "/summary")).body["rooms"][0]["complete"] is True


async def test_a_long_room_takes_several_passes(
    past: PastDojo, worker: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "SEGMENT_ENTRIES", 1)
    monkeypatch.setattr(keyframes, "SEGMENTS_AT_ONCE", 1)
    for _ in range(2):
        await written(past)
    await over(past)
    assert await keep_ended(worker) == (1, 1)
    assert await past.api.everything.fetchval("SELECT typed_complete FROM dojo_rooms") is None
    async with asyncio.timeout(10):
        while (await keep_ended(worker)).found:
            pass
    assert await past.api.everything.fetchval("SELECT typed_complete FROM dojo_rooms") is True


async def test_two_workers_count_a_room_once(past: PastDojo, worker: asyncpg.Connection, database: Database) -> None:
    await written(past)
    await over(past)
    other = await asyncpg.connect(database.dsn("dojo_worker"))
    await asyncio.gather(keep_ended(worker), keep_ended(other))
    await other.close()
    assert await totals(past) == {"Ana Souza": (8, 0), "Bob Lima": (2, 0)}


async def test_a_room_of_which_nothing_can_be_made_holds_up_nobody(
    past: PastDojo, worker: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise LookupError("print(1)")

    await written(past)
    await over(past)
    monkeypatch.setattr(keeping, "count_typed", broken)
    assert await keep_ended(worker) == (1, 1)
    assert await keep_ended(worker) == (0, 0)
    assert "LookupError" in caplog.text
    assert "print(1)" not in caplog.text
    assert (await past.get(past.dojo + "/summary")).body["rooms"][0]["complete"] is False


class TestCut:
    async def old(self, past: PastDojo, worker: asyncpg.Connection) -> datetime:
        """A room most of which was written 40 days ago, and the rest now; where the retention cuts."""
        ana, bob = past.writers()
        typed = [ana.type(NOON_MS + number, number, "a") for number in range(5)]
        await past.write(typed)
        await earlier(past, timedelta(days=40))
        bob.hear(*typed)
        await past.write([bob.type(NOON_MS + 10, 5, "b")])
        await past.journal.compact(past.key, fold)
        return await cutoff(worker, timedelta(days=1))

    async def test_what_comes_after_it_can_be_replayed(self, past: PastDojo, worker: asyncpg.Connection) -> None:
        before = await self.old(past, worker)
        assert await keep_before(worker, before) == (1, 1)
        assert await keep_before(worker, before) == (0, 0)
        await turn_history(worker, before)
        path = f"{past.room}/text?file=main.py&at="
        assert (await past.get(path + instant(NOON_MS + 4))).body["text"] == "aaaaa"
        assert (await past.get(path + instant(NOON_MS + 10))).body["text"] == "aaaaab"
        gone = await past.get(path + instant(NOON_MS + 3))
        assert (gone.code, gone.body["replayableFrom"]) == ("history_dropped", instant(NOON_MS + 4)[:-1] + "+00:00")

    async def test_without_it_nothing_could(self, past: PastDojo, worker: asyncpg.Connection) -> None:
        await turn_history(worker, await self.old(past, worker))
        gone = await past.get(f"{past.room}/text?file=main.py&at={instant(NOON_MS + 10)}")
        assert (gone.code, gone.body["replayableFrom"]) == ("history_dropped", None)
