"""Who may enter a room of its own: route, Origin and token of `/api/v1/rooms/{room}/sync`."""

from __future__ import annotations

from dataclasses import replace

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from edge.live.credentials import Credentials, shown
from edge.live.route import room_from_path
from kernel.tokens.access import AccessClaims
from kernel.tokens.room_ticket import RoomClaims, TokenVerifier
from kernel.tokens.socket_ticket import TicketClaims

_ONLY_LOOKS = "guest"
"""The role that may not write."""


class RoomGate:
    """Who may enter rooms of their own, by signed tokens."""

    def __init__(self, credentials: Credentials, room_tickets: TokenVerifier) -> None:
        """`room_tickets` has keys of its own: they open rooms and nothing else."""
        self._credentials = credentials
        self._room_tickets = room_tickets

    async def admit(self, request: UpgradeRequest) -> Admission:
        """What the caller may do in the room its address names, or `Refused`."""
        room = room_from_path(request.path)
        if room is None:
            raise Refused(CloseCode.NOT_FOUND, "no such route")
        self._credentials.check_origin(request)
        token, ticket = shown(request)
        if ticket:
            return _in_room(room, await self._credentials.ticket(ticket))
        return _in_room(room, await self._credentials.token(token, self._room_ticket))

    async def renew(self, token: str, current: Admission) -> Admission:
        """`current` with the new token's expiry, name and right to write; `Refused` unless it is for the same tenant,
        user and room. It may be of another session."""
        claims = await self._credentials.token(token, self._room_ticket)
        if claims.tid != current.key.tenant or claims.sub != current.user:
            raise Refused(CloseCode.FORBIDDEN, "token is for another user or room")
        return replace(_in_room(current.key.room, claims), key=current.key)

    def review(self, admission: Admission) -> None:
        """Raise `Refused` if what was shown has been revoked since. While Postgres is away nobody is sent off."""
        self._credentials.review(admission)

    async def _room_ticket(self, token: str) -> RoomClaims:
        claims = self._room_tickets.verify(token, self._credentials.clock())
        self._credentials.authority.check(claims.bearer)
        return claims


def _in_room(room: str, claims: AccessClaims | TicketClaims | RoomClaims) -> Admission:
    """What `claims` allow in `room`. Raises `Refused`."""
    if isinstance(claims, RoomClaims):
        if not claims.opens(room):
            raise Refused(CloseCode.FORBIDDEN, "token is for other rooms")
        can_write = claims.write
    else:
        can_write = claims.role != _ONLY_LOOKS
    bearer = claims.bearer
    return Admission(
        key=RoomKey(claims.tid, room),
        user=claims.sub,
        name=claims.name,
        can_write=can_write,
        expires_at=float(claims.until if isinstance(claims, TicketClaims) else claims.exp),
        session=bearer.session,
        version=bearer.version,
        issued_at=bearer.issued_at,
    )
