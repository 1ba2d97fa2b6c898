"""A compact JWS (RFC 7515) taken apart, before anything in it is believed."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from edge.identity.oidc.jwks import ALGORITHMS, KID_CHARACTERS, Key
from edge.identity.oidc.refusals import Refusal, TokenRefused
from edge.identity.oidc.strict_json import NotStrictJson, read_object

TOKEN_BYTES: Final = 16 * 1024
_ALLOWED: Final = frozenset(name for names in ALGORITHMS.values() for name in names)
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "b64", "zip", "enc", "jku", "jwk", "x5u"})
"""Extensions, and fields by which a token would bring its own key."""
_KINDS: Final = frozenset({"jwt", "application/jwt"})
"""`typ` of an ID token, if it has one. "at+jwt" (RFC 9068) and "logout+jwt" were made for something else."""
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)", re.ASCII)


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=KID_CHARACTERS)]
    typ: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class SignedToken:
    """What a token says, unproven until `check` has passed. Without a repr: it holds a credential."""

    algorithm: str
    kid: str
    claims: dict[str, Any]
    _signed: bytes
    _signature: bytes

    def check(self, key: Key) -> None:
        """Raises `TokenRefused` unless the very bytes that were read here were signed with `key`."""
        model = JWSRegistry.algorithms[self.algorithm]
        try:
            model.check_key(key)
            genuine = model.verify(self._signed, self._signature, key)
        except (JoseError, ValueError, TypeError):
            genuine = False
        if not genuine:
            raise TokenRefused(Refusal.BAD_SIGNATURE)


def take_apart(token: str) -> SignedToken:
    """Raises `TokenRefused`."""
    match = _COMPACT.fullmatch(token) if len(token) <= TOKEN_BYTES else None
    if match is None:
        raise TokenRefused(Refusal.MALFORMED)
    try:
        header, claims = (read_object(_decoded(part)) for part in match.group(1, 2))
        signature = _decoded(match[3])
    except NotStrictJson:
        raise TokenRefused(Refusal.MALFORMED) from None
    if not _FORBIDDEN_HEADERS.isdisjoint(header):
        raise TokenRefused(Refusal.BAD_HEADER)
    if header.get("alg") not in _ALLOWED:
        raise TokenRefused(Refusal.ALGORITHM)
    try:
        known = msgspec.convert(header, _Header)
    except msgspec.ValidationError:
        raise TokenRefused(Refusal.BAD_HEADER) from None
    if known.typ is not None and known.typ.lower() not in _KINDS:
        raise TokenRefused(Refusal.WRONG_KIND)
    return SignedToken(known.alg, known.kid, claims, token.rpartition(".")[0].encode(), signature)


def _decoded(part: str) -> bytes:
    if len(part) % 4 == 1:
        raise NotStrictJson("not base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
