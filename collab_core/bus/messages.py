"""What nodes say to each other about a room: 16 bytes of the sending node's epoch, then one msgpack array.

The epoch stands in front so that a node knows its own words again without reading them. `life` counts how often that
node opened a room since it started: with the epoch it names an *origin*, whose numbered messages run from 1 without
gaps. Nodes trust each other: who can speak on the bus can also write to the journal. What is malformed is refused all
the same, since nodes of two versions may share a bus during a deployment.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

EPOCH_BYTES: Final = 16

_User = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Count = Annotated[int, Meta(ge=0, le=(1 << 53))]
State = dict[_Count, _Count]
"""A state vector."""


class BusError(ValueError):
    """Not a message of the bus."""


class Origin(NamedTuple):
    """A room as one node has it open."""

    epoch: UUID
    life: int


class PackedRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of the journal that may not be committed yet. `entries` as `collab_core.journal.envelope` writes them."""

    epoch: _User
    sequence: _Count
    entries: bytes


class Present(msgspec.Struct, frozen=True, array_like=True):
    """One client id's presence, and whose it is."""

    client: _Count
    user: _User
    clock: _Count
    state: bytes


class _Message(msgspec.Struct, frozen=True, array_like=True):
    life: _Count


class Edits(_Message, frozen=True, array_like=True, tag=1):
    """What joined the room at this node since its last flush, as the rows in which it will be committed."""

    number: _Count
    committed: _Count
    """Of this origin's rows, all up to this sequence are committed."""
    composer: _Count
    """The client id of the node's own document, under which nobody else writes; 0 if it has not written yet."""
    rows: list[PackedRow]


class Presence(_Message, frozen=True, array_like=True, tag=2):
    """Whose presence changed, or was renewed, among those connected to this node."""

    number: _Count
    people: list[Present]


class Told(_Message, frozen=True, array_like=True, tag=3):
    """What the application on top of the room says to itself on other nodes."""

    number: _Count
    payload: bytes


class Digest(_Message, frozen=True, array_like=True, tag=4):
    """What this node has, said every few seconds: the last message's number (a lost last message shows), the state
    vector, and a hash of the delete set, which no state vector shows."""

    number: _Count
    committed: _Count
    composer: _Count
    state: State
    deleted: bytes


class Ask(_Message, frozen=True, array_like=True, tag=5):
    """A node that opened the room, or lacks something, asks. `wanted`: also for what it lacks behind `state`; else only
    for what is not committed, and who is there."""

    number: _Count
    wanted: bool
    state: State


class Answer(_Message, frozen=True, array_like=True, tag=6):
    """To one that asked: as `Digest`; the update it lacks (empty: none, or too large to be sent) with whose structs it
    brings; the rows that are not known to be committed; who is connected here; and the newest marks of edits
    (`collab_core.marks`)."""

    number: _Count
    committed: _Count
    composer: _Count
    state: State
    deleted: bytes
    update: bytes
    owners: bytes
    rows: list[PackedRow]
    people: list[Present]
    marks: bytes = b""


class Leaving(_Message, frozen=True, array_like=True, tag=7):
    """This node closes the room. All its rows up to `committed` are committed."""

    number: _Count
    committed: _Count


Message = Edits | Presence | Told | Digest | Ask | Answer | Leaving

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Message)


def encode(epoch: UUID, message: Message) -> bytes:
    """The bytes of a message."""
    return epoch.bytes + _encoder.encode(message)


def decode(data: bytes) -> tuple[UUID, Message]:
    """Who says what. Raises `BusError` on anything but what `encode` writes."""
    if len(data) <= EPOCH_BYTES:
        raise BusError("a message without a body")
    try:
        return UUID(bytes=data[:EPOCH_BYTES]), _decoder.decode(memoryview(data)[EPOCH_BYTES:])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BusError(f"not a message of the bus: {error}") from error
