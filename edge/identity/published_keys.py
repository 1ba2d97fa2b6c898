"""The public keys with which anybody can check our access tokens: a JWK Set (RFC 7517)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from kernel.http.operation import ANYBODY, Answer, Operation, PublicCall
from kernel.tokens.authority import Authority

PATH: Final = "/.well-known/jwks.json"
CACHED_SECONDS: Final = 60
"""A key is published at least this long before it signs."""


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """An Ed25519 key (RFC 8037)."""

    kid: str
    x: str
    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"


class KeySet(msgspec.Struct, frozen=True):
    """Those that sign, signed a moment ago, or will soon."""

    keys: list[PublicKey]


class PublishedKeys:
    """`GET /.well-known/jwks.json`."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def operations(self) -> list[Operation]:
        """Its route."""
        return [Operation("GET", PATH, self.get_signing_keys, access=ANYBODY, tag="auth")]

    async def get_signing_keys(self, call: PublicCall[None, None]) -> Answer[KeySet]:
        """The public keys that sign access tokens."""
        keys = [PublicKey(kid=key["kid"], x=key["x"]) for key in self._authority.jwks()["keys"]]
        return Answer(KeySet(keys), {"Cache-Control": f"public, max-age={CACHED_SECONDS}"})
