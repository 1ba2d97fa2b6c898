"""Updates merged as bytes, whatever their order and number."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Doc, Text

from collab_core.merge import FAN_IN, merge
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk


def typed(text: str, client: int = 7) -> list[bytes]:
    """One update per character."""
    updates: list[bytes] = []
    document = Doc[Any](client_id=client)
    body = document.get("t", type=Text)
    document.observe(lambda event: updates.append(event.update))
    for character in text:
        body += character
    return updates


def text_of(update: bytes) -> str:
    document = Doc[Any]()
    document.apply_update(update)
    return str(document.get("t", type=Text))


@pytest.mark.parametrize("updates", [[], [b""], [EMPTY_UPDATE], [b"", EMPTY_UPDATE, b""]])
def test_nothing_merged_is_nothing(updates: list[bytes]) -> None:
    assert merge(updates) == EMPTY_UPDATE


def test_one_update_stays_as_it_is() -> None:
    (update,) = typed("x")
    assert merge([update]) is update
    assert merge([b"", update, EMPTY_UPDATE]) is update


@pytest.mark.parametrize("count", [2, FAN_IN - 1, FAN_IN, FAN_IN + 1, 2 * FAN_IN + 1, FAN_IN * FAN_IN + 1])
def test_any_number_is_merged_to_all_of_it(count: int) -> None:
    text = "".join(chr(ord("a") + at % 26) for at in range(count))
    merged = merge(typed(text))
    assert text_of(merged) == text
    (section,) = walk(merged).sections
    assert (section.start, section.end, section.skips) == (0, count, [])


@pytest.mark.parametrize("seed", range(5))
def test_order_does_not_matter(seed: int) -> None:
    updates = typed("hello, everybody out there" * 6)
    random.Random(seed).shuffle(updates)
    assert text_of(merge(updates)) == "hello, everybody out there" * 6


def test_what_a_document_would_lose_out_of_order_is_kept() -> None:
    first, second, third, fourth = typed("abcd")
    assert text_of(merge([second, third, fourth, first])) == "abcd"


def test_a_gap_stays_a_gap() -> None:
    first, _, third = typed("abc")
    (section,) = walk(merge([third, first])).sections
    assert section.skips == [(1, 2)]
    assert section.end == 3


def test_duplicates_add_nothing() -> None:
    updates = typed("abc")
    assert merge(updates * 40) == merge(updates)


def test_bytes_that_are_no_update_are_refused() -> None:
    with pytest.raises(ValueError, match="Cannot merge"):
        merge([b"\x01\x02\x03", *typed("x")])
