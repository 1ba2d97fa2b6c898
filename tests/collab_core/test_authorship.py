"""Nobody writes under another person's client id: not while they are away, not after compaction, not after a restart.
And what the server had shown everyone and not committed still comes back with anyone who has it."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Doc, Text, merge_updates

from collab_core.authorship import learn, owners_of
from collab_core.closes import CloseCode
from collab_core.journal.memory import MemoryJournal, MemoryStore
from collab_core.journal.port import Entry
from collab_core.journal.postgres import PostgresJournal
from collab_core.limits import Limits
from collab_core.owners import Owners
from collab_core.splice import Splice
from collab_core.tuning import Tuning
from tests.collab_core.client import Client, presence, settled
from tests.collab_core.live import CALM, SLEEPY, Live, live, on_uvloop, until, user_of
from tests.conftest import Database

LATER = Tuning(heartbeat_seconds=3600, presence_floor_seconds=0.001, healing_seconds=0.0)
"""The time to heal is over as soon as a room is open."""


def forged(document: Doc[Text], text: str = "forged") -> bytes:
    """An update that goes on where `document` stands, under its client id; the document itself learns nothing of it."""
    twin: Doc[Text] = Doc(client_id=document.client_id)
    twin.apply_update(document.get_update())
    state = twin.get_state()
    content = twin.get("t", type=Text)
    content += text
    return twin.get_update(state)


async def typed(server: Live, text: str, user: str = "ana", **how: Any) -> Client:
    """A member who has typed, and whose edit is committed."""
    member = await server.member(user, **how)
    await member.type(text)
    await until(lambda: server.text() == text)
    assert await server.writer.drain(10.0)
    return member


async def asleep(server: Live) -> None:
    """The last member has left, and the room is folded and gone."""
    await until(lambda: not server.hub.rooms and not server.hub._compactions)


@pytest.mark.parametrize("way", ["update", "bring"])
@pytest.mark.parametrize("here", [True, False], ids=["here", "away"])
@pytest.mark.parametrize("tuning", [CALM, LATER], ids=["just opened", "later"])
@on_uvloop
async def test_structs_under_another_persons_id_are_refused(way: str, here: bool, tuning: Tuning) -> None:
    async with live(tuning=tuning) as server:
        ana = await typed(server, "hers ")
        mallory = await server.member("mallory")
        if not here:
            await ana.end()
        await getattr(mallory, way)(forged(ana.doc))
        closed = await mallory.until_closed()
        if way == "update" or tuning is LATER:
            assert closed == (CloseCode.FORBIDDEN, "not_yours")
        else:  # it may be what the two told each other past the server: the owner is writing here, and will bring it
            assert closed == (CloseCode.GAP, "gap")
        assert server.text() == "hers "
        back = await server.enter("ana")
        back.carry(ana.doc)
        await back.sync()
        await back.type("too")
        await until(lambda: server.text() == "hers too")
        assert back.closed is None


@on_uvloop
async def test_a_dojo_member_is_told_to_start_over() -> None:
    async with live() as server:
        ana, mallory = await typed(server, "hers"), await server.member("mallory", dojo=True)
        await mallory.update(forged(ana.doc))
        await mallory.until(lambda: mallory.told_of("reset"))
        assert mallory.told_of("reset") == [{"type": "reset", "reason": "not_yours"}]
        mallory.start_over()
        await mallory.sync()
        await mallory.type("!")
        await ana.until(lambda: sorted(ana.text) == sorted("hers!"))
        assert server.room().owners.user_of(mallory.doc.client_id, 0) == user_of("mallory")


@on_uvloop
async def test_forged_among_ones_own_takes_all_of_it_down() -> None:
    async with live() as server:
        ana, mallory = await typed(server, "hers"), await server.member("mallory")
        await mallory.update(merge_updates(forged(ana.doc), mallory.edit("mine")))
        assert (await mallory.until_closed()).code == CloseCode.FORBIDDEN
        assert server.text() == "hers"


@on_uvloop
async def test_what_waits_is_judged_when_it_can_be_taken() -> None:
    async with live() as server:
        ana, mallory = await typed(server, "hers "), await server.member("mallory")
        mallory.answers = False
        missing = ana.edit("one ")
        await mallory.update(forged(ana.doc))
        await until(lambda: server.metrics.updates_held == 1)
        await ana.update(missing)
        assert await mallory.until_closed() == (CloseCode.FORBIDDEN, "not_yours")
        assert server.text() == "hers one "


@on_uvloop
async def test_ones_own_id_on_ones_own_other_connection() -> None:
    async with live() as server:
        ana, tab = await typed(server, "one "), await server.member("ana")
        await tab.update(ana.edit("two"))
        await until(lambda: server.text() == "one two")
        assert tab.closed is None


@on_uvloop
async def test_what_is_known_may_be_sent_again_by_anyone() -> None:
    async with live(tuning=LATER) as server:
        ana, ben = await typed(server, "hers"), await server.member("ben")
        for _ in range(2):
            await ben.update(ana.doc.get_update())
            await ben.bring(ana.doc.get_update())
        await ben.type("!")
        await until(lambda: len(server.text()) == len("hers!"))
        assert ben.closed is None


@on_uvloop
async def test_nobody_begins_under_an_id_that_another_shows() -> None:
    async with live(tuning=LATER) as server:
        ana, mallory = await server.member("ana"), await server.member("mallory")
        await ana.send(presence(ana.doc.client_id))
        await mallory.until(lambda: mallory.awareness)
        await mallory.update(forged(ana.doc))
        assert await mallory.until_closed() == (CloseCode.FORBIDDEN, "not_yours")
        await ana.type("hers")
        await until(lambda: server.text() == "hers")


@on_uvloop
async def test_the_owner_is_known_after_sleep_and_after_a_restart() -> None:
    """After sleep the owners come from what compaction kept, after the restart from rows that are not folded."""
    store = MemoryStore()
    async with live(journal=MemoryJournal(store), tuning=SLEEPY) as server:
        ana = await typed(server, "folded ")
        await ana.end()
        await asleep(server)
        mallory = await server.member("mallory")
        assert not (await server.hub._journal.load(server.room().key)).entries
        await mallory.bring(forged(ana.doc))
        assert await mallory.until_closed() == (CloseCode.FORBIDDEN, "not_yours"), "it slept: there is nothing to heal"
        again = await server.enter("ana")
        again.carry(ana.doc)
        await again.sync()
        await again.type("not folded")
        await until(lambda: server.text() == "folded not folded")
        assert await server.writer.drain(10.0)
    async with live(journal=MemoryJournal(store), tuning=LATER) as server:
        mallory = await server.member("mallory")
        assert server.room().owners.ranges(ana.doc.client_id)[-1][1:] == (17, user_of("ana"))
        await mallory.update(forged(again.doc))
        assert await mallory.until_closed() == (CloseCode.FORBIDDEN, "not_yours")
        assert server.text() == "folded not folded"


async def lost(writer: MemoryStore, text: str, more: str) -> tuple[Doc[Text], Doc[Text]]:
    """A server that dies having shown `more` of ana's to ben and committed only `text`; the two documents."""
    journal = MemoryJournal(writer)
    server = Live(journal, Limits(), CALM)
    server.writer.start()
    server.port = await server.server.start("127.0.0.1", 0)
    ana, ben = await server.member("ana"), await server.member("ben")
    if text:
        await ana.type(text)
        await ben.until_text(text)
        assert await server.writer.drain(10.0)
    journal.away = True
    await ana.type(more)
    await ben.until_text(text + more)
    documents = ana.doc, ben.doc
    for client in (ana, ben):
        await client.end()
    await server.writer.close()  # as a crash: nothing is drained
    await server.server.stop(0.01)
    return documents


async def returning(server: Live, user: str, doc: Doc[Text], **how: Any) -> Client:
    member = await server.enter(user, **how)
    member.carry(doc)
    await member.sync()
    return member


@pytest.mark.parametrize("committed", ["kept ", ""], ids=["known id", "new id"])
@on_uvloop
async def test_what_was_shown_and_not_committed_comes_back_with_anyone(committed: str) -> None:
    """On the node that takes over; and its author, who comes later, types on."""
    store = MemoryStore()
    ana_doc, ben_doc = await lost(store, committed, "shown")
    async with live(journal=MemoryJournal(store)) as second:
        ben = await returning(second, "ben", ben_doc, dojo=True)
        await until(lambda: second.text() == committed + "shown")
        await ben.type("!")
        await ben.until(lambda: ben.saved == ben.sent)
        expected = user_of("ana" if committed else "ben")
        assert second.room().owners.user_of(ana_doc.client_id, len(committed)) == expected
        ana = await returning(second, "ana", ana_doc)
        await ana.until_text(committed + "shown!")
        await ana.type("?")
        await ben.until_text(committed + "shown!?")
        assert second.room().owners.sole[ana_doc.client_id] == user_of("ana")
        assert await second.writer.drain(10.0)
    async with live(journal=MemoryJournal(store)) as third:
        await third.member("late")
        owners = third.room().owners
        assert third.text() == committed + "shown!?"
        assert owners.sole == {ana_doc.client_id: user_of("ana"), ben_doc.client_id: user_of("ben")}


@on_uvloop
async def test_when_the_time_to_heal_is_over_it_comes_back_with_its_author_alone() -> None:
    store = MemoryStore()
    ana_doc, ben_doc = await lost(store, "kept ", "shown")
    async with live(journal=MemoryJournal(store), tuning=LATER) as server:
        ben = await returning(server, "ben", ben_doc)
        assert await ben.until_closed() == (CloseCode.FORBIDDEN, "not_yours")
        await returning(server, "ana", ana_doc)
        await until(lambda: server.text() == "kept shown")
        ben = await returning(server, "ben", ben_doc)
        await settled(ben)
        assert ben.closed is None


@on_uvloop
async def test_a_live_update_heals_nothing() -> None:
    store = MemoryStore()
    ana_doc, _ = await lost(store, "kept ", "shown")
    async with live(journal=MemoryJournal(store)) as server:
        mallory = await server.member("mallory")
        await mallory.update(ana_doc.get_update())
        assert await mallory.until_closed() == (CloseCode.FORBIDDEN, "not_yours")


@on_uvloop
async def test_of_what_comes_early_the_senders_own_is_taken() -> None:
    """Ana and ben met past the server; she is writing here, so hers is left to her."""
    async with live() as server:
        ana, ben = await typed(server, "a"), await server.member("ben")
        await ben.until_text("a")
        hers = ana.edit("b")
        ben.doc.apply_update(hers)
        own = ben.edit("first ", 0)
        await ben.bring(merge_updates(hers, own))
        assert (await ben.until_closed()).code == CloseCode.GAP
        assert server.text() == "first a"
        await ana.update(hers)
        again = await returning(server, "ben", ben.doc)
        await again.until_text("first ab")
        assert server.text() == "first ab"
        assert again.closed is None


# Edits on somebody's behalf


@on_uvloop
async def test_composed_edits_are_their_authors_and_reach_everyone() -> None:
    store = MemoryStore()
    async with live(journal=MemoryJournal(store)) as server:
        ana = await server.member("ana")
        room = server.room()
        room.compose(user_of("json1"), "t", [Splice(0, 0, "one \U0001f600 ")])
        room.compose(user_of("json2"), "t", [Splice(0, 3, "uno"), Splice(6, 6, "two")])
        before = room.feed.appended
        assert room.compose(user_of("json2"), "t", []) == before, "no change is no edit"
        await ana.until_text("uno \U0001f600 two")
        [(client, end)] = room.log.state.items()
        assert [user for _, _, user in room.owners.ranges(client)] == [user_of("json1"), user_of("json2")]
        with pytest.raises(ValueError, match="does not fit"):
            room.compose(user_of("json1"), "t", [Splice(0, 99, "")])
        mallory = await server.member("json1")
        await mallory.update(_under(client, end, mallory.doc))
        assert await mallory.until_closed() == (CloseCode.FORBIDDEN, "not_yours"), "the room's own id is nobody's"
        assert await server.writer.drain(10.0)
    async with live(journal=MemoryJournal(store)) as server:
        await server.member("late")
        assert server.text() == "uno \U0001f600 two"
        assert [user for _, _, user in server.room().owners.ranges(client)] == [user_of("json1"), user_of("json2")]


def _under(client: int, clock: int, known: Doc[Text]) -> bytes:
    twin: Doc[Text] = Doc(client_id=client)
    twin.apply_update(known.get_update())
    state = twin.get_state()
    content = twin.get("t", type=Text)
    content += "forged"
    assert clock
    return twin.get_update(state)


# From the journal


def test_rows_teach_in_any_order() -> None:
    ana, ben = Doc[Text](client_id=7), Doc[Text](client_id=8)
    made: list[bytes] = []
    subscription = ana.observe(lambda event: made.append(event.update))
    text = ana.get("t", type=Text)
    for letter in "abcdef":
        text += letter
    ana.unobserve(subscription)
    ben.apply_update(ana.get_update())
    state = ben.get_state()
    words = ben.get("t", type=Text)
    words += "!"
    entries = [
        Entry(user_of("ben"), 0, merge_updates(*made[:3]), healed=True),
        Entry(user_of("ana"), 1, made[4]),
        Entry(user_of("ben"), 2, ben.get_update(state)),
        Entry(user_of("ana"), 3, made[3]),
        Entry(user_of("ana"), 3, b"no update at all"),
    ]
    for order in (entries, entries[::-1]):
        owners = Owners()
        learn(owners, [entry for entry in order if entry.update != b"no update at all"])
        assert [(start, end) for start, end, _ in owners.ranges(7)][-1][1] == 5
        assert {owners.user_of(7, clock) for clock in range(5)} == {user_of("ana")}
        assert owners.sole == {7: user_of("ana"), 8: user_of("ben")}
    owners = Owners()
    learn(owners, entries[4:])
    assert owners == Owners()


async def test_compaction_keeps_the_owners_in_its_own_transaction(database: Database) -> None:
    journal = await PostgresJournal.open(database.dsn("dojo_journal"), database.dsn("dojo_service"))
    try:
        async with live(journal=journal, tuning=SLEEPY) as server:
            ana = await typed(server, "folded")
            key = server.room().key
            await ana.end()
            await asleep(server)
        loaded = await journal.load(key)
        assert not loaded.entries
        assert owners_of(loaded).sole == {ana.doc.client_id: user_of("ana")}

        def fails(_base: bytes, _updates: object) -> bytes:
            raise RuntimeError("the fold failed")

        async with live(journal=journal) as server:
            ben = await typed_on(server)
        with pytest.raises(RuntimeError, match="the fold failed"):
            await journal.compact(key, fails)
        assert (await journal.load(key)).owners == loaded.owners
        assert owners_of(await journal.load(key)).sole == {
            ana.doc.client_id: user_of("ana"),
            ben.doc.client_id: user_of("ben"),
        }
    finally:
        await journal.close()


async def typed_on(server: Live) -> Client:
    ben = await server.member("ben")
    await ben.type("!")
    await until(lambda: server.text() == "folded!")
    assert await server.writer.drain(10.0)
    return ben
