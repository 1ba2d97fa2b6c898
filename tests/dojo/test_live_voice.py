"""Voice over the live socket: a live node as a process of its own, and a voice process without media."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from edge.voice.directory import SFU, SFUS, Registered
from edge.voice.state import CHANNEL
from tests.collab_core.client import Client
from tests.conftest import Database
from tests.edge.dojos.hosting import PATH, Someone
from tests.edge.live.people import V1, Class, eventually, in_class, told
from tests.edge.voice.sfu import FRAGMENT, OFFER, StandInSfu, stand_in
from tests.edge.voice.waiting import until


@dataclass
class Room:
    """A dojo of Ana's that Ben is in."""

    kata: Class
    sfu: StandInSfu
    redis: Redis
    dojo: dict[str, Any]
    ana: Someone
    ben: Someone
    id: str = ""

    async def seated(self, who: Someone, dialect: str = V1) -> Client:
        client = await self.kata.seated(who, self.dojo, dialect)
        self.id = client.told_of("CONNECTION_STATUS")[0]["roomId"]
        return client

    async def register(self) -> None:
        """The voice process lives until this is taken away."""
        await self.redis.sadd(SFUS, self.sfu.name)
        await self.redis.set(SFU + self.sfu.name, msgspec.json.encode(Registered(self.sfu.url, 0.0, 0.0)))

    async def heard_by(self, nodes: int = 1) -> None:
        """Have the state told, once so many nodes listen."""
        channel = f"{CHANNEL}{self.id}"

        async def listening() -> bool:
            return bool((await self.redis.pubsub_numsub(channel))[0][1] >= nodes)

        await eventually(listening)
        assert await self.sfu.publish(self.redis, self.id) == nodes


@pytest.fixture
async def room(database: Database, redis_url: str, redis: Redis) -> AsyncIterator[Room]:
    async with stand_in() as sfu:
        settings = sfu.settings(turn_urls=("turn:turn.example.com",), turn_secret="north")
        async with in_class(database, redis_url, settings) as kata:
            tenant = await kata.api.company()
            ana, ben = await kata.api.person(tenant, "Ana Host"), await kata.api.person(tenant, "Ben Member")
            yield Room(kata, sfu, redis, await kata.api.dojo(ana), ana, ben)


async def offered(client: Client) -> dict[str, Any]:
    await client.tell({"type": "VOICE_OFFER", "sdp": OFFER, "ref": "o1"})
    return await told(client, "VOICE_ANSWER")


async def answered(client: Client, ref: str) -> dict[str, Any]:
    return await told(client, "ERROR", lambda message: message.get("ref") == ref)


async def test_an_offer_is_answered_and_everybody_is_told_who_talks(room: Room) -> None:
    ana, ben = await room.seated(room.ana), await room.seated(room.ben, "dojo.json.v1")
    answer = await offered(ana)
    assert (answer["ref"], answer["etag"]) == ("o1", "first")
    await offered(ben)
    numbers = {str(user): peer.grant.number for user, peer in room.sfu.inside(room.id).items()}
    room.sfu.speaking = {numbers[str(room.ana.user)]}
    await room.heard_by()
    hers, his = [
        await told(client, "VOICE_STATE", lambda message: "people" in message and message["speaking"])
        for client in (ana, ben)
    ]
    assert {one["userId"]: one["number"] for one in his["people"]} == numbers
    assert his["speaking"] == [numbers[str(room.ana.user)]]
    assert his["slots"] == [numbers[str(room.ana.user)], None, None]
    assert hers["slots"] == [None, None, None], "nobody hears themselves"
    # Whoever comes later is told at once.
    late = await room.seated(room.ben)
    assert (await told(late, "VOICE_STATE"))["people"] == his["people"]


async def test_candidates_restarts_and_the_end_of_a_connection(room: Room) -> None:
    ana = await room.seated(room.ana)
    answer = await offered(ana)
    named = {"type": "VOICE_CANDIDATE", "peer": answer["peer"], "etag": answer["etag"], "ref": "c"}
    await ana.tell({**named, "sdp": "a=candidate\r\n"})
    await ana.tell({**named, "sdp": FRAGMENT})
    assert (await told(ana, "VOICE_CANDIDATE"))["etag"] == "second"
    await ana.tell({**named, "sdp": FRAGMENT})
    assert (await told(ana, "ERROR"))["code"] == "stale_etag"
    await ana.tell({"type": "VOICE_LEAVE", "peer": answer["peer"]})
    await until(lambda: not room.sfu.peers)


async def test_mutes_by_the_host_and_by_oneself(room: Room) -> None:
    ana, ben = await room.seated(room.ana), await room.seated(room.ben)
    await offered(ben)
    (his,) = room.sfu.peers.values()
    await ben.tell({"type": "VOICE_MUTE", "muted": True})
    await until(lambda: his.muted)
    await ben.tell({"type": "VOICE_MUTE", "muted": False})
    await until(lambda: not his.muted)
    await ana.tell({"type": "VOICE_MUTE", "muted": True, "userId": str(room.ben.user)})
    await until(lambda: his.muted)
    await ben.tell({"type": "VOICE_MUTE", "muted": False, "ref": "m"})
    error = await told(ben, "ERROR")
    assert (error["code"], error["ref"]) == ("muted_by_host", "m")
    await ben.tell({"type": "VOICE_MUTE", "muted": True, "all": True, "ref": "n"})
    assert (await answered(ben, "n"))["code"] == "not_host"
    await ana.tell({"type": "VOICE_MUTE", "muted": False, "all": True})
    await until(lambda: not his.muted)


def mutes(client: Client) -> list[tuple[bool, bool]]:
    """Of everybody who is in, as was told last: whether they are muted, and whether by the host."""
    told = [message["people"] for message in client.told_of("VOICE_STATE") if "people" in message]
    return [(one["muted"], one["mutedByHost"]) for one in told[-1]] if told else []


async def test_everybody_is_told_who_is_muted_by_the_host(room: Room) -> None:
    await room.register()
    ana, ben = await room.seated(room.ana), await room.seated(room.ben)
    await offered(ben)
    (his,) = room.sfu.peers.values()
    host = {"type": "VOICE_MUTE", "userId": str(room.ben.user)}

    async def shown(*marks: bool) -> None:
        await until(lambda: his.muted is marks[0])
        await room.heard_by()
        for client in (ana, ben):
            await until(lambda client=client: mutes(client) == [marks], seconds=3.0)  # type: ignore[misc]

    await ana.tell({**host, "muted": True})
    await shown(True, True)
    # A newcomer is told the same.
    late = await room.seated(room.ana)
    await told(late, "VOICE_STATE")
    assert mutes(late) == [(True, True)]
    await ben.tell({"type": "VOICE_MUTE", "muted": True})
    # Nothing changes but who has muted him.
    await ana.tell({**host, "muted": False})
    await shown(True, False)
    await ben.tell({"type": "VOICE_MUTE", "muted": False})
    await shown(False, False)


async def test_a_guest_talks_over_the_socket_and_is_told_ice_servers(room: Room) -> None:
    await room.kata.api.ask("PATCH", f"{PATH}/{room.dojo['dojoId']}", {"allowGuests": True}, who=room.ana)
    guest = (await room.kata.api.guest(room.dojo["joinCode"])).body
    assert guest["iceServers"][0]["username"].endswith(guest["userId"])
    client = await room.kata.seated(guest["token"], room.dojo, V1)
    await offered(client)
    await client.tell({"type": "VOICE_SERVERS", "ref": "s"})
    servers = await told(client, "VOICE_SERVERS")
    assert (servers["iceServers"][0]["urls"], servers["ref"]) == (["turn:turn.example.com"], "s")


async def test_whoever_is_removed_is_silent_within_a_second(room: Room) -> None:
    await room.seated(room.ana)
    ben = await room.seated(room.ben)
    await offered(ben)
    await room.heard_by()
    gone = f"{PATH}/{room.dojo['dojoId']}/participants/{room.ben.user}"
    assert (await room.kata.api.delete(gone, room.ana)).status == 204
    await until(lambda: not room.sfu.peers)


async def test_who_becomes_pilot_is_preferred(room: Room) -> None:
    await room.seated(room.ana)
    ben = await room.seated(room.ben)
    await offered(ben)
    await room.heard_by()
    await ben.tell({"type": "ROLE_REQUEST", "role": "PILOT"})
    await until(lambda: next(iter(room.sfu.peers.values())).preferred, seconds=5.0)


async def test_without_a_voice_process_the_rest_goes_on(room: Room) -> None:
    room.sfu.broken = 500
    ben = await room.seated(room.ben)
    await ben.tell({"type": "VOICE_OFFER", "sdp": OFFER, "ref": "o"})
    error = await told(ben, "ERROR")
    assert (error["code"], error["ref"]) == ("voice_unavailable", "o")
    await ben.tell({"type": "CHAT_MESSAGE", "content": "still here"})
    assert (await told(ben, "CHAT_MESSAGE"))["content"] == "still here"


async def test_who_loses_their_voice_process_is_told_within_three_seconds(room: Room) -> None:
    await room.register()
    ben = await room.seated(room.ben)
    await offered(ben)
    await room.heard_by()
    await told(ben, "VOICE_STATE", lambda message: message.get("people"))
    await room.redis.delete(SFU + room.sfu.name)
    await until(lambda: ben.told_of("VOICE_LOST"), seconds=3.0)
    assert 0 <= ben.told_of("VOICE_LOST")[0]["retryAfterMs"] <= 2_000


async def test_two_nodes_count_what_was_said_once(room: Room) -> None:
    async with room.kata.another_node() as node:
        ana = await room.seated(room.ana)
        ben = await room.kata.seated(room.ben, room.dojo, V1, node=node)
        await offered(ana)
        (hers,) = room.sfu.peers.values()
        room.sfu.spoken = {hers.grant.number: 4.5}
        await room.heard_by(2)
        for client in (ana, ben):
            await told(client, "VOICE_STATE", lambda message: message.get("people"))
        room.sfu.peers.clear()
        await room.heard_by(2)

        async def counted() -> bool:
            summary = await room.kata.api.get(f"{PATH}/{room.dojo['dojoId']}/summary", room.ana)
            return [one["talkSeconds"] for one in summary.body["people"] if one["userName"] == "Ana Host"] == [4.5]

        await eventually(counted)


async def test_what_makes_no_sense_is_told_so(room: Room) -> None:
    ben = await room.seated(room.ben)
    await ben.tell({"type": "VOICE_OFFER", "sdp": "", "ref": "a"})
    assert (await told(ben, "ERROR"))["code"] == "invalid_message"
    await ben.tell({"type": "VOICE_MOVE", "ref": "b"})
    await ben.tell({"type": "VOICE_OFFER", "sdp": "v=0", "ref": "c"})
    for ref, code in (("b", "not_in_voice"), ("c", "offer_refused")):
        assert (await answered(ben, ref))["code"] == code
