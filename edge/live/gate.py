"""Who may enter a room: route, Origin and token of the live socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

import asyncpg

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from edge.live.route import room_from_path
from kernel.tokens.access import AccessClaims
from kernel.tokens.authority import REVOKED, UNVERIFIABLE, Authority
from kernel.tokens.jws import TokenRefused
from kernel.tokens.one_use import OneUse
from kernel.tokens.revocations import Bearer
from kernel.tokens.room_ticket import RoomClaims, TokenVerifier
from kernel.tokens.socket_ticket import REMEMBERED_SECONDS, TicketClaims

_BEARER = "bearer "
_ONLY_LOOKS = "guest"
"""The role that may not write."""

log = logging.getLogger(__name__)


class RoomGate:
    """Implements `collab_core.admission.Authoriser` with signed tokens. Refusals name a fixed reason and never
    quote what the client sent."""

    def __init__(
        self,
        authority: Authority,
        tickets: OneUse,
        room_tickets: TokenVerifier,
        allowed_origins: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        """`room_tickets` has keys of its own: they open rooms and nothing else. `allowed_origins` as browsers send
        them, `https://host[:port]`; `clock` gives Unix seconds."""
        self._authority = authority
        self._tickets = tickets
        self._room_tickets = room_tickets
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._clock = clock

    async def admit(self, request: UpgradeRequest) -> Admission:
        """What the caller may do in the room its address names, or `Refused`.

        The Origin comes before the token: a page that may not connect learns nothing about the token it has. A client
        without an Origin header is no browser, so nobody else's cookies or network place are at stake.
        """
        room = room_from_path(request.path)
        if room is None:
            raise Refused(CloseCode.NOT_FOUND, "no such route")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(CloseCode.FORBIDDEN, "origin not allowed")
        token, ticket = _shown(request)
        if ticket:
            return _in_room(room, await self._ticket(ticket))
        return _in_room(room, await self._token(token))

    async def renew(self, token: str, current: Admission) -> Admission:
        """`current` with the new token's expiry, name and right to write; `Refused` unless it is for the same tenant,
        user and room. It may be of another session."""
        claims = await self._token(token)
        if claims.tid != current.key.tenant or claims.sub != current.user:
            raise Refused(CloseCode.FORBIDDEN, "token is for another user or room")
        return replace(_in_room(current.key.room, claims), key=current.key)

    def review(self, admission: Admission) -> None:
        """Raise `Refused` if what was shown has been revoked since. While Postgres is away nobody is sent off."""
        if self._authority.revoked(_bearer(admission)):
            raise Refused(CloseCode.UNAUTHENTICATED, REVOKED)

    async def _token(self, token: str) -> AccessClaims | RoomClaims:
        """An access token or a room ticket. Each is only ever checked as what it says it is, with its own keys."""
        try:
            try:
                return await self._authority.access(token)
            except TokenRefused as refused:
                if refused.reason != "wrong_type":
                    raise
            claims = self._room_tickets.verify(token, self._clock())
            self._authority.check(claims.bearer)
        except TokenRefused as refused:
            raise _refusal(refused) from None
        return claims

    async def _ticket(self, ticket: str) -> TicketClaims:
        try:
            claims = await self._authority.ticket(ticket)
            if claims.until <= self._clock():
                raise TokenRefused("expired")
            if not await self._tickets.take(claims.jti, REMEMBERED_SECONDS):
                raise TokenRefused("used")
        except TokenRefused as refused:
            raise _refusal(refused) from None
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("nobody can say whether a ticket was used: %s", type(error).__name__)
            raise Refused(CloseCode.ROOM_UNAVAILABLE, "tickets cannot be checked at the moment") from None
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


def _bearer(admission: Admission) -> Bearer:
    return Bearer(admission.key.tenant, admission.user, admission.session, admission.version, admission.issued_at)


def _refusal(refused: TokenRefused) -> Refused:
    if refused.reason == UNVERIFIABLE:
        return Refused(CloseCode.ROOM_UNAVAILABLE, "tokens cannot be checked at the moment")
    if refused.reason == REVOKED:
        return Refused(CloseCode.UNAUTHENTICATED, REVOKED)
    return Refused(CloseCode.UNAUTHENTICATED, f"token refused: {refused.reason}")


def _shown(request: UpgradeRequest) -> tuple[str, str]:
    """A token or a ticket, the other empty. From the Authorization header, which stays out of other people's logs, else
    from the query: a browser can set no header on a WebSocket."""
    header = request.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip(), ""
    token, ticket = request.query.get("token", ""), request.query.get("ticket", "")
    if not token and not ticket:
        raise Refused(CloseCode.UNAUTHENTICATED, "no token")
    return ("", ticket) if ticket else (token, "")
