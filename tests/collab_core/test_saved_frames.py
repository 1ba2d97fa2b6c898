"""`saved {upTo: n}`: these n messages, and all they depend on, are committed. Never sooner."""

from __future__ import annotations

from pycrdt import create_update_message

from collab_core.journal import envelope
from collab_core.journal.memory import MemoryJournal
from tests.collab_core.client import settled
from tests.collab_core.live import live, on_uvloop, until, user_of


@on_uvloop
async def test_answers_and_updates_are_counted_and_nothing_else() -> None:
    async with live() as server:
        ana = await server.member("ana", dojo=True)
        await ana.until(lambda: ana.saved == 1)  # the answer to the server's question
        await ana.send(b"\x03")
        await ana.type("one")
        await ana.ask()
        await ana.type("two")
        await ana.until(lambda: ana.saved == 3)
        counts = [message["upTo"] for message in ana.told_of("saved")]
        assert counts == sorted(set(counts))


@on_uvloop
async def test_nothing_is_saved_before_it_is_committed_and_nobody_waits_for_that() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben")
        await ana.until(lambda: ana.saved == 1)
        journal.hold()
        await ana.type("at once")
        await ben.until_text("at once")
        await journal.held.wait()
        await settled(ana)
        assert ana.saved == 1
        journal.release()
        await ana.until(lambda: ana.saved == 2)
        assert [envelope.decode(row.entries)[0].author for row in journal.store.rows.values()] == [user_of("ana")]


@on_uvloop
async def test_many_updates_are_told_by_few_frames() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana = await server.member("ana", dojo=True)
        await ana.until(lambda: ana.saved == 1)
        journal.hold()
        for _ in range(200):
            await ana.type("x")
        await ana.until_heard()
        journal.release()
        await ana.until(lambda: ana.saved == 201)
        assert len(ana.told_of("saved")) <= 4
        assert sum(len(envelope.decode(row.entries)) for row in journal.store.rows.values()) == 200


@on_uvloop
async def test_what_brings_nothing_new_is_saved_when_what_it_repeats_is() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana, ben = await server.member("ana"), await server.member("ben", dojo=True)
        await ben.until(lambda: ben.saved == 1)
        journal.hold()
        update = ana.edit("somebody else's")
        await ana.update(update)
        await ben.until_text("somebody else's")
        await ben.update(update)
        await settled(ben)
        await journal.held.wait()
        assert ben.saved == 1
        journal.release()
        await ben.until(lambda: ben.saved == 2)
        await ben.update(update)
        await ben.until(lambda: ben.saved == 3)


@on_uvloop
async def test_what_waits_is_not_saved_and_neither_is_what_comes_after_it() -> None:
    async with live() as server:
        ana = await server.member("ana", dojo=True)
        await ana.until(lambda: ana.saved == 1)
        ana.answers = False
        ana.frames.clear()
        missing = ana.edit("one ")
        await ana.type("two ")
        other = await server.client()
        await ana.update(other.edit("independent"))
        await until(lambda: server.text() == "independent")
        await until(lambda: server.room().feed.committed == 1)
        await settled(ana)
        assert ana.saved == 0
        await ana.update(missing)
        await ana.until(lambda: ana.saved == 4)


@on_uvloop
async def test_an_answer_stands_for_all_that_was_sent_before_it() -> None:
    async with live() as server:
        ana = await server.member("ana", dojo=True)
        await ana.until(lambda: ana.saved == 1)
        ana.answers = False
        ana.frames.clear()
        ana.edit("never sent alone ")
        for word in ("a", "b", "c"):
            await ana.type(word)
        await ana.until(lambda: ana.step1s)
        await ana.answer(ana.step1s[0])
        await ana.until(lambda: ana.saved == ana.sent == 5)


@on_uvloop
async def test_each_update_is_journaled_as_it_came() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben", dojo=True)
        first, second = ana.edit("from ana"), ben.edit("from ben")
        ana.send_now(create_update_message(first))
        ben.send_now(create_update_message(second))
        await until(lambda: server.room().feed.committed == 2)
        entries = [entry for row in journal.store.rows.values() for entry in envelope.decode(row.entries)]
        assert {(entry.author, entry.update) for entry in entries} == {
            (user_of("ana"), first),
            (user_of("ben"), second),
        }


@on_uvloop
async def test_plain_members_are_told_nothing() -> None:
    async with live() as server:
        ana = await server.member("ana")
        await ana.type("x")
        await until(lambda: server.room().feed.committed == 1)
        await settled(ana)
        assert ana.told == []
