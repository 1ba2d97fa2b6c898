from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_core.journal.envelope import EnvelopeError, decode, decode_updates, encode
from collab_core.journal.port import Entry

entries = st.lists(
    st.builds(
        Entry,
        st.uuids(),
        st.integers(-(1 << 40), 1 << 50),
        st.binary(max_size=40),
        st.booleans(),
        st.one_of(st.just(b""), st.binary(min_size=8, max_size=8)),
    ),
    min_size=1,
    max_size=8,
)
AUTHOR = UUID(int=7)


@given(entries)
def test_what_is_written_is_read(original: list[Entry]) -> None:
    data = encode(original)
    assert decode(data) == original
    assert decode_updates(data) == [entry.update for entry in original]


def test_the_bytes_are_these_for_years() -> None:
    """Rows of all former versions must stay readable: this one was written by version 1."""
    author = "c410 00000000 00000000 00000000 00000007"
    data = bytes.fromhex(f"01 92 cf000001a0c4506c00 92 93 {author} 00 c401aa 93 {author} ff c402bbcc")
    written = [Entry(AUTHOR, 1_790_000_000_000, b"\xaa"), Entry(AUTHOR, 1_789_999_999_999, b"\xbb\xcc")]
    assert decode(data) == written
    assert encode(written) == data


def test_rows_that_hold_what_others_wrote_are_of_version_2() -> None:
    author = "c410 00000000 00000000 00000000 00000007"
    data = bytes.fromhex(f"02 92 05 92 94 {author} 00 c401aa c3 94 {author} 01 c401bb c2")
    written = [Entry(AUTHOR, 5, b"\xaa", healed=True), Entry(AUTHOR, 6, b"\xbb")]
    assert encode(written) == data
    assert decode(data) == written


def test_rows_with_marks_are_of_version_3() -> None:
    author = "c410 00000000 00000000 00000000 00000007"
    mark = bytes(range(8))
    data = bytes.fromhex(f"03 92 05 92 95 {author} 00 c401aa c2 c408 {mark.hex()} 95 {author} 01 c401bb c3 c400")
    written = [Entry(AUTHOR, 5, b"\xaa", mark=mark), Entry(AUTHOR, 6, b"\xbb", healed=True)]
    assert encode(written) == data
    assert decode(data) == written


@pytest.mark.parametrize("mark", [b"short", b"nine bytes"])
def test_a_mark_has_eight_bytes(mark: bytes) -> None:
    with pytest.raises(EnvelopeError, match="mark"):
        encode([Entry(AUTHOR, 0, b"", mark=mark)])
    with pytest.raises(EnvelopeError):
        decode(b"\x03" + msgspec.msgpack.encode([0, [[AUTHOR.bytes, 0, b"", False, mark]]]))


@given(entries, st.data())
def test_a_part_of_a_row_is_refused(original: list[Entry], data: st.DataObject) -> None:
    whole = encode(original)
    with pytest.raises(EnvelopeError):
        decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(entries, st.binary(min_size=1, max_size=5))
def test_more_than_a_row_is_refused(original: list[Entry], more: bytes) -> None:
    with pytest.raises(EnvelopeError):
        decode(encode(original) + more)


@given(st.binary(max_size=80))
def test_garbage_raises_nothing_but_envelope_error(garbage: bytes) -> None:
    for data in (garbage, b"\x01" + garbage, b"\x02" + garbage, b"\x03" + garbage):
        try:
            decoded = decode(data)
        except EnvelopeError:
            continue
        assert decode(encode(decoded)) == decoded


@pytest.mark.parametrize(
    "body",
    [
        [],
        [0],
        [0, []],
        [0, [[b"short", 0, b""]]],
        [0, [[AUTHOR.bytes, 0]]],
        [0, [[AUTHOR.bytes, 0, b"", 0]]],
        [0, [[AUTHOR.bytes, 0, "text"]]],
        [0, [["0123456789abcdef", 0, b""]]],
        [0, [[AUTHOR.bytes, 1.0, b""]]],
        [0, [[AUTHOR.bytes, True, b""]]],
        [1 << 60, [[AUTHOR.bytes, 0, b""]]],
        [0, [[AUTHOR.bytes, 0, b""]], 0],
        {"0": 0},
        None,
    ],
)
def test_another_shape_is_refused(body: object) -> None:
    with pytest.raises(EnvelopeError):
        decode(b"\x01" + msgspec.msgpack.encode(body))


def test_another_version_says_so() -> None:
    with pytest.raises(EnvelopeError, match="version 4"):
        decode(b"\x04" + encode([Entry(AUTHOR, 0, b"")])[1:])


@pytest.mark.parametrize("at_ms", [1 << 60, -(1 << 60)])
def test_an_absurd_time_is_not_written(at_ms: int) -> None:
    with pytest.raises(EnvelopeError):
        encode([Entry(uuid4(), at_ms, b"")])


def test_a_row_without_entries_is_not_written() -> None:
    with pytest.raises(EnvelopeError):
        encode([])
