"""A walk over a Yjs update (v1 encoding) without building a document.

It tells what an update brings (clock ranges per client), what it needs (origins, parents, deleted ids), where
it cuts existing text in two, and where each struct lies, so that a part of an update can be cut out by bytes.
The layout is that of Yjs' `UpdateEncoderV1` (https://github.com/yjs/yjs, src/utils/UpdateEncoder.js, src/structs).

Whatever would make a stock client throw when it applies the update is refused here, because a relayed
exception costs every honest member their copy: unknown content and type numbers, invalid JSON or UTF-8,
zero-length structs, a client named twice. So is what yrs reads differently than Yjs writes it, because a walk
and an engine that disagree about where a struct ends can be made to disagree about everything behind it: the
JSON content of Yjs before 13 (yrs reads one string too many) and XML hooks (yrs does not read their name).
"""

from __future__ import annotations

from typing import NamedTuple

from collab_core.wire.id_ranges import Range
from collab_core.wire.lib0 import Reader, WireError, write_var_bytes, write_var_uint

MAX_CLOCK = 2**31 - 1
"""yrs counts clocks in 32 bits. No person types two thousand million characters; a forged length does."""

UNBOUNDED = 2**53
"""For bytes of one's own, which were bounded when they came."""

_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_PARENT_SUB = 0x80, 0x40, 0x20
_GC, _SKIP = 0, 10
_DELETED, _, _BINARY, _STRING, _EMBED, _FORMAT, _TYPE, _ANY, _DOC = range(1, 10)
_XML_ELEMENT, _XML_HOOK, _LAST_TYPE = 3, 5, 6
_ANY_OBJECT = 118


class TooManyParts(WireError):
    """More structs and deletions than one update may have: each costs far more work than the two bytes it may take."""


class Need(NamedTuple):
    """The struct at `at` (its section's client) integrates only after (`client`, `clock`) is there."""

    at: int
    client: int
    clock: int


class Section:
    """The structs of one client, in clock order."""

    __slots__ = ("client", "end", "finish", "hollow", "marks", "needs", "parents", "skips", "start", "types")

    def __init__(self, client: int, start: int) -> None:
        self.client = client
        self.start = start
        """Clock of the first struct."""
        self.end = start
        """Clock after the last struct."""
        self.marks: list[tuple[int, int]] = []
        """(clock, byte offset) of each struct."""
        self.finish = 0
        """Byte offset after the last struct."""
        self.needs: list[Need] = []
        """What structs need of *other* clients. What they need of their own lies before them: the walk sees to it."""
        self.skips: list[Range] = []
        """Clock ranges the update says it does not bring (Skip structs of merged updates)."""
        self.parents: list[Need] = []
        """Which structs say that they lie in a type that is no root, and in which; of their own client, too."""
        self.types: list[int] = []
        """Clocks of the types brought."""
        self.hollow: list[Range] = []
        """Clock ranges brought without their content: it was deleted and collected."""


class Walk:
    """What one update brings and needs."""

    __slots__ = ("cuts", "deletes", "deletes_offset", "halves", "parts", "sections", "update")

    def __init__(self, update: bytes) -> None:
        self.update = update
        self.sections: list[Section] = []
        self.parts = 0
        """How many structs and deleted ranges it has."""
        self.deletes: dict[int, list[Range]] = {}
        """Client id -> deleted ranges, in the update's order."""
        self.deletes_offset = 0
        """Byte offset of the delete set."""
        self.cuts: list[tuple[int, int]] = []
        """(client, clock): text is cut between clock - 1 and clock, by an origin. Delete ranges cut at both ends."""
        self.halves: list[tuple[int, int]] = []
        """(client, clock) of each second half of a surrogate pair in the strings brought."""

    @property
    def empty(self) -> bool:
        """Whether it has no struct and no deletion at all."""
        return not self.sections and not self.deletes


def walk(update: bytes, most_parts: int = UNBOUNDED) -> Walk:
    """Read all of one update. Raises `WireError` if it is not exactly one well-formed update, and `TooManyParts`
    on a count, before what it counts is read."""
    result = Walk(update)
    reader = Reader(update)
    seen: set[int] = set()
    for _ in range(reader.count(5)):  # count, client, clock, and a struct of at least two bytes
        structs = reader.count(2)
        if structs == 0:
            raise WireError("a client without structs", reader.pos)
        _add_parts(result, structs, most_parts, reader.pos)
        client = reader.var_uint()
        if client in seen:
            raise WireError(f"client {client} twice", reader.pos)
        seen.add(client)
        section = Section(client, reader.var_uint())
        result.sections.append(section)
        _walk_structs(reader, section, structs, result)
    result.deletes_offset = reader.pos
    for _ in range(reader.count(4)):
        client = reader.var_uint()
        if client in result.deletes:
            raise WireError(f"client {client} twice in the delete set", reader.pos)
        count = reader.count(2)
        if count == 0:
            raise WireError("a client without deletions", reader.pos)
        _add_parts(result, count, most_parts, reader.pos)
        ranges: list[Range] = []
        end = 0
        for _ in range(count):
            clock = reader.var_uint()
            if clock < end:
                # Yjs sorts and merges; yrs does not delete all of what is out of order, and not in linear time.
                raise WireError("deletions out of order", reader.pos)
            end = clock + reader.var_uint()
            if not clock < end <= MAX_CLOCK:
                raise WireError("impossible deletion", reader.pos)
            ranges.append((clock, end))
        result.deletes[client] = ranges
    reader.finish()
    return result


def _add_parts(result: Walk, count: int, most_parts: int, offset: int) -> None:
    result.parts += count
    if result.parts > most_parts:
        raise TooManyParts(f"more than {most_parts} structs and deletions", offset)


def _walk_structs(reader: Reader, section: Section, count: int, result: Walk) -> None:
    client = section.client
    clock = section.start
    cuts = result.cuts
    for _ in range(count):
        start = reader.pos
        section.marks.append((clock, start))
        info = reader.byte()
        content = info & 0x1F
        if content in (_GC, _SKIP):
            if info != content:
                raise WireError("flags on a struct that has no origin", start)
            length = reader.var_uint()
            if content == _SKIP:
                section.skips.append((clock, clock + length))
            else:
                section.hollow.append((clock, clock + length))
        else:
            if info & _HAS_ORIGIN:
                at_client, at_clock = reader.var_uint(), reader.var_uint()
                _need(section, clock, at_client, at_clock, start)
                cuts.append((at_client, at_clock + 1))
            if info & _HAS_RIGHT_ORIGIN:
                at_client, at_clock = reader.var_uint(), reader.var_uint()
                _need(section, clock, at_client, at_clock, start)
                cuts.append((at_client, at_clock))
            if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
                parent = reader.var_uint()
                if parent == 1:
                    reader.var_string()
                elif parent == 0:
                    at_client, at_clock = reader.var_uint(), reader.var_uint()
                    _need(section, clock, at_client, at_clock, start)
                    section.parents.append(Need(clock, at_client, at_clock))
                else:
                    raise WireError("unknown kind of parent", start)
                if info & _HAS_PARENT_SUB:
                    reader.var_string()
            if content == _STRING:
                length = _walk_string(reader, client, clock, result)
            else:
                length = _skip(reader, content)
                if content == _TYPE:
                    section.types.append(clock)
                elif content == _DELETED:
                    section.hollow.append((clock, clock + length))
        clock += length
        if length == 0 or clock > MAX_CLOCK:
            raise WireError("impossible length of a struct", start)
    section.end = clock
    section.finish = reader.pos


def _need(section: Section, at: int, client: int, clock: int, offset: int) -> None:
    if client != section.client:
        section.needs.append(Need(at, client, clock))
    elif clock >= at:
        raise WireError("a struct that depends on itself", offset)


def _walk_string(reader: Reader, client: int, clock: int, result: Walk) -> int:
    """Length in UTF-16 code units, noting where surrogate pairs are."""
    start = reader.pos
    raw = reader.take(reader.var_uint())
    if raw.isascii():
        return len(raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise WireError("invalid UTF-8", start) from None
    if max(text) <= "\uffff":
        return len(text)
    units = 0
    for character in text:
        units += 1
        if character > "\uffff":
            result.halves.append((client, clock + units))
            units += 1
    return units


def _skip(reader: Reader, content: int) -> int:
    """Skip an item's content (not a string). Returns its length in clocks."""
    start = reader.pos
    if content == _DELETED:
        return reader.var_uint()
    if content == _ANY:
        count = reader.count(1)
        for _ in range(count):
            reader.skip_any()
        return count
    if content == _FORMAT:
        reader.var_string()
        reader.skip_json()
    elif content == _TYPE:
        kind = reader.var_uint()
        if kind > _LAST_TYPE or kind == _XML_HOOK:
            raise WireError(f"unknown type {kind}", start)
        if kind == _XML_ELEMENT:
            reader.var_string()
    elif content == _EMBED:
        reader.skip_json()
    elif content == _BINARY:
        reader.var_bytes()
    elif content == _DOC:
        reader.var_string()
        if reader.skip_any() != _ANY_OBJECT:
            raise WireError("a subdocument without options", start)
    else:
        raise WireError(f"unknown content {content}", start)
    return 1


class Slice(NamedTuple):
    """Structs `first` up to but not including `last` of one section, from clock `start` on: the first struct is cut
    there if it begins before."""

    section: Section
    first: int
    last: int
    start: int = 0


def compose(update: bytes, slices: list[Slice], deletes: dict[int, list[Range]]) -> bytes:
    """An update of the given structs, copied by bytes out of `update`, and the given deletions."""
    out = bytearray()
    write_var_uint(out, len(slices))
    for section, first, last, start in slices:
        marks = section.marks
        clock, offset = marks[first]
        stop = marks[last][1] if last < len(marks) else section.finish
        write_var_uint(out, last - first)
        write_var_uint(out, section.client)
        if start > clock:
            write_var_uint(out, start)
            following = marks[first + 1][1] if first + 1 < len(marks) else section.finish
            _write_second_part(out, update[offset:following], section.client, clock, start)
            offset = following
        else:
            write_var_uint(out, clock)
        out += update[offset:stop]
    out += encode_deletes(deletes)
    return bytes(out)


def _write_second_part(out: bytearray, struct: bytes, client: int, clock: int, start: int) -> None:
    """A struct from clock `start` on, as Yjs writes it: its origin is what it is cut from."""
    gone = start - clock
    reader = Reader(struct)
    info = reader.byte()
    content = info & 0x1F
    if content == _GC:
        out.append(_GC)
        write_var_uint(out, reader.var_uint() - gone)
        return
    if info & _HAS_ORIGIN:
        reader.var_uint(), reader.var_uint()
    right = reader.pos
    if info & _HAS_RIGHT_ORIGIN:
        reader.var_uint(), reader.var_uint()
    out.append(info | _HAS_ORIGIN)
    write_var_uint(out, client)
    write_var_uint(out, start - 1)
    out += struct[right : reader.pos]
    if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
        if reader.var_uint() == 1:
            reader.var_string()
        else:
            reader.var_uint(), reader.var_uint()
        if info & _HAS_PARENT_SUB:
            reader.var_string()
    if content == _DELETED:
        write_var_uint(out, reader.var_uint() - gone)
    elif content == _STRING:
        write_var_bytes(out, reader.var_string().encode("utf-16-le")[2 * gone :].decode("utf-16-le").encode())
    else:
        assert content == _ANY, "all other content is one clock long"
        write_var_uint(out, reader.var_uint() - gone)
        for _ in range(gone):
            reader.skip_any()
        out += struct[reader.pos :]


def encode_deletes(deletes: dict[int, list[Range]]) -> bytes:
    """A delete set as it ends an update."""
    out = bytearray()
    write_var_uint(out, len(deletes))
    for client, ranges in deletes.items():
        write_var_uint(out, client)
        write_var_uint(out, len(ranges))
        for start, end in ranges:
            write_var_uint(out, start)
            write_var_uint(out, end - start)
    return bytes(out)
