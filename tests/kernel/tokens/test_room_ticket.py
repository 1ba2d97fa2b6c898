"""Room tickets: what is minted is taken; everything forged, foreign, expired or malformed is refused."""

from __future__ import annotations

import hashlib
import hmac
import statistics
import time
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.tokens import (
    LEEWAY_SECONDS,
    TOKEN_BYTES,
    KeyFileError,
    RoomClaims,
    SigningKey,
    TokenRefused,
    TokenVerifier,
)
from tests.kernel.tokens.forging import b64, signed, unb64

NOW = 1_800_000_000.0
TENANT, USER = UUID(int=1), UUID(int=2)
KEY = SigningKey.generate()
VERIFIER = KEY.verifier()


def mint(key: SigningKey = KEY, **changes: Any) -> str:
    values: dict[str, Any] = {"tenant": TENANT, "user": USER, "name": "Ana", "rooms": ["*"], "write": True}
    return key.mint(**{**values, "now": NOW, "seconds": 60, **changes})


def header(**changes: object) -> dict[str, object]:
    return {"alg": "EdDSA", "typ": "room+jwt", "kid": KEY.kid, **changes}


def claims(**changes: object) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(unb64(mint().split(".")[1]))
    return {**found, **changes}


def reason(token: str, now: float = NOW, verifier: TokenVerifier = VERIFIER) -> str:
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token, now)
    assert refused.value.__cause__ is None
    assert len(token) < 20 or token not in str(refused.value)
    return refused.value.reason


def test_what_was_minted_is_read_back() -> None:
    found = VERIFIER.verify(mint(rooms=["a/b?", "ü"], write=False, name="Ana 🥋"), NOW)
    assert (found.tid, found.sub, found.name, found.rooms, found.write) == (
        TENANT,
        USER,
        "Ana 🥋",
        ("a/b?", "ü"),
        False,
    )
    assert (found.iss, found.iat, found.exp) == ("dojo", int(NOW), int(NOW) + 60)
    assert found.opens("ü")
    assert not found.opens("u")
    assert VERIFIER.verify(mint(), NOW).opens("anything")


def test_the_form_on_the_wire_is_the_documented_one() -> None:
    head, payload, _ = mint().split(".")
    assert msgspec.json.decode(unb64(head)) == header()
    assert set(msgspec.json.decode(unb64(payload))) == set(RoomClaims.__struct_fields__)


def test_the_helper_above_signs_as_the_product_does() -> None:
    assert VERIFIER.verify(signed(KEY, header(), claims()), NOW).sub == USER


@pytest.mark.parametrize(
    ("later", "taken"), [(0, True), (60, True), (60 + LEEWAY_SECONDS - 1, True), (60 + LEEWAY_SECONDS, False)]
)
def test_an_expired_token_is_refused_with_some_leeway(later: int, taken: bool) -> None:
    if taken:
        assert VERIFIER.verify(mint(), NOW + later).sub == USER
    else:
        assert reason(mint(), NOW + later) == "expired"


def test_a_token_from_the_future_is_refused_with_some_leeway() -> None:
    assert VERIFIER.verify(mint(), NOW - LEEWAY_SECONDS).sub == USER
    assert reason(mint(), NOW - LEEWAY_SECONDS - 1) == "not_yet_valid"
    assert reason(signed(KEY, header(), claims(iat=int(NOW), exp=int(NOW)))) == "not_yet_valid"


def test_another_issuers_key_is_unknown_and_its_signature_under_our_kid_bad() -> None:
    other = SigningKey.generate()
    assert reason(mint(other)) == "unknown_key"
    assert reason(signed(other, header(), claims())) == "bad_signature"


def test_a_verifier_takes_every_key_it_trusts_and_no_other() -> None:
    other = SigningKey.generate()
    both = TokenVerifier([KEY.public_jwk(), other.public_jwk()])
    assert both.verify(mint(), NOW).sub == both.verify(mint(other), NOW).sub == USER
    assert reason(mint(), verifier=TokenVerifier([])) == "unknown_key"


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES256", "RS256", "Ed25519", "Ed448", "eddsa", "", 1, None])
def test_no_other_algorithm_is_taken_not_even_with_a_good_signature(alg: object) -> None:
    token = signed(KEY, header(alg=alg), claims())
    assert reason(token) == "bad_header"
    assert reason(token.rpartition(".")[0] + ".") == "bad_header"


def test_the_public_key_is_no_hmac_secret() -> None:
    public = unb64(KEY.public_jwk()["x"])
    for secret in (public, KEY.public_jwk()["x"].encode(), msgspec.json.encode(KEY.public_jwk())):
        for alg in ("HS256", "EdDSA"):
            body = f"{b64(msgspec.json.encode(header(alg=alg)))}.{b64(msgspec.json.encode(claims()))}"
            digest = hmac.new(secret, body.encode(), hashlib.sha256).digest()
            assert reason(f"{body}.{b64(digest)}") in ("bad_header", "bad_signature")


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": None},
        {"jku": "https://evil.example/keys"},
        {"jwk": SigningKey.generate().public_jwk()},
        {"crit": ["b64"], "b64": False},
        {"kid": ""},
        {"kid": 7},
    ],
)
def test_a_header_with_anything_else_is_refused(changes: dict[str, object]) -> None:
    assert reason(signed(KEY, header(**changes), claims())) == "bad_header"


@pytest.mark.parametrize("missing", ["alg", "typ", "kid"])
def test_no_header_field_may_be_missing(missing: str) -> None:
    assert reason(signed(KEY, {k: v for k, v in header().items() if k != missing}, claims())) == "bad_header"


@pytest.mark.parametrize("missing", list(RoomClaims.__struct_fields__))
def test_no_claim_may_be_missing(missing: str) -> None:
    assert reason(signed(KEY, header(), {k: v for k, v in claims().items() if k != missing})) == "bad_claims"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"tid": "acme"},
        {"tid": 1},
        {"sub": None},
        {"name": 5},
        {"name": "x" * 201},
        {"rooms": "*"},
        {"rooms": [1]},
        {"rooms": [""]},
        {"write": "yes"},
        {"write": 1},
        {"exp": "1800000060"},
        {"exp": 1e400},
        {"exp": None},
        {"iat": True},
        {"jti": ""},
    ],
)
def test_a_claim_of_the_wrong_type_is_refused(changes: dict[str, object]) -> None:
    assert reason(signed(KEY, header(), claims(**changes))) == "bad_claims"


@pytest.mark.parametrize("payload", [[], "claims", 1, None])
def test_a_payload_that_is_no_object_is_refused(payload: object) -> None:
    assert reason(signed(KEY, header(), payload)) == "bad_claims"


def test_claims_that_are_not_ours_are_ignored() -> None:
    assert VERIFIER.verify(signed(KEY, header(), claims(aud="elsewhere", roles=["x"])), NOW).sub == USER


def test_every_changed_character_is_noticed() -> None:
    token = mint()
    for place in range(len(token)):
        changed = "B" if token[place] != "B" else "C"
        assert reason(token[:place] + changed + token[place + 1 :]) in (
            "bad_signature",
            "bad_header",
            "wrong_type",
            "unknown_key",
        )


def test_a_long_token_is_refused_before_it_is_read() -> None:
    token = signed(KEY, header(), claims(padding="x" * TOKEN_BYTES))
    assert reason(token) == "malformed"
    with pytest.raises(ValueError, match="rooms"):
        mint(rooms=[f"room number {n} with a long name" for n in range(300)])


@pytest.mark.parametrize("changes", [{"rooms": ["x" * 201]}, {"rooms": [""]}, {"name": "x" * 201}])
def test_nothing_is_minted_that_would_not_be_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no token can say this"):
        mint(**changes)


@given(st.text(max_size=200))
def test_any_text_is_refused_in_order(text: str) -> None:
    assert reason(text)


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=4).map(lambda parts: ".".join(b64(p) for p in parts)))
def test_any_encoded_bytes_are_refused_in_order(token: str) -> None:
    assert reason(token)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=20))
def test_any_json_as_payload_under_our_own_signature_is_refused_in_order(payload: object) -> None:
    try:
        token = signed(KEY, header(), payload)
    except (OverflowError, UnicodeEncodeError):  # an integer or text that no JSON of msgspec can say
        return
    assert reason(token) in ("bad_claims", "malformed")


def test_a_trusted_key_of_another_kind_is_refused() -> None:
    for jwk in ({"kty": "EC", "crv": "P-256", "x": "AA"}, {"kty": "OKP", "crv": "Ed25519"}, {}):
        with pytest.raises(KeyFileError):
            TokenVerifier([jwk])


def test_checking_a_token_is_fast() -> None:
    token = mint(user=uuid4())
    times = []
    for _ in range(200):
        started = time.thread_time()
        VERIFIER.verify(token, NOW)
        times.append(time.thread_time() - started)
    assert statistics.median(times) < 0.3e-3
