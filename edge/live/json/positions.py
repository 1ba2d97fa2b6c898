"""Places in a text as they travel: UTF-16 code units, and lines and columns of them, both counted from 0.

Inside, every offset counts code points. A line ends with a line feed, which is part of no column.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from collab_core.splice import Splice

_SMALL = 512


class Position(msgspec.Struct, frozen=True):
    """`column` counts UTF-16 code units."""

    line: int
    column: int


class Edit(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """`start` up to `end`, in UTF-16 code units, becomes `insert`."""

    start: int
    end: int
    insert: str = ""


class BadPosition(Exception):
    """A place outside the text, or inside a character. The text says which."""


def units(text: str) -> int:
    """The length in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def offset_of(text: str, position: Position) -> int:
    """Code points before `position`. Raises `BadPosition`."""
    start = _line_start(text, position.line)
    end = text.find("\n", start)
    line = text[start : len(text) if end < 0 else end]
    if position.column < 0:
        raise BadPosition(f"column {position.column} is before the line's start")
    if line.isascii():
        if position.column > len(line):
            raise BadPosition(f"column {position.column} is behind the end of line {position.line}")
        return start + position.column
    return start + _points(line.encode("utf-16-le"), 0, position.column)


def position_of(text: str, offset: int) -> Position:
    """Line and column of a code point offset inside the text."""
    start = text.rfind("\n", 0, offset) + 1
    return Position(text.count("\n", 0, start), units(text[start:offset]))


def offset_at(text: str, unit: int) -> int:
    """Code points before UTF-16 code unit `unit`, which is inside the text; of one inside a character, before it."""
    return unit if text.isascii() else len(text.encode("utf-16-le")[: 2 * unit].decode("utf-16-le", "ignore"))


def _line_start(text: str, line: int) -> int:
    """By halves, so that a text of nothing but line ends costs no more than another."""
    if line == 0:
        return 0
    if line < 0 or text.count("\n") < line:
        raise BadPosition(f"there is no line {line}")
    low, high = 0, len(text)
    while high - low > _SMALL:
        middle = (low + high) // 2
        before = text.count("\n", low, middle)
        if before >= line:
            high = middle
        else:
            line -= before
            low = middle
    for _ in range(line):
        low = text.index("\n", low) + 1
    return low


def _points(encoded: bytes, start: int, end: int) -> int:
    """Code points from unit `start` to unit `end` of UTF-16 bytes."""
    if end * 2 > len(encoded):
        raise BadPosition(f"{end} is behind the end")
    try:
        return len(encoded[start * 2 : end * 2].decode("utf-16-le"))
    except UnicodeDecodeError:
        raise BadPosition(f"{end} is inside a character") from None


def splices_of(text: str, edits: Sequence[Edit]) -> list[Splice]:
    """Edits of a client, all counted in `text`, in order and not overlapping. Raises `BadPosition`."""
    encoded = None if text.isascii() else text.encode("utf-16-le")
    splices: list[Splice] = []
    at = at_point = 0
    for edit in edits:
        if not at <= edit.start <= edit.end:
            raise BadPosition(f"an edit from {edit.start} to {edit.end} does not follow on {at}")
        if encoded is None:
            if edit.end > len(text):
                raise BadPosition(f"{edit.end} is behind the end")
            splices.append(Splice(edit.start, edit.end, edit.insert))
        else:
            start = at_point + _points(encoded, at, edit.start)
            at_point = start + _points(encoded, edit.start, edit.end)
            splices.append(Splice(start, at_point, edit.insert))
        at = edit.end
    return splices


def edits_of(text: str, splices: Sequence[Splice]) -> list[Edit]:
    """Splices of `text` as they travel."""
    if text.isascii():
        return [Edit(splice.start, splice.end, splice.insert) for splice in splices]
    edits: list[Edit] = []
    at = at_unit = 0
    for splice in splices:
        start = at_unit + units(text[at : splice.start])
        at, at_unit = splice.end, start + units(text[splice.start : splice.end])
        edits.append(Edit(start, at_unit, splice.insert))
    return edits
