"""A piece of a track that plays by itself, while it is written: `{number}-{segment}.opus.part`, renamed when whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from media_sfu.recording.ogg import OpusPages, ended
from media_sfu.recording.opus_track import Piece

PART: Final = ".part"
MOST_WAITING_BYTES: Final = 256 * 1024
"""What a disk that refuses may keep in memory, of one speaker: a minute at 32 kbit/s."""


class SegmentFile:
    """Not opened before there is something to write: a disk that is full now may have room then."""

    def __init__(
        self, path: Path, *, index: int, start: int, channels: int, serial: int, preroll: Sequence[Piece]
    ) -> None:
        """`preroll`: the pieces just before `start`. A decoder needs time to find in (RFC 7845 section 4.2), so they
        are in the file and skipped when it plays: segments joined sound as if they had never been cut."""
        self.path = path
        self.index = index
        self.start = start
        self.samples = 0
        self.refused = 0
        """Packets left out since the disk refused for too long; with any of them the segment ends early."""
        self._pages = OpusPages(serial, channels=channels, pre_skip=sum(piece.samples for piece in preroll))
        self._packets = [(piece.opus, piece.samples) for piece in preroll]
        self._waiting = [self._pages.headers()]
        self._waiting_bytes = 0
        self._last = b""
        self._written = 0
        self._descriptor = -1

    @property
    def dirty(self) -> bool:
        """Whether something is not yet written."""
        return bool(self._packets or self._waiting)

    def add(self, piece: Piece) -> None:
        """The next piece."""
        if self.refused or self._waiting_bytes > MOST_WAITING_BYTES:
            self.refused += 1
            return
        self._packets.append((piece.opus, piece.samples))
        self.samples += piece.samples
        self._waiting_bytes += len(piece.opus)

    def flush(self) -> None:
        """Write what there is: from here on a kill loses nothing of it. Raises `OSError`; what could not be written is
        kept for the next time, and the file ends with a whole page."""
        self._waiting += self._pages.pages(self._packets)
        self._packets.clear()
        if not self._waiting:
            return
        if self._descriptor < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._write(b"".join(self._waiting), self._written)
        self._written += sum(map(len, self._waiting))
        self._last = self._waiting[-1]
        self._waiting.clear()
        self._waiting_bytes = 0

    def sync(self) -> None:
        """Make durable what was flushed. Raises `OSError`."""
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def finish(self) -> None:
        """Write the rest, end the stream, give the file its name. Raises `OSError`; `close` it then."""
        self.flush()
        self._write(ended(self._last), self._written - len(self._last))
        os.fsync(self._descriptor)
        self._part.rename(self.path)
        self.close()

    def close(self) -> None:
        """Leave it as it is."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def _part(self) -> Path:
        return self.path.with_name(self.path.name + PART)

    def _write(self, data: bytes, at: int) -> None:
        """All of `data`, or the file is cut off where it was whole."""
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._descriptor, data[done:], at + done)
        except OSError:
            if at == self._written:
                os.ftruncate(self._descriptor, at)
            raise
