"""The thread that writes: takes what was heard from a queue, keeps a track, a file and a sidecar per speaker."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from media_sfu.frame import Frame
from media_sfu.recording.leftovers import SIDECAR, RunFolder, Upload, save
from media_sfu.recording.opus_packet import QUANTUM, RATE
from media_sfu.recording.opus_track import OpusTrack, Piece
from media_sfu.recording.segment import SegmentFile
from media_sfu.recording.sidecar import SegmentEntry, Sidecar, wall_clock

POLL_SECONDS: Final = 0.1
"""The thread is not woken per packet: that would cost the loop more than the packet."""
FLUSH_SECONDS: Final = 0.4
"""With `HOLD_SECONDS` and `POLL_SECONDS` 0.7 s from a packet's arrival to its place in the file: a kill loses that."""
GIVE_WAY_STEPS: Final = 8
"""After so many packets or speakers, some 0.1 ms, the interpreter is offered to the loop, which else waits 5 ms for
it."""
SYNC_SECONDS: Final = 0.2
"""Spent on making files durable after each flush. Files that don't get their turn on a slow disk come first next
time."""
SILENCE_SECONDS: Final = 1.0
"""So long after the end of a segment its missing rest is silence, not a stalled line."""
AGAIN_SECONDS: Final = 1.0
"""Pause after the disk refused, times 0.5 to 1.5 by chance."""
PREROLL: Final = 15_360
"""Samples before a segment that its decoder hears first: 320 ms. RFC 7845 section 4.2 asks for 80 at least, after which
a tone was still off by 8% of full scale; after 160 ms by 0.5%, after 320 by less than one step of 16 bits."""

log = logging.getLogger(__name__)


class Muted(NamedTuple):
    """A speaker is muted, or no more."""

    muted: bool


class NewSource(NamedTuple):
    """A speaker's next packets come from another connection or SSRC."""

    ssrc: int | None


class Joined(NamedTuple):
    """Who a speaker is."""

    user: UUID


class Ended(NamedTuple):
    """The recording is over."""


Heard = Frame | Muted | NewSource | Joined | Ended


@dataclass(slots=True, eq=False)
class Recording:
    """One room that is recorded. `began` is the clock at its start, `started` Unix seconds at the same moment."""

    room: UUID
    prefix: str
    began: float
    started: float
    dropped: dict[int, int] = field(default_factory=dict)
    """Packets per speaker that found the queue full. Only the loop writes it."""
    trouble: str | None = None
    """What is wrong with the disk; None if it takes what it is given. Only the thread writes it."""


class Entry(NamedTuple):
    """What the queue holds."""

    recording: Recording
    number: int
    heard: Heard
    now: float


class Writer:
    """`run` is the thread. Everything but `stop` belongs to it."""

    def __init__(
        self,
        run: RunFolder,
        queue: deque[Entry],
        *,
        segment_samples: int,
        clock: Callable[[], float],
        finished: Callable[[Upload], None],
    ) -> None:
        self._run_folder = run
        self._queue = queue
        self._segment_samples = segment_samples
        self._clock = clock
        self._finished = finished
        self._speakers: dict[tuple[UUID, str, int], _Speaker] = {}
        self._to_sync: deque[_Speaker] = deque()
        self._flush_at = 0.0
        self._steps = 0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Write what is queued, and end."""
        self._stopping.set()

    def run(self) -> None:
        """Until `stop`."""
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(POLL_SECONDS)
            self._drain()
            self._tick(self._clock())

    def _drain(self) -> None:
        while self._queue:
            recording, number, heard, now = self._queue.popleft()
            self._give_way()
            try:
                if isinstance(heard, Ended):
                    self._end(recording, now)
                else:
                    self._speaker(recording, number).take(heard, now)
            except Exception as error:
                self._failed(recording, error)

    def _tick(self, now: float) -> None:
        flush = now >= self._flush_at
        if flush:
            self._flush_at = now + FLUSH_SECONDS
        for speaker in self._speakers.values():
            self._give_way()
            try:
                speaker.tick(now, flush=flush)
            except Exception as error:
                self._failed(speaker.recording, error)
        if flush:
            self._sync()

    def _sync(self) -> None:
        until = time.perf_counter() + SYNC_SECONDS
        for _ in range(len(self._to_sync)):
            if time.perf_counter() >= until:
                break
            speaker = self._to_sync.popleft()
            self._to_sync.append(speaker)
            speaker.sync()

    def _speaker(self, recording: Recording, number: int) -> _Speaker:
        key = recording.room, recording.prefix, number
        if key not in self._speakers:
            speaker = _Speaker(self._run_folder, recording, number, self._segment_samples, self._finished)
            self._speakers[key] = speaker
            self._to_sync.append(speaker)
        return self._speakers[key]

    def _end(self, recording: Recording, now: float) -> None:
        for key, speaker in list(self._speakers.items()):
            if speaker.recording is recording:
                del self._speakers[key]
                self._to_sync.remove(speaker)
                speaker.end(now)

    def _give_way(self) -> None:
        self._steps += 1
        if not self._steps % GIVE_WAY_STEPS:
            time.sleep(0)

    def _failed(self, recording: Recording, error: Exception) -> None:
        """A defect of ours costs a packet, not the thread."""
        if recording.trouble is None:
            log.error("recording of room %s: a packet is lost", recording.room, exc_info=error)
        recording.trouble = f"{type(error).__name__} in the recorder"


class _Speaker:
    def __init__(
        self, run: RunFolder, recording: Recording, number: int, grid: int, finished: Callable[[Upload], None]
    ) -> None:
        self.recording = recording
        self._run = run
        self._number = number
        self._grid = grid
        self._finished = finished
        self._track = OpusTrack(recording.began, grid)
        self._segment: SegmentFile | None = None
        self._recent: deque[Piece] = deque()
        self._muted = False
        self._dropped = 0
        self._again = 0.0
        self._sidecar = Sidecar(room=recording.room, participant=number, started_at=wall_clock(recording.started))
        self._untold = False

    def take(self, heard: Frame | Muted | NewSource | Joined, now: float) -> None:
        """What the loop heard, in its order."""
        at = round(now - self.recording.began, 4)
        match heard:
            case Frame():
                if not self._muted:
                    self._track.push(heard.number, heard.timestamp, heard.opus, now)
                return
            case Muted():
                self._muted = heard.muted
                self._sidecar.note_muted(at, heard.muted)
            case NewSource():
                self._track.source()
                self._sidecar.note_source(at, heard.ssrc)
            case Joined():
                self._sidecar.user = heard.user
        self._untold = True

    def tick(self, now: float, *, flush: bool) -> None:
        """Place what is due; write it if it is time to."""
        self._place(self._track.release(now))
        behind = self._track.position(now - SILENCE_SECONDS) // self._grid * self._grid
        if self._track.end is not None and self._track.end < behind:
            self._place(self._track.fill(behind))
            if self._segment is not None and behind // self._grid > self._segment.index:
                self._finish_segment(now)
        if flush and now >= self._again and self._track.end is not None:
            self._flush(now)

    def sync(self) -> None:
        """Make durable what was written."""
        if self._segment is not None:
            try:
                self._segment.sync()
            except OSError as error:
                self._refused(error, self._again)

    def end(self, now: float) -> None:
        """Write everything."""
        self._place(self._track.release(now, everything=True))
        self._sidecar.note_muted(round(now - self.recording.began, 4), False)
        if self._track.end is None:
            return
        if self._segment is not None:
            self._finish_segment(now)
        self._sidecar.ended_at = wall_clock(self.recording.started + now - self.recording.began)
        self._tell_sidecar(now, last=True)

    def _place(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            index = piece.position // self._grid
            if self._segment is None or index > self._segment.index:
                if self._segment is not None:
                    self._finish_segment(self.recording.began + piece.position / RATE)
                self._begin_segment(index, piece.position)
            assert self._segment is not None
            self._segment.add(piece)
            self._recent.append(piece)
            if len(self._recent) > PREROLL // QUANTUM:
                self._recent.popleft()

    def _begin_segment(self, index: int, start: int) -> None:
        preroll: list[Piece] = []
        for piece in reversed(self._recent):
            if sum(p.samples for p in preroll) >= PREROLL:
                break
            preroll.insert(0, piece)
        name = f"{self._number}-{index:05}.opus"
        self._segment = SegmentFile(
            self._path(name),
            index=index,
            start=start,
            channels=self._track.channels,
            serial=(self._number + index) & 0xFFFFFFFF,
            preroll=preroll,
        )
        self._sidecar.segments.append(SegmentEntry(index, name, round(start / RATE, 4)))
        self._untold = True

    def _finish_segment(self, now: float) -> None:
        segment, self._segment = self._segment, None
        assert segment is not None
        entry = self._sidecar.segments[-1]
        entry.seconds = round(segment.samples / RATE, 4)
        try:
            self._run.hold()
            segment.finish()
        except OSError as error:
            # What is on the disk stays there and is mended by whoever starts next.
            segment.close()
            self._refused(error, now)
        else:
            entry.complete = not segment.refused
            self._finished(Upload(segment.path, f"{self.recording.prefix}/{segment.path.name}"))
        if segment.refused:
            self._sidecar.note_drop(entry.start + entry.seconds, segment.refused)
        self._tell_sidecar(now, last=False)

    def _flush(self, now: float) -> None:
        self._note_losses(now)
        try:
            if self._segment is not None and self._segment.dirty:
                self._run.hold()
                self._segment.flush()
            if self._untold:
                self._save(now)
        except OSError as error:
            self._refused(error, now)
            return
        self.recording.trouble = None

    def _save(self, now: float) -> None:
        self._note_losses(now)
        if self._segment is not None:
            self._sidecar.segments[-1].seconds = round(self._segment.samples / RATE, 4)
        counts = self._track.counts
        self._sidecar.counts = {name: getattr(counts, name) for name in counts.__slots__} | {"dropped": self._dropped}
        self._run.hold()
        save(self._path(f"{self._number}{SIDECAR}"), self._sidecar)
        self._untold = False

    def _tell_sidecar(self, now: float, *, last: bool) -> None:
        """Into the store with it: after a lost machine it tells of all segments that are there."""
        try:
            self._save(now)
        except OSError as error:
            self._refused(error, now)
            return
        name = f"{self._number}{SIDECAR}"
        self._finished(Upload(self._path(name), f"{self.recording.prefix}/{name}", keep=not last))

    def _note_losses(self, now: float) -> None:
        for gap in self._track.gaps:
            self._sidecar.note_gap(gap)
            self._untold = True
        self._track.gaps.clear()
        dropped = self.recording.dropped.get(self._number, 0)
        if dropped > self._dropped:
            self._sidecar.note_drop(round(now - self.recording.began, 4), dropped - self._dropped)
            self._dropped = dropped
            self._untold = True

    def _refused(self, error: OSError, now: float) -> None:
        text = f"cannot write the recording: {error.strerror or error}"
        if self.recording.trouble is None:
            log.warning("recording of room %s: %s", self.recording.room, text)
        self.recording.trouble = text
        self._sidecar.note_trouble(round(now - self.recording.began, 4), text)
        self._untold = True
        self._again = now + AGAIN_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret

    def _path(self, name: str) -> Path:
        return self._run.path.joinpath(*self.recording.prefix.split("/"), name)
