"""What an Ogg file cannot say of a recorded speaker: when it was, who it was, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from media_sfu.recording.opus_packet import RATE
from media_sfu.recording.opus_track import Gap

MOST_EVENTS: Final = 10_000
"""Entries of one list, some 1 MB in all: what comes after is counted in `leftOut`."""


class SegmentEntry(msgspec.Struct, rename="camel"):
    """One Ogg file. `start` and `seconds` on the recording's clock: sample 0 of the file was said at `start`."""

    segment: int
    file: str
    start: float
    seconds: float = 0.0
    complete: bool = False
    """False while it is written, and for ever if it could not be written to its end."""


class SourceEntry(msgspec.Struct, rename="camel"):
    """From `at` on the sound came from another source (a reconnect, a new microphone) and was placed by the clock
    anew."""

    at: float
    ssrc: int | None


class MuteEntry(msgspec.Struct, rename="camel"):
    """Muted from `at` until `until`; null: till the end. Nothing is recorded meanwhile."""

    at: float
    until: float | None = None


class GapEntry(msgspec.Struct, rename="camel"):
    """Silence that stands in for what never came."""

    at: float
    seconds: float


class DropEntry(msgspec.Struct, rename="camel"):
    """Packets that came and were not kept, because the disk or the computer was too slow."""

    at: float
    packets: int


class TroubleEntry(msgspec.Struct, rename="camel"):
    """What went wrong with the files, in words."""

    at: float
    text: str


class Sidecar(msgspec.Struct, rename="camel", kw_only=True):
    """One speaker of one recording. All times but `startedAt` and `endedAt` are seconds since `startedAt`, by a clock
    that is never set."""

    version: int = 1
    room: UUID
    participant: int
    user: UUID | None = None
    started_at: datetime
    ended_at: datetime | None = None
    interrupted: bool = False
    """The process that recorded was killed: up to a second is missing at the end."""
    segments: list[SegmentEntry] = []
    sources: list[SourceEntry] = []
    mutes: list[MuteEntry] = []
    gaps: list[GapEntry] = []
    drops: list[DropEntry] = []
    trouble: list[TroubleEntry] = []
    counts: dict[str, int] = {}
    left_out: int = 0

    def note_source(self, at: float, ssrc: int | None) -> None:
        """Another source from `at` on."""
        if self._room_in(self.sources):
            self.sources.append(SourceEntry(at, ssrc))

    def note_muted(self, at: float, muted: bool) -> None:
        """Muted or not, from `at` on; what is already so is no event."""
        open_one = self.mutes[-1] if self.mutes and self.mutes[-1].until is None else None
        if muted and open_one is None and self._room_in(self.mutes):
            self.mutes.append(MuteEntry(at))
        elif not muted and open_one is not None:
            open_one.until = at

    def note_gap(self, gap: Gap) -> None:
        """A gap; one that goes on from the last becomes part of it."""
        at, length = gap.position / RATE, gap.samples / RATE
        last = self.gaps[-1] if self.gaps else None
        if last is not None and abs(last.at + last.seconds - at) < 0.001:
            last.seconds = round(last.seconds + length, 4)
        elif self._room_in(self.gaps):
            self.gaps.append(GapEntry(round(at, 4), round(length, 4)))

    def note_drop(self, at: float, packets: int) -> None:
        """Packets that were not kept."""
        if self._room_in(self.drops):
            self.drops.append(DropEntry(at, packets))

    def note_trouble(self, at: float, text: str) -> None:
        """Something went wrong; the same again is no event."""
        if not (self.trouble and self.trouble[-1].text == text) and self._room_in(self.trouble):
            self.trouble.append(TroubleEntry(at, text))

    def encoded(self) -> bytes:
        """As JSON, for people, too."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def _room_in(self, entries: Sequence[msgspec.Struct]) -> bool:
        if len(entries) < MOST_EVENTS:
            return True
        self.left_out += 1
        return False


def read(data: bytes) -> Sidecar:
    """Raises `msgspec.DecodeError` (also for what is JSON, but no sidecar)."""
    return msgspec.json.decode(data, type=Sidecar)


def wall_clock(seconds: float) -> datetime:
    """Unix seconds as a time with zone."""
    return datetime.fromtimestamp(seconds, UTC)
