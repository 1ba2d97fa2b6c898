from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dojos import join_codes


def test_a_new_code_is_its_own_normal_form_however_it_is_written() -> None:
    seen = set()
    for _ in range(200):
        code = join_codes.new_code()
        seen.add(code)
        assert len(code) == join_codes.CHARACTERS
        for typed in (code, join_codes.shown(code), code.lower(), f"  {code[:3]} {code[3:]}\n"):
            assert join_codes.normal(typed) == code
    assert len(seen) == 200


@pytest.mark.parametrize(("typed", "normal"), [("oil0i-lLo1O", "0110111010"), ("abcde-fghjk", "ABCDEFGHJK")])
def test_look_alikes_are_forgiven(typed: str, normal: str) -> None:
    assert join_codes.normal(typed) == normal


@pytest.mark.parametrize("typed", ["", "ABCDE-FGHJ", "ABCDE-FGHJKM", "ABCDE-FGHJU", "ABCDE-FGHJé", "ABCDE_FGHJK"])
def test_what_can_be_no_code_is_none(typed: str) -> None:
    assert join_codes.normal(typed) is None


@given(st.text(max_size=40))
def test_a_normal_form_is_ten_of_the_alphabet(typed: str) -> None:
    normal = join_codes.normal(typed)
    assert normal is None or (len(normal) == 10 and set(normal) <= set(join_codes.ALPHABET))


def test_only_the_hash_is_stored() -> None:
    assert len(join_codes.hashed("ABCDEFGHJK")) == 32
    assert join_codes.hashed("ABCDEFGHJK") != join_codes.hashed("ABCDEFGHJM")
