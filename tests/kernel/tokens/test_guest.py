from __future__ import annotations

from uuid import uuid4

import pytest

from kernel.tokens.access import verify_access
from kernel.tokens.guest import GUEST_SECONDS, mint_guest, verify_guest
from kernel.tokens.jws import LEEWAY_SECONDS, PublicKeys, TokenRefused
from kernel.tokens.signing_key import SigningKey

NOW = 1_800_000_000.0


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


def keys_of(key: SigningKey) -> PublicKeys:
    return PublicKeys([key.public_jwk()])


def test_it_says_who_and_where_until_its_end(key: SigningKey) -> None:
    tenant, guest, dojo = uuid4(), uuid4(), uuid4()
    token = mint_guest(key, tenant=tenant, guest=guest, dojo=dojo, name="Gil 🥋", now=NOW, seconds=60)
    claims = verify_guest(keys_of(key), token, NOW + 59)
    assert (claims.tid, claims.sub, claims.dojo, claims.name, claims.exp) == (tenant, guest, dojo, "Gil 🥋", NOW + 60)
    assert (claims.bearer.tenant, claims.bearer.user, claims.bearer.session) == (tenant, guest, None)
    with pytest.raises(TokenRefused, match="expired"):
        verify_guest(keys_of(key), token, NOW + 60 + LEEWAY_SECONDS)


def test_it_is_no_access_token_and_none_is_it(key: SigningKey) -> None:
    token = mint_guest(key, tenant=uuid4(), guest=uuid4(), dojo=uuid4(), name="Gil", now=NOW)
    with pytest.raises(TokenRefused, match="wrong_type"):
        verify_access(keys_of(key), token, NOW)
    room = key.mint(tenant=uuid4(), user=uuid4(), name="Gil", rooms=["*"], write=True, now=NOW, seconds=60)
    with pytest.raises(TokenRefused, match="wrong_type"):
        verify_guest(keys_of(key), room, NOW)
    with pytest.raises(TokenRefused, match="unknown_key"):
        verify_guest(keys_of(SigningKey.generate()), token, NOW)


@pytest.mark.parametrize("seconds", [0, -1, GUEST_SECONDS + 1])
def test_it_lives_half_a_day_at_most(key: SigningKey, seconds: int) -> None:
    with pytest.raises(ValueError, match="guest token lives"):
        mint_guest(key, tenant=uuid4(), guest=uuid4(), dojo=uuid4(), name="Gil", now=NOW, seconds=seconds)
