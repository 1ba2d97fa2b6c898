"""WebSocket framing: the RFC's own examples, any chunking, and what a client must not send."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_core.wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameError,
    FrameReader,
    encode,
    encode_close,
)

laws = settings(derandomize=True, deadline=None, max_examples=200)

LIMIT = 1024


def masked(opcode: int, payload: bytes, *, final: bool = True, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """One frame as a client sends it."""
    length = len(payload)
    if length < 126:
        size = bytes([0x80 | length])
    elif length < 65536:
        size = b"\xfe" + struct.pack("!H", length)
    else:
        size = b"\xff" + struct.pack("!Q", length)
    first = (0x80 if final else 0) | opcode
    return bytes([first]) + size + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def read(data: bytes, limit: int = LIMIT) -> list[Frame]:
    reader = FrameReader(limit)
    frames = list(reader.feed(data))
    assert reader.buffered == 0
    return frames


def test_the_masked_example_of_the_rfc() -> None:
    assert read(bytes.fromhex("818537fa213d7f9f4d5158")) == [Frame(TEXT, b"Hello")]


def test_the_ping_example_of_the_rfc() -> None:
    assert read(bytes.fromhex("898537fa213d7f9f4d5158")) == [Frame(PING, b"Hello")]


def test_frames_of_a_server_are_as_the_rfc_shows_them() -> None:
    assert encode(TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert encode(BINARY, bytes(256))[:4] == bytes.fromhex("827e0100")
    assert encode(BINARY, bytes(65536))[:10] == bytes.fromhex("827f0000000000010000")


@pytest.mark.parametrize(
    ("length", "header"),
    [(0, "8200"), (125, "827d"), (126, "827e007e"), (65535, "827effff"), (65536, "827f0000000000010000")],
)
def test_a_length_takes_its_shortest_form(length: int, header: str) -> None:
    assert encode(BINARY, bytes(length)) == bytes.fromhex(header) + bytes(length)
    assert read(masked(BINARY, bytes(length)), limit=65536) == [Frame(BINARY, bytes(length))]


def test_a_close_frame_holds_code_and_reason() -> None:
    assert encode_close(4400, "malformed") == b"\x88\x0b\x11\x30malformed"


def test_a_message_in_fragments_is_one_message() -> None:
    data = masked(TEXT, b"Hel", final=False) + masked(CONTINUATION, b"l", final=False) + masked(CONTINUATION, b"o")
    assert read(data) == [Frame(TEXT, b"Hello")]


def test_a_first_and_a_last_fragment_may_be_empty() -> None:
    data = masked(BINARY, b"", final=False) + masked(CONTINUATION, b"x", final=False) + masked(CONTINUATION, b"")
    assert read(data) == [Frame(BINARY, b"x")]


def test_control_frames_come_through_between_fragments() -> None:
    data = masked(BINARY, b"a", final=False) + masked(PING, b"p") + masked(PONG, b"") + masked(CONTINUATION, b"b")
    assert read(data) == [Frame(PING, b"p"), Frame(PONG, b""), Frame(BINARY, b"ab")]


message = st.one_of(
    st.tuples(st.sampled_from([TEXT, BINARY]), st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=3)),
    st.tuples(st.sampled_from([PING, PONG, CLOSE]), st.lists(st.binary(max_size=125), min_size=1, max_size=1)),
)


@laws
@given(
    st.lists(st.tuples(message, st.binary(min_size=4, max_size=4)), max_size=6),
    st.lists(st.integers(1, 700), max_size=40),
    st.booleans(),
)
def test_any_chunking_yields_the_same_messages(
    sent: list[tuple[tuple[int, list[bytes]], bytes]], sizes: list[int], byte_by_byte: bool
) -> None:
    data = b""
    for (opcode, parts), mask in sent:
        for at, part in enumerate(parts):
            final = at == len(parts) - 1
            data += masked(CONTINUATION if at else opcode, part, final=final, mask=mask)
    expected = [Frame(opcode, b"".join(parts)) for (opcode, parts), _ in sent]
    reader = FrameReader(LIMIT)
    got: list[Frame] = []
    at = 0
    sizes = [1] * len(data) if byte_by_byte else sizes
    for size in [*sizes, len(data)]:
        got += reader.feed(data[at : at + size])
        at += size
    assert got == expected
    assert reader.buffered == 0


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("c180000000000000", "reserved bits"),
        ("a18000000000", "reserved bits"),
        ("918000000000", "reserved bits"),
        ("810548656c6c6f", "masked"),
        ("838000000000", "unknown opcode 3"),
        ("878000000000", "unknown opcode 7"),
        ("8b8000000000", "control frame"),
        ("8f8000000000", "control frame"),
        ("098000000000", "control frame"),
        ("89fe007e00000000", "control frame"),
        ("82fe007d00000000", "shortest form"),
        ("82ff000000000000ffff00000000", "shortest form"),
        ("808000000000", "out of order"),
        ("0181000000004181810000000042", "out of order"),
        ("018100000000410080000000008080000000", "empty fragment"),
    ],
)
def test_what_a_client_must_not_send(data: str, what: str) -> None:
    with pytest.raises(FrameError, match=what) as caught:
        list(FrameReader(LIMIT).feed(bytes.fromhex(data)))
    assert not caught.value.too_large


@pytest.mark.parametrize(
    "header", ["82fe0401", "82ff0000000000010000", "82ff8000000000000000", "02fe0401"], ids=["16", "64", "sign", "part"]
)
def test_a_frame_over_the_limit_is_refused_on_its_header(header: str) -> None:
    with pytest.raises(FrameError, match="1024 bytes") as caught:
        list(FrameReader(LIMIT).feed(bytes.fromhex(header)))
    assert caught.value.too_large


def test_the_limit_holds_for_fragments_together() -> None:
    reader = FrameReader(LIMIT)
    assert list(reader.feed(masked(BINARY, bytes(LIMIT), final=False))) == []
    assert reader.buffered == LIMIT
    with pytest.raises(FrameError, match="more than"):
        list(reader.feed(masked(CONTINUATION, b"x")))


def test_a_message_of_exactly_the_limit_is_taken() -> None:
    assert read(masked(BINARY, bytes(LIMIT))) == [Frame(BINARY, bytes(LIMIT))]


def test_the_limit_may_change_between_two_messages_of_one_chunk() -> None:
    reader = FrameReader(LIMIT)
    frames = reader.feed(masked(BINARY, bytes(LIMIT)) + masked(BINARY, b"xx"))
    assert len(next(frames).payload) == LIMIT
    reader.limit = 1
    with pytest.raises(FrameError):
        next(frames)


def test_a_frame_that_is_not_complete_is_not_looked_at_twice() -> None:
    reader = FrameReader(LIMIT)
    data = masked(BINARY, bytes(1000))
    assert list(reader.feed(data[:10])) == []
    assert reader.buffered == 10
    assert list(reader.feed(data[10:-1])) == []
    assert reader.buffered == len(data) - 1
    assert list(reader.feed(data[-1:])) == [Frame(BINARY, bytes(1000))]
    assert reader.buffered == 0


def test_tiny_fragments_take_no_more_memory_than_their_bytes() -> None:
    """The limit counts bytes: what is kept for a message may not be a multiple of it."""
    size = 64 * 1024
    reader = FrameReader(size)
    fragment = masked(CONTINUATION, b"ab", final=False)
    tracemalloc.start()
    try:
        list(reader.feed(masked(BINARY, b"", final=False)))
        for _ in range(size // 2):
            list(reader.feed(fragment))
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert reader.buffered == size
    assert kept <= 2 * size
