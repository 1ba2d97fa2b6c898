"""What everyone is sent: a window's edits as one frame, and presence, to whoever can take it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import pytest
from pycrdt import Doc, Text

from collab_core.admission import Admission, Dialect
from collab_core.broadcast import Broadcast
from collab_core.closes import CloseCode
from collab_core.document import Document
from collab_core.identity import RoomKey
from collab_core.limits import Limits
from collab_core.log import RoomLog
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.presence import Carried, Presence
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.wire import awareness, messages
from collab_core.wire.awareness import PresenceEntry
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import walk

ROOM = RoomKey(UUID(int=1), "room")


class Socket:
    """A connection that keeps what it is given."""

    unsent = 0

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.messages.append(frame[2:])  # short frames: two bytes of header

    def close(self, code: CloseCode, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")


class Case:
    """A room's broadcast, its log, and members 1 and 2."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.metrics = EngineMetrics()
        self.log = RoomLog(EMPTY_UPDATE, {}, {}, {})
        self.view = View(self.log, Document(), self.metrics)
        self.presence = Presence(state_bytes=100, ids_per_member=2)
        self.flushes = 0
        self.shown: list[Sequence[Carried]] = []
        self.broadcast = Broadcast(
            self.log,
            self.view,
            self.presence,
            tuning=tuning or Tuning(),
            metrics=self.metrics,
            flushed=self._flushed,
            shown=self.shown.append,
            clock=time.monotonic,
        )
        self.sockets = {1: Socket(), 2: Socket()}
        self.members = {number: self._member(number) for number in self.sockets}
        for member in self.members.values():
            self.broadcast.include(member)

    def _flushed(self) -> None:
        self.flushes += 1

    def _member(self, number: int) -> Member:
        admission = Admission(ROOM, UUID(int=number), "Ann", can_write=True, expires_at=time.time() + 60)
        return Member(number, admission, Dialect.YJS, self.sockets[number], limits=Limits(), now=0.0)

    def edit(self, author: int, text: str) -> None:
        document: Doc[Text] = Doc(client_id=author)
        document.apply_update(self.log.whole())
        before = document.get_state()
        content = document.get("t", type=Text)
        content += text
        update = document.get_update(before)
        walked = walk(update)
        screened = self.log.screen(walked)
        self.view.take(screened.accepted)
        self.log.accept(screened, walked)
        self.broadcast.edited(author)


@pytest.fixture
async def case() -> Case:
    return Case()


async def a_pass() -> None:
    """Let the event loop run what is scheduled now."""
    await asyncio.sleep(0)


async def test_a_quiet_room_flushes_in_the_next_pass(case: Case) -> None:
    case.edit(1, "a")
    assert case.sockets[2].messages == []
    await a_pass()
    assert len(case.sockets[2].messages) == 1


async def test_the_edits_of_one_pass_are_one_frame_for_all(case: Case) -> None:
    case.edit(1, "a")
    case.edit(2, "b")
    await a_pass()
    (frame,) = case.sockets[1].messages
    assert case.sockets[2].messages == [frame]
    update = messages.parse(frame)
    assert isinstance(update, messages.Update)
    assert {section.client for section in walk(update.update).sections} == {1, 2}
    assert case.metrics.flushes == 1


async def test_who_typed_alone_is_not_sent_the_own_edit(case: Case) -> None:
    case.edit(1, "a")
    case.edit(1, "b")
    await a_pass()
    assert case.sockets[1].messages == []
    assert len(case.sockets[2].messages) == 1


async def test_who_is_left_out_gets_nothing(case: Case) -> None:
    case.broadcast.leave_out(case.members[2])
    case.edit(1, "a")
    await a_pass()
    assert case.sockets[2].messages == []
    case.broadcast.include(case.members[2])
    case.broadcast.heartbeat(0.0)
    assert case.sockets[2].messages == [messages.awareness_frame(awareness.EMPTY)]


async def test_presence_of_all_goes_out_as_one_message(case: Case) -> None:
    for number in (1, 2):
        payload = awareness.encode([PresenceEntry(number, 1, b"{}")])
        case.presence.receive(number, UUID(int=number), payload, 0.0)
        case.broadcast.presence_changed()
    await a_pass()
    (frame,) = case.sockets[1].messages
    message = messages.parse(frame)
    assert isinstance(message, messages.Awareness)
    assert {entry.client for entry in awareness.decode(message.payload)} == {1, 2}
    assert case.metrics.presence_broadcasts == 1


async def test_a_long_tail_is_folded_into_the_base() -> None:
    case = Case(Tuning(fold_pieces=2, flush_pause_per_cost=0.0))
    for text in "abc":
        case.edit(1, text)
        await a_pass()
    assert case.log.pieces == 0
    assert Document(case.log.base).text("t") == "abc"


async def test_nothing_is_sent_after_the_close(case: Case) -> None:
    case.edit(1, "a")
    case.broadcast.close()
    await a_pass()
    assert case.sockets[2].messages == []
