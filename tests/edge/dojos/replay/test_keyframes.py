from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from collab_core.identity import RoomKey
from collab_core.journal.port import Entry, Row
from collab_core.journal.postgres import PostgresJournal
from collab_core.opening import fold
from edge.dojos.replay import keyframes
from edge.dojos.replay.keyframes import NotReplayable, Reach, extend, reach, seek
from edge.dojos.replay.player import texts_in
from edge.dojos.replay.rows import state_now
from kernel.database import tenant_scope
from tests.edge.dojos.replay.test_player import session
from tests.edge.dojos.replay.writing import ANA, NOON_MS, Writer, journalled

STEPS = 400


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keyframes every 50 entries."""
    monkeypatch.setattr(keyframes, "SEGMENT_ENTRIES", 50)


@pytest.fixture
def entries() -> list[Entry]:
    return session(3, STEPS)[0]


async def text_at(pool: asyncpg.Pool, room: RoomKey, at_ms: int) -> str:
    async with tenant_scope(pool, room.tenant) as db:
        sought = await seek(db, room.tenant, UUID(room.room), at_ms, await reach(db, room.tenant, UUID(room.room)))
    return texts_in(sought.state)[0].get("main.py", "")


async def reached(pool: asyncpg.Pool, room: RoomKey) -> Reach:
    async with tenant_scope(pool, room.tenant) as db:
        return await reach(db, room.tenant, UUID(room.room))


async def extended(pool: asyncpg.Pool, room: RoomKey) -> int:
    async with tenant_scope(pool, room.tenant) as db:
        return await extend(db, room.tenant, UUID(room.room))


async def an_hour_later(everything: asyncpg.Connection) -> None:
    """For rows that are new: what has its place keeps it."""
    for table in ("collab_journal", "collab_journal_history"):
        await everything.execute(
            f"UPDATE {table} SET committed_at = committed_at - interval '1 hour'"
            " WHERE committed_at > now() - interval '30 minutes'"
        )


def text_of(entries: list[Entry], at_ms: int) -> str:
    """What a document says that took the entries up to then in their order."""
    reader = Writer(ANA, 9)
    reader.hear(*(entry for entry in entries if entry.at_ms <= at_ms))
    return reader.text()


MOMENTS = [NOON_MS - 1, NOON_MS, NOON_MS + 49, NOON_MS + 50, NOON_MS + 217, NOON_MS + STEPS, NOON_MS + 10**9]


async def test_any_moment_is_what_it_was(
    journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey, entries: list[Entry]
) -> None:
    await journalled(journal, room, entries)
    assert [await text_at(pool, room, at) for at in MOMENTS] == [text_of(entries, at) for at in MOMENTS]
    await an_hour_later(everything)
    assert await extended(pool, room) >= 5
    assert [await text_at(pool, room, at) for at in MOMENTS] == [text_of(entries, at) for at in MOMENTS]
    await journal.compact(room, fold)
    assert [await text_at(pool, room, at) for at in MOMENTS] == [text_of(entries, at) for at in MOMENTS]
    assert await extended(pool, room) == 0


async def test_keyframes_grow_with_the_room(
    journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey, entries: list[Entry]
) -> None:
    for part in (entries[:170], entries[170:300], entries[300:]):
        await journalled(journal, room, part)
        await journal.compact(room, fold)
        await an_hour_later(everything)
        assert await extended(pool, room) >= 1
    frames = (await reached(pool, room)).frames
    assert [frame.number for frame in frames] == list(range(-1, len(frames) - 1))
    assert [frame.last_ms for frame in frames] == sorted(frame.last_ms for frame in frames)
    assert [await text_at(pool, room, at) for at in MOMENTS] == [text_of(entries, at) for at in MOMENTS]


async def test_rows_that_others_may_still_come_before_are_in_no_keyframe(
    journal: PostgresJournal, pool: asyncpg.Pool, room: RoomKey, entries: list[Entry]
) -> None:
    await journalled(journal, room, entries)
    assert await extended(pool, room) == 0


async def test_an_entry_that_was_committed_late_is_there_from_its_time_on(
    journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey, entries: list[Entry]
) -> None:
    early, late = entries[:100] + entries[101:], entries[100]
    behind = Writer(ANA, 77).type(NOON_MS + 60, 0, "late", file="other.py")
    await journalled(journal, room, [*early, late])
    await an_hour_later(everything)
    await extended(pool, room)
    await journal.append([Row(room, uuid4(), 1, [behind])])
    async with tenant_scope(pool, room.tenant) as db:
        room_id = UUID(room.room)
        there = await reach(db, room.tenant, room_id)
        before = await seek(db, room.tenant, room_id, NOON_MS + 59, there)
        after = await seek(db, room.tenant, room_id, NOON_MS + 60, there)
        now = await state_now(db, room.tenant, room_id)
    assert "other.py" not in texts_in(before.state)[0]
    assert texts_in(after.state)[0]["other.py"] == "late"
    assert texts_in(now)[0] == {"main.py": text_of(entries, NOON_MS + STEPS), "other.py": "late"}


async def test_no_keyframe_is_made_where_something_is_missing(
    journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey
) -> None:
    ana = Writer(ANA, 1)
    typed = [ana.type(NOON_MS + number, number, "x") for number in range(130)]
    await journalled(journal, room, [typed[0], *typed[2:110], typed[1], *typed[110:]], per_row=1)
    await an_hour_later(everything)
    assert await extended(pool, room) >= 1
    first = (await reached(pool, room)).frames[1]
    assert first.rows > 109
    assert await text_at(pool, room, NOON_MS + 200) == "x" * 130


class TestRetention:
    async def lose(self, everything: asyncpg.Connection, rows: int) -> None:
        await everything.execute(
            "DELETE FROM collab_journal_history WHERE (committed_at, node_sequence) IN"
            " (SELECT committed_at, node_sequence FROM collab_journal_history"
            " ORDER BY committed_at, node_sequence LIMIT $1)",
            rows,
        )

    async def test_it_goes_back_to_the_first_keyframe_that_is_whole(
        self,
        journal: PostgresJournal,
        pool: asyncpg.Pool,
        everything: asyncpg.Connection,
        room: RoomKey,
        entries: list[Entry],
    ) -> None:
        await journalled(journal, room, entries)
        await journal.compact(room, fold)
        await an_hour_later(everything)
        await extended(pool, room)
        await self.lose(everything, 4)
        there = await reached(pool, room)
        assert not there.complete
        since = there.since_ms
        assert since is not None
        assert since >= NOON_MS + 79
        assert await text_at(pool, room, since) == text_of(entries, since)
        with pytest.raises(NotReplayable) as raised:
            await text_at(pool, room, since - 1)
        assert raised.value.since_ms == since
        await extended(pool, room)
        kept = await everything.fetchval("SELECT min(rows) FROM dojo_room_keyframes")
        assert kept == there.frames[0].rows

    async def test_what_comes_after_a_cut_can_be_replayed_without_what_lies_before(
        self,
        journal: PostgresJournal,
        pool: asyncpg.Pool,
        everything: asyncpg.Connection,
        room: RoomKey,
        entries: list[Entry],
    ) -> None:
        """Far fewer entries than a keyframe is made for, and no keyframe at the cut but for it."""
        await journalled(journal, room, entries[:30], per_row=10)
        await an_hour_later(everything)
        cut = await everything.fetchval("SELECT now() - interval '30 minutes'")
        await journalled(journal, room, entries[30:45], per_row=5)
        await journal.compact(room, fold)
        await everything.execute("UPDATE collab_journal_history SET committed_at = committed_at - interval '1 minute'")
        async with tenant_scope(pool, room.tenant) as db:
            assert await extend(db, room.tenant, UUID(room.room), cut=cut) == 1
            assert await extend(db, room.tenant, UUID(room.room), cut=cut) == 0
        await self.lose(everything, 3)
        there = await reached(pool, room)
        assert (there.since_ms, [frame.rows for frame in there.frames]) == (entries[29].at_ms, [3])
        for at in (entries[29].at_ms, entries[37].at_ms, entries[44].at_ms):
            assert await text_at(pool, room, at) == text_of(entries[:45], at)

    async def test_at_a_cut_where_something_is_missing_the_keyframe_is_of_more_rows(
        self, journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey
    ) -> None:
        ana = Writer(ANA, 1)
        typed = [ana.type(NOON_MS + number, number, "x") for number in range(6)]
        await journalled(journal, room, [typed[0], *typed[2:4]], per_row=1)
        await an_hour_later(everything)
        cut = await everything.fetchval("SELECT now() - interval '30 minutes'")
        await journalled(journal, room, [typed[1], *typed[4:]], per_row=1)
        await everything.execute("UPDATE collab_journal SET committed_at = committed_at - interval '1 minute'")
        async with tenant_scope(pool, room.tenant) as db:
            assert await extend(db, room.tenant, UUID(room.room), cut=cut) == 1
        assert [frame.rows for frame in (await reached(pool, room)).frames] == [0, 6]

    async def test_without_a_keyframe_only_the_present_is_left(
        self,
        journal: PostgresJournal,
        pool: asyncpg.Pool,
        everything: asyncpg.Connection,
        room: RoomKey,
        entries: list[Entry],
    ) -> None:
        await journalled(journal, room, entries)
        await journal.compact(room, fold)
        await self.lose(everything, 1)
        assert (await reached(pool, room)).since_ms is None
        assert await extended(pool, room) == 0
        async with tenant_scope(pool, room.tenant) as db:
            now = await state_now(db, room.tenant, UUID(room.room))
        assert texts_in(now)[0]["main.py"] == text_of(entries, NOON_MS + STEPS)


async def test_several_at_once_make_each_keyframe_once(
    journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey, entries: list[Entry]
) -> None:
    await journalled(journal, room, entries)
    await an_hour_later(everything)
    made = await asyncio.gather(*(extended(pool, room) for _ in range(4)))
    assert sum(made) == await everything.fetchval("SELECT count(*) FROM dojo_room_keyframes")
    assert [await text_at(pool, room, at) for at in MOMENTS] == [text_of(entries, at) for at in MOMENTS]


async def test_another_tenant_has_none_of_it(
    journal: PostgresJournal, pool: asyncpg.Pool, everything: asyncpg.Connection, room: RoomKey, entries: list[Entry]
) -> None:
    await journalled(journal, room, entries)
    await an_hour_later(everything)
    await extended(pool, room)
    async with tenant_scope(pool, uuid4()) as db:
        assert await db.fetchval("SELECT count(*) FROM dojo_room_keyframes") == 0
        assert await extend(db, room.tenant, UUID(room.room)) == 0
        there = await reach(db, room.tenant, UUID(room.room))
        assert (await seek(db, room.tenant, UUID(room.room), NOON_MS + STEPS, there)).state == b"\x00\x00"
