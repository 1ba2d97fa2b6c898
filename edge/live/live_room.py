"""A dojo's room while it is open on this node: its people, its chat and its rules, on top of the engine's room."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from collab_core.admission import Dialect, Refused
from collab_core.bus.messages import Origin
from collab_core.closes import CloseCode
from collab_core.member import Member, json_frame
from collab_core.room import Room
from edge.live import incoming, outgoing
from edge.live.attendance import Attendance
from edge.live.cursors import Cursors
from edge.live.house import House
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
    VoiceCandidate,
    VoiceLeave,
    VoiceMove,
    VoiceMute,
    VoiceOffer,
    VoiceServers,
)
from edge.live.json.json_code import JsonCode
from edge.live.leaving import Leaving
from edge.live.news import News
from edge.live.other_nodes import OtherNodes
from edge.live.outgoing import Message
from edge.live.paced import Paced
from edge.live.place import Place, SeatedAdmission, Standing
from edge.live.room_files import RoomFiles
from edge.live.room_voice import RoomVoice
from edge.live.stage import Stage
from edge.live.table import Relay, Table
from edge.live.talk import Talk

LIST_SECONDS: Final = 1.0
"""Shortest time between two lists of participants: in a class of two hundred somebody comes or goes all the time."""


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
        self._dojo = stage.shown
        self.attendance = Attendance()
        self._house = house
        self._now = monotonic
        self._wall = wall
        self.talk = Talk(stage.said, room.members, partial(house.say, stage.room), monotonic)
        self._list_frame: bytes | None = None
        self._list = Paced(LIST_SECONDS, self._send_list)
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
        self._files = RoomFiles(room.view, stage.language, self._files_changed)
        self.code = JsonCode(room, files=self._files, names=self._name, may_write=self.may_write, wall=wall)
        self._cursors = Cursors(room, self.code.files, tell=self.tell_all, changed=self._forget_list)
        self.voice = (
            RoomVoice(house.voice, (stage.tenant, stage.dojo, stage.room), room.members, house.own, monotonic)
            if house.voice is not None
            else None
        )
        self._others = OtherNodes(
            room, self.attendance, changed=self._others_changed, came=self._cursors.node_came, monotonic=monotonic
        )

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
        self._greet(member, admission)
        self._others.tell()
        if changed:
            self.list_changed()
        show(member, self._list_now())
        for message in self.turns.messages():
            member.say(message)
        self.talk.joined(member, place.since)
        if self.voice is not None:
            self.voice.joined(member)
        if member.dialect is Dialect.JSON:
            self.code.joined(member)
        self._cursors.joined(member)

    def left(self, member: Member) -> None:
        """A connection is gone. The person has left when the grace is over."""
        self.talk.left(member)
        if self.voice is not None:
            self.voice.left(member)
        self._leaving.forget(member)
        if member.dialect is Dialect.JSON:
            self.code.left(member)
        self._cursors.left(member)
        user = member.admission.user
        if self.attendance.drop(member.number, user, self._now()):
            self.list_changed()
        self._others.tell()
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

    def node_said(self, origin: Origin, payload: bytes) -> None:
        """Who is connected there."""
        self._others.said(origin, payload)

    def node_left(self, origin: Origin) -> None:
        """Whoever was connected there is not any more."""
        self._others.left(origin)

    def presence_taken(self) -> None:
        self._cursors.presence_taken()

    def taken(self, author: UUID) -> None:
        self.code.taken(author)
        self._cursors.taken(author)

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
        if self.voice is not None:
            self.voice.drained(member)

    def close(self) -> None:
        """The room leaves this node."""
        self._list.stop()
        self._files.close()
        self.code.close()
        self._cursors.close()
        self._others.close()
        self._leaving.close()
        if self.voice is not None:
            self.voice.close()
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
                if (spot := self.code.code_update(member, payload)) is not None:
                    self._cursors.typed(member, spot)
            case CursorPosition():
                self._cursors.move(member, message)
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
            case VoiceOffer() | VoiceCandidate() | VoiceLeave() | VoiceMove() | VoiceMute() | VoiceServers():
                if self.voice is None:
                    raise Complaint("voice_unavailable", "there is no voice here")
                self.voice.told(member, message)
            case _:
                self.turns.asked(member, message)

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
            self._greet(member, renewed)

    # What everyone is told

    def _greet(self, member: Member, admission: SeatedAdmission) -> None:
        """Tell it what it is here."""
        writes = self.may_write(member)
        member.say(outgoing.connected(admission, self._dojo, can_write=writes, now=self._wall()))

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

    def _files_changed(self) -> None:
        self.code.files_changed()

    def _others_changed(self) -> None:
        self.list_changed()
        self._await_grace()

    def _forget_list(self) -> None:
        self._list_frame = None

    def _send_list(self) -> None:
        self._list_frame = None
        self._write_all(self._list_now())

    def _list_now(self) -> bytes:
        if self._list_frame is None:
            now = self._now()
            for member in self.room.members.values():
                self.attendance.heard(member.admission.user, member.heard)
            people = self.attendance.people.values()
            self._list_frame = json_frame(
                outgoing.participant_list(people, self.turns.roles(), self._cursors.places, self._wall(), now)
            )
        return self._list_frame

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
        self._cursors.forget(user)

    def heard(self, news: News, asked: Collection[UUID]) -> None:
        """What Postgres says now about this room, its dojo, and those of the people here that it was `asked` about."""
        self.talk.said(news.said)
        if news.over:
            self._send_away(list(self.room.members.values()), CloseCode.NOT_FOUND, "ended")
            return
        if self.voice is not None:
            self.voice.muted(news.muted)
        for user in [user for user in self.attendance.people if user in asked]:
            self._review(user, news.people.get(user), news.left.get(user))
        if news.dojo is not None and news.dojo != self._dojo:
            self._dojo = news.dojo
            for member in list(self.room.members.values()):
                if isinstance(member.admission, SeatedAdmission):
                    self._greet(member, member.admission)

    def _review(self, user: UUID, standing: Standing | None, left_at: datetime | None) -> None:
        theirs = [member for member in self.room.members.values() if member.admission.user == user]
        if standing is None:
            self._send_away(theirs, CloseCode.FORBIDDEN, "removed")
            self._gone(user)
            return
        left = [member for member in theirs if (place := place_of(member)) is not None and place.ended_by(left_at)]
        self._send_away(left, CloseCode.LEFT, "left")
        if left and len(left) == len(theirs):
            self._gone(user)
            return
        for member in theirs:
            self._restand(member, standing)

    def _gone(self, user: UUID) -> None:
        """Without a grace."""
        self.turns.gone(user)
        if self.attendance.remove(user):
            self._others.tell()
            self._forget(user)
            self.list_changed()

    def unseat(self, user: UUID) -> None:
        """The seat of somebody who is connected here was free for a while, and is another's by now."""
        theirs = [member for member in self.room.members.values() if member.admission.user == user]
        self._send_away(theirs, CloseCode.ROOM_FULL, "the dojo is full")

    def _restand(self, member: Member, standing: Standing) -> None:
        """The person became a host, a participant or an observer."""
        admission = member.admission
        if not isinstance(admission, SeatedAdmission) or admission.place.granted is standing:
            return
        place = replace(admission.place, granted=standing)
        renewed = replace(admission, place=place, can_write=place.can_write)
        member.admission = renewed
        self.turns.joined(member)
        self._others.tell()
        if self.attendance.move(member.number, admission.user, place, self._now()):
            self.list_changed()
        self._greet(member, renewed)

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
