"""Guest tokens: whoever holds one may enter one dojo, without an account, for half a day at most.

They are signed with the keys of access tokens and told apart by their type. Whether the dojo has ended, or its host
sent the guest out, is for the dojo to say. A guest's ticket is to a guest token what a socket ticket is to an access
token: see `kernel.tokens.socket_ticket`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

import msgspec

from kernel.tokens.jws import ISSUER, PublicKeys
from kernel.tokens.revocations import Bearer
from kernel.tokens.signing_key import SigningKey
from kernel.tokens.socket_ticket import TICKET_SECONDS

TYPE: Final = "guest+jwt"
TICKET_TYPE: Final = "guest-ticket+jwt"
GUEST_SECONDS: Final = 12 * 3600


class GuestClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a guest token says. Times are Unix seconds. Claims that are not listed here are ignored."""

    iss: Literal["dojo"]
    aud: Literal["dojo"]
    tid: UUID
    """Tenant."""
    sub: UUID
    """The guest: no user of the tenant."""
    dojo: UUID
    name: Annotated[str, msgspec.Meta(max_length=200)]
    """What others saw when it was made; the dojo may show another name by now."""
    iat: int
    exp: int
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]

    @property
    def bearer(self) -> Bearer:
        """Whom a revocation must mean to end it."""
        return Bearer(self.tid, self.sub, None, None, float(self.iat))


class GuestTicketClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a guest's ticket says. Times are Unix seconds."""

    iss: Literal["dojo"]
    aud: Literal["dojo"]
    tid: UUID
    sub: UUID
    dojo: UUID
    name: Annotated[str, msgspec.Meta(max_length=200)]
    until: int
    """When the guest token ends for which it was given: so long the socket may stay open."""
    iat: int
    exp: int
    jti: UUID
    """Taken once."""

    @property
    def bearer(self) -> Bearer:
        """Whom a revocation must mean to end it."""
        return Bearer(self.tid, self.sub, None, None, float(self.iat))


def mint_guest(
    key: SigningKey,
    *,
    tenant: UUID,
    guest: UUID,
    dojo: UUID,
    name: str,
    now: float,
    seconds: int = GUEST_SECONDS,
) -> str:
    """A guest token, valid from `now` (Unix seconds) for `seconds`. Raises `ValueError`."""
    if not 0 < seconds <= GUEST_SECONDS:
        raise ValueError(f"a guest token lives 1 to {GUEST_SECONDS} s, not {seconds}")
    claims = GuestClaims(
        iss=ISSUER,
        aud=ISSUER,
        tid=tenant,
        sub=guest,
        dojo=dojo,
        name=name,
        iat=int(now),
        exp=int(now) + seconds,
        jti=uuid4().hex,
    )
    return key.sign(TYPE, claims)


def mint_guest_ticket(key: SigningKey, guest: GuestClaims, now: float) -> str:
    """A ticket for whoever showed a guest token that says `guest`."""
    claims = GuestTicketClaims(
        iss=ISSUER,
        aud=ISSUER,
        tid=guest.tid,
        sub=guest.sub,
        dojo=guest.dojo,
        name=guest.name,
        until=guest.exp,
        iat=int(now),
        exp=int(now) + TICKET_SECONDS,
        jti=uuid4(),
    )
    return key.sign(TICKET_TYPE, claims)


def verify_guest_ticket(keys: PublicKeys, token: str, now: float) -> GuestTicketClaims:
    """The claims of a guest's ticket that is genuine and in force at `now`; raises `TokenRefused`. Whether it was
    revoked is for `Authority` to say, whether it was used for `OneUse`."""
    return keys.verify(token, typ=TICKET_TYPE, claims=GuestTicketClaims, now=now)


def verify_guest(keys: PublicKeys, token: str, now: float) -> GuestClaims:
    """The claims of a guest token that is genuine and in force at `now`; raises `TokenRefused`. Whether it was revoked
    is for `Authority` to say."""
    return keys.verify(token, typ=TYPE, claims=GuestClaims, now=now)
