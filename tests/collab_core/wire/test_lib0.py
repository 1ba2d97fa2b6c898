"""lib0's encoding, read strictly: what is written is read back, and what a frame cannot hold is refused."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.wire.lib0 import (
    MAX_NESTING,
    MAX_SAFE_INTEGER,
    Reader,
    WireError,
    check_json,
    write_var_bytes,
    write_var_uint,
)

laws = settings(derandomize=True, deadline=None, max_examples=200)

safe = st.integers(0, MAX_SAFE_INTEGER)


def var_uint(value: int) -> bytes:
    out = bytearray()
    write_var_uint(out, value)
    return bytes(out)


def var_bytes(raw: bytes) -> bytes:
    out = bytearray()
    write_var_bytes(out, raw)
    return bytes(out)


def var_int(value: int) -> bytes:
    """lib0's `writeVarInt`."""
    sign, value = (0x40, -value) if value < 0 else (0, value)
    out = bytearray([sign | value & 0x3F | (0x80 if value > 0x3F else 0)])
    value >>= 6
    while value:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
    return bytes(out)


def any_value(value: Any) -> bytes:
    """lib0's `writeAny`, for what Python can say; `...` stands for `undefined`."""
    if value is ...:
        return b"\x7f"
    if value is None:
        return b"\x7e"
    if isinstance(value, bool):
        return b"\x78" if value else b"\x79"
    if isinstance(value, int):
        return b"\x7d" + var_int(value)
    if isinstance(value, float):
        return b"\x7b" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"\x77" + var_bytes(value.encode())
    if isinstance(value, bytes):
        return b"\x74" + var_bytes(value)
    if isinstance(value, list):
        return b"\x75" + var_uint(len(value)) + b"".join(map(any_value, value))
    pairs = (var_bytes(key.encode()) + any_value(item) for key, item in value.items())
    return b"\x76" + var_uint(len(value)) + b"".join(pairs)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
anything = st.recursive(
    st.just(...)
    | st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats()
    | text
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@laws
@given(safe, st.binary(max_size=4))
def test_a_number_is_read_back_and_the_rest_left(value: int, rest: bytes) -> None:
    reader = Reader(var_uint(value) + rest)
    assert reader.var_uint() == value
    assert reader.remaining == len(rest)


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16383, "ff7f"),
        (16384, "808001"),
        (2**32 - 1, "ffffffff0f"),
        (MAX_SAFE_INTEGER, "ffffffffffffff0f"),
    ],
)
def test_numbers_as_lib0_writes_them(value: int, raw: str) -> None:
    assert var_uint(value) == bytes.fromhex(raw)
    assert Reader(bytes.fromhex(raw)).var_uint() == value


@pytest.mark.parametrize(
    "raw", ["8000", "ff00", "80808000", "ffffffffffffff10", "ffffffffffffffff01", "8080808080808080"]
)
def test_numbers_that_are_over_long_or_unsafe_are_refused(raw: str) -> None:
    reader = Reader(bytes.fromhex(raw))
    with pytest.raises(WireError, match=r"over-long|over 53 bits"):
        reader.var_uint()
    assert reader.pos == 0


@laws
@given(safe)
def test_no_beginning_of_a_number_is_one(value: int) -> None:
    raw = var_uint(value)
    for length in range(len(raw)):
        with pytest.raises(WireError, match="truncated"):
            Reader(raw[:length]).var_uint()


@laws
@given(st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER))
def test_a_signed_number_is_skipped_whole_and_not_cut(value: int) -> None:
    raw = var_int(value)
    reader = Reader(raw + b"\xff")
    reader.skip_var_int()
    assert reader.pos == len(raw)
    for length in range(len(raw)):
        with pytest.raises(WireError):
            Reader(raw[:length]).skip_var_int()


@pytest.mark.parametrize("raw", ["8000", "c000", "ff8000", "bfffffffffffff20", "ffffffffffffffff01"])
def test_signed_numbers_that_are_over_long_or_unsafe_are_refused(raw: str) -> None:
    with pytest.raises(WireError, match=r"over-long|over 53 bits"):
        Reader(bytes.fromhex(raw)).skip_var_int()


def test_minus_zero_is_a_number() -> None:
    reader = Reader(b"\x40")
    reader.skip_var_int()
    reader.finish()


@laws
@given(st.binary(max_size=20), st.binary(max_size=4))
def test_bytes_are_read_back(raw: bytes, rest: bytes) -> None:
    reader = Reader(var_bytes(raw) + rest)
    assert reader.var_bytes() == raw
    assert reader.remaining == len(rest)


@laws
@given(st.binary(max_size=12), st.integers(1, 2**40))
def test_a_length_past_the_end_is_refused_where_it_stands(raw: bytes, more: int) -> None:
    reader = Reader(var_uint(len(raw) + more) + raw)
    with pytest.raises(WireError, match="more than the frame holds"):
        reader.var_bytes()


@laws
@given(st.integers(0, 30), st.integers(1, 6), st.integers(0, 200))
def test_a_count_is_what_the_bytes_left_can_hold(count: int, each: int, left: int) -> None:
    reader = Reader(var_uint(count) + bytes(left))
    if count * each <= left:
        assert reader.count(each) == count
    else:
        with pytest.raises(WireError, match="more than the frame can hold") as caught:
            reader.count(each)
        assert caught.value.offset == 0


@laws
@given(text)
def test_text_is_read_back(value: str) -> None:
    assert Reader(var_bytes(value.encode())).var_string() == value


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"\xc3", b"\xed\xa0\xbd", b"\xed\xb2\xa9", b"\xc0\x80", b"\xf4\x90\x80\x80"],
    ids=["stray", "cut", "high surrogate", "low surrogate", "over-long", "past the last"],
)
def test_text_that_clients_would_throw_at_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match="UTF-8"):
        Reader(var_bytes(raw)).var_string()


def test_one_byte_and_then_the_end() -> None:
    reader = Reader(b"\x2a")
    assert reader.byte() == 42
    reader.finish()
    with pytest.raises(WireError, match="truncated at byte 1"):
        reader.byte()


def test_trailing_bytes_are_refused() -> None:
    reader = Reader(b"\x01\x02")
    reader.byte()
    with pytest.raises(WireError, match="trailing bytes at byte 1"):
        reader.finish()


@laws
@given(anything, st.binary(max_size=3))
def test_any_value_is_skipped_whole(value: Any, rest: bytes) -> None:
    raw = any_value(value)
    reader = Reader(raw + rest)
    assert reader.skip_any() == raw[0]
    assert reader.pos == len(raw)


@laws
@given(anything)
def test_no_beginning_of_a_value_is_one(value: Any) -> None:
    raw = any_value(value)
    for length in range(len(raw)):
        with pytest.raises(WireError):
            Reader(raw[:length]).skip_any()


@pytest.mark.parametrize("tag", [*range(116), *range(128, 256)])
def test_unknown_tags_are_refused(tag: int) -> None:
    with pytest.raises(WireError, match="unknown tag"):
        Reader(bytes([tag]) + bytes(16)).skip_any()


@pytest.mark.parametrize("wrap", [b"u\x01", b"v\x01\x00"], ids=["arrays", "objects"])
def test_nesting_has_a_bound(wrap: bytes) -> None:
    deepest = Reader(wrap * MAX_NESTING + b"\x7e")
    deepest.skip_any()
    deepest.finish()
    with pytest.raises(WireError, match="nested deeper"):
        Reader(wrap * (MAX_NESTING + 1) + b"\x7e").skip_any()


@pytest.mark.parametrize("raw", [b"1", b" [1, 2]\n", b'{"a":null}', b'"\\u00e9"', '"é😀"'.encode(), b"-1.5e3", b"true"])
def test_json_that_every_client_reads(raw: bytes) -> None:
    check_json(raw)
    reader = Reader(var_bytes(raw))
    reader.skip_json()
    reader.finish()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"undefined",
        b"NaN",
        b"Infinity",
        b"1 2",
        b"01",
        b"'a'",
        b"[1,]",
        b'"\n"',
        b'"\xff"',
        b'"\\ud83d"',
        b"\xef\xbb\xbf1",
        b"[" * 100_000,
    ],
)
def test_json_that_some_client_would_throw_at_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match="JSON"):
        check_json(raw)
    with pytest.raises(WireError, match="invalid JSON at byte 0"):
        Reader(var_bytes(raw)).skip_json()
