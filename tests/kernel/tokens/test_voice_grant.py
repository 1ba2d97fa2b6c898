from __future__ import annotations

import base64
from uuid import UUID

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from kernel.tokens.jws import TokenRefused
from kernel.tokens.voice_grant import (
    GRANT_SECONDS,
    LARGEST_NUMBER,
    VOICE_TYPE,
    ControlGrant,
    VoiceGrant,
    sign_control,
    sign_voice,
    verify_control,
    verify_voice,
)

SECRET = bytes(range(32))
NOW = 1_800_000_000
ROOM = UUID(int=3)
GRANT = VoiceGrant(
    tenant=UUID(int=1),
    dojo=UUID(int=2),
    room=ROOM,
    user=UUID(int=4),
    number=LARGEST_NUMBER,
    may_speak=True,
    muted=False,
    preferred=True,
    iat=NOW,
    exp=NOW + GRANT_SECONDS,
)
CONTROL = ControlGrant(room=ROOM, iat=NOW, exp=NOW + GRANT_SECONDS)


def forged(claims: object, *, secret: bytes = SECRET, **header: object) -> str:
    return jws.serialize_compact(
        {"alg": "HS256", "typ": VOICE_TYPE, **header}, msgspec.json.encode(claims), OctKey.import_key(secret)
    )


def refused(token: str, *, now: float = NOW, secret: bytes = SECRET) -> str:
    with pytest.raises(TokenRefused) as caught:
        verify_voice(secret, token, now)
    return caught.value.reason


def test_what_was_signed_is_read() -> None:
    assert verify_voice(SECRET, sign_voice(SECRET, GRANT), NOW) == GRANT
    assert verify_control(SECRET, sign_control(SECRET, CONTROL), NOW) == CONTROL


def test_one_kind_is_never_taken_for_the_other() -> None:
    assert refused(sign_control(SECRET, CONTROL)) == "wrong_type"
    with pytest.raises(TokenRefused):
        verify_control(SECRET, sign_voice(SECRET, GRANT), NOW)
    assert refused(forged(CONTROL)) == "bad_claims"


def test_it_ends_after_a_minute() -> None:
    token = sign_voice(SECRET, GRANT)
    assert verify_voice(SECRET, token, NOW + GRANT_SECONDS + 29) == GRANT
    assert refused(token, now=NOW + GRANT_SECONDS + 30) == "expired"
    assert refused(token, now=NOW - 31) == "not_yet_valid"
    assert refused(forged(msgspec.structs.replace(GRANT, exp=NOW + 61))) == "bad_claims"


def test_another_secret_another_header_and_other_bytes_are_refused() -> None:
    token = sign_voice(SECRET, GRANT)
    assert refused(token, secret=bytes(32)) == "bad_signature"
    header, _, rest = token.partition(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"%s"}' % VOICE_TYPE.encode()).rstrip(b"=").decode()
    assert refused(f"{none}.{rest.partition('.')[0]}.") == "bad_header"
    assert refused(forged(GRANT, kid="x")) == "bad_header"
    for malformed in ("", "x" * 2_000, "\N{SNOWMAN}", header):
        assert refused(malformed) in ("malformed", "bad_header", "bad_signature")
    assert refused(token[:-2] + ("AA" if not token.endswith("AA") else "BB")) == "bad_signature"


@pytest.mark.parametrize("number", [0, -1, LARGEST_NUMBER + 1])
def test_a_number_that_no_packet_can_carry_is_not_signed(number: int) -> None:
    with pytest.raises(ValueError, match="no grant can say this"):
        sign_voice(SECRET, msgspec.structs.replace(GRANT, number=number))
    assert refused(forged(msgspec.structs.replace(GRANT, number=number))) == "bad_claims"


def test_a_short_secret_signs_nothing_and_is_not_told() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes") as caught:
        sign_voice(b"a short secret", GRANT)
    assert "a short secret" not in str(caught.value)
