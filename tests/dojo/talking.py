"""People who talk through a real `dojo serve`: HTTP, a live socket, and synthetic media of their own."""

from __future__ import annotations

import asyncio
import io
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil

from dojo.data_directory import DataDirectory
from loadtests.voice import session_description as sd
from loadtests.voice.client import Client as Media
from loadtests.voice.crowd import Crowd
from loadtests.voice.microphone import Microphone
from loadtests.voice.speech import FRAME_SAMPLES, FRAME_SECONDS, Spoken
from loadtests.voice.streams import Stream
from media_sfu.recording.sidecar import Sidecar, read
from tests.collab_core.client import Client as Socket
from tests.edge.web.account import Accounts, Person
from tests.media_sfu.recording.sound import RATE, bursts, decode
from tests.running import RunningDojo

DOJOS = "/api/v1/dojos"
SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
DEADLINE = 10.0
"""Seconds, for whatever has no time of its own."""
LOOKAHEAD = 312 / RATE
"""Seconds. By so much Opus comes out later than it went in."""


async def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> float:
    """The seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"within {seconds} s there never was: {what}"
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Account:
    """Somebody who may ask."""

    user: str
    token: str = field(repr=False)


async def company(dojo: RunningDojo) -> tuple[Account, Account]:
    """Ana signs up with a company of her own, and Ben into it, by her invitation."""
    accounts = Accounts(dojo)
    ana, ben = Person.new("Ana Lima"), Person.new("Ben Ek")
    new = {"email": ana.email, "password": ana.password, "fullName": ana.name, "companyName": ana.company}
    await accounts.call("POST", "/users", new)
    await accounts.join(ana, ben)
    found: list[Account] = []
    for person in (ana, ben):
        token = await accounts.login(person)
        found.append(Account((await accounts.call("GET", "/users/me", token=token))["userId"], token))
    return found[0], found[1]


class Scene:
    """What an app knows of voice from VOICE_STATE, on one live socket."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket

    @property
    def last(self) -> dict[str, Any]:
        """The state, with those who were told to be in."""
        known: dict[str, Any] = {"people": [], "speaking": [], "slots": [], "recording": None}
        for message in self.socket.told_of("VOICE_STATE"):
            known = {"people": known["people"], **message}
        return known

    def number(self, account: Account) -> int | None:
        """Of somebody who is in."""
        return next((one["number"] for one in self.last["people"] if one["userId"] == account.user), None)

    def person(self, account: Account) -> dict[str, Any] | None:
        return next((one for one in self.last["people"] if one["userId"] == account.user), None)

    @property
    def connected(self) -> set[str]:
        """User ids."""
        return {one["userId"] for one in self.last["people"] if one["connected"]}


class Recital(Microphone):
    """Says Opus that an encoder made, a packet each 20 ms, and nothing when there is none left."""

    def __init__(self, media: Media, level_id: int) -> None:
        super().__init__(media, 1, level_id=level_id)
        self.sent_at: list[float] = []
        """Of each packet since `say`: Unix seconds."""
        self._left: list[bytes] = []

    def say(self, packets: Sequence[bytes]) -> None:
        self._left = list(packets)
        self.sent_at = []

    @property
    def silent(self) -> bool:
        """All is said."""
        return not self._left

    @property
    def began(self) -> float:
        """When it began to say it: as if the quickest packet had been sent in time."""
        return min(at - number * FRAME_SECONDS for number, at in enumerate(self.sent_at))

    def frame(self) -> None:
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        if not self._left:
            self._previous, self._silent = b"", True
            return
        self.sent_at.append(time.time())
        self._send(self._left.pop(0), self._level())


@dataclass
class Call:
    """Somebody's media, and what came with the answer to their offer."""

    media: Media
    peer: str
    etag: str
    slots: tuple[int, ...]
    """The SSRC of each receive slot."""
    level_id: int
    heard: list[tuple[int, Spoken]] = field(default_factory=list)
    """What was said to them, and on which SSRC."""
    microphone: Microphone | None = None

    def speakers(self, since: float = 0.0) -> set[int]:
        """Who was heard with something said after `since` (Unix seconds), by what is in their payloads."""
        return {spoken.speaker for _, spoken in self.heard if spoken.at >= since * 1e9}

    def slot_of(self, speaker: int) -> int | None:
        """Where they were heard last."""
        for ssrc, spoken in reversed(self.heard):
            if spoken.speaker == speaker:
                return self.slots.index(ssrc)
        return None

    def restart_fragment(self) -> str:
        """New credentials for ICE, which it goes by from now on, as RFC 8840 has them."""
        own = self.media.own = replace(
            self.media.own, fragment=secrets.token_hex(4), password=secrets.token_hex(12)
        )  # fmt: skip
        return (
            f"a=ice-options:trickle\r\na=ice-ufrag:{own.fragment}\r\na=ice-pwd:{own.password}\r\n"
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
        )

    async def restarted(self, answer: str) -> None:
        """Go by the server's new credentials, and be answered."""
        said = dict(line[2:].split(":", 1) for line in answer.split("\r\n") if line.startswith(("a=ice-u", "a=ice-p")))
        assert self.media._remote is not None
        self.media._remote = replace(self.media._remote, fragment=said["ice-ufrag"], password=said["ice-pwd"])
        self.media._answered.clear()
        self.media.consent()
        await until(self.media._answered.is_set, "an answer to a check with the new credentials")


class Meeting:
    """A dojo of Ana's under way, Ben in it, both on their live sockets."""

    def __init__(
        self, dojo: RunningDojo, http: aiohttp.ClientSession, crowd: Crowd, ana: Account, ben: Account
    ) -> None:
        self.dojo = dojo
        self.crowd = crowd
        self.ana = ana
        self.ben = ben
        self.id = ""
        self.code = ""
        self.room = ""
        self._http = http
        self._sockets: list[Socket] = []

    @property
    def path(self) -> str:
        return f"{DOJOS}/{self.id}"

    def of_room(self, room: str = "") -> str:
        return f"{self.path}/rooms/{room or self.room}"

    async def begin(self) -> tuple[Scene, Scene]:
        """Both take their seats."""
        body = {"name": "Kata", "language": "python", "isPrivate": False, "allowGuests": True}
        made = await self.asked(201, self.ana, "POST", DOJOS, body)
        self.id, self.code = made["dojoId"], made["joinCode"]
        await self.asked(200, self.ben, "POST", f"{DOJOS}/join", {"joinCode": self.code})
        self.room = (await self.asked(200, self.ana, "GET", f"{self.path}/rooms"))["items"][0]["roomId"]
        return await self.sit(self.ana), await self.sit(self.ben)

    async def ask(
        self,
        who: Account | None,
        method: str,
        path: str,
        body: object = None,
        *,
        text: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`text`: a body of its own type, and that type."""
        sent = dict(headers or {})
        if who is not None:
            sent["Authorization"] = f"Bearer {who.token}"
        data = None
        if text is not None:
            data, sent["Content-Type"] = io.BytesIO(text[0].encode()), text[1]
        elif body is not None:
            data, sent["Content-Type"] = io.BytesIO(msgspec.json.encode(body)), "application/json"
        async with self._http.request(method, self.dojo.http + path, data=data, headers=sent) as answer:
            raw = await answer.read()
            is_json = answer.content_type.endswith("json")
            return Answer(answer.status, msgspec.json.decode(raw) if raw and is_json else raw.decode(), answer.headers)

    async def asked(self, status: int, who: Account | None, method: str, path: str, body: object = None) -> Any:
        """The body of an answer with this status."""
        answer = await self.ask(who, method, path, body)
        assert answer.status == status, (method, path, answer)
        return answer.body

    async def sit(self, who: Account, room: str = "") -> Scene:
        """A live socket that was let in."""
        socket = await Socket.connect(int(self.dojo.live.rpartition(":")[2]))
        self._sockets.append(socket)
        query = f"?token={who.token}" + (f"&room={room}" if room else "")
        await socket.upgrade(f"{self.path}/live{query}", subprotocol="dojo.json.v1")
        socket.read()
        await until(lambda: socket.told_of("CONNECTION_STATUS"), "a word from the live socket")
        return Scene(socket)

    async def talk(self, who: Account, *, speaks_as: int = 0) -> Call:
        """An offer over HTTP, as WHIP makes one, and media. `speaks_as`: speak at once, with this in each payload."""
        media = self.crowd.client()
        offer = sd.offer(media.own, sends=True, slots=3)
        answer = await self.ask(who, "POST", f"{self.path}/voice?room={self.room}", text=(offer, SDP))
        assert (answer.status, answer.headers["Content-Type"]) == (201, SDP), answer
        peer = answer.headers["Location"].removeprefix(f"{self.path}/voice/")
        return await self.connect(media, answer.body, peer, answer.headers["ETag"], speaks_as)

    async def talk_over_socket(self, scene: Scene, *, speaks_as: int = 0) -> Call:
        """The same on the live socket."""
        media = self.crowd.client()
        ref = media.own.fragment
        await scene.socket.tell(
            {"type": "VOICE_OFFER", "sdp": sd.offer(media.own, sends=True, slots=3), "ref": ref}
        )  # fmt: skip

        def answers() -> list[dict[str, Any]]:
            return [one for one in scene.socket.told_of("VOICE_ANSWER") if one["ref"] == ref]

        await until(answers, "an answer to the offer")
        answer = answers()[0]
        return await self.connect(media, answer["sdp"], answer["peer"], answer["etag"], speaks_as)

    async def connect(self, media: Media, answer: str, peer: str, etag: str, speaks_as: int) -> Call:
        remote = sd.read(answer)
        await media.connect(remote)
        self.crowd.keep_up(media)
        sending, *receiving = remote.sections
        call = Call(media, peer, etag, tuple(one.ssrcs[0] for one in receiving), sending.level_id)

        def heard(stream: Stream, spoken: Spoken, _arrived: int) -> None:
            call.heard.append((stream.ssrc, spoken))

        self.crowd.listen(media, heard)
        if speaks_as:
            self.speak(call, Microphone(media, speaks_as, level_id=call.level_id))
        return call

    def speak(self, call: Call, microphone: Microphone) -> None:
        call.microphone = microphone
        self.crowd.speak(microphone, len(self.crowd.microphones) % 5 / 5)

    def recite(self, call: Call) -> Recital:
        """A microphone for `call` that says real Opus."""
        recital = Recital(call.media, call.level_id)
        self.speak(call, recital)
        return recital

    async def hears(self, call: Call, speakers: Collection[int], seconds: float = DEADLINE) -> None:
        """Wait until `call` hears all of `speakers` with what they say from now on."""
        now = time.time()
        await until(lambda: set(speakers) <= call.speakers(now), f"{speakers} heard", seconds)

    async def close(self) -> None:
        for socket in self._sockets:
            await socket.end()


@asynccontextmanager
async def meeting(dojo: RunningDojo, people: tuple[Account, Account]) -> AsyncIterator[tuple[Meeting, Scene, Scene]]:
    """With Ana's and Ben's live sockets."""
    async with aiohttp.ClientSession() as http, Crowd() as crowd:
        held = Meeting(dojo, http, crowd, *people)
        try:
            ana, ben = await held.begin()
            yield held, ana, ben
        finally:
            await held.close()


async def silent(call: Call, speaker: int) -> float:
    """Wait until nothing is heard of somebody any more; when the last that was heard was said."""

    def last() -> float:
        return max((spoken.at for _, spoken in call.heard if spoken.speaker == speaker), default=0) / 1e9

    await until(lambda: time.time() - last() > 0.5, f"silence of {speaker}")
    return last()


async def spoken(room: Meeting) -> dict[str, float]:
    """From the summary, once all who talked are in it."""
    deadline = time.monotonic() + 10
    while True:
        summary = await room.asked(200, room.ana, "GET", f"{room.path}/summary")
        seconds = {one["userId"]: one["talkSeconds"] for one in summary["people"] if one["talkSeconds"]}
        if len(seconds) == 2:
            return seconds
        assert time.monotonic() < deadline, [one["talkSeconds"] for one in summary["people"]]
        await asyncio.sleep(0.2)


async def kill(dojo: RunningDojo) -> int:
    """The voice process; how often one had come back before."""
    times, process = _returns(dojo), psutil.Process(dojo.voice_pid)
    process.send_signal(signal.SIGKILL)
    await until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the end of the process")
    return times


async def back(dojo: RunningDojo, times: int) -> None:
    """Wait until a voice process has come back more often than that."""
    await until(lambda: _returns(dojo) > times, "a new voice process")


def _returns(dojo: RunningDojo) -> int:
    return sum(line["message"].startswith("voice is back") for line in dojo.log_lines())


async def record(room: Meeting, on: bool, *told: Scene) -> None:
    """The host turns it on or off, and everybody is told."""
    await room.asked(200, room.ana, "PATCH", room.of_room() + "/voice", {"recording": on})
    for scene in told:
        await until(lambda s=scene: s.last["recording"] is on, f"word of recording: {on}")  # type: ignore[misc]


def parts(room: Meeting) -> list[Path]:
    """The folders with what is in the store of a room, in the order of time."""
    blobs = DataDirectory(room.dojo.data_dir).blobs
    return sorted({path.parent for path in blobs.glob(f"*/{room.id}/{room.room}/*/*/*.json")})


def sidecars(folder: Path) -> dict[str, Sidecar]:
    """Of a part, by user."""
    found = [read(path.read_bytes()) for path in folder.glob("*.json")]
    return {str(one.user): one for one in found}


def said(folder: Path, sidecar: Sidecar) -> list[float]:
    """When somebody began to say what is in their files: Unix seconds."""
    times: list[float] = []
    for segment in sidecar.segments:
        start = sidecar.started_at.timestamp() + segment.start - LOOKAHEAD
        times += [start + begin for begin, _ in bursts(decode(folder / segment.file))]
    return times


def finished(room: Meeting, speakers: int) -> bool:
    """Whether all that is recorded of a part is in the store."""
    found = parts(room)
    return bool(found) and sum(one.ended_at is not None for one in sidecars(found[-1]).values()) == speakers
