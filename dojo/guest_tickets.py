"""Room tickets for guests: whoever opens the page of a Dojo on their own machine is let in.

Only an embedded Dojo that listens on loopback has this. A web page elsewhere could still make a browser on this machine
send requests here, so the Origin must be on the allow-list, and the Host must be one this machine goes by: a foreign
name that was made to resolve to 127.0.0.1 (DNS rebinding) is refused.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Collection
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec

from dojo.names import EMBEDDED_TENANT, tenant_id
from edge.dojos.live_addresses import LiveAddresses
from edge.live.route import room_from_segment
from kernel.http.operation import ANYBODY, Operation, Origin, PublicCall
from kernel.http.problem import Problem
from kernel.tokens import SigningKey, TokenRefused

DEFAULT_NAME = "Guest"
NAME_CHARACTERS = 64


class TicketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends."""

    name: Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS)] = DEFAULT_NAME


class RoomTicket(msgspec.Struct, frozen=True, rename="camel"):
    """What it gets. `expires_in` is in seconds."""

    token: str
    user_id: UUID
    name: str
    expires_in: int
    live_url: str


class GuestTickets:
    """`POST /api/v1/rooms/{room}/tickets`: a ticket for one room, for a new guest or for the one who asks again."""

    def __init__(
        self,
        key: SigningKey,
        *,
        addresses: LiveAddresses,
        seconds: float,
        allowed_origins: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._verifier = key.verifier()
        self._addresses = addresses
        self._seconds = seconds
        self._hosts = frozenset(urlsplit(origin).hostname for origin in allowed_origins)
        self._clock = clock
        self._tenant = tenant_id(EMBEDDED_TENANT)

    def operations(self) -> list[Operation]:
        """Its route."""
        problems = {"room_not_found": 404, "host_not_allowed": 421, "origin_not_allowed": 403}
        return [
            Operation(
                "POST",
                "/api/v1/rooms/{room}/tickets",
                self.issue_room_ticket,
                access=ANYBODY,
                tag="rooms",
                status=201,
                problems=problems,
            )
        ]

    async def issue_room_ticket(self, call: PublicCall[TicketRequest, None]) -> RoomTicket:
        """Let a guest into a room.

        Only on one's own machine: with Dojo's own Postgres, on a loopback address. Who shows an earlier ticket as
        a bearer token stays the same guest.
        """
        self._check_source(call.origin)
        room = room_from_segment(call.path["room"])
        if room is None:
            raise Problem(
                404, "room_not_found", "a room's name has 1 to 200 UTF-8 bytes, no `/`, no control characters"
            )
        name = _shown_name(call.body.name)
        now = self._clock()
        user = self._returning_user(call.token, now) or uuid4()
        token = self._key.mint(
            tenant=self._tenant, user=user, name=name, rooms=[room], write=True, now=now, seconds=self._seconds
        )
        return RoomTicket(token, user, name, int(self._seconds), self._addresses.of_room(self._tenant, room))

    def _check_source(self, origin: Origin) -> None:
        if not self._known_host(origin.host):
            raise Problem(421, "host_not_allowed", "this server is not called by that name")
        if origin.foreign:
            raise Problem(403, "origin_not_allowed", "pages of this origin may not ask for tickets")

    def _known_host(self, host: str) -> bool:
        """Any port will do (it may be forwarded): what matters is that no foreign name was resolved to us."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and (is_loopback(name) or name in self._hosts)

    def _returning_user(self, ticket: str | None, now: float) -> UUID | None:
        """The guest whose ticket was sent along. One that is no longer good makes no error: guests are anybody, and
        the page of a server that was set up anew still holds its old ticket."""
        if ticket is None:
            return None
        try:
            claims = self._verifier.verify(ticket, now)
        except TokenRefused:
            return None
        return claims.sub if claims.tid == self._tenant else None


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown_name(name: str) -> str:
    """Without control characters and needless space; never empty."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()) or DEFAULT_NAME
