"""Socket tickets: what a browser opens one socket with.

It can set no header on a WebSocket, and an address ends up in other people's logs. So what stands in the address is
worth one socket within half a minute, and nothing afterwards (`kernel.tokens.one_use`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

import msgspec

from kernel.tokens.access import RoleName
from kernel.tokens.jws import ISSUER, LEEWAY_SECONDS, PublicKeys
from kernel.tokens.revocations import Bearer
from kernel.tokens.signing_key import SigningKey

TYPE: Final = "ticket+jwt"
TICKET_SECONDS: Final = 30
REMEMBERED_SECONDS: Final = TICKET_SECONDS + 3 * LEEWAY_SECONDS
"""How long a used ticket is remembered: until no verifier, however its clock is off, takes it any more."""


class TicketClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a socket ticket says. Times are Unix seconds."""

    iss: Literal["dojo"]
    aud: Literal["dojo"]
    tid: UUID
    sub: UUID
    sid: UUID
    ver: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    role: RoleName
    name: Annotated[str, msgspec.Meta(max_length=200)]
    until: int
    """When the access token ends for which it was given: so long the socket may stay open without a new one."""
    iat: int
    exp: int
    jti: UUID
    """Taken once."""

    @property
    def bearer(self) -> Bearer:
        """Whom a revocation must mean to end it."""
        return Bearer(self.tid, self.sub, self.sid, self.ver, float(self.iat))


def mint_socket_ticket(
    key: SigningKey,
    *,
    tenant: UUID,
    user: UUID,
    session: UUID,
    version: int,
    role: RoleName,
    name: str,
    until: float,
    now: float,
) -> str:
    """A ticket for whoever showed an access token that ends at `until`. Raises `ValueError`."""
    claims = TicketClaims(
        iss=ISSUER,
        aud=ISSUER,
        tid=tenant,
        sub=user,
        sid=session,
        ver=version,
        role=role,
        name=name,
        until=int(until),
        iat=int(now),
        exp=int(now) + TICKET_SECONDS,
        jti=uuid4(),
    )
    return key.sign(TYPE, claims)


def verify_socket_ticket(keys: PublicKeys, token: str, now: float) -> TicketClaims:
    """The claims of a ticket that is genuine and in force at `now`; raises `TokenRefused`. Whether it was revoked is
    for `Authority` to say, whether it was used for `OneUse`."""
    return keys.verify(token, typ=TYPE, claims=TicketClaims, now=now)
