"""The recorder of a process: what the event loop calls, and costs it next to nothing. Files belong to a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.blobs.port import Blobs, checked_key
from media_sfu.frame import Frame
from media_sfu.recording.leftovers import RunFolder, Upload, claim, mend
from media_sfu.recording.opus_packet import QUANTUM, RATE
from media_sfu.recording.uploads import Uploader
from media_sfu.recording.writer import Ended, Entry, Heard, Joined, Muted, NewSource, Recording, Writer

SEGMENT_SECONDS: Final = 55.0
"""With closing and storing the file, a lost machine costs a minute of sound at most."""
MOST_QUEUED: Final = 16_384
"""Packets between the loop and the thread: six seconds of 50 speakers, some 4 MB. Beyond it they are dropped and
told."""
MOST_TOLD: Final = MOST_QUEUED * 2
"""Mutes and the like have this bound: they are rare, and one that is lost would record somebody who is muted."""
WRITE_SECONDS: Final = 6.0
"""At the end, for what is queued."""
UPLOAD_SECONDS: Final = 5.0
"""At the end, for what is not uploaded; the rest is found at the next start. With `WRITE_SECONDS` less than a
supervisor waits for a process to end, 15 s: whoever is killed instead leaves torn files."""
STORE_AWAY: Final = "the store does not take the recording yet: it is kept on the server's disk, and tried again"
"""Told to people, so without the store's own words: those name paths."""

log = logging.getLogger(__name__)


class Recorder:
    """Records rooms into `folder`, from where finished files go into `blobs`, and what a killed process has left there,
    too.

    `start` it on the loop, `close` it there. A full or unwritable disk raises nothing: `trouble` tells. Of a speaker
    come `{prefix}/{number}-{segment:05}.opus`, each with `segment_seconds` of sound from `segment * segment_seconds` on
    after the beginning (one in which somebody speaks across the seam a moment more, the next a moment less), and
    `{prefix}/{number}.json` (`sidecar.Sidecar`). The first segment is the one the speaker was first heard in; joined,
    the segments of a speaker play without a gap.
    """

    def __init__(
        self,
        folder: Path,
        blobs: Blobs,
        *,
        segment_seconds: float = SEGMENT_SECONDS,
        most_queued: int = MOST_QUEUED,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: the one `now` is taken from wherever it is passed in."""
        self._folder = folder
        self._clock = clock
        self._wall = wall
        self._most_queued = most_queued
        self._queue: deque[Entry] = deque()
        self._rooms: dict[UUID, Recording] = {}
        self._prefixes: dict[UUID, str] = {}
        """Of rooms that are recorded, or were and not all of it is in the store."""
        self._uploader = Uploader(blobs)
        self._run = RunFolder.new(folder)
        self._claimed: list[RunFolder] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        samples = int(segment_seconds * RATE) // QUANTUM * QUANTUM
        self._writer = Writer(
            self._run, self._queue, segment_samples=samples, clock=clock, finished=self._finished_elsewhere
        )
        self._thread = threading.Thread(target=self._writer.run, name="recorder", daemon=True)

    async def start(self) -> None:
        """Begin to write and to upload, first of all what others have left."""
        self._loop = asyncio.get_running_loop()
        self._uploader.start()
        self._thread.start()
        try:
            self._claimed = await asyncio.to_thread(claim, self._folder)
            for run in self._claimed:
                for upload in await asyncio.to_thread(mend, run):
                    self._uploader.add(upload)
        except OSError as error:
            log.warning("recording: leftovers in %s stay there: %s", self._folder, error.strerror)

    async def close(self) -> None:
        """End all recordings, and wait a bounded time for what is left of them."""
        for room in list(self._rooms):
            self.end(room)
        self._writer.stop()
        await asyncio.to_thread(self._thread.join, WRITE_SECONDS)
        await asyncio.sleep(0)  # what the thread has told the loop last
        await self._uploader.close(UPLOAD_SECONDS)
        for run in (self._run, *self._claimed):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(run.discard)

    def begin(self, room: UUID, prefix: str) -> None:
        """Record the room. Raises `BlobKeyRefused`.

        A prefix is for one recording: what another one kept under it would be replaced. One that goes on after its
        process was lost takes a prefix of its own. A room that is being recorded goes on as it is.
        """
        checked_key(prefix)
        if room not in self._rooms:
            for other in [key for key in self._prefixes if self._in_store(key)]:
                del self._prefixes[other]
            self._rooms[room] = Recording(room, prefix, self._clock(), self._wall())
            self._prefixes[room] = prefix

    def recording(self, room: UUID) -> bool:
        """Whether it is being recorded."""
        return room in self._rooms

    @property
    def pending(self) -> int:
        """Finished files that are not in the store yet."""
        return self._uploader.waiting

    @property
    def queued(self) -> int:
        """What the thread has yet to take."""
        return len(self._queue)

    def trouble(self, room: UUID) -> str | None:
        """What is wrong with the recording, for a person; None if nothing is. The disk, or the store; the latter also
        of a recording that has ended."""
        recording = self._rooms.get(room)
        if recording is not None and recording.trouble is not None:
            return recording.trouble
        prefix = self._prefixes.get(room)
        return STORE_AWAY if prefix is not None and self._uploader.fails(prefix) else None

    def joined(self, room: UUID, number: int, user: UUID, now: float) -> None:
        """Who speaks as `number`."""
        self._tell(room, number, Joined(user), now)

    def source(self, room: UUID, number: int, ssrc: int | None, now: float) -> None:
        """The frames of `number` come from another connection or SSRC from here on: their numbers may begin anew. To be
        called before the first frame of each; a mere re-base within one uplink needs no call."""
        self._tell(room, number, NewSource(ssrc), now)

    def frame(self, room: UUID, number: int, frame: Frame, now: float) -> None:
        """What `number` sent just now, before selection. Never blocks; does nothing if the room is not recorded, and
        nothing is kept of who is muted."""
        recording = self._rooms.get(room)
        if recording is None:
            return
        if len(self._queue) >= self._most_queued:
            recording.dropped[number] = recording.dropped.get(number, 0) + 1
            return
        self._queue.append(Entry(recording, number, frame, now))

    def muted(self, room: UUID, number: int, muted: bool, now: float) -> None:
        """Whether `number` is muted; to be called for all who are when a recording begins, too."""
        self._tell(room, number, Muted(muted), now)

    def end(self, room: UUID) -> None:
        """Record the room no longer."""
        recording = self._rooms.pop(room, None)
        if recording is not None:
            self._queue.append(Entry(recording, 0, Ended(), self._clock()))

    def _tell(self, room: UUID, number: int, heard: Heard, now: float) -> None:
        recording = self._rooms.get(room)
        if recording is None:
            return
        if len(self._queue) >= self._most_queued + MOST_TOLD:
            recording.trouble = "the recorder's thread hangs"
            return
        self._queue.append(Entry(recording, number, heard, now))

    def _in_store(self, room: UUID) -> bool:
        return room not in self._rooms and not self._uploader.waits(self._prefixes[room])

    def _finished_elsewhere(self, upload: Upload) -> None:
        """From the thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: found at the next start
            self._loop.call_soon_threadsafe(self._uploader.add, upload)
