"""The journal does not answer: members are told, edits go on, the backlog has a bound, nothing is lost."""

from __future__ import annotations

from collab_core.journal.memory import MemoryJournal
from collab_core.limits import KIB, Limits
from collab_core.tuning import Tuning
from tests.collab_core.client import big_text, settled
from tests.collab_core.live import live, on_uvloop, until

TUNING = Tuning(heartbeat_seconds=3600, unsaved_after_seconds=0.05)
SMALL = Limits(backlog_bytes_per_room=16 * KIB)


@on_uvloop
async def test_edits_are_shared_and_told_as_unsaved_and_saved_on_return() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=TUNING) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben", dojo=True)
        await ana.until(lambda: ana.saved == 1)
        await ben.until(lambda: ben.saved == 1)
        journal.away = True
        await ana.type("shared")
        await ben.until_text("shared")
        for one in (ana, ben):
            await one.until(lambda one=one: one.told_of("unsaved"))  # type: ignore[misc]
            assert one.told[-1] == {"type": "unsaved", "reason": "journal_unavailable"}
        await ben.type(" and goes on")
        await ana.until_text("shared and goes on")
        assert ana.saved == 1
        assert not journal.store.rows
        journal.away = False
        await ana.until(lambda: ana.saved == 2)
        await ben.until(lambda: ben.saved == 2)
        assert ana.told[-1]["type"] == "saved"
        assert ana.closed is None
        assert len(ana.told_of("unsaved")) == 1


@on_uvloop
async def test_a_journal_that_hangs_is_told_too() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=TUNING) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben", dojo=True)
        await ana.until(lambda: ana.saved == 1)
        await ben.until(lambda: ben.saved == 1)
        journal.hold()
        await ana.type("hanging")
        await ana.until(lambda: ana.told_of("unsaved"))
        journal.release()
        await ana.until(lambda: ana.saved == 2)
        await ben.until(lambda: len(ben.told_of("saved")) == 2)
        assert ben.saved == 1, "who has nothing to be saved is told that all is well again"


@on_uvloop
async def test_who_comes_while_it_is_away_is_told_too() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=TUNING) as server:
        ana = await server.member("ana", dojo=True)
        journal.away = True
        await ana.type("only in memory")
        await ana.until(lambda: ana.told_of("unsaved"))
        ben = await server.member("ben", dojo=True)
        assert ben.text == "only in memory"
        assert [message["type"] for message in ben.told[:2]] == ["joined", "unsaved"]
        journal.away = False
        await ben.until(lambda: ben.told[-1]["type"] == "saved")


@on_uvloop
async def test_past_the_bound_nothing_is_taken_and_on_return_all_of_it_is_fetched() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=TUNING, limits=SMALL) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben")
        await ana.until(lambda: ana.saved == 1)
        journal.away = True
        await ana.type(big_text(20 * KIB))
        await ana.until(lambda: ana.told_of("writable"))
        assert ana.told_of("writable") == [{"type": "writable", "value": False, "reason": "backlog_full"}]
        await ben.until_text(ana.text)
        relayed = ana.text
        await ana.type(" not relayed")
        await ben.update(ben.edit("neither is this ", 0))
        await settled(ana)
        await settled(ben)
        assert server.text() == relayed
        assert server.room().feed.backlog_bytes < 24 * KIB
        newcomer = await server.enter("eve", dojo=True)
        await newcomer.until(lambda: newcomer.told_of("writable"))
        questions = len(ben.step1s)
        journal.away = False
        await ana.until(lambda: ana.told_of("writable")[-1]["value"] is True)
        await ben.until(lambda: len(ben.step1s) > questions)
        for one in (ana, ben):
            await one.until_text("neither is this " + relayed + " not relayed")
        await ana.until(lambda: ana.saved == ana.sent)
        assert server.text() == ana.text
        assert {ana.closed, ben.closed, newcomer.closed} == {None}


@on_uvloop
async def test_the_node_as_a_whole_has_a_bound_too() -> None:
    journal = MemoryJournal()
    async with live(journal=journal, tuning=TUNING, limits=Limits(backlog_bytes=16 * KIB)) as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben", room="another", dojo=True)
        journal.away = True
        await ana.type(big_text(20 * KIB))
        for one in (ana, ben):
            await one.until(lambda one=one: one.told_of("writable"))  # type: ignore[misc]
        await ben.type("later")
        journal.away = False
        await until(lambda: server.text("another") == "later")
        await ben.until(lambda: ben.saved == ben.sent)


@on_uvloop
async def test_what_cannot_be_stored_stops_its_room_and_no_other() -> None:
    journal = MemoryJournal()
    journal.refuse = lambda row: ValueError("this row is cursed") if row.key.room == "cursed" else None
    async with live(journal=journal, tuning=TUNING) as server:
        ana, ben = await server.member("ana", room="cursed", dojo=True), await server.member("ben", dojo=True)
        await ana.type("x")
        await ana.until(lambda: ana.told_of("writable"))
        assert ana.told_of("writable")[0]["value"] is False
        await ben.type("y")
        await ben.until(lambda: ben.saved == 2)
        assert ana.saved == 1
        journal.refuse = lambda _row: None
        await ana.until(lambda: ana.saved == ana.sent)
        assert ana.told_of("writable")[-1]["value"] is True
