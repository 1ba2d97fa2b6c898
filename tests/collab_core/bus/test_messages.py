"""What nodes say to each other, there and back; and whatever else may come."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collab_core.bus.messages import (
    EPOCH_BYTES,
    Answer,
    Ask,
    BusError,
    Digest,
    Edits,
    Leaving,
    Message,
    PackedRow,
    Presence,
    Present,
    Told,
    decode,
    encode,
)

EPOCH = UUID("00112233-4455-6677-8899-aabbccddeeff")

counts = st.integers(0, 1 << 53)
users = st.binary(min_size=16, max_size=16)
states = st.dictionaries(counts, counts, max_size=5)
rows = st.lists(st.builds(PackedRow, users, counts, st.binary()), max_size=4)
people = st.lists(st.builds(Present, counts, users, counts, st.binary()), max_size=4)
everything = st.one_of(
    st.builds(Edits, counts, counts, counts, counts, rows),
    st.builds(Presence, counts, counts, people),
    st.builds(Told, counts, counts, st.binary()),
    st.builds(Digest, counts, counts, counts, counts, states, st.binary(max_size=8)),
    st.builds(Ask, counts, counts, st.booleans(), states),
    st.builds(
        Answer,
        counts,
        counts,
        counts,
        counts,
        states,
        st.binary(max_size=8),
        st.binary(),
        st.binary(),
        rows,
        people,
        st.binary(),
    ),
    st.builds(Leaving, counts, counts, counts),
)


@given(st.uuids(), everything)
def test_there_and_back(epoch: UUID, message: Message) -> None:
    data = encode(epoch, message)
    assert data[:EPOCH_BYTES] == epoch.bytes
    assert decode(data) == (epoch, message)


@given(st.binary())
@example(b"")
@example(EPOCH.bytes)
@example(EPOCH.bytes + b"\x97\x01\x01\x01\x01\x01\x90" + b"\x91" * 200_000)  # deeper than anyone reads
@example(EPOCH.bytes + b"\x96\x01\x01\x01\x01\x01\xdd\xff\xff\xff\xff")  # a list of 4,294,967,295 rows
def test_arbitrary_bytes_are_refused_by_name(data: bytes) -> None:
    try:
        epoch, message = decode(data)
    except BusError:
        return
    assert decode(encode(epoch, message)) == (epoch, message)


@given(everything, st.data())
def test_a_message_with_other_bytes_in_it_is_refused_by_name(message: Message, data: st.DataObject) -> None:
    raw = bytearray(encode(EPOCH, message))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(EPOCH_BYTES, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            epoch, other = decode(damaged)
        except BusError:
            continue
        assert decode(encode(epoch, other)) == (epoch, other)


@pytest.mark.parametrize(
    "message",
    [
        Edits(-1, 0, 0, 0, []),
        Edits(0, (1 << 53) + 1, 0, 0, []),
        Presence(1, 1, [Present(1, b"not sixteen", 1, b"")]),
        Edits(1, 1, 0, 0, [PackedRow(bytes(15), 1, b"")]),
        Ask(1, 1, False, {-1: 4}),
        Ask(1, 1, False, {4: -1}),
    ],
)
def test_what_cannot_be_is_refused(message: Message) -> None:
    with pytest.raises(BusError, match="not a message of the bus"):
        decode(encode(EPOCH, message))


def test_a_field_that_a_later_version_adds_is_no_error() -> None:
    told = encode(EPOCH, Told(1, 2, b"hello"))
    assert told[EPOCH_BYTES] == 0x94  # a list of four
    assert decode(told[:EPOCH_BYTES] + b"\x95" + told[EPOCH_BYTES + 1 :] + b"\xa3new") == (EPOCH, Told(1, 2, b"hello"))


def test_the_bytes_stay_what_they_are() -> None:
    """Nodes of two versions share a bus during a deployment."""
    assert encode(EPOCH, Leaving(1, 2, 300)) == EPOCH.bytes + bytes.fromhex("94 07 01 02 cd012c")
    assert encode(EPOCH, Ask(1, 2, True, {5: 6})) == EPOCH.bytes + bytes.fromhex("95 05 01 02 c3 81 05 06")
