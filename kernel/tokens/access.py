"""Access tokens: what somebody signed in shows with every request, for ten minutes.

They follow RFC 9068 in type and in the claims it shares (`iss`, `aud`, `sub`, `iat`, `exp`, `jti`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID, uuid4

import msgspec

from kernel.tokens.jws import ISSUER, PublicKeys
from kernel.tokens.revocations import Bearer
from kernel.tokens.signing_key import SigningKey

TYPE: Final = "at+jwt"
ACCESS_SECONDS: Final = 600
"""Life of an access token: how long a revocation has to be remembered, against how often a client refreshes."""

RoleName: TypeAlias = Literal["admin", "host", "member", "guest"]


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says. Times are Unix seconds. Claims that are not listed here are ignored."""

    iss: Literal["dojo"]
    aud: Literal["dojo"]
    tid: UUID
    """Tenant."""
    sub: UUID
    """User: of that tenant, the same person has another id in another."""
    sid: UUID
    """Session."""
    ver: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    """The user's token version: it rises with every change of role or status."""
    role: RoleName
    name: Annotated[str, msgspec.Meta(max_length=200)]
    """What others see."""
    iat: int
    exp: int
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]

    @property
    def bearer(self) -> Bearer:
        """Whom a revocation must mean to end it."""
        return Bearer(self.tid, self.sub, self.sid, self.ver, float(self.iat))


def mint_access(
    key: SigningKey,
    *,
    tenant: UUID,
    user: UUID,
    session: UUID,
    version: int,
    role: RoleName,
    name: str,
    now: float,
    seconds: int = ACCESS_SECONDS,
) -> str:
    """An access token, valid from `now` (Unix seconds) for `seconds`; no longer than `ACCESS_SECONDS`, because
    revocations are forgotten after that. Raises `ValueError`."""
    if not 0 < seconds <= ACCESS_SECONDS:
        raise ValueError(f"an access token lives 1 to {ACCESS_SECONDS} s, not {seconds}")
    claims = AccessClaims(
        iss=ISSUER,
        aud=ISSUER,
        tid=tenant,
        sub=user,
        sid=session,
        ver=version,
        role=role,
        name=name,
        iat=int(now),
        exp=int(now) + seconds,
        jti=uuid4().hex,
    )
    return key.sign(TYPE, claims)


def verify_access(keys: PublicKeys, token: str, now: float) -> AccessClaims:
    """The claims of an access token that is genuine and in force at `now`; raises `TokenRefused`. Whether it was
    revoked is for `Authority` to say."""
    return keys.verify(token, typ=TYPE, claims=AccessClaims, now=now)
