"""The engine fails on an update: its sender pays, the room does not notice.

Every update that is known to make pycrdt panic is refused before it gets there (`tests/hostile`), so here the engine
is made to fail: it takes the update, which is the worst it was seen to do, and then says that it could not.
"""

from __future__ import annotations

import pytest
from pycrdt import Doc, Text, create_update_message, merge_updates

from collab_core.closes import CloseCode
from collab_core.document import Document
from collab_core.engine import EngineRefused
from collab_core.journal.memory import MemoryJournal
from collab_core.limits import Limits
from tests.collab_core.live import live, on_uvloop, until

BOMB = "BOOM"


@pytest.fixture(autouse=True)
def fragile_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails on what contains `BOMB`, and is changed nevertheless."""
    apply = Document.apply

    def fail(self: Document, update: bytes) -> None:
        apply(self, update)
        if BOMB.encode() in update:
            raise EngineRefused("PanicException: called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(Document, "apply", fail)


@on_uvloop
async def test_the_sender_is_closed_for_good_and_the_room_is_intact() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana, ben, mallory = await server.member("ana"), await server.member("ben"), await server.member("mallory")
        await ana.type("honest")
        await ben.until_text("honest")
        await mallory.type(BOMB)
        assert (await mallory.until_closed()).code == CloseCode.MALFORMED
        assert CloseCode.MALFORMED.permanent
        assert server.metrics.closes == {"malformed": 1}
        assert server.metrics.engine_faults == 1
        await ben.type(" work")
        await ana.until_text("honest work")
        assert server.text() == (await server.member("eve")).text == "honest work"
        await until(lambda: server.room().feed.committed == 2)
    async with live(journal=journal) as server:
        assert (await server.member("eve")).text == "honest work"


@on_uvloop
async def test_it_fails_while_the_journal_is_away_just_the_same() -> None:
    journal = MemoryJournal()
    async with live(journal=journal) as server:
        ana, mallory = await server.member("ana", dojo=True), await server.member("mallory")
        journal.away = True
        await ana.type("not saved yet")
        await mallory.until_text("not saved yet")
        await mallory.type(BOMB)
        assert (await mallory.until_closed()).code == CloseCode.MALFORMED
        assert server.text() == (await server.member("eve")).text == "not saved yet"
        journal.away = False
        await ana.until(lambda: ana.saved == ana.sent)


@on_uvloop
async def test_it_is_found_among_the_good_ones_of_the_same_moment() -> None:
    async with live() as server:
        ana, ben, mallory = await server.member("ana"), await server.member("ben"), await server.member("mallory")
        ana.send_now(create_update_message(ana.edit("a")))
        mallory.send_now(create_update_message(mallory.edit(BOMB)))
        ben.send_now(create_update_message(ben.edit("b")))
        assert (await mallory.until_closed()).code == CloseCode.MALFORMED
        for one in (ana, ben):
            await one.until(lambda one=one: sorted(one.text) == ["a", "b"])  # type: ignore[misc]
            assert one.closed is None
        assert ana.text == ben.text == server.text()


@on_uvloop
async def test_what_was_merged_with_it_is_refused_as_a_whole() -> None:
    async with live() as server:
        ana, mallory = await server.member("ana"), await server.member("mallory")
        await ana.type("x")
        await mallory.until_text("x")
        other: Doc[Text] = Doc()
        other.get("t", type=Text).insert(0, "good")
        await mallory.update(merge_updates(other.get_update(), mallory.edit(BOMB)))
        assert (await mallory.until_closed()).code == CloseCode.MALFORMED
        assert server.text() == "x"


@on_uvloop
async def test_one_that_waited_and_fails_when_it_is_taken_costs_its_sender_alone() -> None:
    async with live() as server:
        ana, mallory = await server.member("ana"), await server.member("mallory")
        await mallory.until_heard()
        mallory.answers = False
        missing = mallory.edit("missing")
        await mallory.type(BOMB)
        await until(lambda: server.metrics.updates_held == 1)
        await ana.pass_on(missing)
        assert (await mallory.until_closed()).code == CloseCode.MALFORMED
        assert server.text() == "missing"
        await ana.type("!")
        eve = await server.member("eve")
        assert sorted(eve.text) == sorted("missing!")
        assert ana.closed is None


@on_uvloop
async def test_the_third_time_bans_the_user_from_the_room_on_all_connections() -> None:
    async with live(limits=Limits(panics_per_user=3)) as server:
        ana, second_tab = await server.member("ana"), await server.member("mallory")
        for _ in range(3):
            assert second_tab.closed is None
            mallory = await server.member("mallory")
            await mallory.type(BOMB)
            assert (await mallory.until_closed()).code == CloseCode.MALFORMED
        assert (await second_tab.until_closed()).code == CloseCode.FORBIDDEN
        banned = await server.enter("mallory")
        assert (await banned.until_closed()).code == CloseCode.FORBIDDEN
        await server.member("mallory", room="another")
        await ana.type("y")
        assert (await server.member("ben")).text == "y"


@on_uvloop
async def test_a_room_with_too_many_faults_takes_no_edits() -> None:
    async with live(limits=Limits(panics_per_room=2)) as server:
        ana = await server.member("ana", dojo=True)
        await ana.type("x")
        await until(lambda: server.text() == "x")
        for number in (1, 2):
            mallory = await server.member(f"mallory{number}")
            await mallory.type(BOMB)
            await mallory.until_closed()
        await ana.until(lambda: ana.told_of("writable"))
        assert ana.told_of("writable") == [{"type": "writable", "value": False, "reason": "engine_faults"}]
        await ana.type("y")
        await ana.until_heard()
        assert server.text() == "x"
        assert (await server.member("ben")).text == "x"
        assert ana.closed is None
