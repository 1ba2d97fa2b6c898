"""Two changes as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collab_core.splice import Splice, spliced
from edge.live.json.composition import composed
from tests.edge.live.json.strategies import splices_for, texts


@given(st.data())
def test_it_does_what_both_do(data: st.DataObject) -> None:
    text = data.draw(texts)
    first = data.draw(splices_for(text))
    between = spliced(text, first)
    second = data.draw(splices_for(between))
    assert spliced(text, composed(first, second)) == spliced(between, second)


def test_typing_on_is_one_insertion() -> None:
    assert composed([Splice(3, 3, "a")], [Splice(4, 4, "b")]) == [Splice(3, 3, "ab")]


def test_what_was_typed_and_deleted_again_is_nothing() -> None:
    assert composed([Splice(3, 3, "abc")], [Splice(3, 6, "")]) == []


def test_far_apart_they_stay_two() -> None:
    assert composed([Splice(0, 0, "a")], [Splice(9, 10, "")]) == [Splice(0, 0, "a"), Splice(8, 9, "")]
