"""`reset`: a `dojo.v1` member whose document has diverged starts over on the same connection."""

from __future__ import annotations

from collab_core.closes import CloseCode
from tests.collab_core.client import Client, deletion, settled
from tests.collab_core.live import live, on_uvloop

EMOJI = "\U0001f600"
"""Two UTF-16 code units, hence two clocks."""


async def halve(client: Client) -> None:
    """Delete the first half of an emoji that is the first thing this client typed."""
    await client.update(deletion(client.doc.client_id, 0, 1))


@on_uvloop
async def test_a_refused_edit_resets_and_everything_after_it_is_ignored() -> None:
    async with live() as server:
        ana, reader = await server.member("ana"), await server.member("reader", write=False, dojo=True)
        await reader.type("mine")
        await reader.until(lambda: reader.told_of("reset"))
        assert reader.told_of("reset") == [{"type": "reset", "reason": "read_only"}]
        await reader.type(" and more")
        await reader.answer(b"\x00\x00\x01\x00")
        await ana.type("ours")
        await settled(reader)
        assert server.text() == "ours"
        assert reader.closed is None
        assert len(reader.told_of("reset")) == 1
        assert server.metrics.updates_refused == 1


@on_uvloop
async def test_the_new_document_goes_on_and_its_count_starts_at_zero() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben", dojo=True)
        await ben.type(EMOJI)
        await ben.type("!")
        await ben.until(lambda: ben.saved == 3)
        await halve(ben)
        await ben.until(lambda: ben.told_of("reset"))
        assert ben.told_of("reset") == [{"type": "reset", "reason": "split_character"}]
        await ben.type("lost in the old one")
        ben.frames.clear()
        ben.start_over()
        await ben.sync()
        assert ben.text == EMOJI + "!"
        await ben.type(" again")
        await ana.until_text(EMOJI + "! again")
        await ben.until(lambda: ben.saved == 1)
        assert [message["upTo"] for message in ben.told_of("saved")] == [1]
        await ana.type(" ok")
        await ben.until_text(EMOJI + "! again ok")
        assert server.text() == ben.text


@on_uvloop
async def test_a_document_may_be_reset_more_than_once() -> None:
    async with live() as server:
        ana = await server.member("ana", dojo=True)
        for times in (1, 2, 3):
            await ana.type(EMOJI)
            await halve(ana)
            await ana.until(lambda times=times: len(ana.told_of("reset")) == times)  # type: ignore[misc]
            ana.start_over()
            await ana.sync()
        assert server.text() == ana.text == EMOJI * 3


@on_uvloop
async def test_a_plain_member_is_closed_instead() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await ben.type(EMOJI)
        await ana.until_text(EMOJI)
        await halve(ben)
        assert (await ben.until_closed()).code == CloseCode.SPLIT_CHARACTER
        assert CloseCode.SPLIT_CHARACTER.permanent
        await ana.type(" whole")
        assert (await server.member("eve")).text == ana.text == server.text() == EMOJI + " whole"


@on_uvloop
async def test_a_member_that_has_something_waiting_is_reset_and_forgets_it() -> None:
    async with live() as server:
        ana, ben = await server.member("ben"), await server.member("ben", dojo=True)  # two tabs
        ben.answers = False
        await ben.type(EMOJI)
        missing = ben.edit("missing")
        await ben.type("waiting")
        await halve(ben)
        await ben.until(lambda: ben.told_of("reset"))
        await ana.update(missing)
        await settled(ana)
        await settled(ben)
        assert server.text() == EMOJI + "missing"
        ben.start_over()
        await ben.sync()
        assert ben.text == EMOJI + "missing"
        assert server.metrics.closes == {}
