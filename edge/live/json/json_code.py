"""The code of a room for its JSON clients: their edits go into the document, everyone's come out as versions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from collab_core.engine import EngineRefused
from collab_core.intake import NotTaken
from collab_core.member import Member
from collab_core.room import Room
from edge.dojos.files import FILE_ROOT
from edge.live.json.difference import difference
from edge.live.json.mark import mark as mark_of
from edge.live.json.messages import BadMessage, CodeUpdate, Names, Told, read
from edge.live.json.open_files import NO_FILE, Files, ListedFile, OpenFiles, Spot
from edge.live.json.positions import BadPosition, offset_of, splices_of
from edge.live.json.reader import Flying, Reader, Refused
from edge.live.json.shared_file import FILE_CHARACTERS, Edit, SharedFile, Step, result

ARRIVAL_SECONDS = 0.15
"""While another node has the room open, a newcomer's edits wait until then. What it sent there just before is here in
20 ms as a rule: a flush, and a message."""
TOO_LARGE = f"a file may have {FILE_CHARACTERS} characters"


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
        self.files = OpenFiles(room.view, files)
        self._names = names
        self._may_write = may_write
        self._wall = wall
        self._readers: dict[int, Reader] = {}
        self._unsaved: set[int] = set()
        """Readers with edits that are not committed."""
        self._taken = 0
        """Edits that joined the document, ever."""
        self._listed: Sequence[ListedFile] = ()
        """The files that readers are told there are."""

    # What the room says

    def joined(self, member: Member) -> None:
        """A JSON client came: it is told every file."""
        files = self._open()
        reader = self._readers[member.number] = Reader(member)
        reader.ready_at = asyncio.get_running_loop().time() + ARRIVAL_SECONDS
        self._tell_files(reader)
        for path, file in files:
            if len(self._readers) == 1:  # nobody was told anything: nothing waits for a flush
                file.flush()
            self._show(reader, path, file)

    def left(self, member: Member) -> None:
        """It went. Its edits stay known, should it come back and send one again."""
        reader = self._readers.pop(member.number, None)
        if reader is not None and reader.held is not None:
            reader.held.cancel()
        self._unsaved.discard(member.number)

    def taken(self, author: UUID) -> None:
        """An edit of `author`'s joined the document."""
        self._taken += 1
        self.files.taken(author)

    def flushed(self) -> None:
        """What had joined was sent to everyone with a document: now to everyone without."""
        if not self._readers:
            return
        now = self._wall()
        for path, file in self._open():
            step = file.flush()
            if step is not None and not file.too_large:
                self._tell(path, step, Told(path, step, self._names, now))

    def files_changed(self) -> None:
        """The room may have other files than before."""
        if self._readers and self.files.listed() != self._listed:
            self._open()

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

    def close(self) -> None:
        """The room leaves this node: no more timers."""
        for reader in self._readers.values():
            if reader.held is not None:
                reader.held.cancel()

    def drained(self, member: Member) -> None:
        """The member takes messages again: it is told how things are now, not what they were meanwhile."""
        reader = self._readers.get(member.number)
        if reader is None:
            return
        if reader.owed is not None:
            owed, reader.owed = reader.owed, None
            self._refuse(reader, *owed)
        self._tell_files(reader)
        for path, file in self.files.open().items():
            flying = reader.flying is not None and reader.flying.file == path and not self._waits(path, file)
            if flying or reader.told.get(path) != file.version:
                self._show(reader, path, file)
        reader.tell_saved()

    # What clients say

    def code_update(self, member: Member, payload: bytes) -> Spot | None:
        """A CODE_UPDATE of a JSON client. Returns its cursor, in the text as it is now, if it told one."""
        reader = self._readers[member.number]
        try:
            update = read(payload)
        except BadMessage as error:
            self._refuse(reader, Refused("bad_message", str(error)), CodeUpdate())
            return None
        return self._take(reader, update)

    def _take(self, reader: Reader, update: CodeUpdate) -> Spot | None:
        try:
            return self._update(reader, update)
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

    def _update(self, reader: Reader, update: CodeUpdate) -> Spot | None:
        path = self.files.path(update.file)
        if path is None:
            raise Refused("unknown_file", NO_FILE)
        reader.takes_edits = reader.takes_edits or update.base_version is not None
        file = self.files.get(path)
        if update.content is None and update.edits is None:
            self._ask(reader, path, file, update)
            return None
        author = reader.member.admission.user
        mark = mark_of(author, path, update)
        before = self._room.editing.known(author, mark)
        if before is not None:
            self._acknowledge(reader, path, file, update, before)
            return None
        if update.base_version is not None and (reader.flying is not None or reader.held is not None):
            raise Refused("busy", "the edit before is not acknowledged yet")
        if file.too_large or len(update.content or "") > FILE_CHARACTERS:
            raise Refused("too_large", TOO_LARGE)
        if not self._may_write(reader.member):
            raise Refused("forbidden", "you may not write now", path)
        if mark and self._early(reader, update):
            return None
        edit = self._edit(reader, path, file, update)
        after = result(file.text, edit)
        if len(after) > FILE_CHARACTERS:
            raise Refused("too_large", TOO_LARGE)
        if edit.splices:
            position = self._compose(author, path, edit, mark)
            file.make(author, edit)
            reader.own[path] = file.versions.place
        else:
            position = self._room.feed.appended
            self._room.marks.note(mark, position)
        self._acknowledge(reader, path, file, update, position)
        return None if edit.cursor is None else Spot(path, file.versions.place, edit.cursor)

    def _early(self, reader: Reader, update: CodeUpdate) -> bool:
        """Whether the edit has to wait: it may be one that was sent to another node just before, and is on its way from
        there, or was sent to another one while this process stood still. Then it is known when its time has come."""
        loop = asyncio.get_running_loop()
        link = self._room.link
        wait = ARRIVAL_SECONDS if link.behind else reader.ready_at - loop.time()
        if wait <= 0 or not link.shared:
            return False
        reader.held = loop.call_later(wait, self._go_on, reader, update)
        return True

    def _go_on(self, reader: Reader, update: CodeUpdate) -> None:
        reader.held = None
        self._take(reader, update)

    def _compose(self, author: UUID, path: str, edit: Edit, mark: bytes) -> int:
        taken, kept = self._taken, self.files.kept()
        try:
            position = self._room.compose(author, FILE_ROOT + path, edit.splices, mark)
        except ValueError as error:  # the document says something else than it was read to say: read it again
            self.files.forget_all()
            raise NotTaken("the text was changed meanwhile; try again") from error
        if self._taken == taken + 1:  # nothing else joined with it
            self.files.restore(kept)
        return position

    def _edit(self, reader: Reader, path: str, file: SharedFile, update: CodeUpdate) -> Edit:
        """The client's edit, as one of the present text."""
        if update.base_version is None:
            return self._guessed(reader, path, file, update)
        place = file.versions.place_of(update.base_version)
        if place is None and update.content == file.text:
            return Edit([])  # somebody has made it: most likely it is this one, sent again after it was forgotten
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
        file = self.files.open().get(refused.path or "")
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
        return file.changed or self.files.stale(path)

    # Files

    def _open(self) -> Iterable[tuple[str, SharedFile]]:
        """All files as the document has them now; none while no document can be read. Readers are told which there are
        if these are others than before."""
        for path in self.files.gone():
            self._close(path)
        try:
            files = self.files.all()
        except EngineRefused:
            return []
        listed = self.files.listed()
        if listed != self._listed:
            before, self._listed = {file.path for file in self._listed}, listed
            new = [(path, file) for path, file in files if path not in before]
            for _, file in new:
                file.flush()  # nobody was told anything: nothing waits for it
            for reader in list(self._readers.values()):
                self._tell_files(reader)
                for path, file in new:
                    self._show(reader, path, file)
        return files

    def _tell_files(self, reader: Reader) -> None:
        if reader.listed != self._listed and not reader.member.paused:
            reader.listed = self._listed
            reader.member.say({"type": "FILES", "files": self._listed})

    def _close(self, path: str) -> None:
        """The room has this file no longer."""
        for reader in self._readers.values():
            flying = reader.flying
            if flying is not None and flying.file == path:
                reader.flying = None
                self._refuse(reader, Refused("unknown_file", NO_FILE), CodeUpdate(file=path, seq=flying.seq))
            for told in (reader.told, reader.shown, reader.sent, reader.own):
                told.pop(path, None)


def _checked(text: str, update: CodeUpdate) -> int | None:
    """The cursor in the text that the client has now. Raises `BadPosition` on any place that is not in it."""
    if update.selection is not None:
        offset_of(text, update.selection.start)
        offset_of(text, update.selection.end)
    return None if update.position is None else offset_of(text, update.position)
