"""Room tickets: whoever holds one may enter the rooms it names, for hours, without an account.

`dojo token` and the page of a Dojo on one's own machine make them, with a key that signs nothing else. They know no
session, so nothing but their end and their tenant's suspension ends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from kernel.tokens.jws import PublicKeys
from kernel.tokens.revocations import Bearer

TYPE: Final = "room+jwt"
ALL_ROOMS: Final = "*"


class RoomClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a room ticket says. Times are Unix seconds. Claims that are not listed here are ignored."""

    iss: Literal["dojo"]
    tid: UUID
    """Tenant."""
    sub: UUID
    """User."""
    name: Annotated[str, msgspec.Meta(max_length=200)]
    """What others see."""
    rooms: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...], msgspec.Meta(max_length=500)
    ]
    """Rooms it opens; `*` is every room of the tenant."""
    write: bool
    exp: int
    iat: int
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]

    def opens(self, room: str) -> bool:
        """Whether the ticket is for this room."""
        return ALL_ROOMS in self.rooms or room in self.rooms

    @property
    def bearer(self) -> Bearer:
        """Whom a revocation must mean to end it."""
        return Bearer(self.tid, self.sub, None, None, float(self.iat))


class TokenVerifier:
    """Checks room tickets against a fixed set of public keys. Holds no secret."""

    def __init__(self, public_keys: Iterable[Mapping[str, Any]]) -> None:
        """Keys as `PublicKeys` takes them. Raises `KeyFileError`."""
        self._keys = PublicKeys(public_keys)

    def verify(self, token: str, now: float) -> RoomClaims:
        """The claims of a ticket that is genuine and in force at `now` (Unix seconds); raises `TokenRefused`."""
        return self._keys.verify(token, typ=TYPE, claims=RoomClaims, now=now)
