"""A room: what is relayed to whom, in how many frames, and what a newcomer gets."""

from __future__ import annotations

import asyncio

from pycrdt import Doc, Text, create_update_message, merge_updates

from collab_core.limits import KIB
from collab_core.tuning import Tuning
from tests.collab_core.client import NOBODY, UPDATE, Client, presence, settled
from tests.collab_core.live import Live, live, on_each_loop, on_uvloop

WIDE = Tuning(heartbeat_seconds=3600, presence_floor_seconds=0.3, presence_ceiling_seconds=0.3)
"""A presence window in which a busy machine, too, gets everything done that belongs in it."""


async def members(server: Live, count: int) -> list[Client]:
    everyone = [await server.member(f"user{number}") for number in range(count)]
    for one in everyone:
        await one.until_heard()
        one.frames.clear()
    return everyone


@on_each_loop
async def test_an_edit_in_a_quiet_room_goes_out_as_it_came() -> None:
    async with live() as server:
        ana, ben = await members(server, 2)
        update = ana.edit("hello")
        await ana.update(update)
        await ben.until(lambda: ben.updates)
        assert ben.updates == [create_update_message(update)]
        assert server.metrics.flushes == 1


@on_each_loop
async def test_edits_that_come_in_one_pass_go_out_as_one_frame() -> None:
    async with live() as server:
        everyone = await members(server, 9)
        reader, *writers = everyone
        for number, writer in enumerate(writers):
            writer.sent += 1
            writer.send_now(create_update_message(writer.edit(f"[{number}]")))
        for one in everyone:
            await one.until(lambda one=one: len(one.text) == 3 * len(writers))  # type: ignore[misc]
        assert server.metrics.updates == len(writers)
        assert server.metrics.flushes == 1
        for one in everyone:
            await one.until_heard()
            assert len(one.updates) == 1
        assert len({one.text for one in everyone}) == 1
        assert reader.text == server.text()


@on_uvloop
async def test_the_author_of_a_window_gets_no_echo() -> None:
    async with live() as server:
        ana, ben, eve = await members(server, 3)
        for word in ("one ", "two ", "three"):
            ana.send_now(create_update_message(ana.edit(word)))
        for other in (ben, eve):
            await other.until_text("one two three")
        await settled(ana)
        assert ana.updates == []
        assert len(ben.updates) == len(eve.updates) == server.metrics.flushes


@on_uvloop
async def test_an_edit_costs_its_own_size_however_much_was_deleted_before() -> None:
    async with live() as server:
        ana, ben = await members(server, 2)
        await ana.type("x" * 300)
        for at in range(0, 150, 3):
            await ana.update(ana.cut(at, at + 1))
        await ben.until(lambda: len(ben.text) == 250)
        ben.frames.clear()
        await ana.type("y")
        await ben.until(lambda: ben.text.endswith("y"))
        assert len(ben.updates[-1]) < 40


@on_uvloop
async def test_what_brings_nothing_new_is_dropped_silently() -> None:
    async with live() as server:
        ana, ben = await members(server, 2)
        update = ana.edit("once")
        await ana.update(update)
        await ben.until_text("once")
        flushes = server.metrics.flushes
        await ana.update(update)
        await ben.update(update)
        await ben.update(b"\x00\x00")
        await settled(ana)
        await settled(ben)
        assert server.metrics.updates == 1
        assert server.metrics.updates_known == 2
        assert server.metrics.flushes == flushes


@on_uvloop
async def test_only_what_is_new_of_an_answer_is_relayed() -> None:
    """A synced client answers with all its deletions; the others have them."""
    async with live() as server:
        ana, ben = await members(server, 2)
        await ana.type("x" * 900)
        for at in range(0, 400, 2):
            await ana.update(ana.cut(at, at + 1))
        await ben.until(lambda: len(ben.text) == 700)
        ana.answers = False
        late = await server.enter("user0")
        late.answers = False
        late.carry(ana.doc)
        late.edit("offline")
        await late.until(lambda: late.step1s)
        ben.frames.clear()
        await late.answer(late.step1s[0])
        await ben.until(lambda: ben.text.endswith("offline"))
        assert sum(map(len, ben.updates)) < 60


@on_uvloop
async def test_a_newcomer_gets_everything_at_once_also_what_is_not_flushed() -> None:
    async with live() as server:
        [ana] = await members(server, 1)
        newcomer = await server.enter("ben")
        await newcomer.until_heard()
        for word in ("all ", "that ", "there is"):
            ana.send_now(create_update_message(ana.edit(word)))
        newcomer.send_now(b"\x00\x00\x01\x00")
        await newcomer.until(lambda: newcomer.step2s)
        seen: Doc[Text] = Doc()
        text = seen.get("t", type=Text)
        seen.apply_update(_body(newcomer.step2s[0]))
        assert str(text) == server.text() or newcomer.updates == []
        await newcomer.until_text("all that there is")


@on_uvloop
async def test_an_answer_is_encoded_once_for_fifty_newcomers() -> None:
    async with live() as server:
        [ana] = await members(server, 1)
        await ana.type("x" * 10_000)
        await ana.until_heard()
        before = server.metrics.sync_replies_encoded
        newcomers = await asyncio.gather(*(server.member(f"new{number}") for number in range(50)))
        assert {one.text for one in newcomers} == {ana.text}
        assert server.metrics.sync_replies == 51
        assert server.metrics.sync_replies_encoded == before + 1
        await ana.type("!")
        await ana.until_heard()
        assert (await server.member("last")).text == ana.text
        assert server.metrics.sync_replies_encoded == before + 2


@on_uvloop
async def test_a_returning_member_gets_what_it_lacks() -> None:
    async with live() as server:
        ana, ben = await members(server, 2)
        await ana.type("a" * 5_000)
        await ben.until(lambda: len(ben.text) == 5_000)
        await ben.end()
        await ana.type("while you were away")
        back = await server.enter("ben")
        back.carry(ben.doc)
        await back.sync()
        assert back.text == ana.text
        assert len(back.step2s[0]) < 100


@on_uvloop
async def test_a_question_comes_first_and_is_asked_of_everyone_who_connects() -> None:
    async with live() as server:
        ana = await server.enter("ana")
        ana.answers = False
        ana.edit("typed before connecting")
        await ana.until(lambda: ana.step1s)
        assert ana.frames[0].payload == b"\x00\x00\x01\x00"
        await ana.answer(ana.step1s[0])
        ben = await server.enter("ben", dojo=True)
        await ben.until(lambda: ben.step1s)
        assert ben.told[0]["type"] == "joined"
        assert ben.told[0]["canWrite"] is True
        assert ben.frames[1].payload == ben.step1s[0]
        assert server.text() == "typed before connecting"


@on_uvloop
async def test_a_member_that_has_not_asked_gets_no_edits() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.enter("ben")
        await ana.type("unasked")
        await settled(ana)
        await ben.until_heard()
        assert ben.updates == []
        await ben.sync()
        assert ben.text == "unasked"


@on_uvloop
async def test_presence_is_told_to_a_newcomer_and_to_whoever_asks() -> None:
    async with live() as server:
        ana, ben = await members(server, 2)
        await ana.send(presence(5))
        await ben.until(lambda: ben.awareness)
        assert ben.awareness == [presence(5)]
        newcomer = await server.enter("eve")
        await newcomer.until(lambda: newcomer.awareness)
        assert newcomer.awareness == ben.awareness
        await newcomer.send(b"\x03")
        await newcomer.until(lambda: len(newcomer.awareness) == 2)
        await ana.end()
        await ben.until(lambda: len(ben.awareness) == 2)
        assert ben.awareness[1] == presence(5, 1, b"null")
        await newcomer.send(b"\x03")
        await newcomer.until(lambda: newcomer.awareness[-1] == NOBODY)


@on_uvloop
async def test_presence_of_many_goes_out_as_one_frame() -> None:
    async with live(tuning=WIDE) as server:
        everyone = await members(server, 6)
        await everyone[0].send(presence(100))
        for one in everyone:
            await one.until(lambda one=one: one.awareness)  # type: ignore[misc]  # the leading edge; the window follows
            one.frames.clear()
        for number, one in enumerate(everyone[1:], start=1):
            one.send_now(presence(number))
        for one in everyone:
            await one.until(lambda one=one: any(message[2] == 5 for message in one.awareness))  # type: ignore[misc]
            await one.until_heard()
            # Whoever shows itself for the first time is told its own removal as well.
            [frame] = [message for message in one.awareness if not message.endswith(b"null")]
            assert frame[2] == 5


@on_uvloop
async def test_a_busy_room_folds_its_tail_and_loses_nothing() -> None:
    tuning = Tuning(heartbeat_seconds=3600, fold_pieces=8, flush_ceiling_seconds=0)
    async with live(tuning=tuning) as server:
        ana, ben = await members(server, 2)
        for number in range(60):
            await ana.type(f"{number} ")
            await ben.until_text(ana.text)
        assert server.room().log.pieces <= 8
        assert server.room().log.size < 4 * KIB
        assert (await server.member("late")).text == ana.text == server.text()


@on_uvloop
async def test_updates_merged_by_their_sender_are_taken() -> None:
    async with live() as server:
        ana, ben = await members(server, 2)
        await ana.update(merge_updates(*(ana.edit(letter) for letter in "merged")))
        await ben.until_text("merged")
        assert ben.updates[0].startswith(UPDATE)


def _body(message: bytes) -> bytes:
    """The update inside a sync message of less than 128 bytes."""
    assert message[2] == len(message) - 3
    return message[3:]
