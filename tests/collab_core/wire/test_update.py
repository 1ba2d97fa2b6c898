"""What a walk tells of an update, and what is cut out of one, byte by byte."""

from __future__ import annotations

from typing import Any

import pytest
from pycrdt import Array, Doc, Text

from collab_core.wire.lib0 import WireError
from collab_core.wire.update import MAX_CLOCK, Need, Slice, TooManyParts, Walk, compose, encode_deletes, walk

EMOJI = "\U0001f600"


def read(update: str) -> Walk:
    """Hex, spaces allowed between the fields."""
    return walk(bytes.fromhex(update.replace(" ", "")))


def text_of(*updates: bytes) -> str:
    document = Doc[Any]()
    for update in updates:
        document.apply_update(update)
    return str(document.get("t", type=Text))


def test_nothing_is_an_empty_update() -> None:
    assert read("00 00").empty
    assert not read("00 01 01 01 00 01").empty


def test_a_first_insert() -> None:
    walked = read("01 01 07 00 04 01 01 74 02 6869 00")
    (section,) = walked.sections
    assert (section.client, section.start, section.end) == (7, 0, 2)
    assert section.marks == [(0, 4)]
    assert section.finish == walked.deletes_offset == 11
    assert (section.needs, section.skips, section.parents, section.types, section.hollow) == ([], [], [], [], [])
    assert (walked.cuts, walked.halves, walked.deletes) == ([], [], {})


def test_an_insert_between_two_others_needs_both_and_cuts_there() -> None:
    walked = read("01 01 07 05 c4 08 03 09 04 01 78 00")
    assert walked.sections[0].needs == [Need(5, 8, 3), Need(5, 9, 4)]
    assert walked.cuts == [(8, 4), (9, 4)]


def test_what_a_client_needs_of_itself_is_no_need() -> None:
    walked = read("01 01 07 05 84 07 04 01 78 00")
    assert walked.sections[0].needs == []
    assert walked.cuts == [(7, 5)]


@pytest.mark.parametrize("origin", ["84 07 05", "44 07 06", "04 00 07 05"])
def test_a_struct_cannot_need_itself_or_its_own_future(origin: str) -> None:
    with pytest.raises(WireError, match="depends on itself"):
        read(f"01 01 07 05 {origin} 01 78 00")


def test_a_child_names_its_parent_and_a_type_is_one() -> None:
    walked = read("01 02 07 00 07 01 01 74 01 28 00 07 00 01 6b 01 78 00")
    (section,) = walked.sections
    assert section.types == [0]
    assert section.parents == [Need(1, 7, 0)]
    assert section.needs == []
    assert section.end == 2


def test_a_child_of_another_client_needs_it() -> None:
    walked = read("01 01 07 00 28 00 08 02 01 6b 01 78 00")
    assert walked.sections[0].parents == walked.sections[0].needs == [Need(0, 8, 2)]


def test_collected_deleted_and_skipped_structs() -> None:
    walked = read("01 03 07 00 00 05 0a 03 81 07 04 02 00")
    (section,) = walked.sections
    assert section.hollow == [(0, 5), (8, 10)]
    assert section.skips == [(5, 8)]
    assert [clock for clock, _ in section.marks] == [0, 5, 8]
    assert section.end == 10


def test_lengths_are_utf_16_units_and_second_halves_are_told() -> None:
    text = f"aé€{EMOJI}b{EMOJI}".encode()
    walked = walk(b"\x01\x01\x07\x0a\x04\x01\x01t" + bytes([len(text)]) + text + b"\x00")
    assert walked.sections[0].end == 10 + 8
    assert walked.halves == [(7, 14), (7, 17)]


def test_deletions_are_half_open_ranges_per_client() -> None:
    walked = read("00 02 07 02 00 01 03 02 09 01 05 05")
    assert walked.deletes == {7: [(0, 1), (3, 5)], 9: [(5, 10)]}
    assert encode_deletes(walked.deletes) == bytes.fromhex("02 07 02 00 01 03 02 09 01 05 05")


def test_deletions_may_touch() -> None:
    assert read("00 01 07 02 00 01 01 02").deletes == {7: [(0, 1), (1, 3)]}


@pytest.mark.parametrize("ranges", ["03 02 00 01", "00 03 02 01", "00 03 00 03"], ids=["behind", "over", "again"])
def test_deletions_out_of_order_are_refused(ranges: str) -> None:
    """yrs leaves some of them out, so two documents with the same bytes would differ."""
    with pytest.raises(WireError, match="out of order"):
        read(f"00 01 07 02 {ranges}")


@pytest.mark.parametrize(
    ("update", "why"),
    [
        ("01 00 07 00 00", "without structs|more than the frame"),
        ("01 00 07 00 00 00 00 00", "without structs"),
        ("00 01 07 00 00 00", "without deletions"),
        ("00 01 07 01 05 00", "impossible deletion"),
        ("00 01 07 01 ffffffff07 01", "impossible deletion"),
        ("01 01 07 00 20 05 00", "flags on a struct"),
        ("01 01 07 00 8a 05 00", "flags on a struct"),
        ("01 01 07 00 00 00 00", "impossible length"),
        ("01 01 07 00 0a 00 00", "impossible length"),
        ("01 01 07 00 01 01 01 74 00 00", "impossible length"),
        ("01 01 07 00 04 02 01 74 01 78 00", "unknown kind of parent"),
        ("01 01 07 00 02 01 01 74 01 01 31 00", "unknown content 2"),
        ("01 01 07 00 0b 01 01 74 01 01 31 00", "unknown content 11"),
        ("01 01 07 00 1f 01 01 74 01 01 31 00", "unknown content 31"),
        ("01 01 07 00 07 01 01 74 05 01 68 00", "unknown type 5"),
        ("01 01 07 00 07 01 01 74 07 00 00", "unknown type 7"),
        ("01 01 07 00 09 01 01 74 01 67 7e 00", "subdocument without options"),
        ("00 00 00", "trailing"),
    ],
)
def test_updates_are_refused(update: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        read(update)


def test_json_content_of_old_is_refused_because_the_engine_misreads_it() -> None:
    update = bytes.fromhex("010107000201017401013100")
    with pytest.raises(WireError):
        walk(update)
    with pytest.raises(ValueError, match="Cannot decode"):
        Doc[Any]().apply_update(update)


def test_clocks_have_a_last() -> None:
    last = "ffffffff07"
    assert read("01 01 07 00 00 feffffff07 00").sections[0].end == MAX_CLOCK - 1
    with pytest.raises(WireError, match="impossible length"):
        read(f"01 01 07 01 00 {last} 00")


def test_structs_are_cut_out_by_bytes() -> None:
    update = bytes.fromhex("01 03 07 00 00 05 0a 03 81 07 04 02 00")
    (section,) = walk(update).sections
    assert compose(update, [Slice(section, 0, 1)], {}) == bytes.fromhex("01 01 07 00 00 05 00")
    assert compose(update, [Slice(section, 2, 3)], {3: [(1, 4)]}) == bytes.fromhex(
        "01 01 07 08 81 07 04 02 01 03 01 01 03"
    )
    assert compose(update, [], {}) == b"\x00\x00"


@pytest.mark.parametrize(
    ("struct", "clock", "second"),
    [
        ("00 05", 3, "00 02"),
        ("01 01 01 74 05", 2, "81 07 01 03"),
        ("04 01 01 74 05 68656c6c6f", 1, "84 07 00 04 656c6c6f"),
        ("04 00 08 02 05 68656c6c6f", 4, "84 07 03 01 6f"),
        ("84 08 02 05 68656c6c6f", 2, "84 07 01 03 6c6c6f"),
        ("44 08 02 05 68656c6c6f", 2, "c4 07 01 08 02 03 6c6c6f"),
        ("c4 08 01 08 02 05 68656c6c6f", 2, "c4 07 01 08 02 03 6c6c6f"),
        ("28 01 01 6d 01 6b 05 7d01 7701 61 7f 7502 7879 7e", 3, "a8 07 02 02 75027879 7e"),
        ("04 01 01 74 07 c3a9f09f9880 78", 3, "84 07 02 01 78"),
        ("04 01 01 74 07 c3a9f09f9880 78", 1, "84 07 00 05 f09f9880 78"),
    ],
)
def test_a_struct_is_cut_as_yjs_cuts_it(struct: str, clock: int, second: str) -> None:
    update = bytes.fromhex(f"01 01 07 00 {struct} 00".replace(" ", ""))
    (section,) = walk(update).sections
    cut = compose(update, [Slice(section, 0, 1, clock)], {})
    assert cut == b"\x01\x01\x07" + bytes([clock]) + bytes.fromhex(second.replace(" ", "")) + b"\x00"
    again = walk(cut).sections[0]
    assert (again.start, again.end) == (clock, section.end)


def test_only_the_first_struct_of_a_slice_is_cut() -> None:
    update = bytes.fromhex("01 02 07 00 00 05 84 08 02 02 6869 00")
    (section,) = walk(update).sections
    assert compose(update, [Slice(section, 0, 2, 4)], {}) == bytes.fromhex("01 02 07 04 00 01 84 08 02 02 6869 00")
    assert compose(update, [Slice(section, 1, 2, 4)], {}) == bytes.fromhex("01 01 07 05 84 08 02 02 6869 00")


def test_the_second_part_joins_the_first_to_the_whole() -> None:
    whole = bytes.fromhex("01 01 07 00 04 01 01 74 0a") + f"ab{EMOJI}c€".encode() + b"\x00"
    (section,) = walk(whole).sections
    for clock, beginning in ((1, "a"), (2, "ab"), (4, f"ab{EMOJI}"), (5, f"ab{EMOJI}c")):
        raw = beginning.encode()
        first = bytes.fromhex("01 01 07 00 04 01 01 74") + bytes([len(raw)]) + raw + b"\x00"
        second = compose(whole, [Slice(section, 0, 1, clock)], {})
        assert text_of(first, second) == text_of(whole) == f"ab{EMOJI}c€"


def test_a_walk_agrees_with_the_engine_about_an_array() -> None:
    document = Doc[Any](client_id=7)
    updates: list[bytes] = []
    with document.new_transaction():
        document["a"] = array = Array[Any]()
        array.extend([1, "two", None, {"three": [True, 4.5]}])
    updates.append(document.get_update())
    walked = walk(updates[0])
    assert [(section.client, section.start, section.end) for section in walked.sections] == [(7, 0, 4)]


def test_an_update_of_too_many_parts_is_refused_on_its_counts() -> None:
    # Three GC structs of client 1, and two deletions; the bytes behind the first count are missing on purpose.
    whole = bytes([1, 3, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 2, 0, 1, 2, 1])
    assert walk(whole, 5).parts == 5
    with pytest.raises(TooManyParts):
        walk(whole, 4)
    with pytest.raises(TooManyParts):
        walk(bytes([1, 100, 1, 0]) + bytes(200), 99)
