"""A voice process without media: real HTTP, real grants, and the same words on Redis."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from dojo.settings import VoiceSettings
from edge.voice.state import CHANNEL
from kernel.tokens.jws import TokenRefused
from kernel.tokens.voice_grant import VoiceGrant, verify_control, verify_voice

SECRET = b"a secret of some thirty-two bytes"
OFFER, ANSWER, FRAGMENT = "v=0\r\no=offer\r\n", "v=0\r\no=answer\r\n", "a=ice-ufrag:abcd\r\n"
GRANT: web.RequestKey[VoiceGrant] = web.RequestKey("grant", VoiceGrant)
SDP, SDPFRAG = "application/sdp", "application/trickle-ice-sdpfrag"


@dataclass
class Peer:
    id: UUID
    grant: VoiceGrant
    room: UUID
    may_speak: bool
    muted: bool
    preferred: bool
    etag: str = "first"


@dataclass
class StandInSfu:
    """Who is in, and everything that was asked of it."""

    peers: dict[UUID, Peer] = field(default_factory=dict)
    recorded: dict[UUID, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    spoken: dict[int, float] = field(default_factory=dict)
    speaking: set[int] = field(default_factory=set)
    broken: int | None = None
    """A status that everything is answered with."""
    url: str = ""
    name: str = "stand-in"

    def settings(self, **more: Any) -> VoiceSettings:
        return VoiceSettings(secret=base64.b64encode(SECRET).decode(), control_url=self.url, **more)

    def inside(self, room: str | UUID) -> dict[UUID, Peer]:
        """Those in a room, by user."""
        return {peer.grant.user: peer for peer in self.peers.values() if str(peer.room) == str(room)}

    def state(self, room: UUID) -> dict[str, Any]:
        people = [
            {
                "number": peer.grant.number,
                "user": str(peer.grant.user),
                "muted": peer.muted,
                "maySpeak": peer.may_speak,
                "preferred": peer.preferred,
                "speaking": peer.grant.number in self.speaking,
                "connected": True,
            }
            for peer in self.inside(room).values()
        ]
        numbers: list[int] = [peer.grant.number for peer in self.inside(room).values()]
        loud = [number for number in numbers if number in self.speaking]
        slots = [*loud, None, None, None][:3]
        own = {str(number): [*(each for each in loud if each != number), None, None, None][:3] for number in loud}
        return {
            "room": str(room),
            "sfu": self.name,
            "at": time.time(),
            "people": people,
            "slots": slots,
            "own": own,
            "recording": room in self.recorded,
            "spoken": {str(number): self.spoken.get(number, 0.0) for number in numbers},
        }

    async def publish(self, redis: Redis, room: str | UUID) -> int:
        """Tell live nodes; how many heard."""
        message = msgspec.json.encode(self.state(UUID(str(room))))
        return int(await redis.publish(f"{CHANNEL}{room}", message))

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded])
        app.add_routes(
            [
                web.post("/v1/peers", self._open),
                web.patch("/v1/peers/{peer}", self._patch),
                web.delete("/v1/peers/{peer}", self._close),
                web.get("/v1/rooms/{room}", self._state),
                web.put("/v1/rooms/{room}/people/{number}", self._put),
                web.delete("/v1/rooms/{room}/people/{number}", self._remove),
                web.put("/v1/rooms/{room}/mute", self._mute),
                web.put("/v1/rooms/{room}/recording", self._record),
            ]
        )
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.broken is not None:
            return web.json_response({"error": "broken"}, status=self.broken)
        self.asked.append((request.method, request.path))
        token = request.headers["Authorization"].removeprefix("Bearer ")
        try:
            if "room" in request.match_info:
                grant = verify_control(SECRET, token, time.time())
                assert str(grant.room) == request.match_info["room"]
            else:
                request[GRANT] = verify_voice(SECRET, token, time.time())
        except TokenRefused as refused:
            return web.json_response({"error": refused.reason}, status=403)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _open(self, request: web.Request) -> web.Response:
        assert request.content_type == SDP
        offer, grant = await request.text(), request[GRANT]
        if offer != OFFER:
            return web.json_response({"error": "no audio in this offer"}, status=400)
        peer = Peer(uuid4(), grant, grant.room, grant.may_speak, grant.muted, grant.preferred)
        self.peers[peer.id] = peer
        return web.json_response({"peer": str(peer.id), "answer": ANSWER, "etag": peer.etag}, status=201)

    def _mine(self, request: web.Request) -> Peer | None:
        peer = self.peers.get(UUID(request.match_info["peer"]))
        return peer if peer is not None and peer.grant.user == request[GRANT].user else None

    async def _patch(self, request: web.Request) -> web.Response:
        peer, fragment = self._mine(request), await request.text()
        assert request.content_type == SDPFRAG
        if peer is None:
            return web.json_response({"error": "gone"}, status=404)
        if request.headers["If-Match"] not in ("*", f'"{peer.etag}"'):
            return web.json_response({"error": "old"}, status=412)
        if fragment != FRAGMENT:
            return web.Response(status=204)
        peer.etag = "second"
        return web.json_response({"answer": "a=ice-ufrag:efgh\r\n", "etag": peer.etag})

    async def _close(self, request: web.Request) -> web.Response:
        peer = self._mine(request)
        if peer is None:
            return web.json_response({"error": "gone"}, status=404)
        del self.peers[peer.id]
        return web.Response(status=204)

    async def _state(self, request: web.Request) -> web.Response:
        room = UUID(request.match_info["room"])
        return web.json_response(self.state(room)) if self.inside(room) else web.json_response({}, status=404)

    def _numbered(self, request: web.Request) -> list[Peer]:
        inside = self.inside(request.match_info["room"]).values()
        return [peer for peer in inside if peer.grant.number == int(request.match_info["number"])]

    async def _put(self, request: web.Request) -> web.Response:
        rights, found = await request.json(), self._numbered(request)
        for peer in found:
            peer.may_speak, peer.muted, peer.preferred = rights["maySpeak"], rights["muted"], rights["preferred"]
            peer.room = UUID(rights["room"]) if rights["room"] else peer.room
        return web.Response(status=204) if found else web.json_response({}, status=404)

    async def _remove(self, request: web.Request) -> web.Response:
        for peer in self._numbered(request):
            del self.peers[peer.id]
        return web.Response(status=204)

    async def _mute(self, request: web.Request) -> web.Response:
        mute = await request.json()
        for peer in self.inside(request.match_info["room"]).values():
            if peer.grant.number not in mute["but"]:
                peer.muted = mute["muted"]
        return web.Response(status=204)

    async def _record(self, request: web.Request) -> web.Response:
        room, wanted = UUID(request.match_info["room"]), await request.json()
        self.recorded.pop(room, None)
        if wanted["on"]:
            self.recorded[room] = wanted["prefix"]
        return web.Response(status=204)


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandInSfu]:
    """Running."""
    sfu = StandInSfu()
    async with TestServer(sfu.application()) as server:
        sfu.url = str(server.make_url("/")).rstrip("/")
        yield sfu
