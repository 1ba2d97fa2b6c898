"""How a journal row's entries are written as bytes: a version byte, then one msgpack array.

    0x01 [first_at_ms, [[author, offset_ms, update], ...]]
    0x02 [first_at_ms, [[author, offset_ms, update, healed], ...]]
    0x03 [first_at_ms, [[author, offset_ms, update, healed, mark], ...]]

The second only if any entry is `healed` (true or false), the third only if any has a `mark` (8 bytes, or none: `b""`):
most rows never need them.

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

from collab_core.journal.port import MARK_BYTES, Entry

PLAIN, HEALED, MARKED = b"\x01", b"\x02", b"\x03"
_MILLISECONDS: Final = 1 << 53
"""Times and offsets beyond this (285,000 years) are damage; below it they are exact in any reader, JavaScript's too."""

_Author = Annotated[bytes, Meta(min_length=16, max_length=16)]
_Time = Annotated[int, Meta(ge=-_MILLISECONDS, le=_MILLISECONDS)]
_Entries = Annotated[list[tuple[_Author, _Time, bytes]], Meta(min_length=1)]
_HealedEntries = Annotated[list[tuple[_Author, _Time, bytes, bool]], Meta(min_length=1)]
_Mark = Annotated[bytes, Meta(max_length=MARK_BYTES)]
_MarkedEntries = Annotated[list[tuple[_Author, _Time, bytes, bool, _Mark]], Meta(min_length=1)]
_encoder: Final = msgspec.msgpack.Encoder()
_plain: Final = msgspec.msgpack.Decoder(tuple[_Time, _Entries])
_healed: Final = msgspec.msgpack.Decoder(tuple[_Time, _HealedEntries])
_marked: Final = msgspec.msgpack.Decoder(tuple[_Time, _MarkedEntries])


class EnvelopeError(ValueError):
    """Not the entries of a journal row, or entries that cannot be written as one."""


def encode(entries: Sequence[Entry]) -> bytes:
    """The bytes of one row. About 0.5 us per entry. Raises `EnvelopeError` if there are none, or a time
    or mark is absurd."""
    if not entries:
        raise EnvelopeError("a row holds at least one entry")
    first = entries[0].at_ms
    if any(abs(entry.at_ms) > _MILLISECONDS // 2 for entry in entries):
        raise EnvelopeError("an entry's time is not a Unix time in milliseconds")
    if any(entry.mark for entry in entries):
        if any(len(entry.mark) not in {0, MARK_BYTES} for entry in entries):
            raise EnvelopeError(f"a mark has {MARK_BYTES} bytes")
        marked = [(author.bytes, at_ms - first, update, flag, mark) for author, at_ms, update, flag, mark in entries]
        return MARKED + _encoder.encode((first, marked))
    if any(entry.healed for entry in entries):
        healed = [(author.bytes, at_ms - first, update, flag) for author, at_ms, update, flag, _ in entries]
        return HEALED + _encoder.encode((first, healed))
    rows = [(author.bytes, at_ms - first, update) for author, at_ms, update, *_ in entries]
    return PLAIN + _encoder.encode((first, rows))


def decode(data: bytes) -> list[Entry]:
    """The entries of one row, in arrival order. Raises `EnvelopeError` on anything but what `encode` writes."""
    if not data:
        raise EnvelopeError("an empty row")
    version, body = data[:1], memoryview(data)[1:]
    try:
        # A row has few authors and many entries, and half the time would go into making their ids.
        users: dict[bytes, UUID] = {}
        if version == PLAIN:
            first, rows = _plain.decode(body)
            return [Entry(_user(users, author), first + offset, update) for author, offset, update in rows]
        if version == HEALED:
            first, healed = _healed.decode(body)
            return [
                Entry(_user(users, author), first + offset, update, flag) for author, offset, update, flag in healed
            ]
        if version == MARKED:
            first, marked = _marked.decode(body)
            if any(len(mark) not in {0, MARK_BYTES} for *_, mark in marked):
                raise EnvelopeError(f"a mark that has not {MARK_BYTES} bytes")
            return [
                Entry(_user(users, author), first + offset, update, flag, mark)
                for author, offset, update, flag, mark in marked
            ]
    except msgspec.MsgspecError as error:
        raise EnvelopeError(f"a damaged row: {error}") from error
    raise EnvelopeError(f"a row of version {data[0]}; this program reads versions 1 to 3")


def decode_updates(data: bytes) -> list[bytes]:
    """Only the updates of one row, checked as strictly as `decode` does."""
    return [entry.update for entry in decode(data)]


def _user(known: dict[bytes, UUID], author: bytes) -> UUID:
    user = known.get(author)
    if user is None:
        user = known[author] = UUID(bytes=author)
    return user
