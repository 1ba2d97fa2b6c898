"""How a journal row's entries are written as bytes: a version byte, then one msgpack array.

    0x01 [first_at_ms, [[author, offset_ms, update], ...]]

`first_at_ms` is the first entry's Unix time in milliseconds; `offset_ms` is relative to it (negative if the node's
clock was set back); `author` is 16 bytes; `update` is one Yjs update, exactly as it arrived. At least one entry.

Rows are kept for years, so the version byte is the first thing read, and everything else is read strictly: a row that
is not exactly of this shape is damage, and half of it must not pass for a document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from collab_core.journal.port import Entry

VERSION: Final = 1
_VERSION_BYTE: Final = bytes((VERSION,))
_MILLISECONDS: Final = 1 << 53
"""Times and offsets beyond this (285,000 years) are damage; below it they are exact in any reader, JavaScript's too."""

_Author = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Time = Annotated[int, Meta(ge=-_MILLISECONDS, le=_MILLISECONDS)]
_Entries = Annotated[list[tuple[_Author, _Time, bytes]], Meta(min_length=1)]
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(tuple[_Time, _Entries])


class EnvelopeError(ValueError):
    """Not the entries of a journal row, or entries that cannot be written as one."""


def encode(entries: Sequence[Entry]) -> bytes:
    """The bytes of one row. About 0.5 us per entry. Raises `EnvelopeError` if there are none, or a time is absurd."""
    if not entries:
        raise EnvelopeError("a row holds at least one entry")
    first = entries[0].at_ms
    if any(abs(entry.at_ms) > _MILLISECONDS // 2 for entry in entries):
        raise EnvelopeError("an entry's time is not a Unix time in milliseconds")
    rows = [(author.bytes, at_ms - first, update) for author, at_ms, update in entries]
    return _VERSION_BYTE + _encoder.encode((first, rows))


def decode(data: bytes) -> list[Entry]:
    """The entries of one row, in arrival order. Raises `EnvelopeError` on anything but what `encode` writes."""
    first, rows = _read(data)
    return [Entry(UUID(bytes=author), first + offset, update) for author, offset, update in rows]


def decode_updates(data: bytes) -> list[bytes]:
    """Only the updates of one row, checked as strictly as `decode` does: what opening a room needs."""
    return [update for _author, _offset, update in _read(data)[1]]


def _read(data: bytes) -> tuple[int, list[tuple[bytes, int, bytes]]]:
    if not data:
        raise EnvelopeError("an empty row")
    if data[0] != VERSION:
        raise EnvelopeError(f"a row of version {data[0]}; this program reads version {VERSION}")
    try:
        return _decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as error:
        raise EnvelopeError(f"a damaged row: {error}") from error
