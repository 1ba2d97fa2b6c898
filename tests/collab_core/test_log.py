"""The room's bytes: what joins, what waits, what is refused, and who is caught up with what."""

from __future__ import annotations

import time

import pytest

from collab_core.document import Document
from collab_core.log import RoomLog, Screened, SplitCharacter
from collab_core.merge import merge
from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.lib0 import WireError, write_var_uint
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk
from tests.collab_core.intake import Intake, update

EMOJI = "\U0001f600"


HELLO = update("01 01 07 00 04 01 01 74 'hello' 00")
LATER = update("01 01 07 05 84 07 04 '!' 00")
REPLY = update("01 01 08 00 84 07 04 'you' 00")
FACE = update(f"01 01 07 00 04 01 01 74 'a{EMOJI}b' 00")
"""Clocks: a 0, the emoji 1 and 2, b 3."""


# What joins


def test_an_edit_that_follows_joins_as_it_is() -> None:
    intake = Intake(HELLO)
    assert intake.feed(LATER) == Screened(LATER, EMPTY_UPDATE, [(7, 6)], {})
    assert intake.log.state == {7: 6}
    assert intake.text == "hello!"


def test_what_is_known_is_nothing_new() -> None:
    intake = Intake(HELLO, LATER)
    for known in (HELLO, LATER, merge([HELLO, LATER])):
        assert intake.feed(known) == Screened(EMPTY_UPDATE, EMPTY_UPDATE)
    assert intake.log.version == 2


def test_screening_changes_nothing() -> None:
    intake = Intake(HELLO)
    before = (dict(intake.log.state), dict(intake.log.deleted), intake.log.version, intake.log.whole())
    intake.log.screen(walk(LATER))
    with pytest.raises(WireError):
        intake.log.screen(walk(update("01 01 08 00 28 00 07 00 01 6b 01 78 00")))
    assert before == (intake.log.state, intake.log.deleted, intake.log.version, intake.log.whole())


@pytest.mark.parametrize(
    "early",
    [
        LATER,
        REPLY,
        update("01 01 08 00 44 07 00 'x' 00"),
        update("01 01 08 00 28 00 07 00 01 6b 01 78 00"),
        update("00 01 07 01 00 01"),
    ],
    ids=["own clock", "origin", "right origin", "parent", "deletion"],
)
def test_what_lacks_a_dependency_waits(early: bytes) -> None:
    intake = Intake()
    assert intake.feed(early) == Screened(EMPTY_UPDATE, early)
    assert intake.log.whole() == EMPTY_UPDATE
    assert intake.log.version == 0


def test_what_waited_joins_when_its_dependency_is_there() -> None:
    intake = Intake(REPLY, LATER, update("00 01 08 01 00 01"), HELLO)
    assert intake.held == []
    assert intake.text == "hello!ou"
    assert intake.log.deleted == {8: IdRanges([(0, 1)])}


def test_an_update_is_split_where_it_starts_to_wait() -> None:
    intake = Intake(HELLO)
    screened = intake.feed(update("01 02 08 00 84 07 04 'a' 84 09 00 'b' 00"))
    assert screened.accepted == update("01 01 08 00 84 07 04 'a' 00")
    assert screened.waiting == update("01 01 08 01 84 09 00 'b' 00")
    assert screened.advances == [(8, 1)]


def test_a_gap_in_a_clients_clocks_waits() -> None:
    intake = Intake()
    with_skip = update("01 03 07 00 04 01 01 74 'he' 0a 02 84 07 03 'o' 00")
    screened = intake.feed(with_skip)
    assert screened.accepted == update("01 01 07 00 04 01 01 74 'he' 00")
    assert screened.waiting == update("01 02 07 02 0a 02 84 07 03 'o' 00")
    intake.feed(update("01 01 07 02 84 07 01 'll' 00"))
    assert intake.text == "hello"
    assert intake.held == []


def test_clients_that_depend_on_each_other_join_together() -> None:
    crossed = update("02 02 08 00 84 07 04 'a' 84 09 00 'c' 02 09 00 84 08 00 'b' 84 08 01 'd' 00")
    intake = Intake(HELLO)
    assert intake.feed(crossed).waiting == EMPTY_UPDATE
    assert intake.text == "helloabcd"


def test_deletions_join_as_far_as_they_reach() -> None:
    intake = Intake(HELLO)
    screened = intake.feed(update("00 02 08 01 00 01 07 02 01 02 04 04"))
    assert screened.accepted == update("00 01 07 02 01 02 04 01")
    assert screened.waiting == update("00 02 08 01 00 01 07 01 05 03")
    assert intake.text == "hl"


def test_an_update_may_delete_what_it_brings() -> None:
    intake = Intake()
    both = update("01 01 07 00 04 01 01 74 'hello' 01 07 01 01 02")
    assert intake.feed(both).accepted == both
    assert intake.log.deleted == {7: IdRanges([(1, 3)])}


def test_known_deletions_are_nothing_new() -> None:
    intake = Intake(HELLO, update("00 01 07 01 01 03"))
    assert intake.feed(update("00 01 07 01 02 01")) == Screened(EMPTY_UPDATE, EMPTY_UPDATE)
    assert intake.log.version == 2


def test_an_answer_with_all_deletions_is_reduced_to_what_is_new() -> None:
    """A SyncStep2 carries the whole delete set, also when its structs follow exactly on what is there."""
    intake = Intake(HELLO, REPLY, update("00 02 07 01 00 02 08 01 00 01"))
    screened = intake.feed(update("01 01 07 05 84 07 04 '!' 02 07 02 00 02 04 01 08 01 00 01"))
    assert screened.accepted == update("01 01 07 05 84 07 04 '!' 01 07 01 04 01")
    assert screened.waiting == EMPTY_UPDATE


# Overlaps: only what is new is taken


def test_a_struct_that_is_known_in_part_is_cut_to_what_is_new() -> None:
    intake = Intake(HELLO)
    screened = intake.feed(update("01 01 07 00 04 01 01 74 'hello!' 00"))
    assert screened == Screened(LATER, EMPTY_UPDATE, [(7, 6)], {})


def test_what_a_struct_says_of_known_clocks_is_ignored() -> None:
    """Merged bytes would take the longer struct, and the text would be "heXXXX-" after a restart."""
    intake = Intake(
        update("01 01 07 00 04 01 01 74 'he' 00"),
        update("01 01 08 00 84 07 01 '-' 00"),
        update("01 01 07 02 84 08 00 'llo' 00"),
    )
    intake.feed(update("01 01 07 00 04 01 01 74 'XXXXXX' 00"))
    assert intake.text == "he-lloX"


def test_forged_pairs_in_known_text_refuse_nobodys_edit() -> None:
    intake = Intake(HELLO)
    intake.feed(update(f"01 01 07 00 04 01 01 74 '{EMOJI}{EMOJI}x?' 00"))
    assert intake.log.halves == {}
    intake.feed(update("01 01 08 00 c4 07 00 07 01 '-' 00"))
    assert intake.text == "h-ello?"


# Parents


@pytest.mark.parametrize("collected", [False, True], ids=["there", "deleted"])
def test_a_character_is_nobodys_parent(collected: bool) -> None:
    """A document that has collected the character takes the child; the merged bytes then load nowhere."""
    intake = Intake(HELLO)
    if collected:
        intake.feed(update("00 01 07 01 00 05"))
    child = update("01 01 08 00 28 00 07 00 01 6b 01 78 00")
    with pytest.raises(WireError, match="holds no children"):
        intake.feed(child)
    assert intake.document.encode() == Document(intake.log.whole()).encode()


def test_a_child_joins_a_type_of_before_and_of_the_same_update() -> None:
    map_in_root = "07 01 01 74 01"
    child = "28 00 07 00 01 6b 01 77 01 78"
    intake = Intake(update(f"01 01 07 00 {map_in_root} 00"))
    assert intake.feed(update(f"01 01 08 00 {child} 00")).waiting == EMPTY_UPDATE
    assert Intake().feed(update(f"01 02 07 00 {map_in_root} {child} 00")).waiting == EMPTY_UPDATE
    assert Intake().feed(update(f"02 01 07 00 {map_in_root} 01 08 00 {child} 00")).waiting == EMPTY_UPDATE


def test_a_child_of_what_was_collected_before_it_came_joins() -> None:
    intake = Intake(update("01 01 07 00 00 05 00"))
    assert intake.feed(update("01 01 08 00 28 00 07 02 01 6b 01 77 01 78 00")).waiting == EMPTY_UPDATE
    assert intake.document.state() == Document(intake.log.whole()).state()


def test_types_are_read_from_the_base_when_they_are_asked_for() -> None:
    base = update("01 01 07 00 07 01 01 74 01 00")
    log = RoomLog(base, {7: 1}, {}, {})
    child = update("01 01 08 00 28 00 07 00 01 6b 01 77 01 78 00")
    assert log.screen(walk(child)).accepted == child


def test_a_forged_type_in_known_text_is_no_parent() -> None:
    intake = Intake(HELLO)
    forged = update(
        "01 06 07 00 07 01 01 74 01 07 01 01 74 01 07 01 01 74 01 07 01 01 74 01 07 01 01 74 01 84 07 04 '!' 00"
    )
    intake.feed(forged)
    with pytest.raises(WireError, match="holds no children"):
        intake.feed(update("01 01 09 00 28 00 07 00 01 6b 01 78 00"))
    assert intake.text == "hello!"


# Surrogate pairs


@pytest.mark.parametrize(
    "edit",
    [
        "01 01 08 00 84 07 01 'x' 00",
        "01 01 08 00 44 07 02 'x' 00",
        "01 01 08 00 c4 07 01 07 02 'x' 00",
        "00 01 07 01 01 01",
        "00 01 07 01 02 01",
        "00 01 07 01 00 02",
        "00 01 07 01 02 02",
        "01 01 08 00 84 07 03 'x' 01 07 01 01 01",
    ],
    ids=["origin", "right origin", "both", "first half", "second half", "up to", "from", "with text"],
)
def test_an_edit_inside_a_pair_is_refused(edit: str) -> None:
    intake = Intake(FACE)
    with pytest.raises(SplitCharacter):
        intake.feed(update(edit))
    assert intake.text == f"a{EMOJI}b"
    assert intake.log.version == 1


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ("01 01 08 00 c4 07 00 07 01 'x' 00", f"ax{EMOJI}b"),
        ("01 01 08 00 c4 07 02 07 03 'x' 00", f"a{EMOJI}xb"),
        ("00 01 07 01 01 02", "ab"),
        ("00 01 07 01 00 03", "b"),
        ("00 01 07 01 01 03", "a"),
    ],
)
def test_an_edit_beside_a_pair_joins(edit: str, text: str) -> None:
    intake = Intake(FACE)
    intake.feed(update(edit))
    assert intake.text == text


def test_a_pair_that_the_update_brings_itself_is_not_cut_either() -> None:
    with pytest.raises(SplitCharacter):
        Intake().feed(update(f"01 02 07 00 04 01 01 74 '{EMOJI}' 84 07 00 'x' 00"))
    with pytest.raises(SplitCharacter):
        Intake().feed(update(f"01 01 07 00 04 01 01 74 '{EMOJI}' 01 07 01 00 01"))


def test_a_struct_that_begins_inside_a_pair_is_refused() -> None:
    intake = Intake(FACE)
    with pytest.raises(SplitCharacter):
        intake.feed(update("01 01 07 02 84 07 01 '?b!' 00"))


def test_an_overlap_that_ends_inside_a_pair_is_refused() -> None:
    intake = Intake(update("01 01 07 00 04 01 01 74 'ab' 00"))
    with pytest.raises(SplitCharacter):
        intake.feed(update(f"01 01 07 00 04 01 01 74 'a{EMOJI}c' 00"))
    assert intake.text == "ab"


def test_a_pair_that_waits_is_known_only_once_it_is_there() -> None:
    intake = Intake(update(f"01 01 08 00 84 07 04 '{EMOJI}' 00"))
    assert intake.log.halves == {}
    intake.feed(HELLO)
    assert intake.log.halves == {8: {1}}
    with pytest.raises(SplitCharacter):
        intake.feed(update("00 01 08 01 01 01"))


def test_pairs_after_an_overlap_are_known() -> None:
    intake = Intake(update("01 01 07 00 04 01 01 74 'ab' 00"))
    intake.feed(update(f"01 01 07 00 04 01 01 74 'abc{EMOJI}' 00"))
    assert intake.log.halves == {7: {4}}
    assert intake.text == f"abc{EMOJI}"


# Pieces and cursors


def test_a_flush_makes_one_piece_of_the_window() -> None:
    intake = Intake()
    log = intake.log
    assert log.flush() is None
    intake.feed(HELLO)
    assert (log.pending, log.pieces, log.end, log.size) == (1, 0, 0, 2 + len(HELLO))
    assert log.flush() == HELLO
    intake.feed(LATER)
    intake.feed(REPLY)
    piece = log.flush()
    assert piece == merge([LATER, REPLY])
    assert (log.pending, log.pieces, log.end) == (0, 2, 2)
    assert log.tail_bytes == len(HELLO) + len(piece)
    assert log.size == 2 + log.tail_bytes
    assert log.flush() is None


def test_a_member_is_caught_up_from_its_cursor() -> None:
    intake = Intake()
    log = intake.log
    pieces = []
    for each in (HELLO, LATER, REPLY):
        intake.feed(each)
        pieces.append(log.flush())
    assert log.since(3) == EMPTY_UPDATE
    assert log.since(2) == pieces[2]
    assert log.since(1) == merge([LATER, REPLY])
    assert log.since(0) == merge([HELLO, LATER, REPLY])


def test_a_cursor_that_was_folded_gets_everything() -> None:
    intake = Intake(HELLO)
    log = intake.log
    log.flush()
    intake.feed(LATER)
    log.flush()
    log.fold(log.whole())
    assert (log.pieces, log.end, log.tail_bytes) == (0, 2, 0)
    assert log.base == merge([HELLO, LATER])
    assert log.since(2) == EMPTY_UPDATE
    intake.feed(REPLY)
    log.flush()
    assert log.since(2) == REPLY
    assert Document(log.since(1)).text("t") == "hello!you"
    assert log.version == 3


def test_a_fold_that_would_lose_the_window_is_a_mistake() -> None:
    log = Intake(HELLO).log
    with pytest.raises(AssertionError, match="flush"):
        log.fold(log.whole())


# Cost

SCREEN_SECONDS = 2.0
"""Generous: 100 KB that wake everyone at every step took 8 s, and take 0.05 s when a step wakes those it frees."""


def test_an_update_made_to_be_screened_slowly_is_not() -> None:
    count = 4_000
    hub = 100_001

    def number(value: int) -> bytes:
        out = bytearray()
        write_var_uint(out, value)
        return bytes(out)

    sections = [b"\x01" + number(200_000 + at) + b"\x00\x00\x01" for at in reversed(range(count))]
    sections += [
        b"\x01" + number(1 + at) + b"\x00\x81" + number(hub) + number(count - 1) + b"\x01" for at in range(count)
    ]
    chain = b"".join(b"\x81" + number(200_000 + at) + b"\x00\x01" for at in range(count))
    sections.append(number(count) + number(hub) + b"\x00" + chain)
    walked = walk(number(len(sections)) + b"".join(sections) + b"\x00")
    started = time.process_time()
    screened = RoomLog(EMPTY_UPDATE, {}, {}, {}).screen(walked)
    assert time.process_time() - started < SCREEN_SECONDS
    assert screened.waiting == EMPTY_UPDATE
    assert len(screened.advances) == 2 * count + 1
