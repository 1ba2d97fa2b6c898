"""What somebody shows at a socket's door, and whose it is: Origin, tokens and tickets."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias, TypeVar

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.closes import CloseCode
from kernel.database import FAILURES
from kernel.tokens.access import AccessClaims
from kernel.tokens.authority import REVOKED, UNVERIFIABLE, Authority
from kernel.tokens.guest import GuestTicketClaims
from kernel.tokens.jws import TokenRefused
from kernel.tokens.one_use import OneUse
from kernel.tokens.revocations import Bearer
from kernel.tokens.socket_ticket import REMEMBERED_SECONDS, TicketClaims

_BEARER = "bearer "

SignedIn: TypeAlias = AccessClaims | TicketClaims
Claims = TypeVar("Claims")
Ticket = TypeVar("Ticket", bound=TicketClaims | GuestTicketClaims)

log = logging.getLogger(__name__)


class Credentials:
    """Checks what is shown. Refusals name a fixed reason and never quote what the client sent."""

    def __init__(
        self, authority: Authority, tickets: OneUse, allowed_origins: Collection[str], clock: Callable[[], float]
    ) -> None:
        """`allowed_origins` as browsers send them, `https://host[:port]`; `clock` gives Unix seconds."""
        self.authority = authority
        self.clock = clock
        self._tickets = tickets
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)

    def check_origin(self, request: UpgradeRequest) -> None:
        """Raise `Refused` for a page of elsewhere. It comes before the token: a page that may not connect learns
        nothing about the token it has. A client without an Origin header is no browser, so nobody else's cookies or
        network place are at stake."""
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Refused(CloseCode.FORBIDDEN, "origin not allowed")

    async def token(self, token: str, otherwise: Callable[[str], Awaitable[Claims]]) -> AccessClaims | Claims:
        """Whose access token this is; `otherwise` checks what says it is of another kind. Each is only ever checked as
        what it says it is, with its own keys. Raises `Refused`."""
        try:
            try:
                return await self.authority.access(token)
            except TokenRefused as refused:
                if refused.reason != "wrong_type":
                    raise
            return await otherwise(token)
        except TokenRefused as refused:
            raise refusal(refused) from None

    async def ticket(self, ticket: str) -> TicketClaims:
        """Whose socket ticket this is; it is used up. Raises `Refused`."""
        return await self._once(self.authority.ticket(ticket))

    async def any_ticket(self, ticket: str) -> TicketClaims | GuestTicketClaims:
        """The same, of a member or of a dojo's guest."""
        return await self._once(self._any_ticket(ticket))

    async def _any_ticket(self, ticket: str) -> TicketClaims | GuestTicketClaims:
        try:
            return await self.authority.ticket(ticket)
        except TokenRefused as refused:
            if refused.reason != "wrong_type":
                raise
        return await self.authority.guest_ticket(ticket)

    async def _once(self, checked: Awaitable[Ticket]) -> Ticket:
        try:
            claims = await checked
            if claims.until <= self.clock():
                raise TokenRefused("expired")
            if not await self._tickets.take(claims.jti, REMEMBERED_SECONDS):
                raise TokenRefused("used")
        except TokenRefused as refused:
            raise refusal(refused) from None
        except FAILURES as error:
            log.warning("nobody can say whether a ticket was used: %s", type(error).__name__)
            raise Refused(CloseCode.ROOM_UNAVAILABLE, "tickets cannot be checked at the moment") from None
        return claims

    def review(self, admission: Admission) -> None:
        """Raise `Refused` if what was shown has been revoked since. While Postgres is away nobody is sent off."""
        bearer = Bearer(admission.key.tenant, admission.user, admission.session, admission.version, admission.issued_at)
        if self.authority.revoked(bearer):
            raise Refused(CloseCode.UNAUTHENTICATED, REVOKED)


def shown(request: UpgradeRequest) -> tuple[str, str]:
    """A token or a ticket, the other empty. From the Authorization header, which stays out of other people's logs, else
    from the query: a browser can set no header on a WebSocket."""
    header = request.headers.get("authorization", "")
    if header[: len(_BEARER)].lower() == _BEARER:
        return header[len(_BEARER) :].strip(), ""
    token, ticket = request.query.get("token", ""), request.query.get("ticket", "")
    if not token and not ticket:
        raise Refused(CloseCode.UNAUTHENTICATED, "no token")
    return ("", ticket) if ticket else (token, "")


def refusal(refused: TokenRefused) -> Refused:
    """How a refused token ends a connection."""
    if refused.reason == UNVERIFIABLE:
        return Refused(CloseCode.ROOM_UNAVAILABLE, "tokens cannot be checked at the moment")
    if refused.reason == REVOKED:
        return Refused(CloseCode.UNAUTHENTICATED, REVOKED)
    return Refused(CloseCode.UNAUTHENTICATED, f"token refused: {refused.reason}")
