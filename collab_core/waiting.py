"""Updates of a room that wait for something it does not have: held, asked for, looked at again, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from collab_core.broadcast import schedule
from collab_core.closes import CloseCode
from collab_core.flush import FlushWindow
from collab_core.gaps import Held, Step
from collab_core.log import RoomLog, Screened, SplitCharacter
from collab_core.member import Member
from collab_core.receipts import Receipts
from collab_core.wire.lib0 import WireError
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk

RETRY_PAUSE_PER_COST = 20.0
RETRY_SECONDS = 0.002
"""Looking again at what waits may take this long at a time, and a twentieth of all time: somebody may let a whole
megabyte wait for what never comes, and everyone else's edits must not pay for it."""


class Host(Protocol):
    """What the waiting room needs of its room."""

    def take(self, member: Member, screened: Screened, walked: Walk, *, answer: bool) -> bool:
        """Take what is screened; false if it was refused, and then the member is gone or must start over."""
        ...

    def split_character(self, member: Member) -> None:
        """The member's edit cuts a character."""
        ...

    def step(self, member: Member, step: Step) -> None:
        """Ask the member, or give it up."""
        ...

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        """Close the member's connection."""
        ...


class Waiting:
    """The members of one room that have updates waiting."""

    def __init__(
        self, log: RoomLog, receipts: Receipts, host: Host, *, held_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._log = log
        self._receipts = receipts
        self._host = host
        self._now = clock
        self._members: dict[int, Member] = {}
        self._window = FlushWindow(pause_per_cost=RETRY_PAUSE_PER_COST, floor=0.0, ceiling=held_seconds / 4)
        self._handle: asyncio.Handle | None = None

    def hold(self, member: Member, held: Held, now: float) -> None:
        """Keep an update that lacks a dependency, and ask its sender for what is missing."""
        self._receipts.wait(member, held.number)
        self._members[member.number] = member
        self._host.step(member, member.gaps.hold(held, now))

    def answered(self, member: Member, *, gap_before: bool) -> None:
        """A SyncStep2 came and was taken as far as it could be. Complete, it stands for all its sender had sent."""
        if gap_before and not member.ended:
            self._retry(member)
        if member.ended or member.reset is not None:
            return
        if not member.gaps:
            self._receipts.settle_all(member)
        elif gap_before:  # one that brought the gap itself is no answer to a question about it
            self._host.step(member, member.gaps.answered())

    def joined(self) -> None:
        """Something joined the room: what waits for it may follow."""
        if self._members and self._handle is None:
            self._handle = schedule(self._window, self._retry_some, self._now())

    def forget(self, member: Member) -> None:
        """Nothing of the member waits any more."""
        self._members.pop(member.number, None)
        member.gaps.replace([])

    def close(self) -> None:
        """No more timers."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _retry_some(self) -> None:
        """Look again at what waits, for a while. What joins by this lets another look follow."""
        self._handle = None
        started = ended = self._now()
        waiting = list(self._members.values())
        while waiting and ended - started < RETRY_SECONDS:
            member = waiting.pop(0)
            if self._members.pop(member.number, None) is not None:
                self._members[member.number] = member  # to the end: those not looked at now come first the next time
                self._retry(member)
            ended = self._now()
        self._window.flushed(started, ended)
        if waiting:
            self.joined()

    def _retry(self, member: Member) -> None:
        """Screen what a member has waiting once more."""
        still: list[Held] = []
        for held in member.gaps.held:
            walked = walk(held.update)
            try:
                screened = self._log.screen(walked)
            except SplitCharacter:
                self._host.split_character(member)
                return
            except WireError as error:  # it is this member's, whoever's edit made us look again
                self._host.expel(member, CloseCode.MALFORMED, str(error))
                return
            if screened.accepted != EMPTY_UPDATE and not self._host.take(member, screened, walked, answer=held.answer):
                return
            if screened.waiting == EMPTY_UPDATE:
                self._receipts.settle(member, held.number)
            else:
                still.append(Held(screened.waiting, held.number, held.answer))
        member.gaps.replace(still)
        if not still:
            self._members.pop(member.number, None)
