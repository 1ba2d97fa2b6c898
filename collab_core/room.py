"""A room: its members, who may write, when it flushes, and what everyone is sent.

The room decides and the parts work: `RoomLog` holds the bytes, `View` the document, `Presence` who is here,
the journal's feed makes it durable. All of it runs on one event loop; nothing here awaits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from collab_core.closes import CloseCode
from collab_core.document import EngineRefused
from collab_core.faults import Faults
from collab_core.flush import FlushWindow
from collab_core.gaps import Held, Step
from collab_core.identity import RoomKey
from collab_core.journal.feed import Feed
from collab_core.journal.port import Entry
from collab_core.journal.writer import Health, JournalWriter
from collab_core.limits import KIB, Limits
from collab_core.log import RoomLog, Screened, SplitCharacter
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.presence import Presence
from collab_core.saved import SavedLedger
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.wire import awareness, frames, messages
from collab_core.wire.lib0 import WireError
from collab_core.wire.messages import EMPTY_UPDATE
from collab_core.wire.update import Walk, walk

logger = logging.getLogger(__name__)

STEP1_COST = 10
"""Messages a SyncStep1 counts as: its answer may be a whole document."""

BYTES_PER_MESSAGE = 16 * KIB
"""A longer message counts as several: its work is in its bytes. A first sync of 16 MiB is half of a burst."""

RETRY_PAUSE_PER_COST = 20.0
RETRY_SECONDS = 0.002
"""Looking again at what waits may take this long at a time, and a twentieth of all time: somebody may let a whole
megabyte wait for what never comes, and everyone else's edits must not pay for it."""

_SOON_SECONDS = 0.001
"""The event loop's timers count milliseconds; a shorter wait is one pass of the loop."""


class Room:
    """One open room on this node. `on_empty` is called when the last member has left."""

    def __init__(
        self,
        key: RoomKey,
        log: RoomLog,
        view: View,
        writer: JournalWriter,
        *,
        limits: Limits,
        tuning: Tuning,
        metrics: EngineMetrics,
        on_empty: Callable[[Room], None],
    ) -> None:
        self.key = key
        self.log = log
        self.view = view
        self.members: dict[int, Member] = {}
        self.presence = Presence(state_bytes=limits.presence_state_bytes, ids_per_member=limits.presence_ids_per_member)
        self.faults = Faults(per_user=limits.panics_per_user, per_room=limits.panics_per_room)
        self.feed: Feed = writer.feed(key, self._committed, lambda _full: self._review_writable())
        self.writable = True
        self._writer = writer
        self._limits = limits
        self._metrics = metrics
        self._tuning = tuning
        self._on_empty = on_empty
        self._loop = asyncio.get_running_loop()
        self._now = time.monotonic  # the loop's own clock counts milliseconds
        self._live: dict[int, Member] = {}
        """Members that get every flush: synced, and their socket takes what it is given."""
        self._owed: dict[int, Member] = {}
        """Members whose updates are not all told as saved."""
        self._gapped: dict[int, Member] = {}
        self._authors: set[int] = set()
        """Whose updates the window holds."""
        self._flush_window = FlushWindow(
            pause_per_cost=tuning.flush_pause_per_cost, floor=0.0, ceiling=tuning.flush_ceiling_seconds
        )
        self._presence_window = FlushWindow(
            pause_per_cost=tuning.presence_pause_per_cost,
            floor=tuning.presence_floor_seconds,
            ceiling=tuning.presence_ceiling_seconds,
        )
        self._retry_window = FlushWindow(
            pause_per_cost=RETRY_PAUSE_PER_COST, floor=0.0, ceiling=limits.held_seconds / 4
        )
        self._flush_handle: asyncio.Handle | None = None
        self._presence_handle: asyncio.Handle | None = None
        self._retry_handle: asyncio.Handle | None = None

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
        self._send(member, self.view.question())
        everyone = self.presence.everyone()
        if everyone != awareness.EMPTY:
            self._send(member, frames.encode(frames.BINARY, messages.awareness_frame(everyone)))

    def leave(self, member: Member) -> None:
        """The connection is gone."""
        if self.members.pop(member.number, None) is None:
            return
        self._metrics.members -= 1
        self._metrics.members_behind -= member.paused
        for where in (self._live, self._owed, self._gapped):
            where.pop(member.number, None)
        self.presence.leave(member.number, self._now())
        self._schedule_presence()
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
        for handle in (self._flush_handle, self._presence_handle, self._retry_handle):
            if handle is not None:
                handle.cancel()
        self._flush_handle = self._presence_handle = self._retry_handle = None
        self.feed.close()

    # What members send

    def receive(self, member: Member, frame: bytes) -> None:
        """One binary message of a member."""
        now = member.heard = self._now()
        self._metrics.messages += 1
        try:
            message = messages.parse(frame)
            cost = STEP1_COST if isinstance(message, messages.SyncStep1) else 1 + len(frame) // BYTES_PER_MESSAGE
            if not member.bucket.take(now, cost):
                self.expel(member, CloseCode.FLOOD)
            elif isinstance(message, messages.Update):
                self._edit(member, message.update, now)
            elif isinstance(message, messages.Awareness):
                self._take_presence(member, message.payload, now)
            elif isinstance(message, messages.SyncStep2):
                member.asked = False
                gap_before = bool(member.gaps)
                self._edit(member, message.update, now)
                self._answered(member, gap_before=gap_before)
            elif isinstance(message, messages.SyncStep1):
                self._sync(member, message.state)
            else:
                payload = messages.awareness_frame(self.presence.everyone())
                self._send(member, frames.encode(frames.BINARY, payload))
        except WireError as error:
            self._metrics.updates_refused += 1
            self.expel(member, CloseCode.MALFORMED, str(error))

    def _sync(self, member: Member, state: dict[int, int]) -> None:
        if member.reset is not None:
            # The new document's first word: everything before it belonged to the one that diverged.
            member.reset = None
            member.saved = SavedLedger()
            self._owed.pop(member.number, None)
        member.synced = True
        if member.paused:
            member.asking = state
            return
        self._send(member, self.view.reply(state))
        if not member.paused:
            self._live[member.number] = member

    def _edit(self, member: Member, update: bytes, now: float) -> None:
        number = member.saved.receive()
        if member.reset is not None:
            return
        walked = walk(update)
        if walked.empty:
            self._place(member, number)
            return
        try:
            screened = self.log.screen(walked)
        except SplitCharacter:
            self._refuse(member, CloseCode.SPLIT_CHARACTER)
            return
        if screened.accepted == EMPTY_UPDATE and screened.waiting == EMPTY_UPDATE:
            self._metrics.updates_known += 1
            self._place(member, number)
        elif not member.admission.can_write:
            self._refuse(member, CloseCode.FORBIDDEN)
        elif not self.writable:
            self._wait(member, number)
        elif walked.sections and self.log.size + len(screened.accepted) > self._limits.document_bytes:
            self._refuse(member, CloseCode.TOO_LARGE)
        elif screened.accepted == EMPTY_UPDATE or self._take(member, screened, walked):
            if screened.waiting == EMPTY_UPDATE:
                self._place(member, number)
            else:
                self._hold(member, Held(screened.waiting, number), now)

    def _take(self, member: Member, screened: Screened, walked: Walk) -> bool:
        """Document first, then log and journal. False if the engine refused, and then the sender is gone."""
        try:
            self.view.take(screened.accepted)
        except EngineRefused as error:
            self._fault(member, error)
            return False
        self.log.accept(screened, walked)
        self.feed.append(Entry(member.admission.user, int(time.time() * 1000), screened.accepted))
        self._metrics.updates += 1
        self._authors.add(member.number)
        if self._flush_handle is None:
            self._flush_handle = self._schedule(self._flush_window, self._flush)
        if self._gapped and self._retry_handle is None:
            self._retry_handle = self._schedule(self._retry_window, self._retry_held)
        return True

    def _refuse(self, member: Member, code: CloseCode) -> None:
        """An edit that may not be: its author's document has diverged for good."""
        self._metrics.updates_refused += 1
        if not member.speaks_json:
            self.expel(member, code)
            return
        member.reset = "read_only" if code is CloseCode.FORBIDDEN else code.label
        self._gapped.pop(member.number, None)
        member.gaps.replace([])
        member.tell(self._reset_message(member.reset))

    @staticmethod
    def _reset_message(reason: str) -> dict[str, object]:
        return {"type": "reset", "reason": reason}

    def _fault(self, member: Member, error: EngineRefused) -> None:
        user = member.admission.user
        logger.warning("the engine refused an update in room %s of user %s: %s", self.key, user, error)
        self._metrics.updates_refused += 1
        now = self._now()
        self.faults.record(user, now)
        self.expel(member, CloseCode.MALFORMED, "an update no document can take")
        if self.faults.banned(user, now):
            for other in [m for m in self.members.values() if m.admission.user == user]:
                self.expel(other, CloseCode.FORBIDDEN)
        self._review_writable()

    # Gaps

    def _hold(self, member: Member, held: Held, now: float) -> None:
        self._metrics.updates_held += 1
        self._wait(member, held.number)
        self._gapped[member.number] = member
        self._step(member, member.gaps.hold(held, now))

    def _answered(self, member: Member, *, gap_before: bool) -> None:
        """A SyncStep2 came. Complete, it stands for all its sender had sent before it."""
        if not self.writable:
            return  # it was not taken; everyone is asked again when the room takes edits
        if gap_before and not member.ended:
            self._retry_member(member)
        if member.ended or member.reset is not None:
            return
        if member.gaps:
            if gap_before:  # one that brought the gap itself is no answer to a question about it
                self._step(member, member.gaps.answered())
        else:
            member.saved.settle_all(self.feed.appended)
            self._tell_saved(member)

    def _retry_held(self) -> None:
        """Something joined: look again at what waits. What joins by this lets another look follow."""
        self._retry_handle = None
        started = ended = self._now()
        waiting = list(self._gapped.values())
        while waiting and ended - started < RETRY_SECONDS:
            member = waiting.pop(0)
            if self._gapped.pop(member.number, None) is not None:
                self._gapped[member.number] = member  # to the end: those not looked at now come first the next time
                self._retry_member(member)
            ended = self._now()
        self._retry_window.flushed(started, ended)
        if waiting and self._retry_handle is None:
            self._retry_handle = self._schedule(self._retry_window, self._retry_held)

    def _retry_member(self, member: Member) -> None:
        """Screen what a member has waiting once more."""
        still: list[Held] = []
        for held in member.gaps.held:
            walked = walk(held.update)
            try:
                screened = self.log.screen(walked)
            except SplitCharacter:
                self._refuse(member, CloseCode.SPLIT_CHARACTER)
                return
            if screened.accepted != EMPTY_UPDATE and not self._take(member, screened, walked):
                return
            if screened.waiting == EMPTY_UPDATE:
                if member.speaks_json:
                    member.saved.settle(held.number, self.feed.appended)
            else:
                still.append(Held(screened.waiting, held.number))
        member.gaps.replace(still)
        if not still:
            self._gapped.pop(member.number, None)

    def _step(self, member: Member, step: Step) -> None:
        if step is Step.ASK:
            member.asked = True
            self._send(member, self.view.question())
        elif step is Step.GIVE_UP:
            self.expel(member, CloseCode.GAP)

    # Out to the members

    def _schedule(self, window: FlushWindow, callback: Callable[[], None]) -> asyncio.Handle:
        delay = window.delay(self._now())
        return self._loop.call_soon(callback) if delay < _SOON_SECONDS else self._loop.call_later(delay, callback)

    def _flush(self) -> None:
        self._flush_handle = None
        piece = self.log.flush()
        if piece is None:
            return
        started = self._now()
        frame = frames.encode(frames.BINARY, messages.update_frame(piece))
        # A window of one author holds nothing that this author lacks.
        author = next(iter(self._authors)) if len(self._authors) == 1 else 0
        self._authors.clear()
        self._fan_out(frame, author)
        self._metrics.flushes += 1
        if self.log.pieces > self._tuning.fold_pieces or self.log.tail_bytes > self._tuning.fold_bytes:
            self.log.fold(self.view.folded())
        ended = self._now()
        self._metrics.flush_seconds += ended - started
        self._flush_window.flushed(started, ended)

    def _fan_out(self, frame: bytes, skip: int = 0) -> None:
        count = 0
        for number, member in list(self._live.items()):
            if number != skip:
                member.write(frame)
                count += 1
        self._metrics.frames_out += count
        self._metrics.bytes_out += count * len(frame)

    def _send(self, member: Member, frame: bytes) -> None:
        self._metrics.frames_out += 1
        self._metrics.bytes_out += len(frame)
        member.write(frame)

    def blocked(self, member: Member) -> None:
        """The member's socket does not take what was written: it is behind until it drains."""
        if not member.paused and member.number in self.members:
            member.pause(self.log.end, self._now())
            self._metrics.members_behind += 1
            self._live.pop(member.number, None)

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
            self._send(member, self.view.reply(asking))
        elif member.synced and member.cursor < self.log.end:
            piece = self.log.since(member.cursor)
            self._send(member, frames.encode(frames.BINARY, messages.update_frame(piece)))
        if member.reset is not None:
            member.tell(self._reset_message(member.reset))
        member.tell(self._writable_message())
        if not self._journal_reachable():
            member.tell(UNSAVED)
        if member.asked:
            self._send(member, self.view.question())
        everyone = messages.awareness_frame(self.presence.everyone())
        self._send(member, frames.encode(frames.BINARY, everyone))
        self._tell_saved(member)
        if member.synced and not member.paused:
            self._live[member.number] = member

    # Presence

    def _take_presence(self, member: Member, payload: bytes, now: float) -> None:
        answer = self.presence.receive(member.number, member.admission.user, payload, now)
        if answer is not None:
            self._send(member, frames.encode(frames.BINARY, messages.awareness_frame(answer)))
        self._schedule_presence()

    def _schedule_presence(self) -> None:
        if self._presence_handle is None and self.presence.pending:
            self._presence_handle = self._schedule(self._presence_window, self._broadcast_presence)

    def _broadcast_presence(self) -> None:
        self._presence_handle = None
        started = self._now()
        self._fan_out(frames.encode(frames.BINARY, messages.awareness_frame(self.presence.broadcast())))
        self._metrics.presence_broadcasts += 1
        self._presence_window.flushed(started, self._now())

    # Saved

    def _place(self, member: Member, number: int) -> None:
        if member.speaks_json:
            member.saved.place(number, self.feed.appended)
            self._owed[member.number] = member
            if self.feed.committed >= self.feed.appended:
                self._loop.call_soon(self._tell_saved, member)

    def _wait(self, member: Member, number: int) -> None:
        if member.speaks_json:
            member.saved.wait(number)
            self._owed[member.number] = member

    def _committed(self, position: int) -> None:
        for member in list(self._owed.values()):
            self._tell_saved(member)

    def _tell_saved(self, member: Member, *, again: bool = False) -> None:
        if member.paused or member.ended:
            return
        up_to = member.saved.committed(self.feed.committed)
        if up_to is not None or again:
            member.tell({"type": "saved", "upTo": member.saved.up_to})
        if member.saved.settled:
            self._owed.pop(member.number, None)

    def tell_journal(self, *, reachable: bool) -> None:
        """The journal went away or came back: what members see is what is true."""
        for member in list(self.members.values()):
            if reachable:
                self._tell_saved(member, again=True)
            else:
                member.tell(UNSAVED)

    def _journal_reachable(self) -> bool:
        return self._writer.health is Health.OK

    def _review_writable(self) -> None:
        writable = not self.feed.full and not self.faults.exhausted(self._now())
        if writable == self.writable:
            return
        self.writable = writable
        for member in list(self.members.values()):
            member.tell(self._writable_message())
            if writable and member.synced:
                # What was typed meanwhile was not taken; the answer to this brings all of it.
                member.asked = True
                self._send(member, self.view.question())

    def _writable_message(self) -> dict[str, object]:
        reason = "backlog_full" if self.feed.full else "engine_faults"
        return {"type": "writable", "value": self.writable} | ({} if self.writable else {"reason": reason})

    # Housekeeping

    def heartbeat(self, wall: float) -> None:
        """Every `heartbeat_seconds`: pass on presence renewals, end who is stuck, silent, expired or overdue."""
        now = self._now()
        self._review_writable()
        for member in list(self.members.values()):
            if member.admission.expires_at <= wall:
                self.expel(member, CloseCode.UNAUTHENTICATED, "token expired")
            elif member.stuck(self._limits, now):
                self.expel(member, CloseCode.STUCK)
            elif now - member.heard > self._limits.silent_seconds:
                self.expel(member, CloseCode.SILENT)
            elif member.gaps.overdue(now):
                self.expel(member, CloseCode.GAP)
            elif now - member.heard > self._limits.silent_seconds / 3 and not member.paused:
                member.write(PING)
        payload = self.presence.heartbeat(now)
        self._fan_out(frames.encode(frames.BINARY, messages.awareness_frame(payload)))


PING = frames.encode(frames.PING, b"")
UNSAVED: dict[str, object] = {"type": "unsaved", "reason": "journal_unavailable"}
