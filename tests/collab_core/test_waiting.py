"""Updates that wait: asked for, taken when what they lack has come, given up when it never does."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest

from collab_core.admission import Admission, Dialect
from collab_core.closes import CloseCode
from collab_core.gaps import Held, Step
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.log import RoomLog, Screened
from collab_core.member import Member
from collab_core.receipts import Receipts
from collab_core.waiting import Waiting
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk
from tests.collab_core.intake import update
from tests.collab_core.live import until

ROOM = RoomKey(UUID(int=1), "room")
HELLO = update("01 01 07 00 04 01 01 74 'hello' 00")
LATER = update("01 01 07 05 84 07 04 '!' 00")
"""Client 7's next character: it lacks HELLO."""
LAST = update("01 01 07 06 84 07 05 '?' 00")


class Mute:
    """A connection that nobody looks at."""

    unsent = 0

    def write(self, frame: bytes) -> None:
        pass

    def close(self, code: CloseCode, reason: str) -> None:
        pass


class Host:
    """Takes what it is given into the log, and keeps what it is asked to do."""

    def __init__(self) -> None:
        self.log = RoomLog(EMPTY_UPDATE, {}, {}, {})
        self.steps: list[Step] = []
        self.expelled: list[CloseCode] = []
        writer = JournalWriter(MemoryJournal(), epoch=uuid4(), backlog_bytes=1 << 20, backlog_bytes_per_room=1 << 20)
        self.receipts = Receipts(writer.feed(ROOM, lambda _position: None))
        self.waiting = Waiting(self.log, self.receipts, self, held_seconds=20.0, clock=time.monotonic)
        admission = Admission(ROOM, UUID(int=7), "Ann", can_write=True, expires_at=time.time() + 60)
        self.member = Member(1, admission, Dialect.DOJO_V1, Mute(), limits=Limits(), now=0.0)

    def take(self, member: Member, screened: Screened, walked: Walk, *, answer: bool) -> bool:
        self.log.accept(screened, walked)
        self.waiting.joined()
        return True

    def split_character(self, member: Member) -> None:
        self.expelled.append(CloseCode.SPLIT_CHARACTER)

    def step(self, member: Member, step: Step) -> None:
        self.steps.append(step)

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        self.expelled.append(code)

    def hold(self, early: bytes) -> None:
        walked = walk(early)
        waiting = self.log.screen(walked).waiting
        self.waiting.hold(self.member, Held(waiting, self.member.saved.receive()), 0.0)

    def join(self, whole: bytes) -> None:
        walked = walk(whole)
        self.take(self.member, self.log.screen(walked), walked, answer=False)


@pytest.fixture
async def host() -> Host:
    return Host()


async def test_the_first_that_waits_is_asked_for_and_the_next_is_not(host: Host) -> None:
    host.hold(LATER)
    host.hold(LAST)
    assert host.steps == [Step.ASK, Step.NOTHING]


async def test_what_waits_follows_what_it_lacked_whatever_its_order(host: Host) -> None:
    host.hold(LAST)
    host.hold(LATER)
    host.join(HELLO)
    await until(lambda: not host.member.gaps)
    assert host.log.state == {7: 7}
    assert host.member.saved.committed(0) == 2


async def test_a_complete_answer_settles_everything(host: Host) -> None:
    host.hold(LATER)
    host.join(HELLO)
    host.waiting.answered(host.member, gap_before=True)
    assert not host.member.gaps
    assert host.log.state == {7: 6}


async def test_two_answers_that_do_not_help_are_the_end(host: Host) -> None:
    host.hold(LATER)
    host.waiting.answered(host.member, gap_before=True)
    host.waiting.answered(host.member, gap_before=True)
    assert host.steps == [Step.ASK, Step.ASK, Step.GIVE_UP]


async def test_what_turns_out_to_be_no_edit_is_its_senders_trouble(host: Host) -> None:
    host.hold(update("01 01 08 00 28 00 07 00 01 6b 01 78 00"))  # a child of a character, it will turn out
    host.join(HELLO)
    await until(lambda: bool(host.expelled))
    assert host.expelled == [CloseCode.MALFORMED]


async def test_who_left_has_nothing_waiting(host: Host) -> None:
    host.hold(LATER)
    host.waiting.forget(host.member)
    host.join(HELLO)
    assert host.log.state == {7: 5}
    assert not host.member.gaps
