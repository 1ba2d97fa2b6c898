"""From the journal's bytes to a room, and back to smaller bytes, with nothing lost on the way."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Doc, Text

from collab_core.document import Document
from collab_core.merge import merge
from collab_core.opening import fold, open_log
from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk

EMOJI = "\U0001f600"
HELLO = bytes.fromhex("0101070004010174 05 68656c6c6f 00")
"""Client 7 types "hello" into the root "t"."""
LATER = bytes.fromhex("0101070584070401 21 00")
DELETE = bytes.fromhex("00010701 01 03")
CHILD_OF_A_CHARACTER = bytes.fromhex("0101080028000700016b017800")


def session(text: str, delete: tuple[int, int]) -> list[bytes]:
    """Updates of somebody who types `text` and deletes a range of bytes of it."""
    updates: list[bytes] = []
    document = Doc[Any](client_id=9)
    body = document.get("t", type=Text)
    document.observe(lambda event: updates.append(event.update))
    for character in text:
        body += character
    del body[delete[0] : delete[1]]
    return updates


@pytest.mark.parametrize("base", [b"", EMPTY_UPDATE])
def test_a_new_room_is_empty(base: bytes) -> None:
    log, document = open_log(base, [])
    assert (log.base, log.state, log.deleted, log.halves) == (EMPTY_UPDATE, {}, {}, {})
    assert document is not None
    assert document.text("t") == ""


def test_a_room_is_base_and_rows_whatever_their_order() -> None:
    for rows in ([LATER, DELETE], [DELETE, LATER]):
        log, document = open_log(HELLO, rows)
        assert log.state == {7: 6}
        assert log.deleted == {7: IdRanges([(1, 4)])}
        assert document is not None
        assert document.text("t") == "ho!"
        assert log.whole() == log.base == merge([HELLO, *rows])


@pytest.mark.parametrize("seed", range(5))
def test_rows_out_of_causal_order_lose_nothing(seed: int) -> None:
    rows = session("hello, everybody", (1, 5))
    random.Random(seed).shuffle(rows)
    log, document = open_log(b"", rows)
    assert document is not None
    assert document.text("t") == "h, everybody"
    assert document.state() == log.state == {9: 16}
    assert document.deleted() == log.deleted == {9: IdRanges([(1, 5)])}


def test_pairs_are_known_again() -> None:
    log, _ = open_log(b"", session(f"a{EMOJI}b{EMOJI}", (0, 1)))
    assert log.halves == {9: {2, 5}}


def test_a_room_without_pairs_knows_none() -> None:
    log, _ = open_log(b"", session("aé日", (0, 1)))
    assert log.halves == {}


def test_an_opened_room_goes_on() -> None:
    log, document = open_log(HELLO, [DELETE])
    walked = walk(LATER)
    screened = log.screen(walked)
    assert screened.accepted == LATER
    assert document is not None
    document.apply(LATER)
    log.accept(screened, walked)
    assert document.state() == log.state
    assert document.text("t") == "ho!"


def test_bytes_no_document_loads_are_served_as_bytes() -> None:
    log, document = open_log(HELLO, [DELETE, CHILD_OF_A_CHARACTER])
    assert document is None
    assert log.state == {7: 5, 8: 1}
    assert log.deleted == {7: IdRanges([(1, 4)])}
    assert log.whole() == merge([HELLO, DELETE, CHILD_OF_A_CHARACTER])


def test_bytes_that_are_no_update_open_nothing() -> None:
    with pytest.raises(ValueError, match="Cannot merge"):
        open_log(HELLO, [b"\x01\x02\x03"])


def test_a_fold_is_smaller_and_the_same() -> None:
    rows = session("hello, everybody out there", (2, 20))
    folded = fold(b"", rows)
    assert len(folded) < len(merge(rows))
    before, after = Document(merge(rows)), Document(folded)
    assert after.text("t") == before.text("t") == "he there"
    assert after.state() == before.state()
    assert after.deleted() == before.deleted()


def test_folding_in_steps_is_folding_at_once() -> None:
    rows = session("hello, everybody out there", (2, 20))
    stepwise = EMPTY_UPDATE
    for at in range(0, len(rows), 5):
        stepwise = fold(stepwise, rows[at : at + 5])
    at_once = Document(fold(b"", rows))
    assert Document(stepwise).text("t") == at_once.text("t")
    assert Document(stepwise).state() == at_once.state()
    assert Document(stepwise).deleted() == at_once.deleted()
    assert open_log(stepwise, [])[0].state == {9: 26}


@pytest.mark.parametrize(
    "rows",
    [[HELLO, CHILD_OF_A_CHARACTER], [LATER], [HELLO, bytes.fromhex("0101 07 06 84 07 05 01 21 00")], [DELETE]],
    ids=["nothing loads it", "nothing before it", "a gap", "a deletion of nothing"],
)
def test_a_fold_of_what_no_document_agrees_with_keeps_the_bytes(rows: list[bytes]) -> None:
    """A document's encoding leaves out what it could not integrate: it would be lost for good."""
    assert fold(b"", rows) == merge(rows)


def test_what_a_fold_kept_is_whole_when_the_rest_comes() -> None:
    first, *others = session("hello", (1, 3))
    folded = fold(fold(b"", others), [first])
    assert Document(folded).text("t") == "hlo"
