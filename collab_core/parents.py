"""Which structs of a room can hold others: what an update may name as a parent.

yrs integrates a child of a collected struct and refuses one of a struct that is there and no type. So an edit
that names a deleted character as its parent is taken by a document in which the character is collected already,
and makes the merged bytes, where it is not yet, impossible to load. Such a child is refused.
"""

from __future__ import annotations

from collab_core.wire.id_ranges import IdRanges
from collab_core.wire.update import Section, walk


class Parents:
    """Types, and clocks that have been without content from the first: they stay so in whatever order bytes load."""

    __slots__ = ("_hollow", "_types")

    def __init__(self) -> None:
        self._types: dict[int, set[int]] = {}
        self._hollow: dict[int, IdRanges] = {}

    @classmethod
    def of(cls, update: bytes) -> Parents:
        """Those that an update brings. Raises `WireError` on bytes that are no update."""
        parents = cls()
        for section in walk(update).sections:
            parents.note(section, 0, section.end)
        return parents

    def __contains__(self, at: tuple[int, int]) -> bool:
        client, clock = at
        if clock in self._types.get(client, ()):
            return True
        hollow = self._hollow.get(client)
        return hollow is not None and hollow.covers(clock, clock + 1)

    def note(self, section: Section, start: int, end: int) -> None:
        """What a section brings of the clocks [start, end). What it says of others is not what the room holds."""
        for clock in section.types:
            if start <= clock < end:
                self._types.setdefault(section.client, set()).add(clock)
        for first, last in section.hollow:
            if first < end and last > start:
                self._hollow.setdefault(section.client, IdRanges()).add(max(first, start), min(last, end))
