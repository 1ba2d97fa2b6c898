"""The group commit over a real Postgres that is killed, or stops answering, under it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from collab_core.identity import RoomKey
from collab_core.journal.feed import Feed
from collab_core.journal.postgres import PostgresJournal
from collab_core.journal.writer import Health, JournalWriter
from dojo.embedded.postgres import OWNER, EmbeddedPostgres
from dojo.migrate import migrate
from tests.collab_core.journal.watching import ACME, Watched, entry

ROOMS = [RoomKey(ACME, f"room {number}") for number in range(3)]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A Postgres of this test's own."""
    running = EmbeddedPostgres(tmp_path / "postgres")
    await running.start()
    await migrate(running.dsn(OWNER))
    yield running
    await running.stop()


@pytest.fixture
async def journal(server: EmbeddedPostgres) -> AsyncIterator[PostgresJournal]:
    opened = await PostgresJournal.open(server.dsn("dojo_journal"), server.dsn("dojo_service"))
    yield opened
    await opened.close()


@pytest.fixture
async def writer(journal: PostgresJournal) -> AsyncIterator[JournalWriter]:
    made = JournalWriter(journal, epoch=uuid4(), backlog_bytes=1 << 26, backlog_bytes_per_room=1 << 24)
    made.start()
    yield made
    await made.close()


class Typists:
    """One typist per room, numbering what it types."""

    def __init__(self, writer: JournalWriter) -> None:
        self.feeds: list[tuple[Feed, Watched[int]]] = []
        for key in ROOMS:
            told = Watched[int]()
            self.feeds.append((writer.feed(key, told), told))

    def type(self, count: int) -> None:
        for _ in range(count):
            for feed, _told in self.feeds:
                feed.append(entry(b"%06d" % feed.appended))

    async def keep_typing(self, until: asyncio.Event) -> None:
        while not until.is_set():
            self.type(1)
            await asyncio.sleep(0.002)

    async def all_told(self) -> None:
        for feed, told in self.feeds:
            await told.until_last(feed.appended)

    async def check(self, journal: PostgresJournal) -> None:
        """All of it is there, once, and by time of commit in the order in which it was typed."""
        for feed, told in self.feeds:
            assert told.values == sorted(set(told.values))
            typed = [b"%06d" % number for number in range(feed.appended)]
            kept = [one.update async for _at, entries in journal.history(feed.key) for one in entries]
            assert kept == typed
            assert sorted((await journal.load(feed.key)).updates) == typed


def tree(server: EmbeddedPostgres) -> list[psutil.Process]:
    assert server.pid is not None
    top = psutil.Process(server.pid)
    return [top, *top.children(recursive=True)]


async def test_a_killed_postgres(server: EmbeddedPostgres, journal: PostgresJournal, writer: JournalWriter) -> None:
    health = Watched[Health]()
    writer.on_health.append(health)
    typists, stop = Typists(writer), asyncio.Event()
    typing = asyncio.create_task(typists.keep_typing(stop))
    await typists.feeds[0][1].until(lambda values: bool(values) and values[-1] >= 50)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await health.until_last(Health.BEHIND)
    await server.start()
    await health.until_last(Health.OK)
    stop.set()
    await typing
    await typists.all_told()
    assert health.values == [Health.BEHIND, Health.OK]
    assert writer.failures >= 2
    await typists.check(journal)


async def test_a_postgres_that_stops_answering(
    server: EmbeddedPostgres, journal: PostgresJournal, writer: JournalWriter
) -> None:
    health = Watched[Health]()
    writer.on_health.append(health)
    typists = Typists(writer)
    typists.type(1)
    await typists.all_told()
    loop = asyncio.get_running_loop()
    processes = tree(server)
    for process in processes:
        process.suspend()
    try:
        stopped = loop.time()
        typists.type(20)
        await health.until_last(Health.BEHIND)
        assert 1.9 <= loop.time() - stopped <= 3.0
        typists.type(20)
        assert typists.feeds[0][0].committed == 1
    finally:
        for process in processes:
            process.resume()
    await health.until_last(Health.OK, seconds=3)
    await typists.all_told()
    await typists.check(journal)


async def test_a_commit_given_up_on_a_postgres_that_stopped_answering(
    server: EmbeddedPostgres, writer: JournalWriter, journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time-out passes while the server stands still; it commits later, and the rows come again."""
    monkeypatch.setattr("collab_core.journal.postgres.APPEND_SECONDS", 0.1)
    monkeypatch.setattr("kernel.database.CONNECT_SECONDS", 0.5)
    journal._drop_connection()  # the next one has the shorter limits
    typists = Typists(writer)
    typists.type(1)
    await typists.all_told()
    processes = tree(server)
    for process in processes:
        process.suspend()
    try:
        health = Watched[Health]()
        writer.on_health.append(health)
        typists.type(20)
        await health.until_last(Health.BEHIND)
        assert writer.failures >= 1
    finally:
        for process in processes:
            process.resume()
    await health.until_last(Health.OK)
    await typists.all_told()
    await typists.check(journal)
