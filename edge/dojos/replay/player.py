"""Plays a room's journal: what each entry did to the files, and who did it.

What was typed belongs to whoever owns the client id it was typed under; a deletion to whoever's connection sent it,
because the protocol does not say more about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from pycrdt import Assoc, Doc, Text
from pycrdt import Map as YMap

from collab_core.engine import EngineRefused, panics_as_refusals
from collab_core.journal.port import Entry
from collab_core.log import RoomLog, SplitCharacter
from collab_core.merge import merge
from collab_core.opening import open_log
from collab_core.wire.lib0 import Reader, WireError
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk
from edge.dojos.files import FILE_ROOT, FILES_MAP, File, files_of
from edge.dojos.replay.edits import Delete, Edit, Insert, NotText, Segment, by_person, segments_of, whole_change

FLUSH_ENTRIES: Final = 256
"""Entries between two merges of what was played: merging is quadratic in what it is given."""
HELD: Final = 10_000
"""Entries that wait for something missing. More of them, and they are left for the next whole state."""
TOLD_APART: Final = 2_000
"""Characters of one insertion, of an update with several people's text, that are looked up one by one."""

Owner = Callable[[int, int], UUID | None]
"""(client id, clock) -> whose it is, if that is known: `collab_core.owners.Owners.user_of`."""


class Change(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="change"):
    """What one person changed in one file at one moment. `at` is Unix time in milliseconds; the edits count in the text
    before this change."""

    at: int
    user_id: UUID
    file: str
    edits: list[Edit]


class Player:
    """A room's files as they were, moved forward entry by entry. Belongs to one thread."""

    def __init__(self, state: bytes = EMPTY_UPDATE, owner: Owner = lambda _client, _clock: None) -> None:
        """`state` is an update with all that came before. Raises `EngineRefused` if it lacks something, and
        `ValueError` if it is no update."""
        self._owner = owner
        self._texts: dict[str, bytes] = {}
        self._irregular: set[str] = set()
        self._held: list[Entry] = []
        self._at = 0
        self._since_flush = 0
        self._deltas: list[tuple[str, list[dict[str, Any]]]] = []
        self._open(state)

    def _open(self, state: bytes) -> None:
        log, document = open_log(state, [])
        if document is None or not whole(state, log.state):
            raise EngineRefused("no document agrees with the room's bytes")
        self._log: RoomLog = log
        self._doc: Doc[Any] = Doc()
        self._watched: dict[str, Text] = {}
        with panics_as_refusals():
            if state != EMPTY_UPDATE:
                self._doc.apply_update(state)
        self._look_for_files()
        for path, text in self._watched.items():
            self._texts[path] = str(text).encode()

    def texts(self) -> dict[str, str]:
        """Path -> text of every file."""
        return {path: text.decode() for path, text in sorted(self._texts.items())}

    def files(self) -> list[File]:
        """All files, in their order."""
        return files_of(self._map(), self.texts())

    def _map(self) -> Any:
        with panics_as_refusals():
            return self._doc.get(FILES_MAP, type=YMap).to_py()

    def play(self, entry: Entry) -> list[Change]:
        """Take one entry; what it changed, and what changed with it that had waited for it. Never raises: what no
        document takes changes nothing."""
        changes: list[Change] = []
        joined = self._take(entry, changes)
        while joined and self._held:
            held, self._held = self._held, []
            joined = False
            for waiting in held:
                joined = self._take(waiting, changes) or joined
        return changes

    def _take(self, entry: Entry, changes: list[Change]) -> bool:
        """Whether anything of it joined; what that changed is added to `changes`."""
        self._at = max(self._at, entry.at_ms)
        try:
            walked = walk(entry.update)
            screened = self._log.screen(walked)
            if screened.waiting != EMPTY_UPDATE and len(self._held) < HELD:
                self._held.append(entry._replace(update=screened.waiting))
            if screened.accepted == EMPTY_UPDATE:
                return False
            if screened.accepted is not entry.update:
                walked = walk(screened.accepted)
        except (SplitCharacter, WireError):
            return False  # nothing that the server would have accepted
        self._deltas.clear()
        try:
            with panics_as_refusals():
                self._doc.apply_update(screened.accepted)
        except EngineRefused:
            self._rebuild()
            return False
        self._log.accept(screened, walked)
        self._since_flush += 1
        if self._since_flush >= FLUSH_ENTRIES:
            self._log.flush()
            self._since_flush = 0
        found = self._look_for_files() if b"file/" in screened.accepted else []
        changes += self._changes(entry, walked, found)
        return True

    def _changes(self, entry: Entry, walked: Walk, found: list[str]) -> list[Change]:
        author = entry.author
        typists = {author}
        if entry.healed:  # it may bring what others typed; in any other, all that is new is its author's
            typists = {self._owner(each.client, each.start) or author for each in walked.sections} or typists
        changes = []
        for path in found:
            self._texts[path] = b""
            text = self._text(path)
            if text:
                self._deltas.append((path, [{"insert": text}]))
        for path, delta in self._deltas:
            before = self._texts[path]
            try:
                if path in self._irregular:
                    raise NotText
                segments = segments_of(delta, author)
                if typists != {author}:
                    segments = self._attributed(path, segments, typists, author)
                groups, after = by_person(before, segments)
            except NotText:
                self._irregular.add(path)
                after = self._text(path).encode()
                groups = [(author, edits)] if (edits := whole_change(before, after)) else []
            self._texts[path] = after
            changes += [Change(self._at, person, path, edits) for person, edits in groups]
        self._deltas.clear()
        return changes

    def _attributed(self, path: str, segments: Iterable[Segment], typists: set[UUID], author: UUID) -> list[Segment]:
        """The segments with what was typed given to those who typed it, character by character if need be."""
        if len(typists) == 1:
            (typist,) = typists
            return [Insert(each.text, typist) if isinstance(each, Insert) else each for each in segments]
        text = self._watched[path]
        attributed: list[Segment] = []
        at = 0  # in bytes of the text as it is now
        for segment in segments:
            if isinstance(segment, Delete):
                attributed.append(segment)
                continue
            if not isinstance(segment, Insert):
                attributed.append(segment)
                at += segment.length
                continue
            run = ""
            whose = author
            for number, character in enumerate(segment.text):
                person = self._typed_by(text, at, author) if number < TOLD_APART else whose
                if person != whose and run:
                    attributed.append(Insert(run, whose))
                    run = ""
                whose = person
                run += character
                at += len(character.encode())
            attributed.append(Insert(run, whose))
        return attributed

    def _typed_by(self, text: Text, at: int, author: UUID) -> UUID:
        with panics_as_refusals():
            encoded = text.sticky_index(at, Assoc.AFTER).encode()
        reader = Reader(encoded)
        if reader.var_uint() != 0:  # the end of the text, and no item
            return author
        return self._owner(reader.var_uint(), reader.var_uint()) or author

    def _look_for_files(self) -> list[str]:
        """Watch the root texts that are new; their paths."""
        found = []
        with panics_as_refusals():
            for name in self._doc.keys():  # noqa: SIM118 - a Doc is no mapping
                path = name.removeprefix(FILE_ROOT)
                if path == name or path in self._watched:
                    continue
                text = self._watched[path] = self._doc.get(name, type=Text)
                text.observe(self._watcher(path))
                found.append(path)
        return found

    def _watcher(self, path: str) -> Callable[[Any], None]:
        return lambda event: self._deltas.append((path, event.delta))

    def _text(self, path: str) -> str:
        with panics_as_refusals():
            return str(self._watched[path])

    def _rebuild(self) -> None:
        """The document failed and is poisoned: a new one of the same bytes."""
        texts = dict(self._texts)
        self._open(merge([self._log.whole()]))
        self._texts = texts | self._texts


def whole(state: bytes, integrated: Mapping[int, int]) -> bool:
    """Whether an update lacks nothing: all it holds is in the state vector that a document of it has. Of what waits for
    something missing, a document and its encoding say nothing."""
    return {section.client: section.end for section in walk(state).sections} == dict(integrated)


def texts_in(state: bytes) -> tuple[dict[str, str], Mapping[str, Any]]:
    """Path -> text of every file, and the map of files, in an update that holds a whole room. What lacks something is
    not seen. Raises `EngineRefused`."""
    document: Doc[Any] = Doc()
    with panics_as_refusals():
        if state != EMPTY_UPDATE:
            document.apply_update(state)
        names = [name for name in document.keys() if name.startswith(FILE_ROOT)]  # noqa: SIM118 - a Doc is no mapping
        texts = {name.removeprefix(FILE_ROOT): str(document.get(name, type=Text)) for name in sorted(names)}
        return texts, document.get(FILES_MAP, type=YMap).to_py() or {}
