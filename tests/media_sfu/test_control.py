"""The internal HTTP port, with a real client and a synthetic one behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import msgspec
import pytest
from aiohttp import web

from kernel.blobs.folder import FolderBlobs
from kernel.telemetry import Readings, Sample
from kernel.tokens.voice_grant import ControlGrant, sign_control, sign_voice
from loadtests.voice import session_description as sd
from media_sfu.control import Control
from media_sfu.hall import Admitted
from media_sfu.limits import VoiceLimits
from media_sfu.recording.recorder import Recorder
from tests.media_sfu.stage import Guest, Stage, staged, until

SECRET = b"s" * 32
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


class Edge:
    """Asks as the edge does. Every answer that is not 204 is JSON."""

    def __init__(self, stage: Stage, url: str, session: aiohttp.ClientSession) -> None:
        self.stage = stage
        self._url = url
        self._session = session

    async def ask(
        self, method: str, path: str, token: str | None = None, *, data: bytes = b"", kind: str = "", match: str = ""
    ) -> tuple[int, Any]:
        headers = {"Content-Type": kind or "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"If-Match": match} if match else {}
        async with self._session.request(method, self._url + path, data=data, headers=headers) as answer:
            body = await answer.read()
            assert bool(body) == (answer.status != 204)
            return answer.status, msgspec.json.decode(body) if body else None

    def voice(self, number: int = 1, **changes: Any) -> str:
        now = int(time.time())
        grant = msgspec.structs.replace(self.stage.grant(number), iat=now, exp=now + 60)
        return sign_voice(changes.pop("secret", SECRET), msgspec.structs.replace(grant, **changes))

    def control(self, of: UUID | None = None, **changes: Any) -> str:
        now = int(time.time())
        grant = ControlGrant(room=of or self.stage.room_id, iat=now, exp=now + 60)
        return sign_control(changes.pop("secret", SECRET), msgspec.structs.replace(grant, **changes))

    async def admit(self, guest: Guest, token: str) -> tuple[int, Any]:
        offer = sd.offer(guest.own, sends=True, slots=3)
        return await self.ask("POST", "/v1/peers", token, data=offer.encode(), kind=SDP)

    def guest(self, number: int) -> Guest:
        return Guest(self.stage, number, self.stage._shared)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    recorder = Recorder(tmp_path / "work", FolderBlobs(tmp_path / "blobs"))
    await recorder.start()
    async with staged(VoiceLimits(peers=6), recorder) as stage:
        control = Control(
            stage.hall, SECRET, clock=time.time, readings=Readings(lambda: [Sample("dojo_voice_rooms", "Rooms", 3)])
        )
        runner = web.AppRunner(control.application())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession() as session:
            yield Edge(stage, f"http://127.0.0.1:{runner.addresses[0][1]}", session)
        await runner.cleanup()
    await recorder.close()


def body(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


async def joined(edge: Edge, number: int) -> Guest:
    guest = edge.guest(number)
    status, told = await edge.admit(guest, edge.voice(number, user=guest.user))
    assert status == 201
    UUID(told["peer"])  # the edge reads it as one
    guest.admitted = Admitted(**told)
    await edge.stage.connect(guest)
    return guest


async def test_two_join_and_talk(edge: Edge) -> None:
    ana, ben = await joined(edge, 1), await joined(edge, 2)
    await edge.stage.speak(ana, frames=5)
    assert ben.heard == {1}


async def test_health_and_metrics(edge: Edge) -> None:
    assert await edge.ask("GET", "/health") == (200, {"status": "ok"})
    async with edge._session.get(edge._url + "/metrics") as answer:
        assert "dojo_voice_rooms 3.0" in await answer.text()


GRANTED = [
    ("POST", "/v1/peers", "voice"),
    ("PATCH", "/v1/peers/{peer}", "voice"),
    ("DELETE", "/v1/peers/{peer}", "voice"),
    ("GET", "/v1/rooms/{room}", "control"),
    ("PUT", "/v1/rooms/{room}/people/1", "control"),
    ("DELETE", "/v1/rooms/{room}/people/1", "control"),
    ("PUT", "/v1/rooms/{room}/mute", "control"),
    ("PUT", "/v1/rooms/{room}/recording", "control"),
]


@pytest.mark.parametrize(("method", "path", "kind"), GRANTED)
async def test_nothing_without_the_right_grant(edge: Edge, method: str, path: str, kind: str) -> None:
    guest = await joined(edge, 1)
    path = path.format(peer=guest.admitted.peer, room=edge.stage.room_id)
    old: dict[str, Any] = {"iat": int(time.time()) - 600, "exp": int(time.time()) - 540}
    if kind == "voice":
        tokens = [edge.control(), edge.voice(secret=b"x" * 32), edge.voice(**old)]
    else:
        tokens = [edge.voice(), edge.control(secret=b"x" * 32), edge.control(**old), edge.control(uuid4())]
    for token in (None, "", "rubbish", *tokens):
        status, told = await edge.ask(method, path, token, kind=SDP)
        assert status == 403, token
        assert told["error"].startswith("the grant is not taken")
    assert guest.admitted.peer in edge.stage.hall.peers
    assert not edge.stage.room.people[1].muted


async def test_offers(edge: Edge) -> None:
    guest = edge.guest(1)
    assert (await edge.ask("POST", "/v1/peers", edge.voice(), data=b"v=0\r\n", kind=SDP))[0] == 400
    assert (await edge.ask("POST", "/v1/peers", edge.voice(), data=b"\xff\xfe", kind=SDP))[0] == 400
    assert (await edge.ask("POST", "/v1/peers", edge.voice(), data=b"{}"))[0] == 415
    assert (await edge.ask("POST", "/v1/peers", edge.voice(), data=bytes(70_000), kind=SDP))[0] == 413
    assert not edge.stage.hall.peers
    user = guest.user
    for number in (1, 2, 3):
        assert (await edge.admit(edge.guest(number), edge.voice(number, user=user)))[0] == 201
    assert (await edge.admit(edge.guest(4), edge.voice(4, user=user)))[0] == 429
    for number in (5, 6, 7):
        assert (await edge.admit(edge.guest(number), edge.voice(number)))[0] == 201
    assert (await edge.admit(edge.guest(8), edge.voice(8)))[0] == 503
    assert (await edge.admit(edge.guest(1), edge.voice(1, dojo=uuid4())))[0] == 403


async def test_offers_that_come_together_are_answered_one_by_one(edge: Edge) -> None:
    answers = await asyncio.gather(*(edge.admit(edge.guest(n), edge.voice(n)) for n in range(1, 7)))
    assert [status for status, _ in answers] == [201] * 6
    assert len({told["peer"] for _, told in answers}) == 6


def fragment(fragment: str, password: str) -> bytes:
    return (f"a=ice-ufrag:{fragment}\r\na=ice-pwd:{password}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n").encode()


async def test_fragments(edge: Edge) -> None:
    guest = await joined(edge, 1)
    path, token = f"/v1/peers/{guest.admitted.peer}", edge.voice(1, user=guest.user)
    etag = f'"{guest.admitted.etag}"'

    async def patch(data: bytes, match: str = "", *, kind: str = FRAGMENT, by: str = token) -> tuple[int, Any]:
        return await edge.ask("PATCH", path, by, data=data, kind=kind, match=match)

    same, fresh = fragment(guest.own.fragment, guest.own.password), fragment("fresh", "f" * 24)
    assert (await patch(same))[0] == 428
    assert (await patch(same, '"another"'))[0] == 412
    assert (await patch(same, etag, kind=SDP))[0] == 415
    assert (await patch(b"rubbish", etag))[0] == 400
    assert await patch(same, etag) == (204, None)
    assert (await patch(fresh, etag, by=edge.voice(1)))[0] == 404
    status, told = await patch(fresh, etag)
    assert status == 200
    assert told["etag"] != guest.admitted.etag
    assert "a=ice-ufrag:" in told["answer"]
    assert (await patch(fresh, etag))[0] == 412
    assert (await patch(fragment("again", "g" * 24), "*"))[0] == 200
    assert (await edge.ask("PATCH", f"/v1/peers/{uuid4()}", token, data=fresh, kind=FRAGMENT, match=etag))[0] == 404


async def test_leaving(edge: Edge) -> None:
    guest = await joined(edge, 1)
    path = f"/v1/peers/{guest.admitted.peer}"
    assert (await edge.ask("DELETE", path, edge.voice(1)))[0] == 404
    assert await edge.ask("DELETE", path, edge.voice(1, user=guest.user)) == (204, None)
    assert (await edge.ask("DELETE", path, edge.voice(1, user=guest.user)))[0] == 404
    assert not edge.stage.hall.rooms


async def test_state(edge: Edge) -> None:
    path = f"/v1/rooms/{edge.stage.room_id}"
    assert (await edge.ask("GET", path, edge.control()))[0] == 404
    guest = await joined(edge, 1)
    status, told = await edge.ask("GET", path, edge.control())
    assert status == 200
    assert told["people"] == [
        {
            "number": 1,
            "user": str(guest.user),
            "muted": False,
            "maySpeak": True,
            "preferred": False,
            "speaking": False,
            "connected": True,
        }
    ]
    assert told["slots"] == [None, None, None]
    assert told["recording"] is False


async def test_rights_and_moves(edge: Edge) -> None:
    guest = await joined(edge, 1)
    path = f"/v1/rooms/{edge.stage.room_id}/people"
    rights = {"maySpeak": False, "muted": True, "preferred": True}
    assert await edge.ask("PUT", f"{path}/1", edge.control(), data=body(**rights, room=None, number=None)) == (
        204,
        None,
    )
    assert (guest.peer.may_speak, guest.peer.muted, guest.peer.preferred) == (False, True, True)
    assert (await edge.ask("PUT", f"{path}/2", edge.control(), data=body(**rights)))[0] == 404
    for bad in (
        b"{",
        body(muted=True),
        body(**rights, room="kitchen"),
        body(**rights, number=0),
        body(**rights, number=2**32),
    ):
        assert (await edge.ask("PUT", f"{path}/1", edge.control(), data=bad))[0] == 400
    for number in ("one", "-1", "1" * 11, "%D9%A1"):
        assert (await edge.ask("PUT", f"{path}/{number}", edge.control(), data=body(**rights)))[0] == 400
    there = uuid4()
    moved = body(**rights, room=str(there), number=9)
    assert await edge.ask("PUT", f"{path}/1", edge.control(), data=moved) == (204, None)
    assert list(edge.stage.hall.rooms) == [there]
    assert list(edge.stage.hall.rooms[there].people) == [9]
    foreign = edge.guest(3)
    elsewhere = uuid4()
    await edge.admit(foreign, edge.voice(3, room=elsewhere, dojo=uuid4()))
    back = body(**rights, room=str(elsewhere))
    assert (await edge.ask("PUT", f"/v1/rooms/{there}/people/9", edge.control(there), data=back))[0] == 403
    assert list(edge.stage.hall.rooms[there].people) == [9]


async def test_removal(edge: Edge) -> None:
    guest = await joined(edge, 1)
    path = f"/v1/rooms/{edge.stage.room_id}/people/1"
    assert await edge.ask("DELETE", path, edge.control()) == (204, None)
    assert guest.admitted.peer not in edge.stage.hall.peers
    assert (await edge.ask("DELETE", path, edge.control()))[0] == 404


async def test_mute_all_but_some(edge: Edge) -> None:
    path = f"/v1/rooms/{edge.stage.room_id}/mute"
    assert (await edge.ask("PUT", path, edge.control(), data=body(muted=True)))[0] == 404
    guests = [await joined(edge, number) for number in (1, 2, 3)]
    assert await edge.ask("PUT", path, edge.control(), data=body(muted=True, but=[2])) == (204, None)
    assert [guest.peer.muted for guest in guests] == [True, False, True]
    assert await edge.ask("PUT", path, edge.control(), data=body(muted=False)) == (204, None)
    assert [guest.peer.muted for guest in guests] == [False] * 3
    assert (await edge.ask("PUT", path, edge.control(), data=body(but=[2])))[0] == 400


async def test_recording(edge: Edge) -> None:
    path = f"/v1/rooms/{edge.stage.room_id}/recording"
    on = body(on=True, prefix="acme/dojo/room/one")
    assert (await edge.ask("PUT", path, edge.control(), data=on))[0] == 404
    await joined(edge, 1)
    for bad in (body(on=True, prefix=""), body(on=True, prefix="../up"), body(on=True, prefix="/root")):
        assert (await edge.ask("PUT", path, edge.control(), data=bad))[0] == 400
    assert not edge.stage.room.state().recording
    assert await edge.ask("PUT", path, edge.control(), data=on) == (204, None)
    assert edge.stage.room.state().recording
    assert await edge.ask("PUT", path, edge.control(), data=body(on=False)) == (204, None)
    assert not edge.stage.room.state().recording


async def test_what_is_not_there(edge: Edge) -> None:
    assert (await edge.ask("GET", "/v1/nothing", edge.control()))[0] == 404
    assert (await edge.ask("GET", "/v1/peers", edge.control()))[0] == 405


async def test_a_fault_is_told_as_one(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    guest = await joined(edge, 1)

    def fail() -> None:
        raise RuntimeError("by design")

    edge.stage.room.state = fail  # type: ignore[assignment, method-assign]
    async with edge._session.get(
        f"{edge._url}/v1/rooms/{edge.stage.room_id}", headers={"Authorization": f"Bearer {edge.control()}"}
    ) as answer:
        assert answer.status == 500
        assert "by design" not in await answer.text()
    await edge.stage.speak(guest)
    await until(lambda: "by design" in caplog.text, "the log")
