"""The code of a room for its JSON clients: their edits go into the document, everyone's come out as versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from collab_core.engine import EngineRefused
from collab_core.intake import NotTaken
from collab_core.member import Member
from collab_core.room import Room
from edge.live.json.applied import Applied
from edge.live.json.difference import difference
from edge.live.json.messages import BadMessage, CodeUpdate, Names, Told, read
from edge.live.json.positions import BadPosition, Position, offset_of, position_of, splices_of
from edge.live.json.reader import Flying, Reader, Refused
from edge.live.json.rebase import carried
from edge.live.json.shared_file import FILE_CHARACTERS, Edit, SharedFile, Step, result

NO_FILE = "there is no such file"
TOO_LARGE = f"a file may have {FILE_CHARACTERS} characters"
ROOT = "file/"
"""Before a file's path: the name of its root text."""

Files = Callable[[], Sequence[str]]
"""The paths of a room's files, the main one first; asked at every flush."""


class JsonCode:
    """One per open room. Its application forwards what `Application` is told, of members of `dojo.json.v1` only where
    a member is meant."""

    def __init__(
        self,
        room: Room,
        *,
        files: Files,
        names: Names,
        may_write: Callable[[Member], bool],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`wall` is Unix time in seconds."""
        self._room = room
        self._paths = files
        self._names = names
        self._may_write = may_write
        self._wall = wall
        self._files: dict[str, SharedFile] = {}
        self._readers: dict[int, Reader] = {}
        self._unsaved: set[int] = set()
        """Readers with edits that are not committed."""
        self._applied = Applied()
        self._taken = 0
        """Edits that joined the document, ever."""
        self._stale: set[str] = set()
        """Files that the document may have changed since they were read."""
        self._outside: dict[UUID, None] = {}
        """Who changed the document since, by other ways than this one."""

    # What the room says

    def joined(self, member: Member) -> None:
        """A JSON client came: it is told every file."""
        reader = self._readers[member.number] = Reader(member)
        for path, file in self._open():
            if len(self._readers) == 1:  # nobody was told anything: nothing waits for a flush
                file.flush()
            self._show(reader, path, file)

    def left(self, member: Member) -> None:
        """It went. Its edits stay known, should it come back and send one again."""
        self._readers.pop(member.number, None)
        self._unsaved.discard(member.number)

    def taken(self, author: UUID) -> None:
        """An edit of `author`'s joined the document."""
        self._taken += 1
        self._stale.update(self._files)
        self._outside.pop(author, None)
        self._outside[author] = None

    def flushed(self) -> None:
        """What had joined was sent to everyone with a document: now to everyone without."""
        if not self._readers:
            return
        now = self._wall()
        for path, file in self._open():
            step = file.flush()
            if step is not None and not file.too_large:
                self._tell(path, step, Told(path, step, self._names, now))

    def committed(self, position: int) -> None:
        """The journal holds the first `position` edits."""
        for number in list(self._unsaved):
            reader = self._readers[number]
            unsaved = reader.unsaved
            while unsaved and unsaved[0][0] <= position:
                reader.saved = unsaved.popleft()[1]
            if not unsaved:
                self._unsaved.discard(number)
            reader.tell_saved()

    def drained(self, member: Member) -> None:
        """The member takes messages again: it is told how things are now, not what they were meanwhile."""
        reader = self._readers.get(member.number)
        if reader is None:
            return
        if reader.owed is not None:
            owed, reader.owed = reader.owed, None
            self._refuse(reader, *owed)
        for path, file in self._files.items():
            flying = reader.flying is not None and reader.flying.file == path and not self._waits(path, file)
            if flying or reader.told.get(path) != file.version:
                self._show(reader, path, file)
        reader.tell_saved()

    # What clients say

    def code_update(self, member: Member, payload: bytes) -> tuple[str, Position] | None:
        """A CODE_UPDATE of a JSON client. Returns its file and cursor, in the text as it is now, if it told one."""
        reader = self._readers[member.number]
        update = CodeUpdate()
        try:
            update = read(payload)
            return self._update(reader, update)
        except BadMessage as error:
            refused = Refused("bad_message", str(error))
        except BadPosition as error:
            refused = Refused("bad_position", str(error))
        except NotTaken as error:
            refused = Refused("not_taken", str(error))
        except EngineRefused:
            refused = Refused("not_taken", "the document cannot be read at the moment")
        except Refused as error:
            refused = error
        self._refuse(reader, refused, update)
        return None

    def locate(self, position: Position, path: str | None = None, version: str | None = None) -> tuple[str, Position]:
        """Where a cursor in a version (or else in the text as told) stands in the text now, and in which file.
        Raises `BadPosition`."""
        paths = self._paths()
        path = path if path is not None else (paths[0] if paths else "")
        if path not in paths:
            raise BadPosition(NO_FILE)
        try:
            file = self._file(path)
        except EngineRefused:
            return path, position
        place = file.versions.place_of(version or file.version)
        if place is None:
            raise BadPosition("the version is unknown")
        offset = offset_of(file.versions.text_at(place), position)
        for change in file.versions.since(place):
            offset = carried(offset, change)
        return path, position_of(file.text, offset)

    def _update(self, reader: Reader, update: CodeUpdate) -> tuple[str, Position] | None:
        paths = self._paths()
        path = update.file if update.file is not None else (paths[0] if paths else "")
        if path not in paths:
            raise Refused("unknown_file", NO_FILE)
        reader.takes_edits = reader.takes_edits or update.base_version is not None
        file = self._file(path)
        if update.content is None and update.edits is None:
            self._ask(reader, path, file, update)
            return None
        author = reader.member.admission.user
        before = self._applied.find(author, path, update)
        if before is not None:
            self._acknowledge(reader, path, file, update, before)
            return None
        if update.base_version is not None and reader.flying is not None:
            raise Refused("busy", "the edit before is not acknowledged yet")
        if file.too_large or len(update.content or "") > FILE_CHARACTERS:
            raise Refused("too_large", TOO_LARGE)
        if not self._may_write(reader.member):
            raise Refused("forbidden", "you may not write now", path)
        edit = self._edit(reader, path, file, update)
        after = result(file.text, edit)
        if len(after) > FILE_CHARACTERS:
            raise Refused("too_large", TOO_LARGE)
        if edit.splices:
            position = self._compose(author, path, edit)
            file.make(author, edit)
            reader.own[path] = file.versions.place
        else:
            position = self._room.feed.appended
        self._applied.note(author, path, update, position)
        self._acknowledge(reader, path, file, update, position)
        return None if edit.cursor is None else (path, position_of(file.text, edit.cursor))

    def _compose(self, author: UUID, path: str, edit: Edit) -> int:
        taken, stale, outside = self._taken, set(self._stale), dict(self._outside)
        try:
            position = self._room.compose(author, ROOT + path, edit.splices)
        except ValueError as error:  # the document says something else than it was read to say: read it again
            self._stale.update(self._files)
            raise NotTaken("the text was changed meanwhile; try again") from error
        if self._taken == taken + 1:  # nothing else joined with it
            self._stale, self._outside = stale, outside
        return position

    def _edit(self, reader: Reader, path: str, file: SharedFile, update: CodeUpdate) -> Edit:
        """The client's edit, as one of the present text."""
        if update.base_version is None:
            return self._guessed(reader, path, file, update)
        place = file.versions.place_of(update.base_version)
        if place is None:
            raise Refused("stale_version", "the base version is unknown; nothing was applied", path)
        if place < reader.own.get(path, 0):
            raise Refused("busy", "an edit of yours was taken that the base version does not know")
        base = file.versions.text_at(place)
        if update.edits is not None:
            edit = Edit(splices_of(base, update.edits))
            cursor = _checked(result(base, edit), update)
            edit = Edit([s for s in edit.splices if s.insert or s.end > s.start], cursor)
        else:
            assert update.content is not None
            cursor = _checked(update.content, update)
            edit = Edit(difference(base, update.content, cursor), cursor)
        return file.from_place(place, edit)

    def _guessed(self, reader: Reader, path: str, file: SharedFile, update: CodeUpdate) -> Edit:
        """Of a client that names no version: made to what it sent last or to what it was told last, whichever is
        nearer."""
        content = update.content
        assert content is not None
        cursor = _checked(content, update)
        bases = [reader.shown.get(path, file.told)]
        if (sent := reader.sent.get(path)) is not None and sent != bases[0]:
            bases.append(sent)
        edits = [(base, difference(base, content, cursor)) for base in bases]
        base, splices = min(edits, key=lambda each: sum(s.end - s.start + len(s.insert) for s in each[1]))
        reader.sent[path] = content
        return file.from_text(base, Edit(splices, cursor))

    # What clients are told

    def _acknowledge(self, reader: Reader, path: str, file: SharedFile, update: CodeUpdate, position: int) -> None:
        """With the flush that shows the edit to everyone, or at once if there is nothing to show."""
        reader.flying = Flying(path, update.seq)
        if update.seq is not None:
            if position > self._room.feed.committed:
                if reader.unsaved and reader.unsaved[-1][0] >= position:
                    reader.unsaved.pop()  # said with this one: edits that change nothing must not pile up
                reader.unsaved.append((position, update.seq))
                self._unsaved.add(reader.member.number)
            else:
                reader.saved = update.seq
        if not self._waits(path, file):
            self._show(reader, path, file)
        if reader.member.number not in self._unsaved:
            reader.tell_saved()

    def _tell(self, path: str, step: Step, told: Told) -> None:
        """A step, to everyone whose socket takes it."""
        for reader in list(self._readers.values()):
            member = reader.member
            if member.paused:
                continue
            flying = reader.flying
            ack = None
            if flying is not None and flying.file == path:
                reader.flying = None
                ack = flying.seq
            knows = reader.told.get(path) == step.base_version
            reader.told[path] = step.version
            if reader.takes_edits:
                member.write(told.edits(ack) if knows else told.content(ack))
                continue
            reader.shown[path] = step.after
            # Its own text, as it stands in its editor, would only move its cursor.
            if ack is not None or flying is None or reader.sent.get(path) != step.after:
                member.write(told.content(ack))

    def _show(self, reader: Reader, path: str, file: SharedFile) -> None:
        """The file as of the last flush, to one reader, with what is to be acknowledged. One whose socket is full gets
        it when it drains."""
        if reader.member.paused:
            return
        known = reader.told.get(path)
        splices = file.since(known) if known is not None and reader.takes_edits else None
        before = "" if splices is None or known is None else self._text_of(file, known)
        told = Told(
            path, Step(known or "", file.version, before, file.told, splices or [], []), self._names, self._wall()
        )
        ack = None
        if reader.flying is not None and reader.flying.file == path and not self._waits(path, file):
            ack, reader.flying = reader.flying.seq, None
        reader.told[path] = file.version
        if file.too_large:
            reader.member.say({"type": "ERROR", "code": "too_large", "message": TOO_LARGE, "file": path})
            return
        if not reader.takes_edits:
            reader.shown[path] = file.told
        reader.member.write(told.content(ack) if splices is None else told.edits(ack))

    def _ask(self, reader: Reader, path: str, file: SharedFile, update: CodeUpdate) -> None:
        """What was changed since the version that a client comes back with."""
        reader.told.pop(path, None)  # so that it is told when it drains, should its socket be full now
        if reader.member.paused:
            return
        if update.base_version is not None and file.versions.place_of(update.base_version) is not None:
            reader.told[path] = update.base_version
        self._show(reader, path, file)

    def _refuse(self, reader: Reader, refused: Refused, update: CodeUpdate) -> None:
        """Tell it now, or, the newest only, when it drains: by then the text may be another."""
        if reader.member.paused:
            reader.owed = (refused, update)
            return
        message: dict[str, object] = {"type": "ERROR", "code": refused.code, "message": str(refused)}
        if update.seq is not None:
            message["seq"] = update.seq
        file = self._files.get(refused.path or "")
        if refused.path is not None and file is not None:
            message |= {"file": refused.path, "version": file.version, "content": file.told}
            reader.told[refused.path] = file.version
            if not reader.takes_edits:
                reader.shown[refused.path] = file.told
        elif update.file is not None:
            message["file"] = update.file
        reader.member.say(message)

    @staticmethod
    def _text_of(file: SharedFile, version: str) -> str:
        place = file.versions.place_of(version)
        return "" if place is None else file.versions.text_at(place)

    def _waits(self, path: str, file: SharedFile) -> bool:
        """Whether a flush is to come that tells what the file has beyond `told`."""
        return file.changed or path in self._stale

    # Files

    def _open(self) -> Iterable[tuple[str, SharedFile]]:
        """All files as the document has them now; none while no document can be read."""
        paths = self._paths()
        for path in self._files.keys() - set(paths):
            self._close(path)
        try:
            return [(path, self._file(path)) for path in paths]
        except EngineRefused:
            return []
        finally:
            self._outside = {}

    def _close(self, path: str) -> None:
        """The room has this file no longer."""
        del self._files[path]
        self._stale.discard(path)
        for reader in self._readers.values():
            flying = reader.flying
            if flying is not None and flying.file == path:
                reader.flying = None
                self._refuse(reader, Refused("unknown_file", NO_FILE), CodeUpdate(file=path, seq=flying.seq))
            for told in (reader.told, reader.shown, reader.sent, reader.own):
                told.pop(path, None)

    def _file(self, path: str) -> SharedFile:
        """Raises `EngineRefused` if no document agrees with the room's bytes."""
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = SharedFile(self._room.view.text(ROOT + path))
        elif path in self._stale:
            file.read(self._room.view.text(ROOT + path), self._outside)
        self._stale.discard(path)
        return file


def _checked(text: str, update: CodeUpdate) -> int | None:
    """The cursor in the text that the client has now. Raises `BadPosition` on any place that is not in it."""
    if update.selection is not None:
        offset_of(text, update.selection.start)
        offset_of(text, update.selection.end)
    return None if update.position is None else offset_of(text, update.position)
