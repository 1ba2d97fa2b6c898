"""Marks of edits: known once learned, from wherever, and never more than there is room for."""

from __future__ import annotations

from uuid import UUID

import pytest

from collab_core import marks
from collab_core.journal.port import MARK_BYTES, Entry
from collab_core.marks import Marks, mark_of

ANA = UUID(int=1)


def numbered(number: int) -> bytes:
    return number.to_bytes(MARK_BYTES, "big")


def test_parts_are_not_run_together() -> None:
    assert len(mark_of(b"a")) == MARK_BYTES
    assert len({mark_of(), mark_of(b""), mark_of(b"ab"), mark_of(b"a", b"b"), mark_of(b"", b"ab")}) == 5


def test_nobody_has_an_edit_without_a_mark() -> None:
    known = Marks([Entry(ANA, 0, b"an update")])
    known.note(b"", 3)
    assert known.find(b"") is None
    assert known.newest() == b""


def test_an_edit_made_here_has_a_position_and_keeps_it() -> None:
    known = Marks([Entry(ANA, 0, b"an update", mark=numbered(1))])
    assert known.find(numbered(1)) == 0
    known.note(numbered(2), 7)
    known.learn([Entry(ANA, 0, b"an update", mark=numbered(2))])
    assert known.find(numbered(2)) == 7
    assert known.find(numbered(3)) is None
    known.note(numbered(1), 8)
    assert known.find(numbered(1)) == 8


def test_another_node_is_told_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "TOLD", 2)
    known, other = Marks(), Marks()
    for number in range(3):
        known.note(numbered(number), number + 1)
    other.absorb(known.newest() + b"half")
    assert [other.find(numbered(number)) for number in range(3)] == [None, 0, 0]


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "REMEMBERED", 3)
    known = Marks()
    for number in range(5):
        known.note(numbered(number), number + 1)
    assert [known.find(numbered(number)) for number in range(5)] == [None, None, 3, 4, 5]
