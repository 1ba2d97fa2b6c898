"""Edits on their way into a room: judged, and then taken, held or refused. Those of members, and those made for people
who have no document of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from collab_core.authorship import Authorship, Standing
from collab_core.closes import CloseCode
from collab_core.engine import EngineRefused
from collab_core.gaps import Held, Step
from collab_core.intake import Intake, NotTaken
from collab_core.limits import Limits
from collab_core.log import RoomLog, Screened, SplitCharacter
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.receipts import Receipts
from collab_core.splice import Splice
from collab_core.waiting import Waiting
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk

if TYPE_CHECKING:
    from collab_core.room import Room

PARTS_PER_MESSAGE = 50
"""An update of more structs and deletions counts as several messages: its work is in these. One of 100,000 is all of a
burst."""

logger = logging.getLogger(__name__)


class Editing:
    """What one room does with edits. `waiting` has those that lack something."""

    def __init__(
        self,
        room: Room,
        authorship: Authorship,
        intake: Intake,
        receipts: Receipts,
        *,
        limits: Limits,
        metrics: EngineMetrics,
        clock: Callable[[], float],
    ) -> None:
        self.waiting = Waiting(room.log, receipts, self, held_seconds=limits.held_seconds, clock=clock)
        self._room = room
        self._log: RoomLog = room.log
        self._authorship = authorship
        self._intake = intake
        self._receipts = receipts
        self._limits = limits
        self._metrics = metrics
        self._now = clock

    def receive(self, member: Member, update: bytes, now: float, *, answer: bool) -> None:
        """One update of a member's; `answer` says that it is a SyncStep2. Raises `WireError`."""
        number = member.saved.receive()
        if member.reset is not None:
            return
        walked = walk(update, self._limits.message_parts)
        if walked.parts >= PARTS_PER_MESSAGE and not member.bucket.take(now, walked.parts // PARTS_PER_MESSAGE):
            self._room.expel(member, CloseCode.FLOOD)
            return
        if walked.empty:
            self._receipts.place(member, number)
            return
        try:
            screened = self._log.screen(walked)
        except SplitCharacter:
            self.split_character(member)
            return
        if screened.accepted == EMPTY_UPDATE and screened.waiting == EMPTY_UPDATE:
            self._metrics.updates_known += 1
            self._receipts.place(member, number)
        elif not self._room.application.may_write(member):
            if answer and self._authorship.brings_back(member.admission.user, walked, now):
                self._room.expel(member, CloseCode.GAP)  # not theirs to bring, nor their fault: it will be here
            else:
                self._refuse(member, CloseCode.FORBIDDEN, "read_only")
        elif not self._room.writable:
            self._receipts.wait(member, number)
        elif walked.sections and self._log.size + len(screened.accepted) > self._limits.document_bytes:
            self._refuse(member, CloseCode.TOO_LARGE, "too_large")
        elif screened.accepted == EMPTY_UPDATE or self.take(member, screened, walked, answer=answer):
            if screened.waiting == EMPTY_UPDATE:
                self._receipts.place(member, number)
            else:
                self._metrics.updates_held += 1
                self.waiting.hold(member, Held(screened.waiting, number, answer), now)

    def take(self, member: Member, screened: Screened, walked: Walk, *, answer: bool) -> bool:
        """Document first, then log and journal. False if it was refused; then the sender is gone or must start over."""
        user = member.admission.user
        standing = self._authorship.of(user, walked, answer=answer, now=self._now())
        if standing is Standing.FOREIGN:
            self._refuse(member, CloseCode.FORBIDDEN, "not_yours")
            return False
        if early := standing is Standing.EARLY:
            walked = self._authorship.own_part(user, walked)
            screened = self._log.screen(walked)
        try:
            if screened.accepted != EMPTY_UPDATE:
                self._intake.take(user, member.number, screened, walked, healed=standing is not Standing.OWN)
        except EngineRefused as error:
            self._fault(member, error)
            return False
        if early:
            self._room.expel(member, CloseCode.GAP)  # what they bring meanwhile is known when it comes again
        return not early

    def compose(self, author: UUID, name: str, splices: Sequence[Splice], mark: bytes = b"") -> int:
        """Edit the root text `name` on behalf of `author`; everyone gets it, and the journal. Returns the position that
        `Application.committed` is told once it is durable. With a `mark` it is known when it comes again: see `known`.
        Raises `NotTaken`, and `ValueError` for splices that do not fit; then nothing was changed."""
        if not self._room.writable:
            raise NotTaken("edits are not taken at the moment")
        if self._log.size + sum(len(splice.insert) for splice in splices) > self._limits.document_bytes:
            raise NotTaken("the document is full")
        try:
            position = self._intake.compose(author, name, splices, mark)
        except EngineRefused as error:
            logger.warning("the engine refused what was composed in room %s: %s", self._room.key, error)
            self._room.review_writable()
            raise NotTaken("the document could not take it") from error
        self._room.marks.note(mark, position)
        return position

    def known(self, author: UUID, mark: bytes) -> int | None:
        """The position that commits `author`'s edit of this mark, if it was made before, here or on another node;
        `None` if it was not, as far as this node knows."""
        position = self._room.marks.find(mark)
        if position == 0 and (follows := self._room.link.uncommitted(mark)):
            position = self._intake.repeat(author, mark, follows)
            self._room.marks.note(mark, position)
        return position

    def split_character(self, member: Member) -> None:
        """The member's edit cuts a character in two."""
        self._refuse(member, CloseCode.SPLIT_CHARACTER, "split_character")

    def _refuse(self, member: Member, code: CloseCode, reason: str) -> None:
        """An edit that may not be: its author's document has diverged for good."""
        self._metrics.updates_refused += 1
        if not member.speaks_dojo:
            self._room.expel(member, code, "" if reason == "read_only" else reason)
            return
        member.reset = reason
        self.waiting.forget(member)
        self._room.tell_reset(member)

    def _fault(self, member: Member, error: EngineRefused) -> None:
        user = member.admission.user
        now = self._now()
        logger.warning("the engine refused an update in room %s of user %s: %s", self._room.key, user, error)
        self._metrics.updates_refused += 1
        self._room.faults.record(user, now)
        self._room.expel(member, CloseCode.MALFORMED, "an update no document can take")
        if self._room.faults.banned(user, now):
            for other in [m for m in self._room.members.values() if m.admission.user == user]:
                self._room.expel(other, CloseCode.FORBIDDEN)
        self._room.review_writable()

    def step(self, member: Member, step: Step) -> None:
        """Ask for what is missing, or give up."""
        if step is Step.ASK:
            self._room.ask(member)
        elif step is Step.GIVE_UP:
            self._room.expel(member, CloseCode.GAP)

    def expel(self, member: Member, code: CloseCode, reason: str) -> None:
        """Close the member's connection."""
        self._room.expel(member, code, reason)
