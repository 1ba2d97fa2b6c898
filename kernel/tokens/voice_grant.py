"""Grants: what the edge shows the voice SFU, signed with a secret both have (HS256, RFC 7515 and 7518).

A voice grant says what one participant may do, a control grant that its bearer may command one room. They live a
minute, because they are made anew for every request. An SFU believes nothing else of who somebody is; it never sees
what people sign in with, and what it holds opens nothing but voice.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from kernel.tokens.jws import TokenRefused, check_times, header_of

ALGORITHM: Final = "HS256"
VOICE_TYPE: Final = "dojo-voice+jwt"
CONTROL_TYPE: Final = "dojo-voice-control+jwt"
GRANT_SECONDS: Final = 60
GRANT_BYTES: Final = 1_024
"""Longest grant looked at. One takes some 500 bytes."""
SECRET_BYTES: Final = 32
"""Least a secret has: as much as the hash (RFC 7518, 3.2)."""
LARGEST_NUMBER: Final = 2**32 - 1
"""Participant numbers are told in RTP as CSRCs, which have 32 bits."""

Number = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_NUMBER)]


class VoiceGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What one participant may do in one room. Times are Unix seconds."""

    tenant: UUID
    dojo: UUID
    room: UUID
    user: UUID
    number: Number
    """Of the participant in the dojo: never given to anybody else there."""
    may_speak: bool
    muted: bool
    """By the host."""
    preferred: bool
    """Whether they are heard first among the equally loud: pilot and sensei."""
    iat: int
    exp: int


class ControlGrant(msgspec.Struct, frozen=True, kw_only=True):
    """That its bearer commands one room. Times are Unix seconds."""

    room: UUID
    iat: int
    exp: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["HS256"]
    typ: str


class _OnlyHS256(JWSRegistry):
    def get_alg(self, name: str) -> JWSAlgModel:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"only {ALGORITHM} is taken")
        return JWSRegistry.algorithms[ALGORITHM]


_REGISTRY: Final = _OnlyHS256()
_Grant = TypeVar("_Grant", VoiceGrant, ControlGrant)


def sign_voice(secret: bytes, claims: VoiceGrant) -> str:
    """`claims` as a token. Raises `ValueError` on a secret that is too short or claims nobody would take."""
    return _sign(secret, VOICE_TYPE, claims)


def verify_voice(secret: bytes, token: str, now: float) -> VoiceGrant:
    """What a genuine voice grant in force at `now` (Unix seconds) says. Raises `TokenRefused`, as `jws` does."""
    return _verify(secret, token, VOICE_TYPE, VoiceGrant, now)


def sign_control(secret: bytes, claims: ControlGrant) -> str:
    """`claims` as a token. Raises `ValueError` on a secret that is too short or claims nobody would take."""
    return _sign(secret, CONTROL_TYPE, claims)


def verify_control(secret: bytes, token: str, now: float) -> ControlGrant:
    """What a genuine control grant in force at `now` (Unix seconds) says. Raises `TokenRefused`, as `jws` does."""
    return _verify(secret, token, CONTROL_TYPE, ControlGrant, now)


def _key(secret: bytes) -> OctKey:
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"the secret of voice must have at least {SECRET_BYTES} bytes")
    return OctKey.import_key(secret)


def _sign(secret: bytes, typ: str, claims: VoiceGrant | ControlGrant) -> str:
    payload = msgspec.json.encode(claims)
    try:
        found: Any = msgspec.json.decode(payload, type=type(claims))  # made by hand, a struct checks nothing
    except msgspec.ValidationError as error:
        raise ValueError(f"no grant can say this: {error}") from error
    if not 0 < found.exp - found.iat <= GRANT_SECONDS:
        raise ValueError(f"a grant lives 1 to {GRANT_SECONDS} s")
    return jws.serialize_compact({"alg": ALGORITHM, "typ": typ}, payload, _key(secret), registry=_REGISTRY)


def _verify(secret: bytes, token: str, typ: str, claims: type[_Grant], now: float) -> _Grant:
    if not token or len(token) > GRANT_BYTES or not token.isascii():
        raise TokenRefused("malformed")
    if header_of(token, _Header).typ != typ:
        raise TokenRefused("wrong_type")
    try:
        payload = jws.deserialize_compact(token, _key(secret), registry=_REGISTRY).payload
    except (JoseError, ValueError, TypeError):
        raise TokenRefused("bad_signature") from None
    try:
        found = msgspec.json.decode(payload or b"", type=claims)
    except msgspec.DecodeError:
        raise TokenRefused("bad_claims") from None
    if not 0 < found.exp - found.iat <= GRANT_SECONDS:
        raise TokenRefused("bad_claims")
    check_times(found, now)
    return found
