"""What a client says to the engine in JSON: that it has a new token. Everything else is the application's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from collab_core.admission import Refused
from collab_core.member import Member
from collab_core.room import Room

if TYPE_CHECKING:
    from collab_core.server import LiveServer


class _Command(msgspec.Struct):
    type: str
    token: str = ""


class Commands:
    """Those of one connection. Tokens are renewed one at a time."""

    __slots__ = ("_renewal", "_server")

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._renewal: asyncio.Task[None] | None = None

    def take(self, room: Room, member: Member, payload: bytes) -> None:
        """One text frame, which may hold anything."""
        try:
            command = msgspec.json.decode(payload, type=_Command)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            _complain(member, "malformed_json", "not a JSON object with a type")
            return
        if command.type != "auth":
            room.application.told(member, payload)
        elif self._renewal is not None:
            _complain(member, "busy", "a renewal is under way")
        else:
            self._renewal = self._server.own(self._renew(member, command.token), name="renew")

    def cancel(self) -> None:
        """The connection is gone."""
        if self._renewal is not None:
            self._renewal.cancel()

    async def _renew(self, member: Member, token: str) -> None:
        try:
            member.admission = await self._server.authoriser.renew(token, member.admission)
            admission = member.admission
            member.say(
                {
                    "type": "renewed",
                    "expiresAt": int(admission.expires_at * 1000),
                    "canWrite": admission.can_write,
                }
            )
        except Refused as refused:
            _complain(member, "token_refused", refused.reason)
        finally:
            self._renewal = None


def _complain(member: Member, code: str, message: str) -> None:
    kind = "error" if member.dialect.has_document else "ERROR"
    member.say({"type": kind, "code": code, "message": message})
