"""A member that may not write: it reads, shows itself, and is refused when it edits."""

from __future__ import annotations

import copy

from collab_core.closes import CloseCode
from collab_core.journal.memory import MemoryJournal, MemoryStore
from tests.collab_core.client import presence, settled
from tests.collab_core.live import live, on_uvloop


@on_uvloop
async def test_it_reads_and_shows_where_it_is() -> None:
    async with live() as server:
        ana, reader = await server.member("ana"), await server.member("reader", write=False)
        await ana.type("to read")
        await reader.until_text("to read")
        await reader.send(presence(9))
        await ana.until(lambda: presence(9) in ana.awareness)


@on_uvloop
async def test_what_brings_nothing_new_is_ignored() -> None:
    async with live() as server:
        ana, reader = await server.member("ana"), await server.member("reader", write=False, dojo=True)
        update = ana.edit("known")
        await ana.update(update)
        await ana.update(ana.cut(0, 2))
        await reader.until_text("own")
        await reader.update(update)
        await reader.answer(b"\x00\x00\x01\x00")
        await reader.update(b"\x00\x00")
        await reader.until_heard()
        assert reader.closed is None
        assert not reader.told_of("reset")
        await reader.until(lambda: reader.saved == reader.sent == 4)


@on_uvloop
async def test_an_edit_closes_a_plain_member_for_good() -> None:
    async with live() as server:
        ana, reader = await server.member("ana"), await server.member("reader", write=False)
        await reader.type("mine")
        assert (await reader.until_closed()).code == CloseCode.FORBIDDEN
        assert CloseCode.FORBIDDEN.permanent
        await settled(ana)
        assert ana.text == server.text() == ""
        assert server.metrics.closes == {"forbidden": 1}
        assert server.metrics.updates_refused == 1


@on_uvloop
async def test_an_edit_that_misses_a_dependency_is_an_edit() -> None:
    async with live() as server:
        reader = await server.member("reader", write=False)
        reader.edit("first")
        await reader.update(reader.edit("second"))
        assert (await reader.until_closed()).code == CloseCode.FORBIDDEN
        assert server.metrics.updates_held == 0


@on_uvloop
async def test_an_offline_edit_brought_by_the_first_sync_is_an_edit() -> None:
    async with live() as server:
        reader = await server.enter("reader", write=False)
        reader.answers = False
        reader.edit("offline")
        await reader.until(lambda: reader.step1s)
        await reader.answer(reader.step1s[0])
        assert (await reader.until_closed()).code == CloseCode.FORBIDDEN


@on_uvloop
async def test_deleting_is_editing() -> None:
    async with live() as server:
        ana, reader = await server.member("ana"), await server.member("reader", write=False)
        await ana.type("keep this")
        await reader.until_text("keep this")
        await reader.update(reader.cut(0, 4))
        assert (await reader.until_closed()).code == CloseCode.FORBIDDEN
        assert server.text() == "keep this"


@on_uvloop
async def test_what_others_wrote_and_a_dead_node_had_not_committed_is_not_the_readers_fault() -> None:
    store = MemoryStore()
    async with live(journal=MemoryJournal(store)) as server:
        ana, reader = await server.member("ana", dojo=True), await server.member("reader", write=False)
        await ana.type("saved")
        await ana.until(lambda: ana.saved == ana.sent)
        kept = copy.deepcopy(store)
        await ana.type(", shown")
        await reader.until_text("saved, shown")
    async with live(journal=MemoryJournal(kept)) as server:
        back = await server.enter("reader", write=False)
        back.doc.apply_update(reader.doc.get_update())
        assert (await back.until_closed()).code == CloseCode.GAP, "come again"
        assert server.text() == "saved"
        author = await server.enter("ana")
        author.doc.apply_update(ana.doc.get_update())
        await author.until(lambda: server.text() == "saved, shown")
        again = await server.enter("reader", write=False)
        again.doc.apply_update(reader.doc.get_update())
        await again.until(lambda: again.step1s)
        await again.sync()
        await again.until_heard()
        assert again.closed is None
        await again.type("mine")
        assert (await again.until_closed()).code == CloseCode.FORBIDDEN
