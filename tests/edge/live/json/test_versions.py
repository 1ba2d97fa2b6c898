"""Versions: named by the text, found again, bounded."""

from __future__ import annotations

import random
from functools import reduce

import pytest

from collab_core.splice import Splice, spliced
from edge.live.json import versions
from edge.live.json.versions import Versions, version_of


def test_equal_texts_have_equal_versions_wherever_they_came_from() -> None:
    one, other = Versions("hello"), Versions("")
    other.change([Splice(0, 0, "hell")])
    other.change([Splice(4, 4, "o")])
    assert other.mark() == one.version == version_of("hello")
    assert version_of("hello ") != version_of("hello")


def test_every_remembered_text_can_be_had_again_and_led_to_the_present() -> None:
    chance = random.Random(7)
    file = Versions("0123456789")
    texts = {file.version: file.text}
    for number in range(200):
        at = chance.randrange(len(file.text) + 1)
        file.change([Splice(at, min(at + chance.randrange(3), len(file.text)), f"<{number}>")])
        if number % 3 == 0:
            texts[file.mark()] = file.text
    for version, text in texts.items():
        place = file.place_of(version)
        assert place is not None
        assert file.text_at(place) == text
        assert reduce(spliced, file.since(place), text) == file.text


def test_a_text_that_comes_back_is_the_newest_of_its_version() -> None:
    file = Versions("a")
    first = file.version
    file.change([Splice(1, 1, "b")])
    file.mark()
    file.change([Splice(1, 2, "")])
    assert file.mark() == first
    assert file.place_of(first) == file.place == 2


def test_what_was_not_marked_is_no_version() -> None:
    file = Versions("a")
    file.change([Splice(1, 1, "b")])
    assert file.place_of(version_of("ab")) is None


def test_the_past_is_bounded_in_versions() -> None:
    file = Versions("")
    first = file.version
    for number in range(2 * versions.VERSIONS):
        file.change([Splice(number, number, "x")])
        file.mark()
    assert file.place_of(first) is None
    assert len(file._places) == versions.VERSIONS
    assert len(file._changes) == versions.VERSIONS - 1


@pytest.mark.parametrize("length", [200_000, 10_000])
def test_the_past_is_bounded_in_characters(length: int) -> None:
    file = Versions("x" * length)
    for number in range(300):
        file.change([Splice(0, length, "y" * length if number % 2 else "z" * (length - number))])
        length = len(file.text)
        file.mark()
    assert file._size <= versions.KEPT
    assert len(file._places) * length <= versions.WALK_BACK + length
    assert file.place_of(file.version) == file.place
