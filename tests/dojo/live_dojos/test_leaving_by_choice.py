"""Whoever says over HTTP that they leave has the sockets closed that they opened before."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest

from tests.dojo.live_dojos.asking import WITHIN_SECONDS, start_turns
from tests.edge.dojos.hosting import PATH, Answer, Someone
from tests.edge.live.people import V1, Class, Message, names, told

pytestmark = pytest.mark.asyncio(loop_scope="package")

LEFT = (4410, "left")


async def out_of_the_room(kata: Class, dojo: Message, who: Someone) -> Answer:
    return await kata.api.put(f"{PATH}/{dojo['dojoId']}/rooms/{dojo['rooms'][0]['roomId']}/leave", who)


async def out_of_the_dojo(kata: Class, dojo: Message, who: Someone) -> Answer:
    return await kata.api.delete(f"{PATH}/{dojo['dojoId']}/participants/{who.user}", who)


@pytest.mark.parametrize("leaves", [out_of_the_room, out_of_the_dojo])
async def test_all_sockets_of_who_leaves_are_closed_and_the_seat_is_free(
    kata: Class,
    ana: Someone,
    ben: Someone,
    leaves: Callable[[Class, Message, Someone], Awaitable[Answer]],
) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    eve = await kata.api.person(ana.tenant, "Eve")
    host = await kata.seated(ana, dojo)
    async with kata.another_node() as second:
        clients = [
            await kata.seated(ben, dojo),
            await kata.seated(ben, dojo, V1),
            await kata.seated(ben, dojo, None, node=second),
        ]
        assert (await kata.refused(eve, dojo)).code == 4003
        started = time.monotonic()
        assert (await leaves(kata, dojo, ben)).status < 300
        for client in clients:
            assert await client.until_closed() == LEFT
        assert time.monotonic() - started < WITHIN_SECONDS
        assert clients[0].told_of("CONNECTION_STATUS")[-1] == {
            "type": "CONNECTION_STATUS",
            "status": "DISCONNECTED",
            "reason": "left",
        }
        await told(host, "PARTICIPANT_LIST", lambda message: list(names(message)) == ["Ana Host"])
        await kata.seated(eve, dojo)


async def test_who_left_may_come_in_again_and_stays(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, old = await kata.seated(ana, dojo), await kata.seated(ben, dojo)
    await out_of_the_room(kata, dojo, ben)
    assert await old.until_closed() == LEFT
    new = await kata.seated(ben, dojo)
    await host.tell({"type": "CHAT_MESSAGE", "content": "makes the node look again"})
    await told(new, "CHAT_MESSAGE")
    await host.tell({"type": "CHAT_MESSAGE", "content": "and again"})
    await told(new, "CHAT_MESSAGE", lambda message: message["content"] == "and again")
    assert new.closed is None


async def test_who_leaves_one_room_stays_in_the_other_and_keeps_the_seat(
    kata: Class, ana: Someone, ben: Someone
) -> None:
    dojo = await kata.api.dojo(ana, maxParticipants=2)
    path = f"{PATH}/{dojo['dojoId']}/rooms"
    side = (await kata.api.ask("POST", path, {"name": "Pair"}, who=ana)).body
    await kata.seated(ana, dojo)
    main, aside = await kata.seated(ben, dojo), await kata.seated(ben, dojo, room=side["roomId"])
    await out_of_the_room(kata, dojo, ben)
    assert await main.until_closed() == LEFT
    await aside.tell({"type": "PING"})
    await told(aside, "PONG")
    eve = await kata.api.person(ana.tenant, "Eve")
    assert (await kata.refused(eve, dojo)).code == 4003


async def test_a_pilot_who_leaves_gives_the_turn_up_at_once(kata: Class, ana: Someone, ben: Someone) -> None:
    dojo = await kata.api.dojo(ana)
    host, thin = await kata.seated(ana, dojo, V1), await kata.seated(ben, dojo)
    await told(host, "TURN", lambda message: len(message["order"]) == 2)
    await host.tell({"type": "ROLE_REQUEST", "role": "PILOT", "userId": str(ben.user)})
    await told(host, "ROLES", lambda message: message["pilot"] == str(ben.user))
    assert (await start_turns(host))["pilot"] == str(ben.user)
    await out_of_the_room(kata, dojo, ben)
    assert await thin.until_closed() == LEFT
    await told(host, "TURN", lambda message: message["pilot"] == str(ana.user))
