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
from collab_core.authorship import Authorship
from collab_core.broadcast import Broadcast
from collab_core.bus.link import Link
from collab_core.bus.port import Bus
from collab_core.closes import CloseCode
from collab_core.editing import Editing
from collab_core.faults import Faults
from collab_core.following import Following, packed
from collab_core.identity import RoomKey
from collab_core.intake import Intake
from collab_core.journal.feed import Feed
from collab_core.journal.writer import Health, JournalWriter
from collab_core.limits import KIB, Limits
from collab_core.log import RoomLog
from collab_core.marks import Marks
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.owners import Owners
from collab_core.presence import Carried, Presence
from collab_core.receipts import Receipts
from collab_core.splice import Splice
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.wire import awareness, frames, messages
from collab_core.wire.lib0 import WireError
from collab_core.wire.update import TooManyParts, Walk

logger = logging.getLogger(__name__)

QUESTION_COST = 10
"""Messages a question counts as: its answer may be a whole document, or everyone's presence."""
BYTES_PER_MESSAGE = 16 * KIB
"""A longer message counts as several. A first sync of 16 MiB is half of a burst."""
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
        marks: Marks,
        healing_until: float,
        limits: Limits,
        tuning: Tuning,
        metrics: EngineMetrics,
        bus: Bus,
        read_journal: Callable[[Room], None],
        on_empty: Callable[[Room], None],
        applications: Applications = NoApplication,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key = key
        self.log = log
        self.view = view
        self.owners = owners
        """Who wrote what."""
        self.marks = marks
        """Of edits made for people who have no document."""
        self.members: dict[int, Member] = {}
        self.presence = Presence(state_bytes=limits.presence_state_bytes, ids_per_member=limits.presence_ids_per_member)
        self.faults = Faults(per_user=limits.panics_per_user, per_room=limits.panics_per_room)
        self.feed: Feed = writer.feed(key, self._committed, lambda _full: self.review_writable())
        self.writable = view.usable
        """Whether edits are taken at the moment."""
        self._writer = writer
        self._limits = limits
        self._metrics = metrics
        self._on_empty = on_empty
        self._now = clock
        self.broadcast = Broadcast(
            log,
            view,
            self.presence,
            tuning=tuning,
            metrics=metrics,
            flushed=self._flushed,
            shown=self._shown,
            clock=clock,
        )
        self._receipts = Receipts(self.feed)
        who = Authorship(log, owners, self.presence, healing_until=healing_until, unsure=self._unsure)
        intake = Intake(
            log,
            view,
            self.broadcast,
            self.feed,
            who,
            metrics=metrics,
            taken=self._taken,
            builds_on=self._builds_on,
        )
        self.editing = Editing(self, who, intake, self._receipts, limits=limits, metrics=metrics, clock=clock)
        following = Following(
            self,
            who,
            intake,
            read_journal=lambda: read_journal(self),
            clock=clock,
            healing_seconds=tuning.healing_seconds,
        )
        self.link = Link(
            key,
            following,
            bus=bus,
            epoch=writer.epoch,
            log=log,
            view=view,
            feed=self.feed,
            owners=owners,
            marks=marks,
            tuning=tuning,
            metrics=metrics,
            clock=clock,
        )
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
            self.ask(member)
            everyone = self.presence.everyone()
            if everyone != awareness.EMPTY:
                self.broadcast.send(member, messages.awareness_frame(everyone))
        self.application.joined(member)

    def leave(self, member: Member) -> None:
        """The connection is gone."""
        if self.members.pop(member.number, None) is None:
            return
        self._metrics.members -= 1
        self._metrics.members_behind -= member.paused
        self.broadcast.leave_out(member)
        self._receipts.forget(member)
        self.editing.waiting.forget(member)
        self.presence.leave(member.number, self._now())
        self.broadcast.presence_changed()
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
        self.link.close()
        self.broadcast.close()
        self.editing.waiting.close()
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
                self.editing.receive(member, message.update, now, answer=False)
            elif isinstance(message, messages.Awareness):
                self.broadcast.take_presence(member, message.payload, now)
                self.application.presence_taken()
            elif isinstance(message, messages.SyncStep2):
                member.asked = False
                gap_before = bool(member.gaps)
                self.editing.receive(member, message.update, now, answer=True)
                if self.writable:  # otherwise it was not taken, and everyone is asked again when edits are
                    self.editing.waiting.answered(member, gap_before=gap_before)
            elif isinstance(message, messages.SyncStep1):
                self._sync(member, message.state)
            else:
                self.broadcast.send(member, messages.awareness_frame(self.presence.everyone()))
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
        self.broadcast.send_frame(member, self.view.reply(state))
        if not member.paused:
            self.broadcast.include(member)

    def compose(self, author: UUID, name: str, splices: Sequence[Splice], mark: bytes = b"") -> int:
        """`Editing.compose`."""
        return self.editing.compose(author, name, splices, mark)

    def _taken(self, author: UUID) -> None:
        self.editing.waiting.joined()
        self.application.taken(author)

    def _flushed(self) -> None:
        self.link.flushed()
        self.broadcast.nodes = self.link.nodes
        self.application.flushed()

    def _builds_on(self, walked: Walk) -> None:
        self.link.builds_on(walked)

    def _shown(self, people: Sequence[Carried]) -> None:
        self.link.presence(packed(people))

    def _unsure(self) -> bool:
        if not self.link.unsure():
            return False
        self.link.heal_soon()
        return True

    def tell_nodes(self, payload: bytes) -> None:
        """Tell the applications of this room on other nodes. It may be lost."""
        self.link.tell(payload)

    def ask(self, member: Member) -> None:
        """Ask a member for all it has and the room has not."""
        member.asked = True
        self.broadcast.send_frame(member, self.view.question())

    def show(self, member: Member, state: bytes) -> None:
        """Show a presence state, JSON, on behalf of a member that has none of its own, until it leaves."""
        self.presence.show(member.number, state, self.log.state)
        self.broadcast.presence_changed()

    # Slow sockets

    def blocked(self, member: Member) -> None:
        """The member's socket does not take what was written: it is behind until it drains."""
        if not member.paused and member.number in self.members:
            member.pause(self.log.end, self._now())
            self._metrics.members_behind += 1
            self.broadcast.leave_out(member)

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
            self.broadcast.send_frame(member, self.view.reply(asking))
        elif member.synced and member.cursor < self.log.end:
            self.broadcast.send(member, messages.update_frame(self.log.since(member.cursor)))
        self.tell_reset(member)
        member.tell(self._writable_message())
        if not self._journal_reachable():
            member.tell(UNSAVED)
        if member.dialect.has_document:
            if member.asked:
                self.ask(member)
            self.broadcast.send(member, messages.awareness_frame(self.presence.catch_up()))
        self._receipts.tell(member)
        if member.synced and not member.paused:
            self.broadcast.include(member)
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

    def tell_reset(self, member: Member) -> None:
        if member.reset is not None:
            member.tell({"type": "reset", "reason": member.reset})

    def review_writable(self) -> None:
        writable = not self.feed.full and self.view.usable and not self.faults.exhausted(self._now())
        if writable == self.writable:
            return
        self.writable = writable
        for member in list(self.members.values()):
            member.tell(self._writable_message())
            if writable and member.synced:
                self.ask(member)  # what was typed meanwhile was not taken; the answer brings all of it

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
        self.review_writable()
        for member in list(self.members.values()):
            if member.stuck(self._limits, now):
                self.expel(member, CloseCode.STUCK)
            elif now - member.heard > self._limits.silent_seconds:
                self.expel(member, CloseCode.SILENT)
            elif member.gaps.overdue(now):
                self.expel(member, CloseCode.GAP)
            elif now - member.heard > self._limits.silent_seconds / 3:
                member.write(PING)
        self.broadcast.heartbeat(now)
