"""The group commit over the journal in memory, which fails in exactly the way a test asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from collab_core.identity import RoomKey
from collab_core.journal.feed import ENTRY_OVERHEAD_BYTES, Feed
from collab_core.journal.memory import Failure, MemoryJournal
from collab_core.journal.port import Row
from collab_core.journal.writer import COMMIT_ENTRIES, COMMIT_ROWS, Health, JournalWriter
from tests.collab_core.journal.watching import ACME, ROOM, Watched, entry

KIB = 1024
OTHER = RoomKey(ACME, "other")


def make(
    journal: MemoryJournal, *, node: int = 1024 * KIB, room: int = 256 * KIB, unsaved: float = 2.0
) -> JournalWriter:
    return JournalWriter(journal, epoch=uuid4(), backlog_bytes=node, backlog_bytes_per_room=room, unsaved_after=unsaved)


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
async def writer(journal: MemoryJournal) -> AsyncIterator[JournalWriter]:
    made = make(journal)
    made.start()
    yield made
    journal.release()
    journal.away = False
    await made.close()


def type_in(feed: Feed, *updates: bytes) -> None:
    for update in updates:
        feed.append(entry(update))


def committed(journal: MemoryJournal, key: RoomKey = ROOM) -> list[bytes]:
    """A room's updates in the order in which they were first committed."""
    seen: dict[int, Row] = {}
    for row in (row for batch in journal.appended for row in batch if row.key == key):
        seen.setdefault(row.sequence, row)
    return [one.update for row in seen.values() for one in row.entries]


async def test_what_is_appended_is_committed_in_order_and_told(journal: MemoryJournal, writer: JournalWriter) -> None:
    told = Watched[int]()
    feed = writer.feed(ROOM, told)
    assert feed.append(entry(b"1")) == 1
    assert feed.append(entry(b"2")) == 2
    assert (feed.appended, feed.committed) == (2, 0)
    assert feed.backlog_bytes == writer.backlog_bytes == 2 + 2 * ENTRY_OVERHEAD_BYTES
    await told.until_last(2)
    assert told.values == [2]
    assert (feed.committed, feed.backlog_bytes, writer.backlog_bytes) == (2, 0, 0)
    type_in(feed, b"3")
    await told.until_last(3)
    assert committed(journal) == [b"1", b"2", b"3"]
    assert (writer.commits, writer.rows, writer.entries, writer.failures) == (2, 2, 3, 0)


async def test_one_commit_holds_all_rooms_with_a_row_each(journal: MemoryJournal, writer: JournalWriter) -> None:
    told = Watched[int]()
    for number in range(50):
        type_in(writer.feed(RoomKey(ACME, f"room {number}"), told), b"a", b"b")
    assert await writer.drain(10)
    assert [len(batch) for batch in journal.appended] == [50]
    assert told.values == [2] * 50
    assert [row.sequence for row in journal.appended[0]] == list(range(1, 51))


async def test_commits_keep_their_distance(journal: MemoryJournal) -> None:
    writer = JournalWriter(
        journal, epoch=uuid4(), backlog_bytes=KIB * KIB, backlog_bytes_per_room=KIB * KIB, interval_seconds=0.05
    )
    writer.start()
    told = Watched[int]()
    feed = writer.feed(ROOM, told)
    started = asyncio.get_running_loop().time()
    for number in range(1, 5):
        type_in(feed, b"x")
        await told.until_last(number)
    assert asyncio.get_running_loop().time() - started >= 3 * 0.05
    await writer.close()


async def test_nothing_is_scheduled_when_idle(writer: JournalWriter) -> None:
    told = Watched[int]()
    type_in(writer.feed(ROOM, told), b"x")
    await told.until_last(1)
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    assert timers == []


async def test_while_a_commit_is_under_way_the_rest_gathers(journal: MemoryJournal, writer: JournalWriter) -> None:
    told = Watched[int]()
    feed, other = writer.feed(ROOM, told), writer.feed(OTHER, lambda _count: None)
    journal.hold()
    type_in(feed, b"1")
    await asyncio.wait_for(journal.held.wait(), 10)
    for update in (b"2", b"3"):
        type_in(feed, update)
        type_in(other, update)
    journal.release()
    assert await writer.drain(10)
    assert [[len(row.entries) for row in batch] for batch in journal.appended] == [[1], [2, 2]]
    assert told.values == [1, 3]


@pytest.mark.parametrize("how", Failure)
async def test_a_commit_that_failed_is_sent_again_unchanged(
    journal: MemoryJournal, writer: JournalWriter, how: Failure
) -> None:
    health, told = Watched[Health](), Watched[int]()
    writer.on_health.append(health)
    feed = writer.feed(ROOM, told)
    journal.fail_next(4, how)
    type_in(feed, b"1")
    await health.until_last(Health.BEHIND)
    type_in(feed, b"2", b"3")
    await told.until_last(3)
    assert health.values == [Health.BEHIND, Health.OK]
    assert told.values == [1, 3]
    assert writer.failures == 4
    assert committed(journal) == [b"1", b"2", b"3"]
    assert sorted((await journal.load(ROOM)).updates) == [b"1", b"2", b"3"]
    first = [batch for batch in journal.appended if batch[0].sequence == 1]
    assert all(batch == first[0] for batch in first)


async def test_one_failure_is_no_news(journal: MemoryJournal, writer: JournalWriter) -> None:
    health = Watched[Health]()
    writer.on_health.append(health)
    journal.fail_next(1)
    type_in(writer.feed(ROOM, lambda _count: None), b"1")
    assert await writer.drain(10)
    assert health.values == []
    assert writer.failures == 1


async def test_a_commit_without_an_answer_is_behind(journal: MemoryJournal) -> None:
    writer = make(journal, unsaved=0.1)
    writer.start()
    health = Watched[Health]()
    writer.on_health.append(health)
    journal.hold()
    type_in(writer.feed(ROOM, lambda _count: None), b"1")
    await health.until_last(Health.BEHIND)
    assert writer.health is Health.BEHIND
    assert not await writer.drain(0.05)
    journal.release()
    await health.until_last(Health.OK)
    assert await writer.drain(10)
    await writer.close()


async def test_a_room_over_its_bound_is_full_until_half_is_gone(journal: MemoryJournal, writer: JournalWriter) -> None:
    room_full, other_full = Watched[bool](), Watched[bool]()
    feed = writer.feed(ROOM, lambda _count: None, room_full)
    other = writer.feed(OTHER, lambda _count: None, other_full)
    journal.hold()
    while not feed.full:
        type_in(feed, b"x" * KIB)
    assert feed.backlog_bytes <= 256 * KIB + KIB + ENTRY_OVERHEAD_BYTES
    assert (other.full, writer.full) == (False, False)
    await room_full.until_last(True)
    journal.release()
    await room_full.until_last(False)
    assert (room_full.values, other_full.values) == ([True, False], [])
    assert feed.backlog_bytes <= 128 * KIB


async def test_a_node_over_its_bound_stops_every_room(journal: MemoryJournal, writer: JournalWriter) -> None:
    told = [Watched[bool]() for _ in range(9)]
    feeds = [writer.feed(RoomKey(ACME, f"{n}"), lambda _count: None, full) for n, full in enumerate(told)]
    journal.hold()
    while not writer.full:
        for feed in feeds[:8]:
            type_in(feed, b"x" * KIB)
    for full in told:
        await full.until_last(True)
    assert all(feed.full for feed in feeds)
    late = Watched[bool]()
    assert writer.feed(RoomKey(ACME, "late"), lambda _count: None, late).full
    await late.until_last(True)
    journal.release()
    for full in (*told, late):
        await full.until_last(False)
        assert full.values == [True, False]
    assert writer.backlog_bytes <= 512 * KIB


async def test_a_backlog_goes_out_in_bounded_commits(journal: MemoryJournal) -> None:
    writer = make(journal, node=64 * KIB * KIB, room=64 * KIB * KIB)
    told = Watched[int]()
    feed = writer.feed(ROOM, told)
    updates = [b"%d" % number for number in range(2 * COMMIT_ENTRIES + 5)]
    type_in(feed, *updates)
    for number in range(COMMIT_ROWS + 5):
        type_in(writer.feed(RoomKey(ACME, f"{number}"), lambda _count: None), b"x")
    large = writer.feed(OTHER, lambda _count: None)
    type_in(large, *[b"y" * 5 * KIB * KIB] * 4)
    writer.start()
    assert await writer.drain(20)
    assert max(len(batch) for batch in journal.appended) <= COMMIT_ROWS
    assert max(sum(len(row.entries) for row in batch) for batch in journal.appended) <= COMMIT_ENTRIES
    assert max(len(row.entries) for batch in journal.appended for row in batch if row.key == OTHER) == 2
    assert committed(journal) == updates
    assert told.values[-1] == len(updates)
    await writer.close()


async def test_a_busy_room_does_not_starve_the_others(journal: MemoryJournal) -> None:
    """More rooms than a commit has rows, all of which go on typing at every commit."""
    writer = make(journal, node=64 * KIB * KIB)
    feeds: list[Feed] = []
    for number in range(COMMIT_ROWS + 100):

        def go_on(_count: int, number: int = number) -> None:
            if len(journal.appended) < 6:
                type_in(feeds[number], b"more")

        feeds.append(writer.feed(RoomKey(ACME, f"{number}"), go_on))
    for feed in feeds:
        type_in(feed, b"first")
    writer.start()
    assert await writer.drain(20)
    assert all(feed.committed >= 4 for feed in feeds)
    await writer.close()


async def test_a_closed_feed_is_committed_before_its_successor_and_told_nothing(journal: MemoryJournal) -> None:
    writer = make(journal, node=64 * KIB * KIB, room=64 * KIB * KIB)
    told = Watched[int]()
    old = writer.feed(ROOM, told)
    before = [b"old %d" % number for number in range(COMMIT_ENTRIES + 10)]
    type_in(old, *before)
    old.close()
    new_told = Watched[int]()
    new = writer.feed(ROOM, new_told)
    type_in(new, b"new")
    writer.start()
    await new_told.until_last(1)
    assert committed(journal) == [*before, b"new"]
    assert told.values == []
    assert old.committed == len(before)
    await writer.close()


async def test_a_listener_that_fails_stops_nothing(
    journal: MemoryJournal, writer: JournalWriter, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_count: int) -> None:
        raise ZeroDivisionError("the room's own trouble")

    told = Watched[int]()
    feed = writer.feed(ROOM, broken)
    type_in(feed, b"1")
    type_in(writer.feed(OTHER, told), b"1")
    await told.until_last(1)
    assert feed.committed == 1
    assert "the room's own trouble" in caplog.text


async def test_a_refused_row_parks_its_room_and_no_other(
    journal: MemoryJournal, writer: JournalWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("collab_core.journal.writer.PARKED_CAP_SECONDS", 0.02)
    bad_room = RoomKey(ACME, "bad")
    journal.refuse = lambda row: ValueError("cannot hold this") if row.key == bad_room else None
    bad_told, bad_full, told = Watched[int](), Watched[bool](), Watched[int]()
    feeds = [writer.feed(RoomKey(ACME, f"{number}"), told) for number in range(9)]
    bad = writer.feed(bad_room, bad_told, bad_full)
    for number, feed in enumerate(feeds):
        if number == 4:
            type_in(bad, b"b1", b"b2")
        type_in(feed, b"x")
    await told.until(lambda values: len(values) == 9)
    await bad_full.until_last(True)
    assert bad.full
    assert not feeds[0].full
    type_in(bad, b"b3")  # what the room had relayed before it knew
    type_in(feeds[0], b"y")
    await told.until_last(2)
    assert (bad.committed, bad_told.values) == (0, [])
    assert not await writer.drain(0.05)
    assert "cannot hold this" in caplog.text
    journal.refuse = lambda _row: None
    await bad_told.until_last(3)
    await bad_full.until_last(False)
    assert committed(journal, bad_room) == [b"b1", b"b2", b"b3"]
    assert await writer.drain(10)


async def test_what_is_left_at_the_end_is_said(
    journal: MemoryJournal, writer: JournalWriter, caplog: pytest.LogCaptureFixture
) -> None:
    journal.away = True
    type_in(writer.feed(ROOM, lambda _count: None), b"1")
    assert not await writer.drain(0.05)
    await writer.close()
    assert "closed with 145 bytes not committed" in caplog.text
    assert (await MemoryJournal(journal.store).load(ROOM)).updates == []
