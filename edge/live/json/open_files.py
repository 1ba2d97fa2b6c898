"""The files of an open room as JSON clients share them, read from the room's document when it may have changed them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from collab_core.view import View
from edge.dojos.files import FILE_ROOT
from edge.live.json.positions import BadPosition, Position, offset_of
from edge.live.json.rebase import carried
from edge.live.json.shared_file import SharedFile

NO_FILE = "there is no such file"


class ListedFile(msgspec.Struct, frozen=True):
    """A file as clients are told that it is there."""

    path: str
    language: str | None


Files = Callable[[], Sequence[ListedFile]]
"""A room's files, the main one first; asked at every flush."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file's text as it was at `place` of its versions. `offset` counts code points."""

    path: str
    place: int
    offset: int


class OpenFiles:
    """Moved by `JsonCode`. Everything that reads a text raises `EngineRefused` if no document agrees with the room's
    bytes."""

    def __init__(self, view: View, files: Files) -> None:
        self._view = view
        self._listed = files
        self._files: dict[str, SharedFile] = {}
        self._stale: set[str] = set()
        """Files that the document may have changed since they were read."""
        self._outside: dict[UUID, None] = {}
        """Who changed the document since, by other ways than `SharedFile.make`."""

    def listed(self) -> Sequence[ListedFile]:
        """All files of the room, the main one first."""
        return self._listed()

    def open(self) -> dict[str, SharedFile]:
        """Those that were looked into, as they were then."""
        return self._files

    def taken(self, author: UUID) -> None:
        """An edit of `author`'s joined the document."""
        self.forget_all()
        self._outside.pop(author, None)
        self._outside[author] = None

    def forget_all(self) -> None:
        """The document may say something else by now."""
        self._stale.update(self._files)

    def kept(self) -> tuple[set[str], dict[UUID, None]]:
        """What is to be given to `restore` if all that joins meanwhile is made to the shared files, too."""
        return set(self._stale), dict(self._outside)

    def restore(self, kept: tuple[set[str], dict[UUID, None]]) -> None:
        """As it was."""
        self._stale, self._outside = kept

    def stale(self, path: str) -> bool:
        """Whether the document may say something else than the file."""
        return path in self._stale

    def gone(self) -> list[str]:
        """Forget the files that the room has no longer, and say which they were."""
        gone = list(self._files.keys() - {file.path for file in self._listed()})
        for path in gone:
            del self._files[path]
            self._stale.discard(path)
        return gone

    def all(self) -> list[tuple[str, SharedFile]]:
        """All files as the document has them now."""
        try:
            return [(file.path, self.get(file.path)) for file in self._listed()]
        finally:
            self._outside = {}

    def path(self, asked: str | None) -> str | None:
        """The path that a client means: without one the main file; `None` if there is no such file."""
        paths = [file.path for file in self._listed()]
        if asked is None:
            return paths[0] if paths else None
        return asked if asked in paths else None

    def get(self, path: str) -> SharedFile:
        """The file as the document has it now."""
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = SharedFile(self._view.text(FILE_ROOT + path))
        elif path in self._stale:
            file.read(self._view.text(FILE_ROOT + path), self._outside)
        self._stale.discard(path)
        return file

    def locate(self, position: Position, asked: str | None = None, version: str | None = None) -> Spot:
        """Where a cursor in a version (or else in the text as it is) stands in the text now. Raises `BadPosition`."""
        path = self.path(asked)
        if path is None:
            raise BadPosition(NO_FILE)
        file = self.get(path)
        place = file.versions.place_of(version or file.version)
        if place is None:
            raise BadPosition("the version is unknown")
        return self.now(Spot(path, place, offset_of(file.versions.text_at(place), position)))

    def now(self, spot: Spot) -> Spot:
        """The same place in the text as it is now. Raises `BadPosition` if what was between is forgotten."""
        if self.path(spot.path) is None:
            raise BadPosition(NO_FILE)
        versions = self.get(spot.path).versions
        if not versions.first <= spot.place <= versions.place:
            raise BadPosition("the text was changed too often since")
        offset = spot.offset
        for change in versions.since(spot.place):
            offset = carried(offset, change)
        return Spot(spot.path, versions.place, offset)
