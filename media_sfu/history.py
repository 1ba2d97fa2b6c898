"""What a source brought lately, for listeners that ask for a packet again."""

from __future__ import annotations

from typing import Final

from media_sfu.frame import Frame

SECONDS: Final = 1.0
"""Older sound is of no use: no jitter buffer waits for it."""
FRAMES: Final = 64
"""A power of two. A second of 20 ms packets with room for those rebuilt; of 10 ms packets it holds 0.64 s."""


class History:
    """The last `FRAMES` numbers of one source. Both ways cost one look at a list."""

    __slots__ = ("_frames", "_seconds", "_times", "newest", "newest_at")

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._frames: list[Frame | None] = [None] * FRAMES
        self._times = [0.0] * FRAMES
        self.newest: Frame | None = None
        """The one with the highest number, however long ago."""
        self.newest_at = 0.0

    def add(self, frame: Frame, now: float) -> None:
        """Keep a frame. One that comes so late that its place has gone to a later number is not kept."""
        if self.newest is None or frame.number > self.newest.number:
            self.newest = frame
            self.newest_at = now
        place = frame.number % FRAMES
        there = self._frames[place]
        if there is None or there.number < frame.number:
            self._frames[place] = frame
            self._times[place] = now

    def get(self, number: int, now: float) -> Frame | None:
        """The frame with that number; None if there was none, or it is too long ago."""
        place = number % FRAMES
        frame = self._frames[place]
        if frame is None or frame.number != number or now - self._times[place] > self._seconds:
            return None
        return frame
