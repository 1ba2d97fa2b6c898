"""A dojo whose room is on two voice processes, since one is full: through the API, a live node, and real media."""

from __future__ import annotations

import asyncio
import base64
import secrets
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from redis.asyncio import Redis

from dojo.process import Child, Program
from dojo.settings import RedisSettings, Settings, VoiceSettings
from edge.voice.directory import Directory
from loadtests.voice import session_description as sd
from loadtests.voice.client import Client as Media
from loadtests.voice.crowd import Crowd
from loadtests.voice.microphone import Microphone
from loadtests.voice.speech import Spoken
from loadtests.voice.streams import Stream
from media_sfu.limits import VoiceLimits
from tests.collab_core.client import Client
from tests.conftest import Database
from tests.edge.dojos.hosting import PATH, Answer, Someone
from tests.edge.live.people import V1, Class, in_class

PROGRAM: Final = Program("voice process", (sys.executable, "-m", "dojo.voice_node"))
DEADLINE: Final = 10.0
TOLD_SECONDS: Final = 3.0
"""From the kill of a voice process until its people are told."""
SILENT_SECONDS: Final = 1.0
"""Until who is removed or muted is not heard any more."""
LATELY: Final = 0.3
"""Seconds: what was heard in them is heard now. Everybody here speaks without a pause."""


async def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"within {seconds} s never: {what}"
        await asyncio.sleep(0.01)


@dataclass
class Talker:
    """Somebody with a live socket and a voice."""

    who: Someone
    number: int
    socket: Client
    media: Media
    slots: tuple[int, ...] = ()
    """The SSRC of each."""
    at: str = ""
    etag: str = ""
    microphone: Microphone | None = None
    heard: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=10_000))
    """When, on which SSRC, and who."""

    def take(self, stream: Stream, spoken: Spoken, _arrived: int) -> None:
        self.heard.append((time.monotonic(), stream.ssrc, spoken.speaker))

    def now(self) -> dict[int, int]:
        """Whom they hear: speaker by slot."""
        since = time.monotonic() - LATELY
        return {self.slots.index(ssrc): speaker for at, ssrc, speaker in self.heard if at >= since}

    @property
    def told(self) -> dict[str, Any]:
        """What the live socket said of voice."""
        known: dict[str, Any] = {"people": [], "slots": [], "speaking": [], "recording": False}
        for message in self.socket.told_of("VOICE_STATE"):
            known |= message
        return known

    @property
    def people(self) -> list[int]:
        """Who is told to be in and connected, by number."""
        return sorted(one["number"] for one in self.told["people"] if one["connected"])

    def is_told_right(self, numbers: Collection[int], says: Mapping[int, int] | None = None) -> bool:
        """Everybody is there once, and whoever is heard is told to be in that slot. `says`: numbers of those in whose
        sound another one is."""
        slots = {place: number for place, number in enumerate(self.told["slots"]) if number is not None}
        return self.people == sorted(numbers) and slots == {
            place: (says or {}).get(speaker, speaker) for place, speaker in self.now().items()
        }


class House:
    """Two voice processes that take two people each, the API and a live node."""

    def __init__(
        self, kata: Class, redis: Redis, crowd: Crowd, start: Callable[[str], Any], nodes: dict[str, Child]
    ) -> None:
        self.kata = kata
        self.crowd = crowd
        self.directory = Directory(redis, None, fresh_seconds=0)
        self.start = start
        self.nodes = nodes
        self.dojo: dict[str, Any] = {}
        self.room = UUID(int=0)
        self.talkers: list[Talker] = []

    @property
    def voice(self) -> str:
        return f"{PATH}/{self.dojo['dojoId']}/voice"

    @property
    def room_voice(self) -> str:
        return f"{PATH}/{self.dojo['dojoId']}/rooms/{self.room}/voice"

    async def open(self) -> None:
        tenant = await self.kata.api.company()
        people = [await self.kata.api.person(tenant, name) for name in ("Ana Host", "Ben Member", "Cleo Member")]
        self.dojo = await self.kata.api.dojo(people[0])
        for number, who in enumerate(people, start=1):
            socket = await self.kata.seated(who, self.dojo, V1)
            self.room = UUID(socket.told_of("CONNECTION_STATUS")[0]["roomId"])
            self.talkers.append(Talker(who, number, socket, self.crowd.client()))
            assert (await self.talk(self.talkers[-1])).status == 201

    async def talk(self, talker: Talker, says: int | None = None) -> Answer:
        """Connect, and speak without a pause. `says`: the number in what they say, their own if none is given."""
        talker.media = self.crowd.client()
        offer = sd.offer(talker.media.own, sends=True, slots=3)
        answer = await self.kata.api.ask("POST", self.voice, who=talker.who, text=(offer, "application/sdp"))
        if answer.status == 201:
            remote = sd.read(answer.body)
            talker.slots = tuple(section.ssrcs[0] for section in remote.sections[1:])
            talker.at, talker.etag = answer.headers["Location"], answer.headers["ETag"]
            talker.heard.clear()
            await talker.media.connect(remote, DEADLINE)
            self.crowd.keep_up(talker.media)
            self.crowd.listen(talker.media, talker.take)
            talker.microphone = Microphone(
                talker.media, talker.number if says is None else says, level_id=remote.sections[0].level_id
            )
            self.crowd.speak(talker.microphone, talker.number / 4)
        return answer

    async def host(self, method: str, path: str, body: object = None) -> None:
        answer = await self.kata.api.ask(method, path, body, who=self.talkers[0].who)
        assert answer.status in (200, 204), answer.body

    async def holding(self) -> dict[str, str]:
        """Control URLs by name, of those that the room is on."""
        return await self.directory.holding(self.room)

    async def all_hear_each_other(self, says: dict[int, int] | None = None) -> None:
        said = {number: number for number in (1, 2, 3)} | (says or {})
        for talker in self.talkers:
            others = {said[other.number] for other in self.talkers if other is not talker}
            await until(lambda t=talker, o=others: set(t.now().values()) == o, f"{talker.number} hears the others")  # type: ignore[misc]


@pytest.fixture
async def house(database: Database, redis_url: str, redis: Redis, tmp_path: Path) -> AsyncIterator[House]:
    voice = VoiceSettings(
        port=0, secret=base64.b64encode(secrets.token_bytes(32)).decode(), limits=VoiceLimits(peers=2)
    )
    async with AsyncExitStack() as stack:
        nodes: dict[str, Child] = {}

        async def start(folder: str) -> None:
            settings = Settings(data_dir=tmp_path / folder, redis=RedisSettings(url=redis_url), voice=voice)
            node = nodes[folder] = await Child.start(PROGRAM, settings)
            stack.push_async_callback(node.stop)

        await start("one")
        await start("two")
        kata = await stack.enter_async_context(in_class(database, redis_url, voice))
        crowd = await stack.enter_async_context(Crowd())
        house = House(kata, redis, crowd, start, nodes)
        await house.open()
        yield house


async def test_a_room_on_two_processes_is_one_room(house: House, tmp_path: Path) -> None:
    ana, ben, cleo = house.talkers
    await until(lambda: ana.people == [1, 2, 3], "all are in")
    assert len(await house.holding()) == 2, "the third did not fit where the others are"
    await house.all_hear_each_other()
    for talker in house.talkers:
        await until(lambda t=talker: t.is_told_right([1, 2, 3]), f"{talker.number} is told what they hear")  # type: ignore[misc]
        assert sorted(talker.told["speaking"]) == [1, 2, 3]

    # Candidates, wherever the connection is.
    for talker in house.talkers:
        patched = await house.kata.api.ask(
            "PATCH", talker.at, who=talker.who, text=("a=candidate\r\n", "application/trickle-ice-sdpfrag"),
            headers={"If-Match": talker.etag},
        )  # fmt: skip
        assert patched.status == 204
    listed = await house.kata.api.get(house.room_voice, ben.who)
    assert sorted(one["number"] for one in listed.body["people"]) == [1, 2, 3]

    # Both record, and neither writes over what the other has.
    await house.host("PATCH", house.room_voice, {"recording": True})
    await until(lambda: all(talker.told["recording"] for talker in house.talkers), "all are told of the recording")

    # The host mutes all: only she is heard, here and there.
    await house.host("POST", f"{house.room_voice}/mute", {"all": True, "muted": True})
    await until(lambda: (ben.now(), cleo.now(), ana.now()) == (_only(ben, 1), _only(cleo, 1), {}), "only Ana is heard")
    await until(lambda: [one["muted"] for one in cleo.told["people"]].count(True) == 2, "who is muted is told")
    await house.host("POST", f"{house.room_voice}/mute", {"all": True, "muted": False})
    await house.all_hear_each_other()
    for talker in (ben, cleo):
        await house.host("POST", f"{house.room_voice}/mute", {"userId": str(talker.who.user), "muted": True})
        await until(lambda n=talker.number: n not in ana.now().values(), f"{talker.number} is mute")  # type: ignore[misc]
        await house.host("POST", f"{house.room_voice}/mute", {"userId": str(talker.who.user), "muted": False})
    await house.all_hear_each_other()

    # Ben connects anew. His process is full with him, so that it is at the other; what he had there ends.
    assert ben.microphone is not None
    old = ben.microphone
    assert (await house.talk(ben, says=22)).status == 201
    await house.all_hear_each_other({2: 22})
    old.stop(house.crowd.pacer)
    await until(lambda: ana.people == [1, 2, 3], "he is in once")
    for talker in house.talkers:
        await until(lambda t=talker: t.is_told_right([1, 2, 3], {22: 2}), "the slots are told")  # type: ignore[misc]

    # Whoever is removed is out, wherever they are.
    removed = time.monotonic()
    await house.host("DELETE", f"{PATH}/{house.dojo['dojoId']}/participants/{cleo.who.user}")
    await until(lambda: 3 not in ana.now().values(), "Cleo is silent", SILENT_SECONDS + LATELY)
    assert all(at - removed < SILENT_SECONDS for at, _, speaker in ana.heard if speaker == 3)
    await until(lambda: ana.people == ben.people == [1, 2], "she is not in any more")
    assert (await house.talk(cleo)).code == "not_participant"

    # Each speaker's file is below the recording's name, and in a folder of the process' own.
    await house.host("PATCH", house.room_voice, {"recording": False})
    await until(lambda: not ana.told["recording"], "the end of the recording")
    for node in house.nodes.values():
        await node.stop()
    folders = {
        node: {str(file.parent.relative_to(tmp_path / node / "blobs")) for file in (tmp_path / node).rglob("*.opus")}
        for node in house.nodes
    }
    assert folders["one"]
    assert folders["two"]
    assert not folders["one"] & folders["two"]
    recording = f"{ana.who.tenant}/{house.dojo['dojoId']}/{house.room}/"
    assert {folder.startswith(recording) for folder in folders["one"] | folders["two"]} == {True}
    assert len({folder.split("/")[3] for folder in folders["one"] | folders["two"]}) == 1, "one recording"


async def test_only_those_of_a_killed_process_are_told_and_come_again(house: House) -> None:
    ana, ben, cleo = house.talkers
    await house.all_hear_each_other()
    await until(lambda: ben.people == [1, 2, 3], "all are in")
    (full,) = [node for node, child in house.nodes.items() if await _people(house, child) == 2]
    (lost,) = house.nodes.keys() - {full}

    await house.nodes[lost].kill()
    await until(lambda: cleo.socket.told_of("VOICE_LOST"), "Cleo is told", TOLD_SECONDS)
    assert 0 <= cleo.socket.told_of("VOICE_LOST")[0]["retryAfterMs"] <= 100
    await until(lambda: ana.people == [1, 2], "she is not in any more")
    refused = await house.talk(cleo)
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "voice_unavailable", "5")
    assert set(ana.now().values()) == {2}
    assert set(ben.now().values()) == {1}

    await house.start("three")
    assert (await house.talk(cleo)).status == 201
    await house.all_hear_each_other()
    for talker in house.talkers:
        await until(lambda t=talker: t.is_told_right([1, 2, 3]), f"{talker.number} is told what they hear")  # type: ignore[misc]
    assert [len(talker.socket.told_of("VOICE_LOST")) for talker in house.talkers] == [0, 0, 1]


def _only(talker: Talker, number: int) -> dict[int, int]:
    """One voice, in the slot where it is."""
    return {place: speaker for place, speaker in talker.now().items() if speaker == number} or {-1: number}


async def _people(house: House, node: Child) -> int:
    states = house.kata.api.services.voice._sfu
    assert states is not None
    state = await states.state(node.addresses["voice control"], house.room)
    return 0 if state is None else len(state.people)
