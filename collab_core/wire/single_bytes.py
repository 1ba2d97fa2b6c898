"""An update whose strings have one byte for each UTF-16 code unit, and otherwise the same structs.

The engine's sticky indices add bytes of UTF-8 up to an item and clocks, which are UTF-16 code units, inside it. Where
every character is one byte the two are the same, so a document of such updates answers where an id stands, exactly.
"""

from __future__ import annotations

from collab_core.wire.lib0 import Reader, write_var_bytes
from collab_core.wire.update import Section, walk

_STRING = 4
_HAS_ORIGINS, _HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_PARENT_SUB = 0xC0, 0x80, 0x40, 0x20


def in_single_bytes(update: bytes) -> bytes:
    """The same update about a text of placeholders. Raises `WireError` if it is no well-formed update."""
    out = bytearray()
    copied = 0
    for section in walk(update).sections:
        for index, (clock, offset) in enumerate(section.marks):
            if update[offset] & 0x1F != _STRING:
                continue
            start, reader = _string_of(update, offset)
            raw = reader.take(reader.var_uint())
            if not raw.isascii():
                out += update[copied:start]
                write_var_bytes(out, b"x" * (_end(section, index) - clock))
                copied = reader.pos
    return bytes(out + update[copied:])


def _string_of(update: bytes, offset: int) -> tuple[int, Reader]:
    """Where the string of the struct at `offset` starts, its length first."""
    reader = Reader(update, offset)
    info = reader.byte()
    for flag in (_HAS_ORIGIN, _HAS_RIGHT_ORIGIN):
        if info & flag:
            reader.var_uint(), reader.var_uint()
    if not info & _HAS_ORIGINS:
        if reader.var_uint() == 1:
            reader.var_bytes()
        else:
            reader.var_uint(), reader.var_uint()
        if info & _HAS_PARENT_SUB:
            reader.var_bytes()
    return reader.pos, reader


def _end(section: Section, index: int) -> int:
    return section.marks[index + 1][0] if index + 1 < len(section.marks) else section.end
