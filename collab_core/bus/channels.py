"""Names of the bus's channels, and what stands in front of a message that is for one node alone. Pure."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from collab_core.bus.messages import BusError
from collab_core.identity import RoomKey

_LENGTH_BYTES: Final = 4


def of_room(key: RoomKey) -> bytes:
    """The channel of one room. The tenant's part always has the same length, so that no room's name, whatever is in
    it, makes it another tenant's."""
    return f"dojo:room:{key.tenant}:{key.room}".encode()


def of_node(epoch: UUID) -> bytes:
    """The channel that one node alone hears."""
    return f"dojo:node:{epoch}".encode()


def address(channel: bytes, message: bytes) -> bytes:
    """What is sent to a node: which room's channel the message is for, and the message."""
    return len(channel).to_bytes(_LENGTH_BYTES, "big") + channel + message


def read_address(data: bytes) -> tuple[bytes, bytes]:
    """Channel and message. Raises `BusError` on what `address` does not write."""
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    if not _LENGTH_BYTES < end <= len(data):
        raise BusError("a message to a node that does not say for which room it is")
    return data[_LENGTH_BYTES:end], data[end:]
