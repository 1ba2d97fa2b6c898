"""Signed tokens: who someone is, and which rooms they may enter.

A token is a JWT (RFC 7519) signed with Ed25519, `alg` "EdDSA", `typ` "at+jwt". Nothing in a token chooses how it is
checked: algorithm and type are pinned, other header fields are refused, and the key is one of ours, named by `kid`.
The text of a token is in no exception raised here.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

ISSUER: Final = "dojo"
TYPE = "at+jwt"
ALGORITHM = "EdDSA"
TOKEN_BYTES = 7 * 1024
"""Longest token looked at, in bytes. One that names 100 rooms of 40 bytes is about 6 KiB."""
LEEWAY_SECONDS = 30
"""How far the clocks of issuer and verifier may be apart."""
ALL_ROOMS = "*"


class TokenRefused(Exception):
    """The token is not taken. `reason` is one of a few fixed texts and says nothing about the token's content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeyFileError(Exception):
    """A key file cannot be used; the text says why and what to do."""


class RoomClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says. Times are Unix seconds. Claims that are not listed here are ignored."""

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
        """Whether the token is for this room."""
        return ALL_ROOMS in self.rooms or room in self.rooms


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The only header taken. `crit`, `jku`, `x5u`, `jwk` and `b64` are no part of it, so they are refused."""

    alg: Literal["EdDSA"]
    typ: Literal["at+jwt"]
    kid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _OnlyEdDSA(JWSRegistry):
    """Knows one algorithm. (joserfc warns of the name "EdDSA" on every use, in favour of RFC 9864's "Ed25519", which
    most other libraries do not know yet; only Ed25519 keys exist here, so the name leaves nothing open.)"""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"only {ALGORITHM} is taken")
        return JWSRegistry.algorithms[ALGORITHM]


_REGISTRY = _OnlyEdDSA()


class TokenVerifier:
    """Checks tokens against a fixed set of public keys. Holds no secret."""

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

    def verify(self, token: str, now: float) -> RoomClaims:
        """The claims of a token that is genuine and in force at `now` (Unix seconds); raises `TokenRefused`."""
        if not token or len(token) > TOKEN_BYTES or not token.isascii():
            raise TokenRefused("malformed")
        key = self._keys.get(_header(token).kid)
        if key is None:
            raise TokenRefused("unknown_key")
        try:
            payload = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
        except (JoseError, ValueError, TypeError):
            raise TokenRefused("bad_signature") from None
        try:
            claims = msgspec.json.decode(payload or b"", type=RoomClaims)
        except msgspec.DecodeError:
            raise TokenRefused("bad_claims") from None
        if claims.exp + LEEWAY_SECONDS <= now:
            raise TokenRefused("expired")
        if claims.iat - LEEWAY_SECONDS > now or claims.exp <= claims.iat:
            raise TokenRefused("not_yet_valid")
        return claims


def _header(token: str) -> _Header:
    segment = token.partition(".")[0]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=_Header)
    except (msgspec.DecodeError, ValueError):
        raise TokenRefused("bad_header") from None


class SigningKey:
    """The private key with which Dojo signs its tokens."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.kid: str = key.thumbprint()

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key, only in memory."""
        return cls(OKPKey.generate_key("Ed25519", auto_kid=False))

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """The key in `path`, made on first use (a JWK, mode 0600). Several processes may do so at once: all end up
        with the same key. Raises `KeyFileError`."""
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _create_once(path, msgspec.json.encode(cls.generate()._key.as_dict(private=True)))
            return cls(_read_key(path))
        except OSError as error:
            raise KeyFileError(f"cannot read or create the signing key {path}: {error.strerror}") from error

    def public_jwk(self) -> dict[str, str]:
        """The public half, as `TokenVerifier` takes it: `kty`, `crv`, `x`, `kid`."""
        public = self._key.as_dict(private=False)
        return {"kty": "OKP", "crv": "Ed25519", "x": str(public["x"]), "kid": self.kid}

    def verifier(self) -> TokenVerifier:
        """Takes this key's tokens and no others."""
        return TokenVerifier([self.public_jwk()])

    def mint(
        self, *, tenant: UUID, user: UUID, name: str, rooms: Sequence[str], write: bool, now: float, seconds: float
    ) -> str:
        """A token that is valid from `now` (Unix seconds) for `seconds`. Raises `ValueError` if `verify` would not
        take it: a name or room that is too long, rooms that make it longer than `TOKEN_BYTES`."""
        claims = RoomClaims(
            iss=ISSUER,
            tid=tenant,
            sub=user,
            name=name,
            rooms=tuple(rooms),
            write=write,
            iat=int(now),
            exp=int(now + seconds),
            jti=uuid4().hex,
        )
        payload = msgspec.json.encode(claims)
        try:
            msgspec.json.decode(payload, type=RoomClaims)  # a struct checks nothing when it is made by hand
        except msgspec.ValidationError as error:
            raise ValueError(f"no token can say this: {error}") from error
        token = self._sign(payload)
        if len(token) > TOKEN_BYTES:
            raise ValueError(f"a token for these rooms has {len(token)} bytes; {TOKEN_BYTES} is the most. Use '*'")
        return token

    def _sign(self, payload: bytes) -> str:
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self.kid}
        return jws.serialize_compact(header, payload, self._key, registry=_REGISTRY)


def _create_once(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all, and only if it is not there. A hard link, unlike a rename, never replaces."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_key(path: Path) -> OKPKey:
    if path.stat().st_mode & 0o077:
        raise KeyFileError(f"others may read the signing key {path}: run `chmod 600` on it, or delete it for a new one")
    try:
        jwk = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        if jwk.get("crv") != "Ed25519" or "d" not in jwk:
            raise ValueError("no private Ed25519 key")
        return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": jwk["x"], "d": jwk["d"]})
    except (ValueError, KeyError, JoseError, msgspec.DecodeError) as error:
        raise KeyFileError(f"{path} holds no Ed25519 key: delete it, and a new one is made") from error
