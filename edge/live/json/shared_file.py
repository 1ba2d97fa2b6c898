"""One file as clients without a document share it: edits to any version it remembers, and what each flush tells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from uuid import UUID

from collab_core.splice import Splice, spliced
from edge.live.json.composition import composed
from edge.live.json.difference import difference
from edge.live.json.rebase import carried, rebased
from edge.live.json.versions import Versions

FILE_CHARACTERS = 256 * 1024
"""Code points of a file that JSON clients may hold: whole contents travel, and each costs every reader its length."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Splices of a text, and the author's cursor in the text they make."""

    splices: Sequence[Splice]
    cursor: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """From one version to the next. `splices` count in `before`; `authors` are those who made them and where their
    cursors stand in `after`, the last one last."""

    base_version: str
    version: str
    before: str
    after: str
    splices: Sequence[Splice]
    authors: Sequence[tuple[UUID, int]]


class SharedFile:
    """Moved by the room it belongs to, on its event loop. Offsets are code points."""

    def __init__(self, text: str) -> None:
        self.versions = Versions(text)
        self.told = text
        """The text as of the last flush: what readers that are up to date have."""
        self._told_place = self.versions.place
        self._authors: dict[UUID, int] = {}

    @property
    def text(self) -> str:
        """The text now."""
        return self.versions.text

    @property
    def version(self) -> str:
        """The version of `told`."""
        return self.versions.version

    @property
    def changed(self) -> bool:
        """Whether the next flush has something to tell."""
        return self.versions.place != self._told_place

    @property
    def too_large(self) -> bool:
        """Whether clients with documents made it longer than JSON clients may hold."""
        return len(self.text) > FILE_CHARACTERS

    def read(self, text: str, authors: Collection[UUID]) -> None:
        """What the document says now; it was changed by these people, by other ways than `make`."""
        splices = difference(self.text, text)
        if splices:
            self._change(splices)
            at = splices[-1].start + sum(len(s.insert) - (s.end - s.start) for s in splices[:-1])
            for author in authors:
                self._tell_author(author, at + len(splices[-1].insert))

    def from_place(self, place: int, edit: Edit) -> Edit:
        """An edit of a remembered text, as one of the present text."""
        return _onto(edit, self.versions.since(place))

    def from_text(self, text: str, edit: Edit) -> Edit:
        """An edit of a text that was never a version, as one of the present text."""
        return _onto(edit, [difference(text, self.text)])

    def make(self, author: UUID, edit: Edit) -> None:
        """The document has taken an edit of the present text."""
        self._change(edit.splices)
        if edit.splices:
            last = edit.splices[-1]
            ends = last.start + sum(len(s.insert) - (s.end - s.start) for s in edit.splices[:-1]) + len(last.insert)
            self._tell_author(author, ends if edit.cursor is None else edit.cursor)

    def flush(self) -> Step | None:
        """What readers of the last version are to be told; `None` if nothing was changed."""
        if not self.changed:
            return None
        before, base_version = self.told, self.version
        changes = self.versions.since(self._told_place)
        version = self.versions.mark()
        splices: Sequence[Splice] = []
        for change in changes:
            splices = composed(splices, change)
        step = Step(base_version, version, before, self.text, splices, tuple(self._authors.items()))
        self.told = self.text
        self._told_place = self.versions.place
        self._authors = {}
        return step

    def since(self, version: str) -> Sequence[Splice] | None:
        """What leads from a version to `told`; `None` if the version is unknown."""
        place = self.versions.place_of(version)
        if place is None:
            return None
        kept = self.versions.since(place)[: self._told_place - place]
        return reduce(composed, kept, list[Splice]())

    def _change(self, splices: Sequence[Splice]) -> None:
        self.versions.change(splices)
        for author, cursor in self._authors.items():
            self._authors[author] = carried(cursor, splices)

    def _tell_author(self, author: UUID, cursor: int) -> None:
        self._authors.pop(author, None)
        self._authors[author] = cursor


def _onto(edit: Edit, changes: Sequence[Sequence[Splice]]) -> Edit:
    splices = edit.splices
    cursor = edit.cursor
    for change in changes:
        if cursor is not None:
            cursor = carried(cursor, rebased(change, splices))
        splices = rebased(splices, change)
    return Edit(splices, cursor)


def result(text: str, edit: Edit) -> str:
    """The text that an edit makes."""
    return spliced(text, edit.splices)
