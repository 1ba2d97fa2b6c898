"""Names and UUIDs: stable for ever, different per tenant."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dojo.names import tenant_id, user_id


def test_the_mapping_is_pinned_because_rooms_are_stored_under_it() -> None:
    acme = tenant_id("acme")
    assert acme == UUID("9ea4f640-319e-55e8-8a40-ce0e31947142")
    assert user_id(acme, "ana") == UUID("c67862d4-feb4-53cb-8bfc-27660a26df0a")


def test_a_uuid_is_taken_as_it_is() -> None:
    written = "0190D3F0-0000-7000-8000-0000000000AB"
    assert tenant_id(written) == user_id(tenant_id("acme"), written) == UUID(written)


def test_the_same_user_name_of_two_tenants_is_two_people() -> None:
    assert user_id(tenant_id("acme"), "ana") != user_id(tenant_id("beta"), "ana")
    assert tenant_id("ana") != user_id(tenant_id("acme"), "ana")


def test_other_spellings_of_a_uuid_are_names() -> None:
    plain = UUID(int=5)
    assert tenant_id(plain.hex) != plain
    assert tenant_id(f"{{{plain}}}") != plain


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_an_empty_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        tenant_id(name)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_name_means_the_same_every_time(name: str) -> None:
    assert tenant_id(name) == tenant_id(name)
