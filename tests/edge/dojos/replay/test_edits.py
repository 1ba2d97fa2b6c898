from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dojos.replay.edits import (
    Delete,
    Edit,
    Insert,
    Keep,
    NotText,
    Segment,
    by_person,
    code_units,
    segments_of,
    whole_change,
)
from tests.edge.dojos.replay.writing import ANA, BOB

TEXTS = st.text(alphabet="ab\n\u00e9\u20ac\U0001f600", max_size=12)


def made(text: str, edits: Sequence[Edit]) -> str:
    """`text` after the edits, the way a JavaScript client makes them."""
    units = text.encode("utf-16-le")
    for edit in reversed(edits):
        units = units[: 2 * edit.start] + edit.insert.encode("utf-16-le") + units[2 * edit.end :]
    return units.decode("utf-16-le")


class TestCodeUnits:
    @given(TEXTS)
    def test_they_are_those_of_utf_16(self, text: str) -> None:
        assert code_units(text.encode()) == len(text.encode("utf-16-le")) // 2

    def test_a_piece_that_begins_inside_a_character_is_refused(self) -> None:
        with pytest.raises(NotText):
            code_units("\u00e9".encode()[1:])


class TestByPerson:
    def test_an_edit_behind_an_emoji_counts_two_for_it(self) -> None:
        segments = segments_of([{"retain": 4}, {"insert": "x"}], ANA)
        assert by_person("\U0001f600b".encode(), segments) == ([(ANA, [Edit(2, 2, "x")])], "\U0001f600xb".encode())

    def test_what_replaces_something_is_one_edit(self) -> None:
        segments = segments_of([{"retain": 1}, {"delete": 1}, {"insert": "xy"}], ANA)
        assert by_person(b"abc", segments)[0] == [(ANA, [Edit(1, 2, "xy")])]

    def test_who_deleted_comes_before_who_typed_instead(self) -> None:
        segments: list[Segment] = [Keep(1), Insert("xy", BOB), Delete(1, ANA)]
        assert by_person(b"abc", segments) == ([(ANA, [Edit(1, 2, "")]), (BOB, [Edit(1, 1, "xy")])], b"axyc")

    def test_a_delta_that_does_not_fit_the_text_is_refused(self) -> None:
        with pytest.raises(NotText):
            by_person(b"abc", [Keep(5), Insert("x", ANA)])

    def test_something_that_is_no_text_is_refused(self) -> None:
        with pytest.raises(NotText):
            segments_of([{"insert": {"image": "x"}}], ANA)

    @given(st.data())
    def test_the_groups_made_one_after_the_other_give_the_text(self, data: st.DataObject) -> None:
        people = st.sampled_from([ANA, BOB])
        before, after = "", ""
        segments: list[Segment] = []
        for kind in data.draw(st.lists(st.sampled_from(["keep", "insert", "delete"]), max_size=8)):
            piece = data.draw(TEXTS.filter(bool))
            if kind == "insert":
                segments.append(Insert(piece, data.draw(people)))
                after += piece
                continue
            before += piece
            length = len(piece.encode())
            if kind == "keep":
                segments.append(Keep(length))
                after += piece
            else:
                segments.append(Delete(length, data.draw(people)))
        groups, told = by_person(before.encode(), segments)
        text = before
        for _, edits in groups:
            text = made(text, edits)
        assert text == told.decode() == after


class TestWholeChange:
    @given(TEXTS, TEXTS)
    def test_it_makes_one_of_the_other(self, before: str, after: str) -> None:
        assert made(before, whole_change(before.encode(), after.encode())) == after
