"""RED payloads, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_sfu.red import MOST_BLOCKS, MOST_BYTES, MOST_OFFSET, Block, RedError, build, parse

earlier = st.builds(Block, st.integers(0, 127), st.integers(0, MOST_OFFSET), st.binary(max_size=40))
primary = st.builds(Block, st.integers(0, 127), st.just(0), st.binary(max_size=40))


def test_reads_what_a_browser_sends() -> None:
    # Opus as 111, 960 ticks back, 3 bytes; then the primary.
    payload = bytes.fromhex("ef0f0003 6f") + b"oldnow!"
    assert parse(payload) == [Block(111, 960, b"old"), Block(111, 0, b"now!")]
    assert build(parse(payload)) == payload


def test_a_primary_alone() -> None:
    assert parse(b"\x6fsound") == [Block(111, 0, b"sound")]
    assert parse(b"\x6f") == [Block(111, 0, b"")]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes.fromhex("ef0f00"), id="half a header"),
        pytest.param(bytes.fromhex("ef0f0003"), id="no primary"),
        pytest.param(bytes.fromhex("ef0f00036f") + b"ol", id="half a block"),
        pytest.param(bytes.fromhex("ef0f0000") * MOST_BLOCKS + b"\x6f", id="too many blocks"),
    ],
)
def test_refuses_what_does_not_fit(payload: bytes) -> None:
    with pytest.raises(RedError):
        parse(payload)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([], id="none"),
        pytest.param([Block(111, 0, b"")] * (MOST_BLOCKS + 1), id="too many"),
        pytest.param([Block(111, MOST_OFFSET + 1, b""), Block(111, 0, b"")], id="too far back"),
        pytest.param([Block(111, 960, bytes(MOST_BYTES + 1)), Block(111, 0, b"")], id="too long"),
        pytest.param([Block(128, 960, b""), Block(111, 0, b"")], id="type of 8 bits"),
        pytest.param([Block(128, 0, b"")], id="primary type of 8 bits"),
        pytest.param([Block(111, 960, b"")], id="primary from before"),
    ],
)
def test_builds_nothing_that_does_not_fit(blocks: list[Block]) -> None:
    with pytest.raises(RedError):
        build(blocks)


@given(st.lists(earlier, max_size=MOST_BLOCKS - 1), primary)
def test_there_and_back(before: list[Block], last: Block) -> None:
    assert parse(build([*before, last])) == [*before, last]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_refused(payload: bytes) -> None:
    try:
        blocks = parse(payload)
    except RedError:
        return
    assert build(blocks) == payload


@given(st.lists(earlier, max_size=4), primary, st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_is_a_payload_or_refused(before: list[Block], last: Block, at: int, byte: int) -> None:
    payload = bytearray(build([*before, last]))
    payload[at % len(payload)] = byte
    try:
        blocks = parse(bytes(payload))
    except RedError:
        return
    assert build(blocks) == payload
