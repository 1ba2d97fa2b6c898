"""The one way in which a token is checked: a JWS in compact form (RFC 7515) signed with Ed25519 (RFC 8037).

Nothing in a token chooses how it is checked. The algorithm is pinned, the type is the one the caller asks for, other
header fields are refused, and the key is one of a given set, named by `kid`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

ISSUER: Final = "dojo"
ALGORITHM: Final = "EdDSA"
TOKEN_BYTES: Final = 7 * 1024
"""Longest token looked at, in bytes. One that names 100 rooms of 40 bytes is about 6 KiB."""
LEEWAY_SECONDS: Final = 30
"""How far the clocks of issuer and verifier may be apart."""


class TokenRefused(Exception):
    """The token is not taken. `reason` is one of a few fixed texts and says nothing about the token's content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenTooLong(ValueError):
    """Nobody would take a token as long as this one."""


class KeyFileError(Exception):
    """A key cannot be used; the text says why and what to do."""


class Timed(Protocol):
    """What every kind of claims has, in Unix seconds."""

    @property
    def iat(self) -> int: ...
    @property
    def exp(self) -> int: ...


Claims = TypeVar("Claims", bound=Timed)
Header = TypeVar("Header", bound=msgspec.Struct)


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The only header taken. `crit`, `jku`, `x5u`, `jwk` and `b64` are no part of it, so they are refused."""

    alg: Literal["EdDSA"]
    typ: str
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _OnlyEdDSA(JWSRegistry):
    """Knows one algorithm. (joserfc warns of the name "EdDSA" on every use, in favour of RFC 9864's "Ed25519", which
    most other libraries do not know yet; only Ed25519 keys exist here, so the name leaves nothing open.)"""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"only {ALGORITHM} is taken")
        return JWSRegistry.algorithms[ALGORITHM]


_REGISTRY = _OnlyEdDSA()


class PublicKeys:
    """Keys whose tokens are taken. Holds no secret."""

    __slots__ = ("_keys",)

    def __init__(self, public_keys: Iterable[Mapping[str, Any]]) -> None:
        """`public_keys` are JWKs with `kty` OKP, `crv` Ed25519, `x` and optionally `kid` (else its RFC 7638
        thumbprint). Raises `KeyFileError` on a key of another kind."""
        self._keys: dict[str, OKPKey] = {}
        for jwk in public_keys:
            if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
                raise KeyFileError("a trusted key must be an Ed25519 key (kty OKP, crv Ed25519)")
            try:
                key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": str(jwk["x"])})
                kid = str(jwk.get("kid") or key.thumbprint())
            except (JoseError, ValueError, KeyError) as error:
                raise KeyFileError("a trusted key is not a valid Ed25519 JWK") from error
            self._keys[kid] = key

    @property
    def kids(self) -> frozenset[str]:
        """What tokens name these keys by."""
        return frozenset(self._keys)

    def verify(self, token: str, *, typ: str, claims: type[Claims], now: float) -> Claims:
        """The claims of a genuine token of type `typ` that is in force at `now` (Unix seconds).

        Raises `TokenRefused`: `malformed`, `bad_header`, `wrong_type`, `unknown_key`, `bad_signature`, `bad_claims`,
        `expired`, `not_yet_valid`.
        """
        if not token or len(token) > TOKEN_BYTES or not token.isascii():
            raise TokenRefused("malformed")
        header = header_of(token, _Header)
        if header.typ != typ:
            raise TokenRefused("wrong_type")
        key = self._keys.get(header.kid)
        if key is None:
            raise TokenRefused("unknown_key")
        try:
            payload = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
        except (JoseError, ValueError, TypeError):
            raise TokenRefused("bad_signature") from None
        try:
            found = msgspec.json.decode(payload or b"", type=claims)
        except msgspec.DecodeError:
            raise TokenRefused("bad_claims") from None
        check_times(found, now)
        return found


def sign(key: OKPKey, kid: str, typ: str, claims: msgspec.Struct) -> str:
    """`claims` as a token of type `typ`. Raises `ValueError` if `verify` would not take it: a value out of its bounds,
    or more than `TOKEN_BYTES`."""
    payload = msgspec.json.encode(claims)
    try:
        msgspec.json.decode(payload, type=type(claims))  # a struct checks nothing when it is made by hand
    except msgspec.ValidationError as error:
        raise ValueError(f"no token can say this: {error}") from error
    token = jws.serialize_compact({"alg": ALGORITHM, "typ": typ, "kid": kid}, payload, key, registry=_REGISTRY)
    if len(token) > TOKEN_BYTES:
        raise TokenTooLong(f"the token has {len(token)} bytes; {TOKEN_BYTES} is the most")
    return token


def header_of(token: str, kind: type[Header]) -> Header:
    """The header of a token in compact form; `kind` forbids what it does not name. Raises `TokenRefused`."""
    segment = token.partition(".")[0]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=kind)
    except (msgspec.DecodeError, ValueError):
        raise TokenRefused("bad_header") from None


def check_times(claims: Timed, now: float) -> None:
    """Raise `TokenRefused` unless `claims` are in force at `now` (Unix seconds)."""
    if claims.exp + LEEWAY_SECONDS <= now:
        raise TokenRefused("expired")
    if claims.iat - LEEWAY_SECONDS > now or claims.exp <= claims.iat:
        raise TokenRefused("not_yet_valid")
