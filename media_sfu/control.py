"""The internal HTTP port of a voice process: the edge admits people here, and commands rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from kernel.blobs.port import BlobKeyRefused, checked_key
from kernel.telemetry import METRICS_CONTENT_TYPE, Readings, exposition
from kernel.tokens.jws import TokenRefused
from kernel.tokens.voice_grant import ControlGrant, Number, VoiceGrant, verify_control, verify_voice
from media_sfu.hall import ForeignRoom, Full, Hall, NoSuchPeer, TooManyPending, WrongVersion
from media_sfu.recording.part import part_of
from media_sfu.sdp import SdpError

BODY_BYTES: Final = 64 * 1024
"""An offer with ten sections has some 10 KiB."""
SDP: Final = "application/sdp"
FRAGMENT: Final = "application/trickle-ice-sdpfrag"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Body = TypeVar("_Body", bound=msgspec.Struct)


class Rights(msgspec.Struct, frozen=True, rename="camel"):
    """What somebody may do from now on. `room` and `number`: where they are moved, and what they are called there."""

    may_speak: bool
    muted: bool
    preferred: bool
    room: UUID | None = None
    number: Number | None = None


class Mute(msgspec.Struct, frozen=True):
    """Everybody but those."""

    muted: bool
    but: frozenset[int] = frozenset()


class Recording(msgspec.Struct, frozen=True):
    """`prefix`: where what is recorded is kept, in the store of blobs: each part of it in a folder of its own."""

    on: bool
    prefix: str = ""


class Control:
    """The routes, as docs/voice.md lists them."""

    def __init__(self, hall: Hall, secret: bytes, *, clock: Callable[[], float], readings: Readings) -> None:
        """`clock` is Unix seconds, for grants."""
        self._hall = hall
        self._secret = secret
        self._clock = clock
        self._readings = readings
        self._admitting = asyncio.Lock()

    def application(self) -> web.Application:
        """To be served where only the edge can reach it."""
        application = web.Application(client_max_size=BODY_BYTES, middlewares=[_problems])
        application.add_routes(
            [
                web.post("/v1/peers", self._admit),
                web.patch("/v1/peers/{peer}", self._patch),
                web.delete("/v1/peers/{peer}", self._leave),
                web.get("/v1/rooms/{room}", self._state),
                web.put("/v1/rooms/{room}/people/{number}", self._rights),
                web.delete("/v1/rooms/{room}/people/{number}", self._remove),
                web.put("/v1/rooms/{room}/mute", self._mute),
                web.put("/v1/rooms/{room}/recording", self._record),
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
            ]
        )
        return application

    async def _admit(self, request: web.Request) -> web.Response:
        grant, offer = self._voice_grant(request), await _text(request, SDP)
        async with self._admitting:
            # One in each turn of the loop: media goes on in between, however many join at once.
            await asyncio.sleep(0)
            admitted = self._hall.admit(grant, offer)
        return _json({"peer": admitted.peer, "answer": admitted.answer, "etag": admitted.etag}, 201)

    async def _patch(self, request: web.Request) -> web.Response:
        grant = self._voice_grant(request)
        fragment = await _text(request, FRAGMENT)
        wanted = request.headers.get("If-Match")
        if wanted is None:
            return _json({"error": "If-Match is missing: say the ETag of the answer"}, 428)
        restarted = self._hall.patch(grant, request.match_info["peer"], wanted.strip('"'), fragment)
        if restarted is None:
            return web.Response(status=204)
        return _json({"answer": restarted.answer, "etag": restarted.etag}, 200)

    async def _leave(self, request: web.Request) -> web.Response:
        self._hall.leave(self._voice_grant(request), request.match_info["peer"])
        return web.Response(status=204)

    async def _state(self, request: web.Request) -> web.Response:
        state = self._hall.state(self._room(request))
        if state is None:
            return _json({"error": "nobody is in this room"}, 404)
        return web.Response(body=msgspec.json.encode(state), content_type="application/json")

    async def _rights(self, request: web.Request) -> web.Response:
        room, number = self._room(request), _number(request)
        rights = await _body(request, Rights)
        found = self._hall.rights(
            room,
            number,
            may_speak=rights.may_speak,
            muted=rights.muted,
            preferred=rights.preferred,
            to_room=rights.room,
            to_number=rights.number,
        )
        return _done(found)

    async def _remove(self, request: web.Request) -> web.Response:
        return _done(self._hall.remove(self._room(request), _number(request)))

    async def _mute(self, request: web.Request) -> web.Response:
        room, mute = self._room(request), await _body(request, Mute)
        return _done(self._hall.mute(room, mute.muted, mute.but))

    async def _record(self, request: web.Request) -> web.Response:
        room, recording = self._room(request), await _body(request, Recording)
        prefix = None
        if recording.on:
            checked_key(recording.prefix)
            prefix = part_of(recording.prefix, self._clock())
        return _done(self._hall.record(room, prefix))

    async def _health(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"}, 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=exposition(self._readings), headers={"Content-Type": METRICS_CONTENT_TYPE})

    # Who asks

    def _voice_grant(self, request: web.Request) -> VoiceGrant:
        return verify_voice(self._secret, _bearer(request), self._clock())

    def _control_grant(self, request: web.Request) -> ControlGrant:
        return verify_control(self._secret, _bearer(request), self._clock())

    def _room(self, request: web.Request) -> UUID:
        """The room of the path, if the grant is for it."""
        grant = self._control_grant(request)
        if request.match_info["room"] != str(grant.room):
            raise TokenRefused("wrong_room")
        return grant.room


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except TokenRefused as error:
        return _json({"error": f"the grant is not taken: {error.reason}"}, 403)
    except _BadBody as error:
        return _json({"error": str(error)}, error.status)
    except (SdpError, BlobKeyRefused) as error:
        return _json({"error": str(error)}, 400)
    except ForeignRoom:
        return _json({"error": "this room is another dojo's"}, 403)
    except NoSuchPeer:
        return _json({"error": "there is no such connection (any more)"}, 404)
    except WrongVersion:
        return _json({"error": "If-Match names an older answer"}, 412)
    except TooManyPending:
        return _json({"error": "too many connections of this user are not finished yet"}, 429)
    except Full as error:
        return _json({"error": str(error)}, 503)
    except web.HTTPException as error:
        return _json({"error": error.reason}, error.status)


class _BadBody(Exception):
    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRefused("malformed")
    return token


def _number(request: web.Request) -> int:
    text = request.match_info["number"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise _BadBody("a participant is a number")
    return int(text)


async def _text(request: web.Request, content_type: str) -> str:
    if request.content_type != content_type:
        raise _BadBody(f"the body must be {content_type}", 415)
    try:
        return (await request.read()).decode()
    except UnicodeDecodeError:
        raise _BadBody("the body is not UTF-8") from None


async def _body(request: web.Request, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise _BadBody(str(error)) from None


def _done(found: bool) -> web.Response:
    return web.Response(status=204) if found else _json({"error": "nobody is there to whom it applies"}, 404)


def _json(what: dict[str, Any], status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(what), status=status, content_type="application/json")
