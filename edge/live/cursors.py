"""Where everyone's cursor is, between those who have a document and those who have none.

A client without a document says line and column, and is shown to the others as a presence state of the server's own,
with relative positions. What a client with a document shows as its presence is told to the others as line and column.
Both are worked out only while there are both kinds, or other nodes have the room open, and in a bounded part of the
node's time. What another node shows for its clients without a document is read as if it were their own presence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from collab_core import relative_position
from collab_core.admission import Dialect
from collab_core.engine import EngineRefused
from collab_core.member import Member
from collab_core.presence import SERVER
from collab_core.relative_position import RelativePosition
from collab_core.room import Room
from edge.dojos.files import FILE_ROOT
from edge.live import incoming, outgoing
from edge.live.colors import color_of
from edge.live.incoming import Complaint, CursorPosition, Selection
from edge.live.json.open_files import OpenFiles, Spot
from edge.live.json.positions import BadPosition, offset_at, position_of, units
from edge.live.outgoing import Message
from edge.live.paced import Paced

CURSORS_SECONDS: Final = 0.1
"""Shortest time between two messages with cursors."""
WORK_SECONDS: Final = 0.005
"""How long cursors are translated at a time. One takes 50 to 150 us in a file of 100 kB, so what 30 to 100 people move
is told in one go, and the rest in the next."""


@dataclass(frozen=True, slots=True)
class _Pointer:
    """The cursor of a member without a document."""

    member: Member
    head: Spot
    anchor: Spot


class _ShownUser(msgspec.Struct, rename="camel"):
    user_id: UUID


class _Shown(msgspec.Struct):
    user: _ShownUser


class Cursors:
    """Of one open room. `tell` tells everyone who reads JSON; `changed` is called when `places` was."""

    def __init__(
        self, room: Room, files: OpenFiles, *, tell: Callable[[Message], None], changed: Callable[[], None]
    ) -> None:
        self.places: dict[UUID, CursorPosition] = {}
        """Where people's cursors were last."""
        self._room = room
        self._files = files
        self._tell = tell
        self._changed = changed
        self._moved: dict[UUID, CursorPosition] = {}
        self._documents = self._thin = False
        """Whether there are members with a document, and members without."""
        self._pointers: dict[int, _Pointer] = {}
        self._to_show: dict[int, None] = {}
        """Members whose cursors the others have not seen yet, the longest waiting first."""
        self._seen: dict[int, tuple[UUID, bytes]] = {}
        """Client id -> whose presence it is, and the state, as of the last look."""
        self._to_read: dict[int, None] = {}
        """Client ids whose states have not been read yet, the longest waiting first."""
        self._edited: set[UUID] = set()
        """Whose cursor may have moved without their saying so: typing moves what it stands before."""
        self._pace = Paced(CURSORS_SECONDS, self._look)

    # What the room says

    def joined(self, member: Member) -> None:
        """A connection is there: what was of no use before may be now."""
        self._weigh()
        if self._shared:
            if member.dialect.has_document:
                self._to_show = dict.fromkeys(self._pointers)
            else:
                self._seen = {}
            self._pace.want()

    def node_came(self) -> None:
        """Another node has opened the room: its members are to see what was of no use to others before."""
        self._to_show = dict.fromkeys(self._pointers)
        self._pace.want()

    def left(self, member: Member) -> None:
        """A connection is gone; what was shown for it is, too."""
        self._pointers.pop(member.number, None)
        self._to_show.pop(member.number, None)
        self._weigh()

    def forget(self, user: UUID) -> None:
        """The person has left."""
        self.places.pop(user, None)
        self._moved.pop(user, None)

    def presence_taken(self) -> None:
        """Somebody's presence may have changed."""
        if self._shared:
            self._pace.want()

    def taken(self, author: UUID) -> None:
        """An edit of `author`'s joined the document."""
        if self._shared:
            self._edited.add(author)
            self._pace.want()

    def close(self) -> None:
        """The room leaves this node."""
        self._pace.stop()

    def _weigh(self) -> None:
        kinds = {member.dialect.has_document for member in self._room.members.values()}
        self._documents, self._thin = True in kinds, False in kinds

    @property
    def _shared(self) -> bool:
        """Whether there is something to translate, either way: members without a document, and others who are not.
        Other nodes' members, whatever they have, are known by presence."""
        return self._thin and (self._documents or self._room.link.shared)

    # What clients say

    def move(self, member: Member, cursor: CursorPosition) -> None:
        """A member says where its cursor is. Raises `Complaint` for what is no place."""
        places = [cursor.position]
        if cursor.selection is not None:
            places += [cursor.selection.start, cursor.selection.end]
        for place in places:
            incoming.check_place(place)
        if member.dialect is Dialect.JSON:
            try:
                self._point(member, *(self._files.locate(place, cursor.file, cursor.version) for place in places))
            except BadPosition as error:
                raise Complaint("bad_position", str(error)) from None
            except EngineRefused:
                self._note(member.admission.user, cursor)  # nobody can tell at the moment
        else:
            self._note(member.admission.user, cursor)
        self._pace.want()

    def typed(self, member: Member, spot: Spot) -> None:
        """A member without a document has edited, and says where its cursor is now."""
        try:
            self._point(member, self._files.now(spot))
        except (BadPosition, EngineRefused):
            return  # its next word will say

    def _point(self, member: Member, head: Spot, *ends: Spot) -> None:
        """Of spots in the text as it is now; `ends` are the selection's."""
        text = self._files.get(head.path).text
        selection = Selection(*(position_of(text, end.offset) for end in ends)) if ends else None
        anchor = next((end for end in ends if end.offset != head.offset), head)
        self._pointers[member.number] = _Pointer(member, head, anchor)
        self._to_show[member.number] = None
        self._note(member.admission.user, CursorPosition(position_of(text, head.offset), selection, head.path))
        self._pace.want()

    def _note(self, user: UUID, cursor: CursorPosition) -> None:
        self.places[user] = self._moved[user] = cursor
        self._changed()

    # What everyone is told

    def _look(self) -> None:
        if self._shared:
            self._translate()
        moved, self._moved = self._moved, {}
        if moved:
            self._tell(outgoing.cursors(moved))

    def _translate(self) -> None:
        states = self._states()
        for client, (user, state) in states.items():
            if self._seen.get(client) != (user, state) or user in self._edited:
                self._to_read[client] = None
        self._seen = states
        self._edited = set()
        ends = time.monotonic() + WORK_SECONDS
        while self._to_show or self._to_read:
            if self._to_show:
                self._show(_first(self._to_show))
            if self._to_read and (shown := states.get(_first(self._to_read))) is not None:
                self._read(*shown)
            if time.monotonic() > ends:
                self._pace.want()
                break

    def _states(self) -> dict[int, tuple[UUID, bytes]]:
        """Client id -> person and state, of those who show themselves and those whom other nodes show."""
        presence = self._room.presence
        states = {client: (user, state) for client, (user, state) in presence.states().items() if user != SERVER}
        for client, state in presence.shown_elsewhere().items():
            seen = self._seen.get(client)
            if seen is not None and seen[1] == state:
                states[client] = seen
            elif (user := _person_in(state)) is not None:
                states[client] = user, state
        return states

    def _show(self, number: int) -> None:
        pointer = self._pointers.get(number)
        if pointer is None:
            return
        try:
            head, anchor = self._files.now(pointer.head), self._files.now(pointer.anchor)
            cursor = {"anchor": self._relative(anchor), "head": self._relative(head)}
        except (BadPosition, EngineRefused):
            return
        self._pointers[number] = _Pointer(pointer.member, head, anchor)
        if None in cursor.values():
            return
        user, name = pointer.member.admission.user, pointer.member.admission.name
        state = {
            "user": {"name": name, "color": color_of(user), "userId": str(user)},
            "cursor": cursor,  # as y-codemirror.next and others read it
            "selection": cursor,  # as y-monaco does
            "file": head.path,
        }
        self._room.show(pointer.member, msgspec.json.encode(state))

    def _relative(self, spot: Spot) -> object:
        text = self._files.get(spot.path).text
        found = self._room.view.relative(FILE_ROOT + spot.path, text, units(text[: spot.offset]))
        return None if found is None else found.to_json()

    def _read(self, user: UUID, state: bytes) -> None:
        try:
            cursor = self._cursor_in(state)
        except EngineRefused:
            return
        if cursor is not None and cursor != self.places.get(user):
            self._note(user, cursor)

    def _cursor_in(self, state: bytes) -> CursorPosition | None:
        positions = _positions_in(state)
        if positions is None:
            return None
        head, anchor = (self._found(position) for position in positions)
        if head is None:
            return None
        path, text, at = head
        selection = None
        if anchor is not None and anchor[0] == path and anchor[2] != at:
            start, end = sorted((at, anchor[2]))
            selection = Selection(position_of(text, start), position_of(text, end))
        return CursorPosition(position_of(text, at), selection, path)

    def _found(self, position: RelativePosition) -> tuple[str, str, int] | None:
        """The file, its text and the code points before the place; `None` if it is in no file."""
        if position.root is None:
            paths = [file.path for file in self._files.listed()]
        else:
            path = self._files.path(position.root.removeprefix(FILE_ROOT))
            paths = [] if path is None else [path]
        for path in paths:
            text = self._files.get(path).text
            unit = self._room.view.unit_of(FILE_ROOT + path, text, position)
            if unit is not None:
                return path, text, offset_at(text, unit)
        return None


def _positions_in(state: bytes) -> tuple[RelativePosition, RelativePosition] | None:
    """Head and anchor that somebody's presence shows, whatever else it is."""
    try:
        shown = json.loads(state)
    except (ValueError, RecursionError):
        return None
    if not isinstance(shown, dict):
        return None
    cursor = shown.get("cursor")
    if not isinstance(cursor, dict):
        cursor = shown.get("selection")
    if not isinstance(cursor, dict):
        return None
    head = relative_position.read(cursor.get("head"))
    if head is None:
        return None
    return head, relative_position.read(cursor.get("anchor")) or head


def _person_in(state: bytes) -> UUID | None:
    """Whom a node shows by this state, which it has made itself: see `Cursors._show`."""
    try:
        return msgspec.json.decode(state, type=_Shown).user.user_id
    except msgspec.MsgspecError:
        return None  # of a node of another version


def _first(waiting: dict[int, None]) -> int:
    number = next(iter(waiting))
    del waiting[number]
    return number
