from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dojos import names


@pytest.mark.parametrize(
    "other",
    ["ana souza", "ANA  SOUZA", "Ａna Souza", "Ána Souza", "Ana\u200bSouza", "A\u200dna Souza", "\u202eAna Souza"],
)
def test_names_that_look_alike_have_one_key(other: str) -> None:
    assert names.key(other) == names.key("Ana Souza")


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u202e", "\x00\x1b", "x" * 41])
def test_a_guest_has_a_name_that_can_be_seen(name: str) -> None:
    with pytest.raises(names.UnusableName):
        names.guest_name(name)


def test_a_guests_name_is_one_line() -> None:
    assert names.guest_name(" Gil\n\tda\u202e Silva \x1b") == "Gil da Silva"
    assert names.guest_name("👩‍💻 Zoë") == "👩‍💻 Zoë"


def test_a_guest_is_kept_apart_from_who_is_there() -> None:
    taken = {names.key("Ana")}
    first = names.apart("ANA", taken)
    second = names.apart("ana", taken | {names.key(first)})
    assert (first, second, names.apart("Bia", taken)) == ("ANA (guest)", "ana (guest 2)", "Bia")


@given(st.text(max_size=300))
def test_a_members_name_fits_the_tables(name: str) -> None:
    shown = names.member_name(name)
    assert 0 < len(shown) <= names.NAME_CHARACTERS
    assert "\n" not in shown
    assert "\0" not in shown
