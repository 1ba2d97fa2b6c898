"""What guests can ask with the token they were given, for the one dojo that it is for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from edge.dojos.chat_history import ChatPage, ChatQuery, page_of_chat
from edge.dojos.refusals import over
from edge.dojos.states import Status
from edge.identity.grant import SocketTicket
from kernel.database import scope
from kernel.http.operation import ANYBODY, Operation, PublicCall
from kernel.http.problem import Problem, busy, unauthenticated
from kernel.tokens.authority import UNVERIFIABLE, Authority
from kernel.tokens.guest import GuestClaims, mint_guest_ticket
from kernel.tokens.jws import TokenRefused
from kernel.tokens.keyring import KeyRing, NoSigningKey
from kernel.tokens.socket_ticket import TICKET_SECONDS

ACQUIRE_SECONDS: Final = 2.0

_PLACE: Final = (
    "SELECT p.status, d.status AS dojo_status, t.status = 'ACTIVE' AS in_use"
    " FROM dojo_participants p JOIN dojos d USING (tenant_id, dojo_id) JOIN tenants t USING (tenant_id)"
    " WHERE p.tenant_id = $1 AND p.dojo_id = $2 AND p.user_id = $3 AND p.is_guest"
)
_TOKEN: Final = {"no_token": 401, "invalid_token": 401, "token_unverifiable": 503}


class GuestAccess:
    """`/api/v1/dojos/guests/...`: their token stands where an access token does."""

    def __init__(
        self, pool: Any, authority: Authority, keys: KeyRing, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`pool` has connections of the services' role."""
        self._pool = pool
        self._authority = authority
        self._keys = keys
        self._clock = clock

    def operations(self) -> tuple[Operation, ...]:
        path = "/api/v1/dojos/guests"
        return (
            Operation(
                "POST",
                path + "/tickets",
                self.create_guest_ticket,
                access=ANYBODY,
                tag="dojos",
                status=201,
                problems={**_TOKEN, "no_signing_key": 503},
            ),
            Operation(
                "GET",
                path + "/chat",
                self.list_guest_chat,
                access=ANYBODY,
                tag="dojos",
                problems={**_TOKEN, "invalid_query": 400, "not_participant": 403, "not_found": 404, "dojo_over": 409},
            ),
        )

    async def create_guest_ticket(self, call: PublicCall[None, None]) -> SocketTicket:
        """A ticket that opens one socket of a guest.

        For browsers, which can set no header on a WebSocket: send the guest token as `Authorization: Bearer`, and
        connect with `?ticket=` within 30 seconds.
        """
        guest = await self._guest(call)
        try:
            ticket = mint_guest_ticket(self._keys.key, guest, self._clock())
        except NoSigningKey:
            raise busy("no_signing_key", "tokens cannot be signed at the moment; try again") from None
        return SocketTicket(ticket=ticket, expires_in=TICKET_SECONDS)

    async def list_guest_chat(self, call: PublicCall[None, ChatQuery]) -> ChatPage:
        """What was said in the guest's dojo, ordered by time.

        As members read it, also what was said before the guest came; as long as the guest is let in and the dojo goes
        on. Send the guest token as `Authorization: Bearer`.
        """
        guest = await self._guest(call)
        async with scope(self._pool, tenant=guest.tid, acquire_seconds=ACQUIRE_SECONDS) as db:
            place = await db.fetchrow(_PLACE, guest.tid, guest.dojo, guest.sub)
            if place is None or place["status"] != "ADMITTED":
                raise Problem(403, "not_participant", "the host has not let you in, or sent you out")
            if not place["in_use"] or Status(place["dojo_status"]).over:
                raise over()
            return await page_of_chat(db, guest.tid, guest.dojo, call.query)

    async def _guest(self, call: PublicCall[Any, Any]) -> GuestClaims:
        """Raises `Problem`."""
        if call.token is None or not call.token.isascii():
            raise unauthenticated("no_token", "send Authorization: Bearer and a guest token")
        try:
            return await self._authority.guest(call.token)
        except TokenRefused as refused:
            if refused.reason == UNVERIFIABLE:
                raise busy("token_unverifiable", "nobody can tell whether this token is good; try again", 5) from None
            raise unauthenticated("invalid_token", f"the guest token is not taken: {refused.reason}") from None
