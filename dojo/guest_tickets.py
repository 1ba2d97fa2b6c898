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
from aiohttp import web

from dojo.names import EMBEDDED_TENANT, tenant_id
from edge.live.route import room_from_segment
from kernel.http.body import json_response, read_json
from kernel.http.problem import Problem
from kernel.tokens import SigningKey, TokenRefused

DEFAULT_NAME = "Guest"
NAME_CHARACTERS = 64
_BEARER = "bearer "


class TicketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends."""

    name: Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS)] = DEFAULT_NAME


class Ticket(msgspec.Struct, frozen=True, rename="camel"):
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
        live_url: str,
        seconds: float,
        allowed_origins: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._verifier = key.verifier()
        self._live_url = live_url
        self._seconds = seconds
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allowed_origins)
        self._hosts = frozenset(urlsplit(origin).hostname for origin in self._origins)
        self._clock = clock
        self._tenant = tenant_id(EMBEDDED_TENANT)

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post("/api/v1/rooms/{room}/tickets", self._issue)

    async def _issue(self, request: web.Request) -> web.Response:
        self._check_source(request)
        # The raw path: what a router has decoded once must not be decoded again.
        room = room_from_segment(request.rel_url.raw_path.split("/")[4])
        if room is None:
            raise Problem(
                404, "room_not_found", "a room's name has 1 to 200 UTF-8 bytes, no `/`, no control characters"
            )
        name = _shown_name((await read_json(request, TicketRequest)).name)
        now = self._clock()
        user = self._returning_user(request, now) or uuid4()
        token = self._key.mint(
            tenant=self._tenant, user=user, name=name, rooms=[room], write=True, now=now, seconds=self._seconds
        )
        return json_response(Ticket(token, user, name, int(self._seconds), self._live_url), status=201)

    def _check_source(self, request: web.Request) -> None:
        if not self._known_host(request.headers.get("Host", "")):
            raise Problem(421, "host_not_allowed", "this server is not called by that name")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in self._origins:
            raise Problem(403, "origin_not_allowed", "pages of this origin may not ask for tickets")

    def _known_host(self, host: str) -> bool:
        """Any port will do (it may be forwarded): what matters is that no foreign name was resolved to us."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and (is_loopback(name) or name in self._hosts)

    def _returning_user(self, request: web.Request, now: float) -> UUID | None:
        """The guest whose ticket was sent along. One that is no longer good makes no error: guests are anybody, and
        the page of a server that was set up anew still holds its old ticket."""
        header = request.headers.get("Authorization", "")
        if header[: len(_BEARER)].lower() != _BEARER:
            return None
        try:
            claims = self._verifier.verify(header[len(_BEARER) :].strip(), now)
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
