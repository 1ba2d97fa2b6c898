"""The voice of one open room, as its live sockets see it: what is told of it, and what they ask."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Final
from uuid import UUID

import msgspec

from collab_core.member import Member, json_frame
from edge.live import outgoing
from edge.live.incoming import (
    Complaint,
    VoiceCandidate,
    VoiceLeave,
    VoiceMessage,
    VoiceMove,
    VoiceMute,
    VoiceOffer,
    VoiceServers,
)
from edge.live.paced import Paced
from edge.live.place import Place, SeatedAdmission
from edge.live.voice_shown import Slots, people, slots_of, speaking, voice_lost, voice_state
from edge.voice.moving import Moving
from edge.voice.state import VoiceChange, VoiceState
from edge.voice.voice import Voice
from edge.voice.whole_room import WholeRoom
from kernel.database import FAILURES
from kernel.http.problem import Problem

SPEAKING_SECONDS: Final = 0.2
"""Shortest time between two messages about who speaks, of some 100 bytes to everybody."""
PEOPLE_SECONDS: Final = 1.0
"""The same for everybody who is in: of a thousand people 100 KiB, to each of them."""
NOTE_SECONDS: Final = 10.0
"""How often it is written down how long everybody has talked."""
WAITING: Final = 16
"""Requests of one connection that wait for the one before."""

log = logging.getLogger(__name__)

_Told = tuple[list[int], Slots, Mapping[str, Slots], bool, str | None]
_NOTHING: Final[_Told] = ([], (), {}, False, None)


class RoomVoice:
    """`members` are the room's connections, as they are at any moment; `own` runs a task."""

    def __init__(
        self,
        voice: Voice,
        place: tuple[UUID, UUID, UUID],
        members: Mapping[int, Member],
        own: Callable[[Coroutine[object, object, None], str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`place`: tenant, dojo, room."""
        self.whole = WholeRoom()
        self._voice = voice
        self._tenant, self._dojo, self._room = place
        self._members = members
        self._own = own
        self._now = monotonic
        self._noted_at = monotonic()
        self._by_host: frozenset[UUID] = frozenset()
        self._told_people: list[outgoing.Message] = []
        self._told = _NOTHING
        self._speaking = Paced(SPEAKING_SECONDS, self._tell)
        self._people = Paced(PEOPLE_SECONDS, self._tell_whole)
        self._waiting: dict[int, deque[tuple[Member, VoiceMessage]]] = {}

    # What is heard

    @property
    def state(self) -> VoiceState | None:
        """What was heard last. None: nobody talks, as far as is known."""
        return self.whole.state

    def heard(self, told: VoiceState | VoiceChange) -> None:
        """A voice process tells of its part of this room."""
        was = self.state
        self.whole.heard(told, self._now())
        if isinstance(told, VoiceState):
            self._people_may_differ(was)
        if self.state is not None and _told_of(self.state) != self._told:
            self._speaking.want()

    def _people_may_differ(self, was: VoiceState | None) -> None:
        self._note(was, self.state)
        if self.state is not None and people(self.state, self._by_host) != self._told_people:
            self._people.want()

    def muted(self, by_host: frozenset[UUID]) -> None:
        """Whom the host has muted, as Postgres says: an SFU knows only that somebody is."""
        self._by_host = by_host
        if self.state is not None and people(self.state, by_host) != self._told_people:
            self._people.want()

    def lost(self, name: str) -> None:
        """That voice process is gone: whoever talked there is to connect anew."""
        was = self.state
        gone = {person.user for person in self.whole.lost(name)}
        there = [member for member in self._members.values() if member.admission.user in gone]
        for move in Moving().moves(there):
            move.person.say(voice_lost(move.pause))
        self._people_may_differ(was)
        if self.state is not None:
            self._speaking.want()
        elif was is not None:
            self._told_people, self._told = [], _NOTHING
            nobody: list[int | None] = [None] * len(was.slots)
            self._broadcast(
                msgspec.structs.replace(was, people=[], slots=nobody, own={}, recording=False, recording_trouble=None),
                whole=True,
            )

    def check(self) -> None:
        """Forget the people of voice processes of which nothing was heard for long."""
        was = self.state
        if self.whole.check(self._now()):
            self._people_may_differ(was)
            self._speaking.want()

    def close(self) -> None:
        """The room leaves this node."""
        self._speaking.stop()
        self._people.stop()
        self._note(self.state, None)
        self._waiting.clear()

    def _note(self, was: VoiceState | None, state: VoiceState | None) -> None:
        """Have written down how long people talked: of those who went at once, of all now and then."""
        if was is not None:
            gone = {person.number for person in was.people}
            if state is not None:
                gone -= {person.number for person in state.people}
                # The state without them knows how long they talked in the end.
                was = msgspec.structs.replace(was, at=max(was.at, state.at), spoken={**was.spoken, **state.spoken})
            self._write(was, gone)
        if state is not None and self._now() - self._noted_at >= NOTE_SECONDS:
            self._noted_at = self._now()
            self._write(state, {person.number for person in state.people})

    def _write(self, state: VoiceState, numbers: set[int]) -> None:
        spoken = {
            person.user: seconds
            for person in state.people
            if person.number in numbers and (seconds := state.spoken.get(str(person.number), 0.0)) > 0
        }
        if spoken:
            self._own(
                self._voice.note_talk(self._tenant, self._room, spoken, state.at), f"write who talked in {self._room}"
            )

    # What is told

    def joined(self, member: Member) -> None:
        """A newcomer is told what is true."""
        if self.state is not None:
            member.say(
                voice_state(self.state, slots_of(self.state, member.admission.user), whole=True, by_host=self._by_host)
            )

    def drained(self, member: Member) -> None:
        """It missed what was sent while its socket was full."""
        self.joined(member)

    def left(self, member: Member) -> None:
        """A connection is gone, and what it asked last with it."""
        self._waiting.pop(member.number, None)

    def _tell(self) -> None:
        self._send(whole=False)

    def _tell_whole(self) -> None:
        self._send(whole=True)

    def _send(self, *, whole: bool) -> None:
        state = self.state
        if state is None:
            return
        if whole:
            self._told_people = people(state, self._by_host)
        self._told = _told_of(state)
        self._broadcast(state, whole=whole)

    def _broadcast(self, state: VoiceState, *, whole: bool) -> None:
        """Each slots there are make one message: half of those in a room that two processes have may have others than
        the rest."""
        own = {person.user: state.own[number] for person in state.people if (number := str(person.number)) in state.own}
        usual = voice_state(state, state.slots, whole=whole, by_host=self._by_host)
        made: dict[tuple[int | None, ...], bytes] = {}
        for member in list(self._members.values()):
            if member.speaks_json:
                slots = tuple(own.get(member.admission.user, state.slots))
                if slots not in made:
                    made[slots] = json_frame({**usual, "slots": slots})
                member.write(made[slots])

    # What is asked

    def told(self, member: Member, message: VoiceMessage) -> None:
        """Somebody asks something; one after the other. Raises `Complaint`."""
        queue = self._waiting.get(member.number)
        if queue is not None:
            if len(queue) >= WAITING:
                raise Complaint("busy", "too many requests about voice wait already")
            queue.append((member, message))
            return
        self._waiting[member.number] = queue = deque([(member, message)])
        self._own(self._work(member.number, queue), f"voice of {self._room}")

    async def _work(self, number: int, queue: deque[tuple[Member, VoiceMessage]]) -> None:
        while queue:
            member, message = queue[0]
            try:
                await self._do(member, message)
            except Problem as problem:
                _refuse(member, message, problem.code, problem.detail)
            except FAILURES as error:
                log.warning("a request about voice failed: %s", type(error).__name__)
                _refuse(member, message, "voice_unavailable", "voice is not to be had at the moment; try again")
            except Complaint as complaint:
                _refuse(member, message, complaint.code, complaint.message)
            except Exception:  # the next one must be answered too
                log.exception("a request about voice failed")
                _refuse(member, message, "voice_unavailable", "voice is not to be had at the moment; try again")
            queue.popleft()
        if self._waiting.get(number) is queue:
            del self._waiting[number]

    async def _do(self, member: Member, message: VoiceMessage) -> None:
        admission = member.admission
        assert isinstance(admission, SeatedAdmission)
        tenant, dojo, user = self._tenant, self._dojo, admission.user
        match message:
            case VoiceOffer():
                opened = await self._voice.open(tenant, dojo, self._room, user, message.sdp)
                answer = {"sdp": opened.answer, "peer": str(opened.peer), "etag": opened.etag}
                _say(member, message, {"type": "VOICE_ANSWER", **answer})
            case VoiceCandidate():
                restarted = await self._voice.patch(
                    tenant, dojo, user, message.peer, fragment=message.sdp, etag=message.etag
                )
                if restarted is not None:
                    answer = {"sdp": restarted.answer, "peer": str(message.peer), "etag": restarted.etag}
                    _say(member, message, {"type": "VOICE_CANDIDATE", **answer})
            case VoiceLeave():
                await self._voice.leave(tenant, dojo, user, message.peer)
            case VoiceMove():
                await self._voice.move(tenant, dojo, self._room, user)
            case VoiceServers():
                servers = [
                    {"urls": one.urls, "username": one.username, "credential": one.credential}
                    for one in self._voice.ice.of(user)
                ]
                _say(member, message, {"type": "VOICE_SERVERS", "iceServers": servers})
            case VoiceMute():
                await self._mute(admission.place, user, message)

    async def _mute(self, place: Place, user: UUID, message: VoiceMute) -> None:
        if message.everybody and message.user_id is not None:
            raise Complaint("invalid_message", "name somebody or all, not both")
        if not message.everybody and message.user_id in (None, user):
            await self._voice.mute_oneself(self._tenant, self._dojo, user, muted=message.muted)
        elif not place.leads:
            raise Complaint("not_host", "only the host may mute others")
        elif message.user_id is not None:
            await self._voice.mute_one(self._tenant, self._dojo, message.user_id, muted=message.muted)
        else:
            await self._voice.mute_all(self._tenant, self._dojo, self._room, user, muted=message.muted)


def _told_of(state: VoiceState) -> _Told:
    return speaking(state), state.slots, state.own, state.recording, state.recording_trouble


def _say(member: Member, asked: VoiceMessage, answer: outgoing.Message) -> None:
    member.say(answer if asked.ref is None else {**answer, "ref": asked.ref})


def _refuse(member: Member, asked: VoiceMessage, code: str, text: str) -> None:
    member.say(outgoing.error(Complaint(code, text), asked.ref))
