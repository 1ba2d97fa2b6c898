"""Private keys that sign tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from kernel.private_file import PrivateFileError, read_or_create
from kernel.tokens import jws, room_ticket
from kernel.tokens.jws import ISSUER, KeyFileError, TokenTooLong
from kernel.tokens.room_ticket import RoomClaims, TokenVerifier


class SigningKey:
    """An Ed25519 key pair. `kid`, its RFC 7638 thumbprint, is what tokens name it by."""

    __slots__ = ("_key", "kid")

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.kid: str = key.thumbprint()

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key, only in memory."""
        return cls(OKPKey.generate_key("Ed25519", auto_kid=False))

    @classmethod
    def from_private(cls, document: bytes) -> SigningKey:
        """What `private` wrote. Raises `KeyFileError`, which quotes nothing of it."""
        try:
            jwk = msgspec.json.decode(document, type=dict[str, str])
            if jwk.get("crv") != "Ed25519":
                raise ValueError("another curve")
            return cls(OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": jwk["x"], "d": jwk["d"]}))
        except (ValueError, KeyError, JoseError, msgspec.DecodeError):
            raise KeyFileError("this is no private Ed25519 key") from None

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """The key in `path`, made on first use (a JWK, mode 0600). Several processes may do so at once: all end up
        with the same key. Raises `KeyFileError`."""
        try:
            content = read_or_create(path, lambda: cls.generate().private())
        except PrivateFileError as error:
            raise KeyFileError(f"no signing key: {error}") from error
        try:
            return cls.from_private(content)
        except KeyFileError:
            raise KeyFileError(f"{path} holds no Ed25519 key: delete it, and a new one is made") from None

    def private(self) -> bytes:
        """The whole key as a JWK in JSON: keep it where nobody reads it."""
        return msgspec.json.encode(self._key.as_dict(private=True))

    def public_jwk(self) -> dict[str, str]:
        """The public half, as `PublicKeys` takes it: `kty`, `crv`, `x`, `kid`."""
        public = self._key.as_dict(private=False)
        return {"kty": "OKP", "crv": "Ed25519", "x": str(public["x"]), "kid": self.kid}

    def sign(self, typ: str, claims: msgspec.Struct) -> str:
        """A token of type `typ`. Raises `ValueError` if it would not be taken."""
        return jws.sign(self._key, self.kid, typ, claims)

    # Room tickets

    def verifier(self) -> TokenVerifier:
        """Takes this key's room tickets and no others."""
        return TokenVerifier([self.public_jwk()])

    def mint(
        self, *, tenant: UUID, user: UUID, name: str, rooms: Sequence[str], write: bool, now: float, seconds: float
    ) -> str:
        """A room ticket that is valid from `now` (Unix seconds) for `seconds`. Raises `ValueError` if it would not be
        taken: a name or room that is too long, too many rooms (use `*`)."""
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
        try:
            return self.sign(room_ticket.TYPE, claims)
        except TokenTooLong as error:
            raise ValueError(f"a ticket for these rooms is too long: {error}. Use '*'") from None
