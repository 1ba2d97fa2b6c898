"""Talking over HTTP: connections as WHIP makes them (RFC 9725), and what a host says of a room's voice."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from edge.dojos import access
from edge.dojos.bell import Bell
from edge.dojos.ice_servers import IceServer
from edge.dojos.refusals import over
from edge.dojos.states import Status
from edge.voice import people, room_settings
from edge.voice.sfu import FRAGMENT, SDP
from edge.voice.state import VoiceState
from edge.voice.voice import SDP_BYTES, Voice
from kernel import audit
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import Problem, not_found

_ETAG: Final = re.compile(r'"([!#-~]{1,100})"')
_SEAT: Final = {"not_participant": 403, "dojo_over": 409, "not_started": 409}
_AWAY: Final = {"voice_unavailable": 503}


class VoiceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without a room: the dojo's first one."""

    room: UUID | None = None


class VoiceMute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Who is to be silent, or to speak again: somebody, everybody who is in but hosts (`all`), or, if neither is given,
    oneself."""

    muted: bool
    user_id: UUID | None = None
    all: bool = False


class VoiceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is left out stays as it is."""

    green_only: bool | None = None
    """While the code is not green, only pilot, co-pilot and sensei can be heard."""
    recording: bool | None = None
    """Everybody is told on the live socket, whoever comes later too."""


class Talking(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody with a connection. `number` is what RTP packets call them, as a CSRC. `muted`: by themselves or the
    host."""

    user_id: UUID
    number: int
    muted: bool
    may_speak: bool
    speaking: bool
    connected: bool
    muted_by_host: bool


class VoiceRoom(msgspec.Struct, frozen=True, rename="camel"):
    """A room's voice. `recording` is what the host wants; `recorded` whether it is being done, and `recordingTrouble`
    what is wrong with it, if anything."""

    room_id: UUID
    green_only: bool
    recording: bool
    recorded: bool
    people: list[Talking]
    recording_trouble: str | None = None


class IceServersView(msgspec.Struct, frozen=True, rename="camel"):
    """For `RTCConfiguration`. Without TURN servers the list is empty."""

    ice_servers: list[IceServer]


class VoiceRoutes:
    """`/api/v1/dojos/{dojoId}/voice` and `.../rooms/{roomId}/voice`."""

    def __init__(self, voice: Voice, bell: Bell) -> None:
        self._voice = voice
        self._bell = bell

    def operations(self) -> tuple[Operation, ...]:
        path, room, tag = "/api/v1/dojos/{dojoId}/voice", "/api/v1/dojos/{dojoId}/rooms/{roomId}/voice", "voice"
        one, here = path + "/{peerId}", {**_SEAT, **_AWAY}
        return (
            Operation("GET", path + "/ice-servers", self.get_ice_servers, access=SIGNED_IN, tag=tag, problems=_SEAT),
            Operation(
                "POST",
                path,
                self.open_voice,
                access=SIGNED_IN,
                tag=tag,
                status=201,
                media_type=SDP,
                body_type=SDP,
                body_bytes=SDP_BYTES,
                apart=True,
                cost=5.0,
                problems={**here, "room_over": 409, "offer_refused": 400},
            ),
            Operation(
                "PATCH",
                one,
                self.patch_voice,
                access=SIGNED_IN,
                tag=tag,
                media_type=FRAGMENT,
                body_type=FRAGMENT,
                body_bytes=SDP_BYTES,
                apart=True,
                takes_if_match=True,
                may_be_empty=True,
                problems={**here, "fragment_refused": 400, "stale_etag": 412, "no_if_match": 428},
            ),
            Operation(
                "DELETE", one, self.close_voice, access=SIGNED_IN, tag=tag, status=204, apart=True, problems=_AWAY
            ),
            Operation("GET", room, self.get_voice, access=SIGNED_IN, tag=tag, apart=True),
            Operation(
                "PUT",
                room,
                self.move_voice,
                access=SIGNED_IN,
                tag=tag,
                status=204,
                apart=True,
                problems={**here, "room_over": 409, "not_in_voice": 409},
            ),
            Operation(
                "PATCH",
                room,
                self.change_voice,
                access=SIGNED_IN,
                tag=tag,
                problems={"not_host": 403, "dojo_over": 409, "room_over": 409},
            ),
            Operation(
                "POST",
                room + "/mute",
                self.mute_voice,
                access=SIGNED_IN,
                tag=tag,
                status=204,
                apart=True,
                problems={
                    **_AWAY,
                    "not_host": 403,
                    "not_participant": 403,
                    "not_in_voice": 409,
                    "muted_by_host": 409,
                    "invalid_mute": 400,
                },
            ),
        )

    async def get_ice_servers(self, call: Call[None, None]) -> IceServersView:
        """TURN servers, with credentials for half a day."""
        await people.check_seat(call.db, call.caller.tenant, call.ids["dojoId"], call.caller.user)
        return IceServersView(self._voice.ice.of(call.caller.user))

    async def open_voice(self, call: Call[str, VoiceQuery]) -> web.StreamResponse:
        """Talk: an SDP offer, answered (RFC 9725).

        One audio section sends, the others receive: that many voices are heard at once, three at most. The server is
        ICE-lite and waits for no candidates. `Location` is the connection, `ETag` its ICE session.
        """
        dojo = call.ids["dojoId"]
        opened = await self._voice.open(call.caller.tenant, dojo, call.query.room, call.caller.user, call.body)
        location = f"/api/v1/dojos/{dojo}/voice/{opened.peer}"
        return _answer(opened.answer, SDP, opened.etag, status=201, Location=location)

    async def patch_voice(self, call: Call[str, None]) -> web.StreamResponse:
        """More candidates, or an ICE restart: an SDP fragment (RFC 8840).

        Candidates are answered 204. A restart is answered with the server's fragment and the ETag to name from then on.
        """
        if call.if_match is None:
            raise Problem(428, "no_if_match", "name the ETag that was told last in If-Match")
        given = _ETAG.fullmatch(call.if_match)
        if given is None and call.if_match != "*":
            raise Problem(412, "stale_etag", "If-Match holds one ETag in quotes, or *")
        restarted = await self._voice.patch(
            call.caller.tenant,
            call.ids["dojoId"],
            call.caller.user,
            call.ids["peerId"],
            fragment=call.body,
            etag="*" if given is None else given[1],
        )
        if restarted is None:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        return _answer(restarted.answer, FRAGMENT, restarted.etag, status=200)

    async def close_voice(self, call: Call[None, None]) -> None:
        """Stop talking and listening."""
        await self._voice.leave(call.caller.tenant, call.ids["dojoId"], call.caller.user, call.ids["peerId"])

    async def get_voice(self, call: Call[None, None]) -> VoiceRoom:
        """Who talks in a room, and what the host has set."""
        tenant, room = call.caller.tenant, call.ids["roomId"]
        async with self._voice.scope(tenant) as db:
            await _room(call.inside(db))
            now = await room_settings.read(db, tenant, room)
            muted = await people.muted_by_host(db, tenant, [call.ids["dojoId"]])
        return _view(room, now, await self._voice.state(room), muted[call.ids["dojoId"]])

    async def move_voice(self, call: Call[None, None]) -> None:
        """Talk in this room from now on, over the connection one has: nothing is negotiated anew."""
        await self._voice.move(call.caller.tenant, call.ids["dojoId"], call.ids["roomId"], call.caller.user)

    async def change_voice(self, call: Call[VoiceChange, None]) -> VoiceRoom:
        """Let people talk on green only, or record them; for the host.

        The answer says what is set now; who talks, and whether it is recorded already, is for `GET` to say.
        """
        tenant, room = call.caller.tenant, call.ids["roomId"]
        dojo = await access.managed(call)
        if Status(dojo["status"]).over:
            raise over()
        if await _room(call) != "ACTIVE":
            raise Problem(409, "room_over", "this room is closed")
        was, now = await room_settings.change(
            call.db, tenant, room, green_only=call.body.green_only, recording=call.body.recording
        )
        if was.recording != now.recording:
            recording = now.recording or was.recording
            details = {"dojo": str(dojo["dojo_id"]), "recording": str(recording)}
            await audit.note(call, f"dojo.recording_{'ended' if now.recording is None else 'began'}", room, details)
        if was.green_only != now.green_only:
            await audit.note(call, "dojo.green_only", room, {"dojo": str(dojo["dojo_id"]), "on": now.green_only})
        await self._bell.after_commit(call, dojo["dojo_id"])
        return _view(room, now, None)

    async def mute_voice(self, call: Call[VoiceMute, None]) -> None:
        """Mute oneself; as the host anybody, or everybody.

        Whom the host has muted cannot unmute themselves, also not by connecting anew.
        """
        tenant, dojo, room, body = call.caller.tenant, call.ids["dojoId"], call.ids["roomId"], call.body
        if body.all and body.user_id is not None:
            raise Problem(400, "invalid_mute", "name somebody or all, not both")
        own = not body.all and body.user_id in (None, call.caller.user)
        async with self._voice.scope(tenant) as db:
            inside = call.inside(db)
            if not own:
                await access.managed(inside)
            await _room(inside)
            if not own:
                await audit.note(
                    inside, "dojo.voice_muted", body.user_id or room, {"dojo": str(dojo), "muted": body.muted}
                )
        if own:
            await self._voice.mute_oneself(tenant, dojo, call.caller.user, muted=body.muted)
        elif body.user_id is not None:
            await self._voice.mute_one(tenant, dojo, body.user_id, muted=body.muted)
        else:
            await self._voice.mute_all(tenant, dojo, room, call.caller.user, muted=body.muted)


async def _room(call: Call[Any, Any]) -> str:
    """The status of the room that the path names. Raises `Problem` 404, also if the caller may not know of it."""
    dojo = await access.seen(call)
    status: str | None = await call.db.fetchval(
        "SELECT status FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND room_id = $3",
        call.caller.tenant,
        dojo["dojo_id"],
        call.ids["roomId"],
    )
    if status is None:
        raise not_found()
    return status


def _view(
    room: UUID, settings: room_settings.RoomSettings, state: VoiceState | None, by_host: Collection[UUID] = ()
) -> VoiceRoom:
    talking = [
        Talking(
            one.user,
            one.number,
            one.muted,
            one.may_speak,
            one.speaking,
            one.connected,
            one.muted and one.user in by_host,
        )
        for one in (state.people if state is not None else ())
    ]
    return VoiceRoom(
        room,
        settings.green_only,
        settings.recording is not None,
        state is not None and state.recording,
        talking,
        None if state is None else state.recording_trouble,
    )


def _answer(body: str, media_type: str, etag: str, *, status: int, **headers: str) -> web.Response:
    return web.Response(
        status=status,
        body=body.encode(),
        content_type=media_type,
        headers={"Cache-Control": "no-store", "ETag": f'"{etag}"', **headers},
    )
