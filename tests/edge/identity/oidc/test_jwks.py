from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import OctKey, OKPKey, RSAKey

from edge.identity.oidc.discovery import keys_location
from edge.identity.oidc.jwks import ALGORITHMS, KEYS_MOST, IssuerKeys, read_keys
from edge.identity.oidc.refusals import Fault, IssuerUnavailable
from tests.edge.identity.oidc.issuer import jwk, new_key

RSA, P256, P384, ED25519 = (new_key(algorithm) for algorithm in ("RS256", "ES256", "ES384", "EdDSA"))
EVERY = [name for names in ALGORITHMS.values() for name in names]


def read(*keys: Any) -> IssuerKeys:
    return read_keys(json.dumps({"keys": keys}).encode())


def usable(*keys: Any) -> set[str]:
    """For which algorithms the key `k` may be used."""
    found = read(*keys)
    return {name for name in EVERY if found.find("k", name) is not None}


def fault(document: Any) -> Fault:
    with pytest.raises(IssuerUnavailable) as caught:
        read_keys(document if isinstance(document, bytes) else json.dumps(document).encode())
    return caught.value.reason


def test_a_key_is_for_algorithms_of_its_type_only() -> None:
    assert usable(jwk(RSA, "k")) == {"RS256", "RS384", "RS512", "PS256"}
    assert usable(jwk(P256, "k")) == {"ES256"}
    assert usable(jwk(P384, "k")) == {"ES384"}
    assert usable(jwk(ED25519, "k")) == {"EdDSA"}


def test_a_key_that_names_its_algorithm_is_for_that_one() -> None:
    assert usable(jwk(RSA, "k", alg="PS256")) == {"PS256"}


def test_keys_of_one_id_and_different_types_stand_side_by_side() -> None:
    assert usable(jwk(P256, "k"), jwk(RSA, "k", alg="RS256")) == {"ES256", "RS256"}


@pytest.mark.parametrize(
    "key",
    [
        jwk(RSA, "k", use="enc"),
        jwk(RSA, "k", key_ops=["encrypt"]),
        jwk(RSA, "k", key_ops="verify"),
        jwk(RSA, "k", alg="HS256"),
        jwk(RSA, "k", alg="ES256"),
        jwk(RSA, "k", alg=["RS256"]),
        jwk(RSA, "k", kty="EC"),
        jwk(RSA, "k", kty=["RSA"]),
        jwk(RSA, "k", n="!"),
        jwk(RSA, "k", n=7),
        jwk(RSA, "k", e="AQ"),
        jwk(RSA, "k", e="AAEAAQABAAEAAQ"),
        jwk(RSA, ""),
        jwk(RSA, "k" * 300),
        jwk(P256, "k", crv="P-384"),
        jwk(P256, "k", x="AAAA"),
        jwk(P256, "k", y=P256.as_dict()["x"]),
        jwk(new_key("ES512"), "k"),
        jwk(ED25519, "k", x="AAAA"),
        jwk(OKPKey.generate_key("X25519"), "k"),
        jwk(RSAKey.import_key(rsa.generate_private_key(65537, 3072)), "k", n="A" * 1900),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k"},
        {"kid": "k"},
        {},
        None,
        "text",
    ],
)
def test_other_keys_are_passed_over(key: Any) -> None:
    good = jwk(P384, "good")
    assert read(key, good).find("good", "ES384") is not None
    assert usable(key, good) == set()
    assert fault({"keys": [key]}) is Fault.NO_KEYS


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_short_rsa_keys_are_passed_over() -> None:
    short = RSAKey.import_key(rsa.generate_private_key(65537, 1024))
    assert fault({"keys": [jwk(short, "k")]}) is Fault.NO_KEYS


def test_a_published_private_key_is_used_without_its_private_half() -> None:
    key = read(RSA.as_dict(private=True) | {"kid": "k"}).find("k", "RS256")
    assert key is not None
    assert not key.is_private


def test_an_oct_key_never_becomes_one() -> None:
    assert fault({"keys": [{**OctKey.import_key("x" * 32).as_dict(), "kid": "k", "alg": "HS256"}]}) is Fault.NO_KEYS


def test_documents_that_are_no_key_set() -> None:
    for document in (b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [], "keys": []}', b"\xff"):
        assert fault(document) is Fault.MALFORMED
    assert fault({"keys": []}) is Fault.NO_KEYS
    assert fault({"keys": [{}] * (KEYS_MOST + 1)}) is Fault.TOO_LARGE


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"{}", Fault.MALFORMED),
        (b'{"issuer": 1, "jwks_uri": "https://idp.test/jwks"}', Fault.MALFORMED),
        (b'{"issuer": "https://idp.test", "issuer": "https://idp.test", "jwks_uri": "x"}', Fault.MALFORMED),
        (b'{"issuer": "https://idp.test/", "jwks_uri": "https://idp.test/jwks"}', Fault.OTHER_ISSUER),
        (b'{"issuer": "https://evil.test", "jwks_uri": "https://idp.test/jwks"}', Fault.OTHER_ISSUER),
        (b'{"issuer": "https://idp.test", "jwks_uri": "http://idp.test/jwks"}', Fault.BAD_URL),
        (b'{"issuer": "https://idp.test", "jwks_uri": "file:///etc/passwd"}', Fault.BAD_URL),
    ],
)
def test_a_configuration_that_is_not_taken(document: bytes, reason: Fault) -> None:
    with pytest.raises(IssuerUnavailable) as caught:
        keys_location(document, "https://idp.test")
    assert caught.value.reason is reason


def test_the_keys_may_lie_on_another_host() -> None:
    document = b'{"issuer": "https://idp.test", "jwks_uri": "https://keys.test/v3/certs", "more": [1]}'
    assert keys_location(document, "https://idp.test").host == "keys.test"
