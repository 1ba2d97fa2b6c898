"""RED (RFC 2198): a packet's sound with that of earlier packets in front, so that a lost one is had from its follower.

Per earlier block four bytes: one bit "another header follows", 7 bits payload type, 14 bits how many ticks earlier,
10 bits length. Then one byte for the block of the packet itself, the primary: its payload type. Then all blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

MOST_OFFSET: Final = 0x3FFF
"""Ticks that a block can lie back: 14 bits, 341 ms of Opus."""
MOST_BYTES: Final = 0x3FF
"""Length of an earlier block: 10 bits."""
MOST_BLOCKS: Final = 32
"""Browsers send 10 at most and read 32."""

_FOLLOWED: Final = 0x80
_TYPE: Final = 0x7F


class RedError(ValueError):
    """These bytes are no RED payload. The text says what is wrong and quotes none of them."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """Sound of `payload_type` from `offset` ticks before the packet's timestamp; 0 for the primary."""

    payload_type: int
    offset: int
    payload: bytes


def parse(payload: bytes) -> list[Block]:
    """The blocks in the order of the payload; the last one is the primary. Blocks may be empty. Raises `RedError`."""
    size = len(payload)
    heads: list[int] = []
    at = 0
    while at < size and payload[at] & _FOLLOWED:
        if at + 4 > size or len(heads) + 1 >= MOST_BLOCKS:
            raise RedError("its block headers do not end")
        heads.append(int.from_bytes(payload[at : at + 4], "big"))
        at += 4
    if at >= size:
        raise RedError("has no primary block")
    primary = payload[at]
    at += 1
    blocks: list[Block] = []
    for head in heads:
        end = at + (head & MOST_BYTES)
        if end > size:
            raise RedError("ends within a block")
        blocks.append(Block(head >> 24 & _TYPE, head >> 10 & MOST_OFFSET, payload[at:end]))
        at = end
    blocks.append(Block(primary, 0, payload[at:]))
    return blocks


def build(blocks: Sequence[Block]) -> bytes:
    """The payload of these blocks, the primary last. Raises `RedError` if one doesn't fit into its header's fields."""
    if not 0 < len(blocks) <= MOST_BLOCKS:
        raise RedError(f"takes 1 to {MOST_BLOCKS} blocks")
    *earlier, primary = blocks
    heads = bytearray()
    for block in earlier:
        size = len(block.payload)
        if not (0 <= block.payload_type <= _TYPE and 0 <= block.offset <= MOST_OFFSET and size <= MOST_BYTES):
            raise RedError("a block's type, offset or length is beyond what a header holds")
        heads += ((_FOLLOWED | block.payload_type) << 24 | block.offset << 10 | size).to_bytes(4, "big")
    if primary.offset or not 0 <= primary.payload_type <= _TYPE:
        raise RedError("the primary block has a type of 7 bits and no offset")
    heads.append(primary.payload_type)
    return b"".join([bytes(heads), *(block.payload for block in blocks)])
