"""What every journal promises, asked of the one in memory and of the one in Postgres alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import uuid4

import pytest

from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.journal.port import Entry, Row
from collab_core.journal.postgres import PostgresJournal
from tests.collab_core.journal.watching import ACME, GLOBEX, ROOM, entry, join, rows
from tests.conftest import Database

AnyJournal = MemoryJournal | PostgresJournal
Nodes = Callable[[], Awaitable[AnyJournal]]


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> MemoryStore | Database:
    """Where the nodes' journals are."""
    if request.param == "memory":
        return MemoryStore()
    database: Database = request.getfixturevalue("database")
    return database


@pytest.fixture
async def nodes(store: MemoryStore | Database) -> AsyncIterator[Nodes]:
    """Opens one more node's journal on the same store."""
    opened: list[AnyJournal] = []

    async def another() -> AnyJournal:
        if isinstance(store, MemoryStore):
            opened.append(MemoryJournal(store))
        else:
            opened.append(await PostgresJournal.open(store.dsn("dojo_journal"), store.dsn("dojo_service")))
        return opened[-1]

    yield another
    for journal in opened:
        await journal.close()


@pytest.fixture
async def journal(nodes: Nodes) -> AnyJournal:
    return await nodes()


async def updates_of(journal: AnyJournal, key: RoomKey = ROOM) -> list[bytes]:
    return sorted((await journal.load(key)).updates)


async def test_an_unknown_room_is_empty(journal: AnyJournal) -> None:
    loaded = await journal.load(ROOM)
    assert loaded.base == b""
    assert list(loaded.updates) == []
    assert await journal.compact(ROOM, join) == 0


async def test_what_is_appended_is_loaded(journal: AnyJournal) -> None:
    await journal.append([])
    await journal.append([Row(ROOM, uuid4(), 1, [entry(b"a"), entry(b"b"), entry(b"")])])
    await journal.append(rows(b"c"))
    assert await updates_of(journal) == [b"", b"a", b"b", b"c"]


async def test_rooms_of_two_tenants_with_the_same_name_are_different(journal: AnyJournal) -> None:
    epoch = uuid4()
    mine, theirs = RoomKey(ACME, "kata"), RoomKey(GLOBEX, "kata")
    await journal.append([Row(mine, epoch, 1, [entry(b"mine")]), Row(theirs, epoch, 2, [entry(b"theirs")])])
    assert await updates_of(journal, mine) == [b"mine"]
    assert await updates_of(journal, theirs) == [b"theirs"]
    assert await journal.compact(mine, join) == 1
    assert await updates_of(journal, theirs) == [b"theirs"]
    assert (await journal.load(theirs)).base == b""


async def test_a_row_is_stored_once_however_often_it_is_sent(journal: AnyJournal) -> None:
    batch = rows(b"a", b"b")
    await journal.append(batch)
    await journal.append(batch)
    await journal.append([*batch, *batch])
    assert await updates_of(journal) == [b"a", b"b"]


async def test_a_retried_row_does_not_keep_its_new_neighbours_out(journal: AnyJournal) -> None:
    epoch = uuid4()
    await journal.append([Row(ROOM, epoch, 1, [entry(b"a")])])
    await journal.append([Row(ROOM, epoch, 1, [entry(b"a")]), Row(ROOM, epoch, 2, [entry(b"b")])])
    assert await updates_of(journal) == [b"a", b"b"]


async def test_the_same_number_in_another_epoch_is_another_row(journal: AnyJournal) -> None:
    await journal.append(rows(b"a"))
    await journal.append(rows(b"b"))
    assert await updates_of(journal) == [b"a", b"b"]


async def test_compaction_folds_into_the_base_and_moves_to_the_history(journal: AnyJournal) -> None:
    await journal.append(rows(b"a", b"b"))
    assert await journal.compact(ROOM, join) == 2
    loaded = await journal.load(ROOM)
    assert (loaded.base, list(loaded.updates)) == (b"a|b", [])
    await journal.append(rows(b"c"))
    loaded = await journal.load(ROOM)
    assert (loaded.base, list(loaded.updates)) == (b"a|b", [b"c"])
    assert await journal.compact(ROOM, join) == 1
    assert (await journal.load(ROOM)).base == b"a|b|c"
    assert await journal.compact(ROOM, join) == 0
    assert (await journal.load(ROOM)).base == b"a|b|c"


async def test_a_fold_that_fails_changes_nothing(journal: AnyJournal) -> None:
    await journal.append(rows(b"a"))

    def broken(_base: bytes, _updates: Sequence[bytes]) -> bytes:
        raise ZeroDivisionError("the fold")

    with pytest.raises(ZeroDivisionError, match="the fold"):
        await journal.compact(ROOM, broken)
    loaded = await journal.load(ROOM)
    assert (loaded.base, list(loaded.updates)) == (b"", [b"a"])
    assert await journal.compact(ROOM, join) == 1


async def test_a_large_room_is_folded_whole(journal: AnyJournal) -> None:
    updates = [b"%05d" % number for number in range(3_000)]
    await journal.append([Row(ROOM, uuid4(), 1, [entry(update) for update in updates])])
    assert await journal.compact(ROOM, join) == 1
    assert (await journal.load(ROOM)).base == b"|".join(updates)


async def test_appends_go_on_while_a_fold_runs(nodes: Nodes) -> None:
    node, other = await nodes(), await nodes()
    await node.append(rows(*(b"%03d" % number for number in range(300))))
    stop = asyncio.Event()
    appended: list[bytes] = []

    async def keep_appending() -> None:
        while not stop.is_set():
            update = b"late-%06d" % len(appended)
            await other.append(rows(update))
            appended.append(update)

    typing = asyncio.create_task(keep_appending())
    folded = 0
    for _ in range(10):
        folded += await node.compact(ROOM, join)
    stop.set()
    await typing
    assert 300 <= folded <= 300 + len(appended)
    loaded = await node.load(ROOM)
    everything = sorted([*loaded.base.split(b"|"), *loaded.updates])
    assert everything == sorted([*(b"%03d" % number for number in range(300)), *appended])


async def test_of_two_compactors_one_works(nodes: Nodes) -> None:
    node, other = await nodes(), await nodes()
    await node.append(rows(b"a", b"b"))
    results = await asyncio.gather(*(journal.compact(ROOM, join) for journal in (node, other) for _ in range(3)))
    assert sum(results) == 2
    assert sorted(results)[:-1] == [0] * 5
    assert (await node.load(ROOM)).base == b"a|b"


async def test_history_has_every_entry_once_with_author_and_time(nodes: Nodes) -> None:
    node, other = await nodes(), await nodes()
    said: list[Entry] = []
    for number in range(5):
        spoken = [entry(b"%d-%d" % (number, n), 1_790_000_000_000 + 10 * number - n, uuid4()) for n in range(3)]
        said += spoken
        await (node, other)[number % 2].append([Row(ROOM, uuid4(), 1, spoken)])
        if number in {1, 3}:
            await node.compact(ROOM, join)
    kept = [(at, entries) async for at, entries in other.history(ROOM)]
    assert [one for _at, entries in kept for one in entries] == said
    times = [at for at, _entries in kept]
    assert times == sorted(times)
    assert [entries async for _at, entries in node.history(RoomKey(ACME, "other"))] == []


async def test_history_gives_a_row_once_that_was_sent_again_after_it_was_folded(journal: AnyJournal) -> None:
    batch = rows(b"a")
    await journal.append(batch)
    await journal.compact(ROOM, join)
    await journal.append(batch)
    assert list((await journal.load(ROOM)).updates) == [b"a"]
    await journal.compact(ROOM, lambda base, _updates: base)
    assert [[one.update for one in entries] async for _at, entries in journal.history(ROOM)] == [[b"a"]]


async def test_history_is_read_page_by_page(journal: AnyJournal) -> None:
    epoch = uuid4()
    for half in range(2):
        await journal.append([Row(ROOM, epoch, half * 450 + n, [entry(b"%d" % n)]) for n in range(450)])
    assert await journal.compact(ROOM, join) == 900
    assert len([entries async for _at, entries in journal.history(ROOM)]) == 900


async def test_since_a_moment_only_what_came_after_is_sure_to_be_given(journal: AnyJournal, nodes: Nodes) -> None:
    await journal.append(rows(b"old"))
    first = await journal.load(ROOM)
    epoch = uuid4()
    await (await nodes()).append([Row(ROOM, epoch, 7, [entry(b"new")])])
    later = await journal.since(ROOM, first.moment)
    assert b"new" in later.updates
    assert (epoch, 7) in {(row.epoch, row.sequence) for row in later.rows}
    assert later.moment >= first.moment
    assert later.base == b""
    assert await journal.compact(ROOM, join) == 2
    folded = await journal.since(ROOM, later.moment)
    assert folded.base == b"new|old"
    assert list(folded.rows) == []


async def test_two_nodes_commit_the_same_rows_at_one_moment(journal: AnyJournal, nodes: Nodes) -> None:
    """In opposite orders: neither may wait for the other."""
    other = await nodes()
    mine, theirs = uuid4(), uuid4()
    for start in range(0, 400, 40):
        batch = [
            Row(ROOM, epoch, number, [entry(b"x")]) for number in range(start, start + 40) for epoch in (mine, theirs)
        ]
        await asyncio.gather(journal.append(batch), other.append(batch[::-1]))
    assert len(await updates_of(journal)) == 800
