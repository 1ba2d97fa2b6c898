"""Differences: right for every two texts, small where people type, and bounded."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_core.splice import Splice, spliced
from edge.live.json.difference import difference
from tests.edge.live.json.strategies import texts


@given(texts, texts, st.none() | st.integers(-2, 45))
def test_it_makes_the_new_text_of_the_old(old: str, new: str, cursor: int | None) -> None:
    assert spliced(old, difference(old, new, cursor)) == new


@given(st.data())
def test_it_makes_long_texts_too(data: st.DataObject) -> None:
    lines = st.lists(st.sampled_from(["one = 1", "two = 2", "", "}", "    return one", "é€😀"]), max_size=30)
    old, new = "\n".join(data.draw(lines)), "\n".join(data.draw(lines))
    assert spliced(old, difference(old, new)) == new


@pytest.mark.parametrize("cursor", range(1, 5))
def test_the_cursor_says_which_of_equal_characters_was_typed(cursor: int) -> None:
    assert difference("aaaa", "aaaaa", cursor) == [Splice(cursor - 1, cursor - 1, "a")]


@pytest.mark.parametrize("cursor", range(4))
def test_the_cursor_says_which_of_equal_characters_was_deleted(cursor: int) -> None:
    assert difference("aaaa", "aaa", cursor) == [Splice(cursor, cursor + 1, "")]


def test_a_cursor_far_from_the_change_does_no_harm() -> None:
    text = "x" * 1000 + "end"
    assert difference(text, "<" + text, len(text) + 1) == [Splice(0, 0, "<")]
    assert difference(text, text + ">", 0) == [Splice(len(text), len(text), ">")]


def test_changes_far_apart_are_told_apart() -> None:
    old = "\n".join(f"line {number} of the text" for number in range(300))
    new = old.replace("line 10 ", "LINE 10 ").replace("line 290 of", "line 290 OF")
    made = difference(old, new)
    assert sum(splice.end - splice.start for splice in made) <= 8
    assert len(made) == 2


def test_changes_in_one_line_are_told_apart() -> None:
    made = difference("alpha beta gamma delta", "xalpha beta gamma deltay")
    assert made == [Splice(0, 0, "x"), Splice(22, 22, "y")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("".join(random.Random(1).choices("ab", k=200_000)), "".join(random.Random(2).choices("ab", k=200_000))),
        ("\n" * 200_000, "\n" * 100_000 + "x" + "\n" * 50_000 + "y" + "\n" * 50_000),
        ("ab\n" * 1_900, "ba\n" * 1_900),
        ("".join(f"{n}\n" for n in range(1_900)), "".join(f"{n}\n" for n in reversed(range(1_900)))),
        ("".join(f"line {n} a\n" for n in range(1_900)), "".join(f"line {n} {'ab'[n % 2]}\n" for n in range(1_900))),
    ],
    ids=["noise", "line ends", "no line alike", "backwards", "every second line"],
)
def test_its_work_is_bounded(old: str, new: str) -> None:
    started = time.process_time()
    made = difference(old, new)
    took = time.process_time() - started
    assert spliced(old, made) == new
    assert took < 0.1, f"{took * 1000:.0f} ms"
