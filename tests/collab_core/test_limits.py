"""Every limit answers with its close code and a metric, and only its offender pays."""

from __future__ import annotations

import asyncio

from pycrdt import create_update_message

from collab_core.closes import CloseCode
from collab_core.limits import KIB, Limits
from tests.collab_core.client import NOBODY, PING, TEXT, big_text, masked, presence, settled
from tests.collab_core.live import live, on_uvloop, until


@on_uvloop
async def test_members_of_a_room() -> None:
    async with live(limits=Limits(members_per_room=2)) as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        eve = await server.enter("eve")
        assert (await eve.until_closed()).code == CloseCode.ROOM_FULL
        assert server.metrics.closes == {"room_full": 1}
        await server.member("eve", room="another")
        await ben.end()
        await until(lambda: len(server.room().members) == 1)
        await ana.type("hello")
        assert (await server.member("eve")).text == "hello"


@on_uvloop
async def test_members_of_a_tenant() -> None:
    async with live(limits=Limits(members_per_tenant=3)) as server:
        inside = [await server.member(f"user{number}", room=f"room{number}") for number in range(3)]
        one_more = await server.enter("late", room="room4")
        assert (await one_more.until_closed()).code == CloseCode.ROOM_FULL
        await server.member("somebody", tenant="other")
        await inside[0].end()
        await until(lambda: server.metrics.members == 3)
        await server.member("late", room="room4")


@on_uvloop
async def test_rooms_of_a_tenant_also_when_they_open_at_one_moment() -> None:
    async with live(limits=Limits(rooms_per_tenant=3)) as server:
        clients = await asyncio.gather(*(server.enter("ana", room=f"room{number}") for number in range(10)))
        for client in clients:
            await client.until(lambda client=client: client.step1s or client.closed)  # type: ignore[misc]
        assert sum(client.closed is None for client in clients) == 3
        assert {client.closed.code for client in clients if client.closed} == {CloseCode.ROOM_FULL}
        assert server.metrics.rooms == 3
        await server.member("ana", room="room1", tenant="other")


@on_uvloop
async def test_updates_per_second() -> None:
    async with live(limits=Limits(updates_per_second=10, updates_burst=50)) as server:
        ana, mallory = await server.member("ana"), await server.member("mallory")
        mallory.answers = False
        flood = b"".join(masked(2, create_update_message(mallory.edit("x"))) for _ in range(100))
        await mallory.send_raw(flood)
        assert (await mallory.until_closed()).code == CloseCode.FLOOD
        assert server.metrics.closes == {"flood": 1}
        await ana.type("calm")
        await until(lambda: server.text().endswith("calm"))
        assert ana.text == server.text()
        assert 30 < len(ana.text) <= 54


@on_uvloop
async def test_questions_cost_more_than_edits() -> None:
    async with live(limits=Limits(updates_per_second=1, updates_burst=50)) as server:
        ana = await server.enter("ana")
        for _ in range(6):
            await ana.ask()
        assert (await ana.until_closed()).code == CloseCode.FLOOD
        assert len(ana.step2s) == 5


@on_uvloop
async def test_pings_and_texts_count_too() -> None:
    async with live(limits=Limits(updates_per_second=1, updates_burst=50)) as server:
        for opcode in (PING, TEXT):
            client = await server.enter("ana", dojo=True)
            await client.send_raw(masked(opcode, b"{}") * 100)
            assert (await client.until_closed()).code == CloseCode.FLOOD
        assert server.metrics.closes == {"flood": 2}


@on_uvloop
async def test_long_messages_cost_more_than_short_ones() -> None:
    async with live(limits=Limits(updates_per_second=1, updates_burst=100)) as server:
        ana = await server.member("ana")
        await ana.type(big_text(800 * KIB))
        await ana.until_heard()
        await ana.type(big_text(800 * KIB))
        assert (await ana.until_closed()).code == CloseCode.FLOOD
        assert len(server.text()) == 800 * KIB


@on_uvloop
async def test_a_message_after_the_first_sync() -> None:
    async with live(limits=Limits(message_bytes=16 * KIB, first_sync_bytes=64 * KIB)) as server:
        ana = await server.member("ana")
        await ana.until_heard()
        await ana.type(big_text(20 * KIB))
        assert (await ana.until_closed()).code == CloseCode.TOO_LARGE
        assert server.text() == ""


@on_uvloop
async def test_a_first_sync_may_be_larger_and_has_a_bound_too() -> None:
    async with live(limits=Limits(message_bytes=16 * KIB, first_sync_bytes=64 * KIB)) as server:
        ana = await server.enter("ana")
        ana.answers = False
        ana.edit(big_text(50 * KIB))
        await ana.until(lambda: ana.step1s)
        await ana.answer(ana.step1s[0])
        await until(lambda: server.text() == ana.text)
        ben = await server.enter("ben")
        ben.answers = False
        ben.edit(big_text(70 * KIB))
        await ben.until(lambda: ben.step1s)
        await ben.answer(ben.step1s[0])
        assert (await ben.until_closed()).code == CloseCode.TOO_LARGE
        assert server.text() == ana.text


@on_uvloop
async def test_bytes_of_a_document() -> None:
    async with live(limits=Limits(document_bytes=8 * KIB)) as server:
        ana, ben, eve = await server.member("ana"), await server.member("ben"), await server.member("eve", dojo=True)
        await ana.type(big_text(6 * KIB))
        await ben.until_text(ana.text)
        await eve.until_text(ana.text)
        await ben.type(big_text(3 * KIB))
        assert (await ben.until_closed()).code == CloseCode.TOO_LARGE
        await eve.type(big_text(3 * KIB))
        await eve.until(lambda: eve.told_of("reset"))
        assert eve.told_of("reset") == [{"type": "reset", "reason": "too_large"}]
        await ana.update(ana.cut(0, 100))
        await until(lambda: server.text() == ana.text)
        assert len(ana.text) == 6 * KIB - 100
        assert server.metrics.updates_refused == 2


@on_uvloop
async def test_presence_of_a_member() -> None:
    async with live(limits=Limits(presence_state_bytes=100, presence_ids_per_member=2)) as server:
        ana, ben = await server.member("ana"), await server.member("ben")
        await ana.send(presence(1, 1, b'"' + b"x" * 200 + b'"'))
        for client in (2, 3, 4):
            await ana.send(presence(client))
        await settled(ana)
        await ben.send(b"\x03")
        await ben.until(lambda: ben.awareness and ben.awareness[-1] != NOBODY)
        assert set(server.room().presence.states()) == {2, 3}
        assert ana.closed is None


@on_uvloop
async def test_sockets_of_the_node() -> None:
    async with live(limits=Limits(connections=2)) as server:
        await server.member("ana")
        ben = await server.member("ben")
        one_more = await server.enter("late", tenant="other")
        assert (await one_more.until_closed()).code == CloseCode.OVERLOADED
        assert server.metrics.closes == {"overloaded": 1}
        await ben.end()
        await one_more.end()
        await until(lambda: len(server.server.connections) == 1)
        await server.member("late", tenant="other")


@on_uvloop
async def test_parts_of_an_update() -> None:
    async with live(limits=Limits(message_parts=10)) as server:
        ana, mallory = await server.member("ana"), await server.member("mallory")
        structs = bytes([1, 11, 5, 0]) + bytes([0, 1]) * 11 + bytes([0])
        await mallory.send_raw(masked(2, create_update_message(structs)))
        assert (await mallory.until_closed()).code == CloseCode.TOO_LARGE
        await ana.type("hello")
        assert (await server.member("ben")).text == "hello"
