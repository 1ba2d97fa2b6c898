"""What somebody gets who has proven who they are: an access token, and a refresh token where no script reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from edge.identity import cookies
from edge.identity.sessions import Kind, Opened
from edge.identity.unshown import Unshown
from kernel.http.operation import Answer, Caller, Origin
from kernel.http.problem import Problem, busy
from kernel.tokens.access import ACCESS_SECONDS, mint_access
from kernel.tokens.keyring import KeyRing, NoSigningKey
from kernel.tokens.signing_key import SigningKey
from kernel.tokens.socket_ticket import TICKET_SECONDS, mint_socket_ticket

Client: TypeAlias = Literal["native", "browser"]
"""Where the refresh token goes: into the body, or into a cookie."""
KINDS: Final[dict[Client, Kind]] = {"native": Kind.NATIVE, "browser": Kind.BROWSER}


class Grant(Unshown, frozen=True, kw_only=True):
    """Tokens. `expires_in` is in seconds and the access token's; `refresh_token` is not there for browsers."""

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"]
    user_id: UUID
    tenant_id: UUID
    refresh_token: str | msgspec.UnsetType = msgspec.UNSET


class SocketTicket(Unshown, frozen=True, kw_only=True):
    """Opens one socket, `?ticket=`, within `expires_in` seconds."""

    ticket: str
    expires_in: int


class Granting:
    """Signs tokens for sessions."""

    def __init__(self, keys: KeyRing, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def answer(self, opened: Opened, origin: Origin) -> Answer[Grant]:
        """The tokens of a session that was opened or carried on. Raises `Problem` 503 when nothing can be signed."""
        member = opened.member
        token = mint_access(
            self._key(),
            tenant=member.tenant,
            user=member.user,
            session=opened.session,
            version=member.version,
            role=member.role.value,
            name=member.name,
            now=self._clock(),
        )
        browser = opened.kind is Kind.BROWSER
        grant = Grant(
            access_token=token,
            expires_in=ACCESS_SECONDS,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            user_id=member.user,
            tenant_id=member.tenant,
            refresh_token=msgspec.UNSET if browser else opened.refresh_token,
        )
        if not browser:
            return Answer(grant)
        return Answer(grant, cookies.setting(opened.refresh_token, seconds=opened.idle_seconds, origin=origin))

    def socket_ticket(self, caller: Caller) -> SocketTicket:
        """A ticket for whoever showed a good access token. Raises `Problem` 503."""
        ticket = mint_socket_ticket(
            self._key(),
            tenant=caller.tenant,
            user=caller.user,
            session=caller.session,
            version=caller.version,
            role=caller.role.value,
            name=caller.name,
            until=caller.expires_at,
            now=self._clock(),
        )
        return SocketTicket(ticket=ticket, expires_in=TICKET_SECONDS)

    def check(self) -> None:
        """Raises `Problem` 503 when nothing can be signed: before a session is opened that nobody could use."""
        self._key()

    def _key(self) -> SigningKey:
        try:
            return self._keys.key
        except NoSigningKey:
            raise busy("no_signing_key", "tokens cannot be signed at the moment; try again") from None


def origin_checked(client: Client, origin: Origin) -> Kind:
    """The kind of session that `client` gets. Raises `Problem` 403 for a browser whose page may not sign in here."""
    if client == "browser":
        cookies.check_origin(origin)
    return KINDS[client]


def invalid_refresh_token(origin: Origin) -> Problem:
    """401 for a refresh token that is not good, for whatever reason; a cookie that held one is ended."""
    detail = "this refresh token is not good any more; sign in"
    return Problem(401, "invalid_refresh_token", detail, cookies.clearing(origin))
