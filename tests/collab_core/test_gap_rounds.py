"""An update that lacks a dependency: held, asked about, filled by the answer; given up after two rounds."""

from __future__ import annotations

import time

from pycrdt import merge_updates

from collab_core.closes import CloseCode
from collab_core.limits import KIB, Limits
from collab_core.wire.update import walk
from tests.collab_core.client import Client, big_text, settled, varint
from tests.collab_core.live import QUICK, live, on_uvloop, until

NOTHING = b"\x00\x01\x02\x00\x00"
"""A SyncStep2 that brings nothing."""


async def silent(client: Client) -> None:
    """From now on it answers no question by itself."""
    await client.until_heard()
    client.answers = False
    client.frames.clear()


@on_uvloop
async def test_a_gap_is_held_asked_about_and_filled() -> None:
    async with live() as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben")
        await silent(ana)
        ana.edit("one ")
        await ana.type("two ")
        await ana.type("three")
        await ana.until(lambda: ana.step1s)
        await ana.until_heard()
        assert server.metrics.updates_held == 2
        assert len(ana.step1s) == 1, "one question for all that waits"
        await settled(ben)
        assert ben.updates == []
        assert server.text() == ""
        assert not ana.told_of("saved")
        await ana.answer(ana.step1s[0])
        await ben.until_text("one two three")
        await ana.until(lambda: ana.saved == ana.sent)
        assert ana.closed is None
        assert not server.seat("ana").gaps


@on_uvloop
async def test_what_is_missing_may_come_from_somebody_else() -> None:
    async with live() as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben")
        await silent(ana)
        missing = ana.edit("one ")
        await ana.type("two")
        await ana.until(lambda: ana.step1s)
        await ben.pass_on(missing)
        await ben.until_text("one two")
        assert server.text() == "one two"
        await ana.until(lambda: ana.saved == ana.sent)


@on_uvloop
async def test_what_two_members_hold_for_each_other_is_taken_in_turn() -> None:
    async with live() as server:
        ana, ben, eve = await server.member("ana"), await server.member("ana"), await server.member("eve")
        await silent(ana)
        await silent(ben)
        one, two, three, four = (ana.edit(f"{word} ") for word in ("one", "two", "three", "four"))
        await ana.update(two)
        await ben.update(three)
        await ana.update(four)
        await settled(ana)
        await settled(ben)
        assert server.metrics.updates_held == 3
        await eve.pass_on(one)
        await eve.until_text("one two three four ")
        assert server.text() == eve.text


@on_uvloop
async def test_the_part_that_lacks_nothing_is_taken_at_once() -> None:
    async with live() as server:
        ana, ben = await server.member("ana", dojo=True), await server.member("ben")
        await silent(ana)
        other = await server.client()
        good = other.edit("good")
        missing = ana.edit("one ")
        await ana.update(merge_updates(good, ana.edit("two")))
        await ben.until_text("good")
        assert server.metrics.updates_held == 1
        await settled(ana)
        assert not ana.told_of("saved")
        await ben.pass_on(missing)
        await ben.until(lambda: len(ben.text) == len("goodone two"))
        await ana.until(lambda: ana.saved == 2)


@on_uvloop
async def test_a_gap_that_survives_two_rounds_is_given_up() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await silent(ana)
        ana.edit("never sent ")
        await ana.type("waiting")
        for rounds in (1, 2):
            await ana.until(lambda rounds=rounds: len(ana.step1s) == rounds)  # type: ignore[misc]
            await ana.until_heard()
            assert ana.closed is None
            await ana.send(NOTHING)
        assert (await ana.until_closed()).code == CloseCode.GAP
        assert not CloseCode.GAP.permanent
        assert server.metrics.closes == {"gap": 1}
        await ben.type("unharmed")
        assert (await server.member("eve")).text == "unharmed"
        back = await server.enter("ana")
        back.carry(ana.doc)
        await back.sync()
        await until(lambda: "never sent waiting" in server.text())


@on_uvloop
async def test_an_answer_that_brings_a_gap_itself_has_two_rounds_too() -> None:
    async with live() as server:
        ana = await server.member("ana")
        await silent(ana)
        ana.edit("never sent ")
        waiting = ana.edit("waiting")
        await ana.send(b"\x00\x01" + bytes((len(waiting),)) + waiting)
        for rounds in (1, 2):
            await ana.until(lambda rounds=rounds: len(ana.step1s) == rounds)  # type: ignore[misc]
            await ana.until_heard()
            assert len(ana.step1s) == rounds
            assert ana.closed is None
            await ana.send(NOTHING)
        assert (await ana.until_closed()).code == CloseCode.GAP


@on_uvloop
async def test_a_gap_may_not_stay_open_for_long() -> None:
    async with live(limits=Limits(held_seconds=0.1), tuning=QUICK) as server:
        ana = await server.member("ana")
        await silent(ana)
        ana.edit("never sent ")
        await ana.type("waiting")
        assert (await ana.until_closed()).code == CloseCode.GAP


@on_uvloop
async def test_what_waits_has_a_bound_in_bytes() -> None:
    async with live(limits=Limits(held_bytes_per_member=16 * KIB)) as server:
        ana = await server.member("ana")
        await silent(ana)
        ana.edit("never sent ")
        for _ in range(3):
            await ana.type(big_text(5 * KIB))
        await ana.until_heard()
        assert ana.closed is None
        await ana.type(big_text(5 * KIB))
        assert (await ana.until_closed()).code == CloseCode.GAP


@on_uvloop
async def test_what_waits_costs_the_others_little_however_much_it_is() -> None:
    """Every edit might be what it waits for, so it is looked at again; but not each time when that is expensive."""
    async with live() as server:
        ana, ben, mallory = await server.member("ana"), await server.member("ben"), await server.member("mallory")
        await silent(mallory)
        await ana.type("x")
        await ben.until_text("x")
        author = varint(ana.doc.client_id)
        structs = b"".join(b"\x84" + author + varint(1_000_000 + number) + b"\x01x" for number in range(60_000))
        bomb = b"\x01" + varint(60_000) + varint(77) + b"\x00" + structs + b"\x00"
        started = time.monotonic()
        walk(bomb)
        one_look = time.monotonic() - started
        await mallory.update(bomb)
        await mallory.until(lambda: mallory.step1s)
        started = time.monotonic()
        for _ in range(60):
            await ana.type("x")
            await ben.until_text(ana.text)
        assert time.monotonic() - started < 20 * one_look
        assert server.seat("mallory").gaps


@on_uvloop
async def test_the_answer_to_a_gap_may_be_as_large_as_a_first_sync() -> None:
    async with live(limits=Limits(message_bytes=8 * KIB, first_sync_bytes=64 * KIB)) as server:
        ana = await server.member("ana")
        await silent(ana)
        ana.edit(big_text(30 * KIB))
        await ana.type("!")
        await ana.until(lambda: ana.step1s)
        await ana.answer(ana.step1s[0])
        await until(lambda: server.text() == ana.text)


@on_uvloop
async def test_deletions_of_what_is_not_there_yet_wait_too() -> None:
    async with live() as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await silent(ana)
        missing = ana.edit("one two")
        await ana.update(ana.cut(0, 4))
        await ana.until(lambda: ana.step1s)
        await ben.pass_on(missing)
        await until(lambda: server.text() == "two")
        await ben.until_text("two")
