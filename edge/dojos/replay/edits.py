"""From what an engine tells of a change to edits that a player can make: offsets in UTF-16 code units, each by one
person.

The engine's offsets count bytes of UTF-8, those on the wire UTF-16 code units; nothing else converts them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

Offset = Annotated[int, Meta(ge=0)]


class Edit(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """What stands from `from` up to `to` becomes `insert`. Offsets are UTF-16 code units of the text as it was before
    the change that the edit is part of."""

    start: Offset
    end: Offset
    insert: str


class Keep(NamedTuple):
    """Text that stays, in bytes."""

    length: int


class Insert(NamedTuple):
    """Text that is new, and who typed it."""

    text: str
    user: UUID


class Delete(NamedTuple):
    """Text that goes, in bytes, and who deleted it."""

    length: int
    user: UUID


Segment: TypeAlias = Keep | Insert | Delete


class NotText(ValueError):
    """Something was put into a text that is none: offsets of bytes do not hold any more."""


def segments_of(delta: Sequence[dict[str, Any]], author: UUID) -> list[Segment]:
    """What the engine tells of a text that changed, all of it by `author`. Raises `NotText`."""
    segments: list[Segment] = []
    for part in delta:
        if "retain" in part:
            segments.append(Keep(part["retain"]))
        elif "delete" in part:
            segments.append(Delete(part["delete"], author))
        elif isinstance(part["insert"], str):
            segments.append(Insert(part["insert"], author))
        else:
            raise NotText
    return segments


def by_person(before: bytes, segments: Sequence[Segment]) -> tuple[list[tuple[UUID, list[Edit]]], bytes]:
    """The change of a text (`before`, in UTF-8) as one group of edits for each person, to be made in this order, and
    the text afterwards. Raises `NotText` if the segments do not fit the text."""
    people: list[UUID] = []
    for segment in segments:
        if not isinstance(segment, Keep) and segment.user not in people:
            # Deletions first, or what somebody typed in their place would seem to move.
            people.insert(0 if isinstance(segment, Delete) else len(people), segment.user)
    groups: list[tuple[UUID, list[Edit]]] = []
    text = before
    for at, person in enumerate(people):
        edits, text = _edits_of(text, segments, person, set(people[:at]))
        if edits:
            groups.append((person, edits))
    return groups, text


def _edits_of(text: bytes, segments: Sequence[Segment], person: UUID, made: set[UUID]) -> tuple[list[Edit], bytes]:
    """The edits of one person in `text`, in which those of `made` are made already."""
    changes: list[tuple[int, int, bytes]] = []
    at = 0
    for segment in segments:
        if isinstance(segment, Keep):
            at += segment.length
        elif isinstance(segment, Insert):
            if segment.user == person:
                _add(changes, at, at, segment.text.encode())
            elif segment.user in made:
                at += len(segment.text.encode())
        elif segment.user == person:
            _add(changes, at, at + segment.length, b"")
            at += segment.length
        elif segment.user not in made:
            at += segment.length
    if at > len(text):
        raise NotText
    return _in_code_units(text, changes), _made(text, changes)


def _add(changes: list[tuple[int, int, bytes]], start: int, end: int, insert: bytes) -> None:
    if changes and changes[-1][1] == start:
        before = changes.pop()
        changes.append((before[0], end, before[2] + insert))
    else:
        changes.append((start, end, insert))


def _made(text: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    pieces = []
    at = 0
    for start, end, insert in changes:
        pieces += [text[at:start], insert]
        at = end
    return b"".join([*pieces, text[at:]])


def _in_code_units(text: bytes, changes: Sequence[tuple[int, int, bytes]]) -> list[Edit]:
    edits = []
    plain = text.isascii()
    at = units = 0
    for start, end, insert in changes:
        if plain:
            edits.append(Edit(start, end, insert.decode()))
            continue
        first = units + code_units(text[at:start])
        units = first + code_units(text[start:end])
        at = end
        edits.append(Edit(first, units, insert.decode()))
    return edits


_ASTRAL_FIRST: Final = 0xF0
_CONTINUATION: Final = bytes(range(0x80, 0xC0))
_NOT_ASTRAL: Final = bytes(range(_ASTRAL_FIRST))


def code_units(text: bytes) -> int:
    """How many UTF-16 code units a piece of UTF-8 has. Raises `NotText` if it cuts a character."""
    if text.isascii():
        return len(text)
    if text[0] in _CONTINUATION:
        raise NotText
    # One for each character, and one more for each outside the basic plane.
    return len(text.translate(None, _CONTINUATION)) + len(text.translate(None, _NOT_ASTRAL))


def whole_change(before: bytes, after: bytes) -> list[Edit]:
    """The one edit that makes `after` of `before`, without what both begin and end with; none if they are equal."""
    old, new = before.decode(), after.decode()
    if old == new:
        return []
    most = min(len(old), len(new))
    first = next((at for at in range(most) if old[at] != new[at]), most)
    last = next((at for at in range(most - first) if old[-1 - at] != new[-1 - at]), most - first)
    start = code_units(old[:first].encode())
    gone = code_units(old[first : len(old) - last].encode())
    return [Edit(start, start + gone, new[first : len(new) - last])]
