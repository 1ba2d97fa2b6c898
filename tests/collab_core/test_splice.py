"""Splices of a text, alone and made in a document that others then follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_core.document import Document
from collab_core.splice import Splice, check, spliced
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk

texts = st.text(st.sampled_from("aé日\U0001f600\U0001f469‍\n"), max_size=24)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Splice]]:
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pairs = zip(places[::2], places[1::2], strict=False)
    return text, [Splice(start, end, draw(texts)) for start, end in pairs]


def test_all_count_in_the_text_as_it_was() -> None:
    assert spliced("one two three", [Splice(0, 3, "1"), Splice(4, 7, ""), Splice(13, 13, "!")]) == "1  three!"


@pytest.mark.parametrize(
    "splices",
    [
        [Splice(0, 4, "")],
        [Splice(-1, 0, "")],
        [Splice(2, 1, "")],
        [Splice(1, 2, ""), Splice(1, 1, "")],
        [Splice(2, 3, ""), Splice(0, 1, "")],
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(splices: list[Splice]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        check(splices, 3)
    with pytest.raises(ValueError, match="does not fit"):
        spliced("abc", splices)
    document = Document()
    document.compose("t", [Splice(0, 0, "abc")])
    before = document.encode()
    with pytest.raises(ValueError, match="does not fit"):
        document.compose("t", splices)
    assert document.encode() == before


@given(cases())
def test_a_document_makes_the_same_of_them_and_so_do_its_followers(case: tuple[str, list[Splice]]) -> None:
    text, splices = case
    author, follower = Document(), Document()
    follower.apply(author.compose("t", [Splice(0, 0, text)]))
    update = author.compose("t", splices)
    walk(update)
    follower.apply(update)
    assert author.text("t") == follower.text("t") == spliced(text, splices)
    assert author.state() == follower.state()


def test_no_change_is_an_empty_update() -> None:
    document = Document()
    assert document.compose("t", []) == EMPTY_UPDATE
    assert document.compose("t", [Splice(0, 0, "")]) == EMPTY_UPDATE
