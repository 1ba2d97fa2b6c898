"""The mock's live socket: the real engine and the real room of a dojo, with nothing durable under them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from collab_core.admission import Admission, Refused, UpgradeRequest
from collab_core.application import Application, NoApplication
from collab_core.bus.messages import Origin
from collab_core.closes import CloseCode
from collab_core.connection import LiveConnection
from collab_core.hub import Hub
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.room import Room
from collab_core.server import LiveServer
from collab_core.splice import Splice
from collab_core.tuning import Tuning
from dojo.mock.examples import MOMENT, named_id
from dojo.mock.scenario import LiveFailure, LivePlan, Scenario, Script, Step
from dojo.mock.turns import NODE, MemoryWatch
from dojo.mock.world import DOJO, DOJO_NAME, EXPIRES_IN, PARTNER, ROOM, TENANT, Person, Tokens
from edge.dojos.main_file import main_file
from edge.dojos.seed import seed
from edge.dojos.states import Status
from edge.dojos.turns import commands as c
from edge.live.chat import Said, ToSay
from edge.live.credentials import shown
from edge.live.dojo_shown import DojoShown
from edge.live.live_room import LiveRoom
from edge.live.place import Place, SeatedAdmission, Standing
from edge.live.route import dojo_from_path
from edge.live.stage import Stage, key_of
from edge.live.table import Relay

STOP_SECONDS: Final = 2.0
_PARTNERS_CONNECTION: Final = 0
"""No real connection has this number."""
_UNKNOWN_VERSION: Final = "never"


class MockLive:
    """`start` it, `stop` it at the end. Admits whom `tokens` knows, and is what is beyond the room."""

    def __init__(self, scenario: Scenario, tokens: Tokens) -> None:
        self.url = ""
        self.node = NODE
        self.voice = None  # it has no microphone
        self.scenario = scenario
        self._tokens = tokens
        self.plan = LivePlan(scenario.live)
        self._watch = MemoryWatch(lambda: datetime.now(UTC), TENANT, DOJO, ROOM)
        self._journal = MemoryJournal()
        limits = Limits()
        self._writer = JournalWriter(
            self._journal,
            epoch=named_id("epoch"),
            backlog_bytes=limits.backlog_bytes,
            backlog_bytes_per_room=limits.backlog_bytes_per_room,
        )
        hub = Hub(
            self._journal,
            self._writer,
            limits=limits,
            tuning=Tuning(),
            metrics=EngineMetrics(),
            applications=self._application,
        )
        self._server = LiveServer(
            hub, self, limits, lambda _path: (404, "text/plain", b"no such path"), admission_share=1.0
        )
        self._relay = Relay()
        self._room: MockRoom | None = None
        self._entering: deque[tuple[int, UUID]] = deque()
        self._said = 0
        self.script = Script(scenario.steps)

    @property
    def watch(self) -> MemoryWatch:
        """The turns of the one room."""
        return self._watch

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises `OSError`."""
        self._writer.start()
        scenario = self.scenario
        key = key_of(TENANT, ROOM)
        await seed(self._journal, key, ROOM, author=PARTNER, language=scenario.language, code=scenario.initial_code)
        await self._watch.open(TENANT, ROOM, self._relay)
        return await self._server.start(host, port)

    async def stop(self) -> None:
        """Close everybody's sockets."""
        await self._server.stop(STOP_SECONDS)
        await self._writer.close()
        self._watch.shut(TENANT, ROOM)

    # Who may enter

    def whose(self, request: UpgradeRequest) -> None:
        """There is one company."""

    async def admit(self, request: UpgradeRequest) -> Admission:
        """As `Authoriser.admit`."""
        number, failure = self.plan.connect()
        await asyncio.sleep(failure.delay_ms / 1000 if failure is not None else 0)
        if failure is not None and failure.do == "close":
            raise Refused(CloseCode(failure.code), "scenario")
        dojo, room = dojo_from_path(request.path), request.query.get("room", str(ROOM))
        if dojo is None:
            raise Refused(CloseCode.NOT_FOUND, "no such dojo")
        token, ticket = shown(request)
        person = self._tokens.take(ticket) if ticket else self._tokens.owner(token)
        if person is None:
            raise Refused(CloseCode.UNAUTHENTICATED, "token refused: unknown")
        if dojo != DOJO or room.lower() != str(ROOM):
            raise Refused(CloseCode.NOT_FOUND, "no such dojo")
        watches = request.query.get("role", "").upper() == Standing.OBSERVER
        self._entering.append((number, person.user))
        return _admission(person, watches=watches, since=request.query.get("since", ""))

    async def renew(self, token: str, current: Admission) -> Admission:
        """As `Authoriser.renew`."""
        person = self._tokens.owner(token)
        if person is None:
            raise Refused(CloseCode.UNAUTHENTICATED, "token refused: unknown")
        if person.user != current.user:
            raise Refused(CloseCode.FORBIDDEN, "token is for another user or dojo")
        assert isinstance(current, SeatedAdmission)
        return _admission(person, watches=current.place.watches)

    def review(self, admission: Admission) -> None:
        """Nothing is ever revoked."""

    # What is beyond the room

    def say(self, room: UUID, said: ToSay) -> bool:
        """Every message is a second after the one before."""
        self._said += 1
        at = MOMENT + timedelta(seconds=self._said)
        stored = Said(named_id(f"message {self._said}"), room, said.user, said.name, said.text, at)
        asyncio.get_running_loop().call_soon(self._show, stored, said)
        return True

    def _show(self, stored: Said, said: ToSay) -> None:
        if self._room is not None:
            self._room.live.talk.said([stored], [said])

    def left(self, room: UUID, user: UUID) -> None:
        """Nobody has to know."""

    def own(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run `work` until the server stops."""
        self._server.own(work, name=name)

    def closed(self, room: UUID) -> None:
        """The room is empty. It opens again with what it had."""
        self._room = None

    def _application(self, room: Room) -> Application:
        if room.key != key_of(TENANT, ROOM):
            return NoApplication(room)
        dojo, scenario = DojoShown(DOJO_NAME, Status.ACTIVE), self.scenario
        stage = Stage(TENANT, DOJO, ROOM, PARTNER, scenario.language, scenario.initial_code, dojo, ())
        self._room = MockRoom(LiveRoom(room, stage, self._relay, self), self)
        self.watch.enter(TENANT, ROOM, PARTNER, able=True)
        return self._room

    def numbered(self, member: Member) -> int:
        """Which connection of the scenario's a newcomer is: admissions are entered in the order they were given."""
        for place, (number, user) in enumerate(self._entering):
            if user == member.admission.user:
                del self._entering[place]
                return number
        raise AssertionError("a member came in that was not admitted")


class MockRoom:
    """Implements `Application`: the real room, a partner in it, and the scenario's failures before it."""

    def __init__(self, live: LiveRoom, house: MockLive) -> None:
        self.live = live
        self._house = house
        self._name = house.scenario.partner
        self._file = main_file(house.scenario.language)
        self._connections: dict[int, int] = {}
        self._messages: dict[int, int] = {}
        self._late: dict[int, deque[bytes]] = {}
        place = Place(DOJO, ROOM, Standing.HOST, watches=False, guest=False, may_edit=True)
        live.attendance.arrive(_PARTNERS_CONNECTION, PARTNER, self._name, place, time.monotonic())

    def may_write(self, member: Member) -> bool:
        return self.live.may_write(member)

    def joined(self, member: Member) -> None:
        self._connections[member.number] = self._house.numbered(member)
        self._messages[member.number] = 0
        self.live.joined(member)
        self._act(self._house.script.entered())

    def left(self, member: Member) -> None:
        for kept in (self._connections, self._messages, self._late):
            kept.pop(member.number, None)
        self.live.left(member)

    def told(self, member: Member, payload: bytes) -> None:
        if (late := self._late.get(member.number)) is not None:
            late.append(payload)  # nothing overtakes what is delayed
            return
        self._messages[member.number] += 1
        failure = self._house.plan.of(self._connections[member.number], self._messages[member.number])
        if failure is None:
            self._take(member, payload)
        else:
            self._fail(member, payload, failure)

    def _take(self, member: Member, payload: bytes) -> None:
        self.live.told(member, payload)
        self._act(self._house.script.heard())

    def _fail(self, member: Member, payload: bytes, failure: LiveFailure) -> None:
        match failure.do:
            case "close":
                self.live.room.expel(member, CloseCode(failure.code), "scenario")
            case "drop":
                _abort(member)
            case "lose_reply":
                _abort(member)  # first: whatever is answered is written to nobody
                self._take(member, payload)
            case "stale_version":
                self._take(member, _stale(payload))
            case "delay":
                self._late[member.number] = deque([payload])
                asyncio.get_running_loop().call_later(failure.delay_ms / 1000, self._release, member)

    def _release(self, member: Member) -> None:
        for payload in self._late.pop(member.number, ()):
            if not member.ended:
                self._take(member, payload)

    # The partner

    def _act(self, steps: Sequence[Step]) -> None:
        for step in steps:
            asyncio.get_running_loop().call_later(step.delay_ms / 1000, self._do, step)

    def _do(self, step: Step) -> None:
        if step.say is not None:
            self._house.say(ROOM, ToSay(_PARTNERS_CONNECTION, PARTNER, self._name, step.say, None))
        if step.type is not None or step.delete:
            self._edit(step)
        command = _command(step)
        if command is not None:
            turns = self._house.watch.ask(TENANT, ROOM, command, c.Who(PARTNER, leads=True))
            self._house.own(_done(turns), "partner's turn")

    def _edit(self, step: Step) -> None:
        root = f"file/{self._file}"
        length = len(self.live.room.view.text(root))
        start = length if step.at is None else min(step.at, length)
        splice = Splice(start, min(start + step.delete, length), step.type or "")
        self.live.room.compose(PARTNER, root, [splice])

    # As the real room

    def presence_taken(self) -> None:
        self.live.presence_taken()

    def taken(self, author: UUID) -> None:
        self.live.taken(author)

    def flushed(self) -> None:
        self.live.flushed()

    def committed(self, position: int) -> None:
        self.live.committed(position)

    def drained(self, member: Member) -> None:
        self.live.drained(member)

    def node_said(self, origin: Origin, payload: bytes) -> None:
        """There is one node."""

    def node_left(self, origin: Origin) -> None:
        """There is one node."""

    def close(self) -> None:
        self.live.close()


def _admission(person: Person, *, watches: bool, since: str = "") -> SeatedAdmission:
    standing = Standing.OBSERVER if watches else Standing.PARTICIPANT
    place = Place(DOJO, ROOM, standing, watches=watches, guest=person.guest, may_edit=True, since=since)
    return SeatedAdmission(
        key=key_of(TENANT, ROOM),
        user=person.user,
        name=person.name,
        can_write=place.can_write,
        expires_at=time.time() + EXPIRES_IN,
        place=place,
    )


def _abort(member: Member) -> None:
    """End the connection without a close frame, as a network does."""
    cast(LiveConnection, member._connection).abort()


def _stale(payload: bytes) -> bytes:
    """The message with a base version that nobody knows."""
    try:
        message = msgspec.json.decode(payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return payload
    return msgspec.json.encode({**message, "baseVersion": _UNKNOWN_VERSION})


def _command(step: Step) -> c.Command | None:
    match step.turn:
        case "start":
            return c.Start(step.seconds)
        case "skip":
            return c.Skip()
        case "stop":
            return c.Stop()
        case "pause":
            return c.Pause()
        case "resume":
            return c.Resume()
        case _:
            return None


async def _done(asked: Coroutine[object, object, object]) -> None:
    await asked
