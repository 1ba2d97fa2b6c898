"""A dojo's room while it is open on this node: its people, its chat and its rules, on top of the engine's room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from collab_core.admission import Admission, Dialect, Refused
from collab_core.closes import CloseCode
from collab_core.member import Member, json_frame
from collab_core.room import Room
from edge.dojos.turns.watch import Watch
from edge.live import incoming, outgoing
from edge.live.attendance import Attendance
from edge.live.chat import ToSay
from edge.live.incoming import (
    Auth,
    ChatMessage,
    CodeUpdate,
    Complaint,
    CursorPosition,
    Goodbye,
    Incoming,
    Ping,
    RunCode,
    Selection,
)
from edge.live.json.json_code import JsonCode
from edge.live.json.positions import BadPosition
from edge.live.leaving import Leaving
from edge.live.news import News
from edge.live.outgoing import Message
from edge.live.paced import Paced
from edge.live.place import Place, SeatedAdmission, Standing
from edge.live.room_files import RoomFiles
from edge.live.stage import Stage
from edge.live.table import Relay, Table
from edge.live.talk import Talk

LIST_SECONDS: Final = 1.0
"""Shortest time between two lists of participants: in a class of two hundred somebody comes or goes all the time."""
CURSORS_SECONDS: Final = 0.1
"""Shortest time between two messages with cursors."""


class House(Protocol):
    """What is beyond the room: the database, other rooms, other nodes."""

    @property
    def watch(self) -> Watch:
        """The turns of all rooms."""
        ...

    @property
    def node(self) -> str:
        """What this node is called there."""
        ...

    def say(self, room: UUID, said: ToSay) -> bool:
        """Have a chat message stored and then shown; False if too many wait already."""
        ...

    def left(self, room: UUID, user: UUID) -> None:
        """Somebody's grace is over."""
        ...

    async def renew(self, token: str, current: Admission) -> Admission:
        """As `Authoriser.renew`."""
        ...

    def own(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run `work` as a task that ends with the node."""
        ...

    def closed(self, room: UUID) -> None:
        """The room left this node."""
        ...


class LiveRoom:
    """Implements `collab_core.application.Application`."""

    def __init__(
        self,
        room: Room,
        stage: Stage,
        relay: Relay,
        house: House,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.room = room
        self.stage = stage
        self.attendance = Attendance()
        self._house = house
        self._now = monotonic
        self._wall = wall
        self.talk = Talk(stage.said, room.members, partial(house.say, stage.room), monotonic)
        self._cursors: dict[UUID, CursorPosition] = {}
        self._moved: dict[UUID, CursorPosition] = {}
        self._list_frame: bytes | None = None
        self._list = Paced(LIST_SECONDS, self._send_list)
        self._pointer = Paced(CURSORS_SECONDS, self._send_cursors)
        self._leaving = Leaving(room.feed)
        self._renewing: set[int] = set()
        self._grace: asyncio.TimerHandle | None = None
        self.turns = Table(
            house.watch,
            house.node,
            stage,
            relay,
            room.members,
            tell_all=self.tell_all,
            roles_changed=self.list_changed,
            own=house.own,
        )
        self._files = RoomFiles(room.log, stage.language)
        self.code = JsonCode(room, files=self._files, names=self._name, may_write=self.may_write, wall=wall)

    # The engine's questions

    def may_write(self, member: Member) -> bool:
        """Whether an edit of this member is taken now."""
        admission = member.admission
        return admission.can_write and isinstance(admission, SeatedAdmission) and self.turns.may_write(member)

    def joined(self, member: Member) -> None:
        """A connection is there: it is told all there is to know."""
        admission = member.admission
        if not isinstance(admission, SeatedAdmission):
            self.room.expel(member, CloseCode.FORBIDDEN, "this room is a dojo's")
            return
        place, now = admission.place, self._now()
        changed = self.attendance.arrive(member.number, admission.user, admission.name, place, now)
        self.turns.joined(member)
        member.say(outgoing.connected(admission, can_write=self.may_write(member), now=self._wall()))
        if changed:
            self.list_changed()
        show(member, self._list_now())
        for message in self.turns.messages():
            member.say(message)
        self.talk.joined(member, place.since)
        if member.dialect is Dialect.JSON:
            self.code.joined(member)

    def left(self, member: Member) -> None:
        """A connection is gone. The person has left when the grace is over."""
        self.talk.left(member)
        self._leaving.forget(member)
        if member.dialect is Dialect.JSON:
            self.code.left(member)
        user = member.admission.user
        if self.attendance.drop(member.number, user, self._now()):
            self.list_changed()
        self.turns.left(member)
        self._await_grace()

    def told(self, member: Member, payload: bytes) -> None:
        """A client says something in JSON."""
        if place_of(member) is None:
            return
        ref: str | None = None
        try:
            message = incoming.read(payload)
            ref = getattr(message, "ref", None)
            self._act(member, message, payload)
        except Complaint as complaint:
            member.say(outgoing.error(complaint, ref))

    def taken(self, author: UUID) -> None:
        self.code.taken(author)

    def flushed(self) -> None:
        self._files.flushed()
        self.code.flushed()

    def committed(self, position: int) -> None:
        self.code.committed(position)
        self._leaving.committed()

    def drained(self, member: Member) -> None:
        """It missed what was sent while its socket was full: say what is true now."""
        if member.dialect is Dialect.JSON:
            self.code.drained(member)
        show(member, self._list_now())
        for message in self.turns.messages():
            member.say(message)
        self.talk.drained(member)

    def close(self) -> None:
        """The room leaves this node."""
        self._list.stop()
        self._pointer.stop()
        self._leaving.close()
        if self._grace is not None:
            self._grace.cancel()
        self.turns.close()
        self._house.closed(self.stage.room)

    # What clients say

    def _act(self, member: Member, message: Incoming, payload: bytes) -> None:
        match message:
            case CodeUpdate():
                if member.dialect is not Dialect.JSON:
                    raise Complaint("not_here", "CODE_UPDATE is for the dialect dojo.json.v1; send Yjs updates")
                if (place := self.code.code_update(member, payload)) is not None:
                    path, position = place
                    self._moved_to(member.admission.user, CursorPosition(position, file=path))
            case CursorPosition():
                self._move(member, message)
            case ChatMessage():
                self.talk.told(member, message)
            case RunCode():
                member.say(outgoing.not_run(message.ref))
            case Goodbye():
                self._leaving.goodbye(member)
            case Auth():
                if member.number in self._renewing:
                    raise Complaint("busy", "a renewal is under way")
                self._renewing.add(member.number)
                self._house.own(self._renew(member, message.token), "renew")
            case Ping():
                member.say({"type": "PONG", "serverTime": int(self._wall() * 1000)})
            case _:
                self.turns.asked(member, message)

    def _move(self, member: Member, cursor: CursorPosition) -> None:
        places = [cursor.position]
        if cursor.selection is not None:
            places += [cursor.selection.start, cursor.selection.end]
        for place in places:
            incoming.check_place(place)
        if member.dialect is Dialect.JSON:
            try:
                located = [self.code.locate(place, cursor.file, cursor.version) for place in places]
            except BadPosition as error:
                raise Complaint("bad_position", str(error)) from None
            (path, position), *selection = located
            between = Selection(*(place for _, place in selection)) if selection else None
            cursor = CursorPosition(position, between, path)
        self._moved_to(member.admission.user, cursor)

    def _moved_to(self, user: UUID, cursor: CursorPosition) -> None:
        self._cursors[user] = self._moved[user] = cursor
        self._list_frame = None
        self._pointer.want()

    def _name(self, user: UUID) -> str:
        person = self.attendance.people.get(user)
        return person.name if person is not None else ""

    async def _renew(self, member: Member, token: str) -> None:
        try:
            renewed = await self._house.renew(token, member.admission)
        except Refused as refused:
            member.say(outgoing.error(Complaint("token_refused", refused.reason)))
            return
        finally:
            self._renewing.discard(member.number)
        if isinstance(renewed, SeatedAdmission):
            member.admission = renewed
            member.say(outgoing.connected(renewed, can_write=self.may_write(member), now=self._wall()))

    # What everyone is told

    def tell_all(self, message: Message) -> None:
        """Tell everyone here who reads JSON. Whoever is behind is told what is true when it has caught up."""
        self._write_all(json_frame(message))

    def _write_all(self, frame: bytes) -> None:
        for member in list(self.room.members.values()):
            show(member, frame)

    def list_changed(self) -> None:
        """Somebody came, went or has another role."""
        self._list_frame = None
        self._list.want()

    def _send_list(self) -> None:
        self._list_frame = None
        self._write_all(self._list_now())

    def _list_now(self) -> bytes:
        if self._list_frame is None:
            now = self._now()
            for member in self.room.members.values():
                person = self.attendance.people.get(member.admission.user)
                if person is not None:
                    person.active_at = max(person.active_at, member.heard)
            people = self.attendance.people.values()
            self._list_frame = json_frame(
                outgoing.participant_list(people, self.turns.roles(), self._cursors, self._wall(), now)
            )
        return self._list_frame

    def _send_cursors(self) -> None:
        moved, self._moved = self._moved, {}
        if moved:
            self.tell_all(outgoing.cursors(moved))

    # Coming, going, being sent away

    def _await_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if (ends := self.attendance.next_leave) is not None:
            self._grace = asyncio.get_running_loop().call_later(max(0.0, ends - self._now()), self._end_grace)

    def _end_grace(self) -> None:
        self._grace = None
        for user in self.attendance.leave(self._now()):
            self._forget(user)
            self._house.left(self.stage.room, user)
            self.list_changed()
        self._await_grace()

    def _forget(self, user: UUID) -> None:
        self.talk.forget(user)
        self._cursors.pop(user, None)
        self._moved.pop(user, None)

    def heard(self, news: News, asked: Collection[UUID]) -> None:
        """What Postgres says now about this room, its dojo, and those of the people here that it was `asked` about."""
        self.talk.said(news.said)
        if news.over:
            self._send_away(list(self.room.members.values()), CloseCode.NOT_FOUND, "ended")
            return
        for user in [user for user in self.attendance.people if user in asked]:
            self._review(user, news.people.get(user))

    def _review(self, user: UUID, standing: Standing | None) -> None:
        theirs = [member for member in self.room.members.values() if member.admission.user == user]
        if standing is None:
            self._send_away(theirs, CloseCode.FORBIDDEN, "removed")
            self.turns.gone(user)
            if self.attendance.remove(user):
                self._forget(user)
                self.list_changed()
            return
        for member in theirs:
            self._restand(member, standing)

    def _restand(self, member: Member, standing: Standing) -> None:
        """The person became a host, a participant or an observer."""
        admission = member.admission
        if not isinstance(admission, SeatedAdmission) or admission.place.granted is standing:
            return
        place = replace(admission.place, granted=standing)
        renewed = replace(admission, place=place, can_write=place.can_write)
        member.admission = renewed
        self.turns.joined(member)
        if self.attendance.move(member.number, admission.user, place):
            self.list_changed()
        member.say(outgoing.connected(renewed, can_write=self.may_write(member), now=self._wall()))

    def _send_away(self, members: Sequence[Member], code: CloseCode, reason: str) -> None:
        for member in members:
            member.say(outgoing.disconnected(reason))
            self.room.expel(member, code, reason)


def show(member: Member, frame: bytes) -> None:
    """Send a ready-made text frame to a member that reads any."""
    if member.speaks_json:
        member.write(frame)


def place_of(member: Member) -> Place | None:
    """The member's place; None if it came in another way."""
    admission = member.admission
    return admission.place if isinstance(admission, SeatedAdmission) else None
