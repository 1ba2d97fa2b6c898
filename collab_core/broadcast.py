"""What everyone in a room is sent: merged edits and merged presence, each in its window, to whoever can take it.

A member whose socket does not take what it is given is left out until it has drained; what it missed is the
room's to make up for (`Room.drained`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from collab_core.flush import FlushWindow
from collab_core.log import RoomLog
from collab_core.member import Member
from collab_core.metrics import EngineMetrics
from collab_core.presence import Carried, Presence
from collab_core.tuning import Tuning
from collab_core.view import View
from collab_core.wire import frames, messages

_SOON_SECONDS = 0.001
"""The event loop's timers count milliseconds; a shorter wait is one pass of the loop."""


def schedule(window: FlushWindow, callback: Callable[[], None], now: float) -> asyncio.Handle:
    """Call back when `window` allows, at the soonest after this pass of the event loop."""
    loop = asyncio.get_running_loop()
    delay = window.delay(now)
    return loop.call_soon(callback) if delay < _SOON_SECONDS else loop.call_later(delay, callback)


class Broadcast:
    """The fan-out of one room."""

    def __init__(
        self,
        log: RoomLog,
        view: View,
        presence: Presence,
        *,
        tuning: Tuning,
        metrics: EngineMetrics,
        flushed: Callable[[], None],
        shown: Callable[[Sequence[Carried]], None],
        clock: Callable[[], float],
    ) -> None:
        """`flushed` is called after each window of edits was sent, `shown` with whose presence here was."""
        self._log = log
        self._view = view
        self._presence = presence
        self._tuning = tuning
        self._metrics = metrics
        self._flushed = flushed
        self._shown = shown
        self._now = clock
        self.nodes = 1
        """How many nodes send the room's edits on: a room spread over three is not to cost thrice what one costs."""
        self._live: dict[int, Callable[[bytes], None]] = {}
        """How to write to each member that gets every flush: synced, and its socket takes what it is given."""
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
        self._flush_handle: asyncio.Handle | None = None
        self._presence_handle: asyncio.Handle | None = None

    def include(self, member: Member) -> None:
        """From now on the member gets every flush."""
        self._live[member.number] = member.writer

    def leave_out(self, member: Member) -> None:
        """The member gets no flush any more."""
        self._live.pop(member.number, None)

    def edited(self, author: int) -> None:
        """The window holds something new of this member."""
        self._authors.add(author)
        if self._flush_handle is None:
            self._flush_handle = schedule(self._flush_window, self._flush, self._now())

    def take_presence(self, member: Member, payload: bytes, now: float) -> None:
        """A member's awareness payload. Raises `WireError`."""
        answer = self._presence.receive(member.number, member.admission.user, payload, now)
        if answer is not None:
            self.send(member, messages.awareness_frame(answer))
        self.presence_changed()

    def presence_changed(self) -> None:
        """Somebody's presence may have changed."""
        if self._presence_handle is None and self._presence.pending:
            self._presence_handle = schedule(self._presence_window, self._broadcast_presence, self._now())

    def send(self, member: Member, message: bytes) -> None:
        """Send one protocol message to one member."""
        self.send_frame(member, frames.encode(frames.BINARY, message))

    def send_frame(self, member: Member, frame: bytes) -> None:
        """Send one ready-made frame to one member."""
        self._metrics.frames_out += 1
        self._metrics.bytes_out += len(frame)
        member.write(frame)

    def heartbeat(self, now: float) -> None:
        """Pass on presence renewals; everyone hears something, also when there are none."""
        self._fan_out(messages.awareness_frame(self._presence.heartbeat(now)))
        self._say_shown()

    def close(self) -> None:
        """No more timers."""
        for handle in (self._flush_handle, self._presence_handle):
            if handle is not None:
                handle.cancel()
        self._flush_handle = self._presence_handle = None

    def _flush(self) -> None:
        self._flush_handle = None
        started = self._now()
        piece = self._log.flush()
        if piece is None:
            return
        # A window of one author holds nothing that this author lacks.
        author = next(iter(self._authors)) if len(self._authors) == 1 else 0
        self._authors.clear()
        self._fan_out(messages.update_frame(piece), author)
        self._flushed()
        self._metrics.flushes += 1
        if self._log.pieces > self._tuning.fold_pieces or self._log.tail_bytes > self._tuning.fold_bytes:
            self._log.fold(self._view.folded())
        ended = self._now()
        self._metrics.flush_seconds += ended - started
        self._flush_window.flushed(started, ended, self.nodes)

    def _broadcast_presence(self) -> None:
        self._presence_handle = None
        started = self._now()
        self._fan_out(messages.awareness_frame(self._presence.broadcast()))
        self._say_shown()
        self._metrics.presence_broadcasts += 1
        self._presence_window.flushed(started, self._now())

    def _say_shown(self) -> None:
        if self._presence.said_here:
            self._shown(self._presence.said_here)

    def _fan_out(self, message: bytes, skip: int = 0) -> None:
        frame = frames.encode(frames.BINARY, message)
        live = self._live
        spared = live.get(skip)
        count = 0
        for write in list(live.values()):  # a full socket leaves the room's fan-out while it runs
            if write is not spared:
                write(frame)
                count += 1
        self._metrics.frames_out += count
        self._metrics.bytes_out += count * len(frame)
