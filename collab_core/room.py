"""A room: its members, who may write, and what is taken of what they send.

The room decides and the parts work: `RoomLog` holds the bytes, `View` the document, `Presence` who is here,
`Broadcast` sends, `Waiting` holds what lacks something, the journal's feed makes it durable and `Receipts` says
so. All of it runs on one event loop; nothing here awaits.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from collab_core.application import Applications, NoApplication
from collab_core.authorship import Authorship, Standing
from collab_core.broadcast import Broadcast
from collab_core.closes import CloseCode
from collab_core.engine import EngineRefused
from collab_core.faults import Faults
from collab_core.gaps import Held, Step
from collab_core.identity import RoomKey
from collab_core.intake import Intake, NotTaken
from collab_core.journal.feed import Feed
from collab_core.journal.writer import Health, JournalWriter
from collab_core.limits import KIB, Limits
from collab_core.log import RoomLog, Screened, SplitCharacter
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.owners import Owners
from collab_core.presence import Presence
from collab_core.receipts import Receipts
from collab_core.splice import Splice
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.waiting import Waiting
from collab_core.wire import awareness, frames, messages
from collab_core.wire.lib0 import WireError
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import TooManyParts, Walk, walk

logger = logging.getLogger(__name__)

QUESTION_COST = 10
"""Messages a question counts as: its answer may be a whole document, or everyone's presence."""
BYTES_PER_MESSAGE = 16 * KIB
PARTS_PER_MESSAGE = 50
"""A longer message, or one of more structs and deletions, counts as several: its work is in these. A first sync of
16 MiB is half of a burst, one of 100,000 parts all of it."""
PING = frames.encode(frames.PING, b"")
UNSAVED: dict[str, object] = {"type": "unsaved", "reason": "journal_unavailable"}


class Room:
    """One open room on this node. `on_empty` is called when the last member has left."""

    def __init__(
        self,
        key: RoomKey,
        log: RoomLog,
        view: View,
        writer: JournalWriter,
        *,
        owners: Owners,
        healing_until: float,
        limits: Limits,
        tuning: Tuning,
        metrics: EngineMetrics,
        on_empty: Callable[[Room], None],
        applications: Applications = NoApplication,
    ) -> None:
        self.key = key
        self.log = log
        self.view = view
        self.owners = owners
        """Who wrote what."""
        self.members: dict[int, Member] = {}
        self.presence = Presence(state_bytes=limits.presence_state_bytes, ids_per_member=limits.presence_ids_per_member)
        self.faults = Faults(per_user=limits.panics_per_user, per_room=limits.panics_per_room)
        self.feed: Feed = writer.feed(key, self._committed, lambda _full: self._review_writable())
        self.writable = view.usable
        """Whether edits are taken at the moment."""
        self._writer = writer
        self._limits = limits
        self._metrics = metrics
        self._on_empty = on_empty
        self._now = time.monotonic  # the event loop's own clock counts milliseconds
        self._broadcast = Broadcast(log, view, self.presence, tuning=tuning, metrics=metrics, flushed=self._flushed)
        self._receipts = Receipts(self.feed)
        self._waiting = Waiting(log, self._receipts, self, held_seconds=limits.held_seconds)
        who = self._authorship = Authorship(log, owners, self.presence, healing_until=healing_until)
        self._intake = Intake(log, view, self._broadcast, self.feed, who, metrics=metrics, taken=self._taken)
        self.application = applications(self)

    # Coming and going

    def join(self, member: Member) -> None:
        """Let an admitted connection in: it is told what the room has and who is here."""
        self.members[member.number] = member
        self._metrics.members += 1
        admission = member.admission
        member.tell(
            {
                "type": "joined",
                "userId": str(admission.user),
                "canWrite": admission.can_write,
                "expiresAt": int(admission.expires_at * 1000),
            }
        )
        if not self.writable:
            member.tell(self._writable_message())
        if not self._journal_reachable():
            member.tell(UNSAVED)
        if member.dialect.has_document:
            self._ask(member)
            everyone = self.presence.everyone()
            if everyone != awareness.EMPTY:
                self._broadcast.send(member, messages.awareness_frame(everyone))
        self.application.joined(member)

    def leave(self, member: Member) -> None:
        """The connection is gone."""
        if self.members.pop(member.number, None) is None:
            return
        self._metrics.members -= 1
        self._metrics.members_behind -= member.paused
        self._broadcast.leave_out(member)
        self._receipts.forget(member)
        self._waiting.forget(member)
        self.presence.leave(member.number, self._now())
        self._broadcast.presence_changed()
        self.application.left(member)
        if not self.members:
            self._on_empty(self)

    def expel(self, member: Member, code: CloseCode, reason: str = "") -> None:
        """Close a member's connection; the room forgets it at once."""
        if member.ended:
            return
        self._metrics.closes[code.label] += 1
        member.end(code, reason or code.label)
        self.leave(member)

    def close(self) -> None:
        """The room leaves this node: no more timers, no more calls from the journal."""
        self.application.close()
        self._broadcast.close()
        self._waiting.close()
        self.feed.close()

    # What members send

    def receive(self, member: Member, frame: bytes) -> None:
        """One binary message of a member."""
        now = member.heard = self._now()
        self._metrics.messages += 1
        try:
            message = messages.parse(frame)
            asks = isinstance(message, messages.SyncStep1 | messages.QueryAwareness)
            cost = QUESTION_COST if asks else 1 + len(frame) // BYTES_PER_MESSAGE
            if not member.bucket.take(now, cost):
                self.expel(member, CloseCode.FLOOD)
            elif isinstance(message, messages.Update):
                self._edit(member, message.update, now, answer=False)
            elif isinstance(message, messages.Awareness):
                self._take_presence(member, message.payload, now)
            elif isinstance(message, messages.SyncStep2):
                member.asked = False
                gap_before = bool(member.gaps)
                self._edit(member, message.update, now, answer=True)
                if self.writable:  # otherwise it was not taken, and everyone is asked again when edits are
                    self._waiting.answered(member, gap_before=gap_before)
            elif isinstance(message, messages.SyncStep1):
                self._sync(member, message.state)
            else:
                self._broadcast.send(member, messages.awareness_frame(self.presence.everyone()))
        except WireError as error:
            self._metrics.updates_refused += 1
            many = isinstance(error, TooManyParts)
            self.expel(member, CloseCode.TOO_LARGE if many else CloseCode.MALFORMED, str(error))

    def _sync(self, member: Member, state: dict[int, int]) -> None:
        if member.reset is not None:
            # The new document's first word: everything before it belonged to the one that diverged.
            member.reset = None
            self._receipts.start_over(member)
        member.synced = True
        if member.paused:
            member.asking = state
            return
        self._broadcast.send_frame(member, self.view.reply(state))
        if not member.paused:
            self._broadcast.include(member)

    def _edit(self, member: Member, update: bytes, now: float, *, answer: bool) -> None:
        number = member.saved.receive()
        if member.reset is not None:
            return
        walked = walk(update, self._limits.message_parts)
        if walked.parts >= PARTS_PER_MESSAGE and not member.bucket.take(now, walked.parts // PARTS_PER_MESSAGE):
            self.expel(member, CloseCode.FLOOD)
            return
        if walked.empty:
            self._receipts.place(member, number)
            return
        try:
            screened = self.log.screen(walked)
        except SplitCharacter:
            self.split_character(member)
            return
        if screened.accepted == EMPTY_UPDATE and screened.waiting == EMPTY_UPDATE:
            self._metrics.updates_known += 1
            self._receipts.place(member, number)
        elif not self.application.may_write(member):
            self._refuse(member, CloseCode.FORBIDDEN, "read_only")
        elif not self.writable:
            self._receipts.wait(member, number)
        elif walked.sections and self.log.size + len(screened.accepted) > self._limits.document_bytes:
            self._refuse(member, CloseCode.TOO_LARGE, "too_large")
        elif screened.accepted == EMPTY_UPDATE or self.take(member, screened, walked, answer=answer):
            if screened.waiting == EMPTY_UPDATE:
                self._receipts.place(member, number)
            else:
                self._metrics.updates_held += 1
                self._waiting.hold(member, Held(screened.waiting, number, answer), now)

    def take(self, member: Member, screened: Screened, walked: Walk, *, answer: bool) -> bool:
        """Document first, then log and journal. False if it was refused; then the sender is gone or must start over."""
        user = member.admission.user
        standing = self._authorship.of(user, walked, answer=answer, now=self._now())
        if standing is Standing.FOREIGN:
            self._refuse(member, CloseCode.FORBIDDEN, "not_yours")
            return False
        if early := standing is Standing.EARLY:
            walked = self._authorship.own_part(user, walked)
            screened = self.log.screen(walked)
        try:
            if screened.accepted != EMPTY_UPDATE:
                self._intake.take(user, member.number, screened, walked, healed=standing is not Standing.OWN)
        except EngineRefused as error:
            self._fault(member, error)
            return False
        if early:
            self.expel(member, CloseCode.GAP)  # what they bring meanwhile is known when it comes again
        return not early

    def compose(self, author: UUID, name: str, splices: Sequence[Splice]) -> int:
        """Edit the root text `name` on behalf of `author`; everyone gets it, and the journal. Returns the position that
        `Application.committed` is told once it is durable. Raises `NotTaken`, and `ValueError` for splices that do not
        fit; then nothing was changed."""
        if not self.writable:
            raise NotTaken("edits are not taken at the moment")
        if self.log.size + sum(len(splice.insert) for splice in splices) > self._limits.document_bytes:
            raise NotTaken("the document is full")
        try:
            return self._intake.compose(author, name, splices)
        except EngineRefused as error:
            logger.warning("the engine refused what was composed in room %s: %s", self.key, error)
            self._review_writable()
            raise NotTaken("the document could not take it") from error

    def _flushed(self) -> None:
        self.application.flushed()

    def _taken(self, author: UUID) -> None:
        self._waiting.joined()
        self.application.taken(author)

    def split_character(self, member: Member) -> None:
        """The member's edit cuts a character in two."""
        self._refuse(member, CloseCode.SPLIT_CHARACTER, "split_character")

    def _refuse(self, member: Member, code: CloseCode, reason: str) -> None:
        """An edit that may not be: its author's document has diverged for good."""
        self._metrics.updates_refused += 1
        if not member.speaks_dojo:
            self.expel(member, code, "" if reason == "read_only" else reason)
            return
        member.reset = reason
        self._waiting.forget(member)
        self._tell_reset(member)

    def _fault(self, member: Member, error: EngineRefused) -> None:
        user = member.admission.user
        now = self._now()
        logger.warning("the engine refused an update in room %s of user %s: %s", self.key, user, error)
        self._metrics.updates_refused += 1
        self.faults.record(user, now)
        self.expel(member, CloseCode.MALFORMED, "an update no document can take")
        if self.faults.banned(user, now):
            for other in [m for m in self.members.values() if m.admission.user == user]:
                self.expel(other, CloseCode.FORBIDDEN)
        self._review_writable()

    def step(self, member: Member, step: Step) -> None:
        """Ask for what is missing, or give up."""
        if step is Step.ASK:
            self._ask(member)
        elif step is Step.GIVE_UP:
            self.expel(member, CloseCode.GAP)

    def _ask(self, member: Member) -> None:
        member.asked = True
        self._broadcast.send_frame(member, self.view.question())

    def _take_presence(self, member: Member, payload: bytes, now: float) -> None:
        answer = self.presence.receive(member.number, member.admission.user, payload, now)
        if answer is not None:
            self._broadcast.send(member, messages.awareness_frame(answer))
        self._broadcast.presence_changed()

    # Slow sockets

    def blocked(self, member: Member) -> None:
        """The member's socket does not take what was written: it is behind until it drains."""
        if not member.paused and member.number in self.members:
            member.pause(self.log.end, self._now())
            self._metrics.members_behind += 1
            self._broadcast.leave_out(member)

    def drained(self, member: Member) -> None:
        """The member's socket has taken everything: catch it up with one merged piece."""
        if not member.paused or member.number not in self.members:
            return
        member.paused = False
        self._metrics.members_behind -= 1
        # The document comes first: any write may pause the member again, and what is dropped then must be something
        # that the next drain says again.
        if member.asking is not None:
            asking, member.asking = member.asking, None
            self._broadcast.send_frame(member, self.view.reply(asking))
        elif member.synced and member.cursor < self.log.end:
            self._broadcast.send(member, messages.update_frame(self.log.since(member.cursor)))
        self._tell_reset(member)
        member.tell(self._writable_message())
        if not self._journal_reachable():
            member.tell(UNSAVED)
        if member.dialect.has_document:
            if member.asked:
                self._ask(member)
            self._broadcast.send(member, messages.awareness_frame(self.presence.catch_up()))
        self._receipts.tell(member)
        if member.synced and not member.paused:
            self._broadcast.include(member)
        self.application.drained(member)

    # The room's state, told

    def _committed(self, position: int) -> None:
        self._receipts.committed()
        self.application.committed(position)

    def tell_journal(self, *, reachable: bool) -> None:
        """The journal went away or came back: what members see is what is true."""
        for member in list(self.members.values()):
            if reachable:
                self._receipts.tell(member, again=True)
            else:
                member.tell(UNSAVED)

    def _journal_reachable(self) -> bool:
        return self._writer.health is Health.OK

    def _tell_reset(self, member: Member) -> None:
        if member.reset is not None:
            member.tell({"type": "reset", "reason": member.reset})

    def _review_writable(self) -> None:
        writable = not self.feed.full and self.view.usable and not self.faults.exhausted(self._now())
        if writable == self.writable:
            return
        self.writable = writable
        for member in list(self.members.values()):
            member.tell(self._writable_message())
            if writable and member.synced:
                self._ask(member)  # what was typed meanwhile was not taken; the answer brings all of it

    def _writable_message(self) -> dict[str, object]:
        reason = "backlog_full" if self.feed.full else "engine_faults"
        return {"type": "writable", "value": self.writable} | ({} if self.writable else {"reason": reason})

    def expire(self, wall: float) -> None:
        """End those whose token has ended. `wall` is Unix time."""
        for member in [member for member in self.members.values() if member.admission.expires_at <= wall]:
            self.expel(member, CloseCode.UNAUTHENTICATED, "token expired")

    def heartbeat(self) -> None:
        """Every `heartbeat_seconds`: pass on presence renewals, end who is stuck, silent or overdue."""
        now = self._now()
        self._review_writable()
        for member in list(self.members.values()):
            if member.stuck(self._limits, now):
                self.expel(member, CloseCode.STUCK)
            elif now - member.heard > self._limits.silent_seconds:
                self.expel(member, CloseCode.SILENT)
            elif member.gaps.overdue(now):
                self.expel(member, CloseCode.GAP)
            elif now - member.heard > self._limits.silent_seconds / 3:
                member.write(PING)
        self._broadcast.heartbeat(now)
