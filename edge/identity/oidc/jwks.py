"""An issuer's published keys (RFC 7517), reduced to those that may check a signature."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from edge.identity.oidc.refusals import Fault, IssuerUnavailable
from edge.identity.oidc.strict_json import NotStrictJson, read_object

Key = RSAKey | ECKey | OKPKey

KEYS_MOST: Final = 100
"""Keys in one document; Google and Microsoft publish some ten."""
KID_CHARACTERS: Final = 256
RSA_BITS: Final = range(2048, 8192 + 1)
"""Below: breakable. Above: one check would take milliseconds of the event loop."""
RSA_EXPONENTS: Final = range(3, 2**32, 2)
"""A large exponent makes each check as slow as the key's owner likes."""
ALGORITHMS: Final[Mapping[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""What may be signed with a key of which type and curve. There is no symmetric one and no "none"."""
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class IssuerKeys:
    """Keys by key id and algorithm, so that a key is never used for an algorithm of another type."""

    def __init__(self, keys: Mapping[tuple[str, str], Key]) -> None:
        self._keys = dict(keys)

    def find(self, kid: str, algorithm: str) -> Key | None:
        return self._keys.get((kid, algorithm))

    def knows(self, kid: str) -> bool:
        """Whether a key of this id is there, for whatever algorithm."""
        return any(known == kid for known, _ in self._keys)


def read_keys(document: bytes) -> IssuerKeys:
    """The usable keys of a JWK set. Keys of other kinds are passed over, as the RFC wants (section 5); a set without a
    usable one, or with too many, raises `IssuerUnavailable`."""
    try:
        entries = read_object(document).get("keys")
    except NotStrictJson:
        raise IssuerUnavailable(Fault.MALFORMED) from None
    if not isinstance(entries, list):
        raise IssuerUnavailable(Fault.MALFORMED)
    if len(entries) > KEYS_MOST:
        raise IssuerUnavailable(Fault.TOO_LARGE)
    keys: dict[tuple[str, str], Key] = {}
    for jwk in entries:
        if isinstance(jwk, dict):
            _take(keys, jwk)
    if not keys:
        raise IssuerUnavailable(Fault.NO_KEYS)
    return IssuerKeys(keys)


def _take(keys: dict[tuple[str, str], Key], jwk: dict[str, Any]) -> None:
    kid = jwk.get("kid")
    algorithms = _algorithms(jwk)
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_CHARACTERS or not algorithms:
        return
    try:
        key = _import(jwk)
    except (JoseError, ValueError, TypeError):
        return
    for algorithm in algorithms:
        keys.setdefault((kid, algorithm), key)


def _algorithms(jwk: dict[str, Any]) -> tuple[str, ...]:
    """What this key may check; nothing if it is for something else."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return ()
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return ()
    possible = ALGORITHMS.get((kind, curve), ())
    wanted = jwk.get("alg")
    return possible if wanted is None else tuple(name for name in possible if name == wanted)


def _import(jwk: dict[str, Any]) -> Key:
    """The public part alone, whatever else a careless issuer published."""
    if jwk["kty"] == "RSA":
        modulus, exponent = _number(jwk.get("n")), _number(jwk.get("e"))
        if modulus.bit_length() not in RSA_BITS or exponent not in RSA_EXPONENTS:
            raise ValueError("an RSA key of a size that is not taken")
        return RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]})
    if jwk["kty"] == "EC":
        return ECKey.import_key({"kty": "EC", "crv": jwk["crv"], "x": _text(jwk.get("x")), "y": _text(jwk.get("y"))})
    return OKPKey.import_key({"kty": "OKP", "crv": jwk["crv"], "x": _text(jwk.get("x"))})


def _number(value: object) -> int:
    text = _text(value)
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 2_000 or not _BASE64URL.fullmatch(value):
        raise ValueError("not base64url")
    return value
