"""Who is told what is saved: only those who can read it, only what is news, and never to a full socket."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import msgspec
import pytest

from collab_core.admission import Admission, Dialect
from collab_core.closes import CloseCode
from collab_core.identity import RoomKey
from collab_core.journal.memory import MemoryJournal
from collab_core.journal.port import Entry
from collab_core.journal.writer import JournalWriter
from collab_core.limits import Limits
from collab_core.member import Member
from collab_core.receipts import Receipts

ROOM = RoomKey(UUID(int=1), "room")
EDIT = Entry(UUID(int=2), 0, b"an update")


class Told:
    """A connection that keeps what it is told."""

    unsent = 0

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def close(self, code: CloseCode, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")

    @property
    def saved(self) -> list[int]:
        return [msgspec.json.decode(frame[2:], type=dict[str, int | str])["upTo"] for frame in self.frames]  # type: ignore[misc]


class Case:
    """Receipts over a feed whose commits are made by hand."""

    def __init__(self) -> None:
        writer = JournalWriter(MemoryJournal(), epoch=uuid4(), backlog_bytes=1 << 20, backlog_bytes_per_room=1 << 20)
        self.feed = writer.feed(ROOM, lambda _position: None)
        self.receipts = Receipts(self.feed)
        self.connection = Told()

    def member(self, dialect: Dialect = Dialect.DOJO_V1) -> Member:
        admission = Admission(ROOM, UUID(int=2), "Ann", can_write=True, expires_at=time.time() + 60)
        return Member(1, admission, dialect, self.connection, limits=Limits(), now=0.0)

    def edit(self, member: Member) -> None:
        number = member.saved.receive()
        self.feed.append(EDIT)
        self.receipts.place(member, number)

    def commit(self) -> None:
        self.feed.committed = self.feed.appended
        self.receipts.committed()


@pytest.fixture
async def case() -> Case:
    return Case()


async def test_a_commit_tells_each_number_once(case: Case) -> None:
    member = case.member()
    case.edit(member)
    case.edit(member)
    case.commit()
    case.commit()
    case.edit(member)
    case.commit()
    assert case.connection.saved == [2, 3]


async def test_a_plain_client_is_told_nothing(case: Case) -> None:
    case.edit(case.member(Dialect.YJS))
    case.commit()
    assert case.connection.frames == []


async def test_a_full_socket_is_told_when_it_drains(case: Case) -> None:
    member = case.member()
    case.edit(member)
    member.pause(cursor=0, now=0.0)
    case.commit()
    assert case.connection.frames == []
    member.paused = False
    case.receipts.tell(member)
    assert case.connection.saved == [1]


async def test_what_waits_holds_back_what_came_after_it(case: Case) -> None:
    member = case.member()
    case.receipts.wait(member, member.saved.receive())
    case.edit(member)
    case.commit()
    assert case.connection.frames == []
    case.receipts.settle(member, 1)
    case.commit()
    assert case.connection.saved == [2]


async def test_a_new_document_counts_from_one_again(case: Case) -> None:
    member = case.member()
    case.edit(member)
    case.receipts.start_over(member)
    case.commit()
    assert case.connection.frames == []
    case.edit(member)
    case.commit()
    assert case.connection.saved == [1]


async def test_the_same_may_be_told_again(case: Case) -> None:
    member = case.member()
    case.edit(member)
    case.commit()
    case.receipts.tell(member, again=True)
    assert case.connection.saved == [1, 1]
