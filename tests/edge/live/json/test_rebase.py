"""Rebasing against a model: two documents of a CRDT in which both changes are made at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from collab_core.splice import Splice, spliced
from edge.live.json.rebase import carried, rebased
from tests.edge.live.json.strategies import splices_for

BASE = "abcdefghijkl"
OURS = st.text("0123456789", max_size=3)
THEIRS = st.text("ABCDEFGHIJ", max_size=3)


def merged(base: str, ours: list[Splice], theirs: list[Splice]) -> str:
    """What a CRDT makes of both."""
    start: Doc[Text] = Doc()
    start.get("t", type=Text).insert(0, base)
    update = start.get_update()
    documents: list[Doc[Text]] = [Doc(), Doc()]
    for document, splices in zip(documents, (ours, theirs), strict=True):
        document.apply_update(update)
        text = document.get("t", type=Text)
        for splice in reversed(splices):
            if splice.end > splice.start:
                del text[splice.start : splice.end]
            if splice.insert:
                text.insert(splice.start, splice.insert)
    documents[0].apply_update(documents[1].get_update())
    return str(documents[0].get("t", type=Text))


def within(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


@given(splices_for(BASE, OURS), splices_for(BASE, THEIRS))
def test_what_either_typed_survives_and_what_either_deleted_is_gone(ours: list[Splice], theirs: list[Splice]) -> None:
    after = spliced(BASE, theirs)
    made = spliced(after, rebased(ours, theirs))
    assert sorted(made) == sorted(merged(BASE, ours, theirs))
    for splices in (ours, theirs):
        for splice in splices:
            assert splice.insert in made, "what was typed in one piece stays in one piece"
    assert within("".join(character for character in made if character in BASE), BASE)
    assert within("".join(splice.insert for splice in ours), made)
    assert within("".join(splice.insert for splice in theirs), made)


@given(splices_for(BASE, OURS), splices_for(BASE, THEIRS))
def test_two_edits_that_do_not_meet_end_as_in_a_crdt(ours: list[Splice], theirs: list[Splice]) -> None:
    apart = all(a.end < b.start or b.end < a.start for a in ours for b in theirs)
    if apart:
        assert spliced(spliced(BASE, theirs), rebased(ours, theirs)) == merged(BASE, ours, theirs)


def test_of_two_insertions_at_one_place_the_first_taken_stands_first() -> None:
    assert rebased([Splice(3, 3, "ours")], [Splice(3, 3, "theirs")]) == [Splice(9, 9, "ours")]


def test_what_is_gone_is_not_deleted_again() -> None:
    assert rebased([Splice(2, 5, "")], [Splice(2, 5, "")]) == []
    assert rebased([Splice(2, 5, "")], [Splice(0, 9, "")]) == []


def test_what_was_typed_inside_deleted_text_stays() -> None:
    made = rebased([Splice(2, 8, "")], [Splice(5, 5, "new")])
    assert made == [Splice(2, 5, ""), Splice(8, 11, "")]
    assert spliced("ab345new678k", made) == "abnew" + "k"


def test_typing_before_a_word_that_is_replaced_stays_before_it() -> None:
    assert spliced("bar", rebased([Splice(0, 0, "x")], [Splice(0, 3, "bar")])) == "xbar"
    assert spliced("bar", rebased([Splice(3, 3, "x")], [Splice(0, 3, "bar")])) == "barx"


@given(splices_for(BASE, OURS), splices_for(BASE, THEIRS), st.integers(0, len(BASE)))
def test_a_cursor_stays_inside_the_text(ours: list[Splice], theirs: list[Splice], cursor: int) -> None:
    after = spliced(BASE, theirs)
    assert 0 <= carried(cursor, theirs) <= len(after)
    untouched = all(splice.start > cursor for splice in theirs)
    assert not untouched or carried(cursor, theirs) == cursor
