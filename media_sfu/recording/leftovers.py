"""The folder one process records into, and what processes that were killed have left in theirs.

{folder}/{run}/lock                     held by the process as long as it lives, so that nobody takes its files
{folder}/{run}/{key of the blob}        a finished segment or a sidecar
{folder}/{run}/{key of the blob}.part   a segment being written
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from media_sfu.recording.ogg import OggError, mended
from media_sfu.recording.opus_packet import RATE
from media_sfu.recording.segment import PART
from media_sfu.recording.sidecar import SegmentEntry, Sidecar, read

LOCK: Final = "lock"
SEGMENT: Final = ".opus"
SIDECAR: Final = ".json"

log = logging.getLogger(__name__)


class Upload(NamedTuple):
    """A file that is to become a blob. `keep`: it is still written to, so it stays when it is there."""

    path: Path
    key: str
    keep: bool = False


class RunFolder:
    """Where one process records. Made when something is to be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    @classmethod
    def new(cls, folder: Path) -> RunFolder:
        """One that no other process has."""
        return cls(folder / uuid4().hex)

    def hold(self) -> None:
        """Make it and keep others out of it. Raises `OSError`; `BlockingIOError` if another process holds it."""
        if self._lock >= 0:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between the two calls another process may have taken the folder for an empty leftover and removed it.
            if os.stat(self.path / LOCK).st_ino != os.fstat(descriptor).st_ino:
                raise BlockingIOError("the folder was just removed")
        except OSError:
            os.close(descriptor)
            raise
        self._lock = descriptor

    def discard(self) -> None:
        """Give it up, and remove it if nothing is left in it."""
        if self._lock < 0:
            return
        if not _files(self.path):
            for folder, _, _ in os.walk(self.path, topdown=False):
                if folder != str(self.path):
                    Path(folder).rmdir()
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()
        os.close(self._lock)
        self._lock = -1


def claim(folder: Path) -> list[RunFolder]:
    """The folders of processes that are gone, now ours. Raises `OSError`."""
    if not folder.exists():
        return []
    claimed: list[RunFolder] = []
    for path in sorted(folder.iterdir()):
        run = RunFolder(path)
        try:
            if (path / LOCK).exists():
                run.hold()
                claimed.append(run)
        except BlockingIOError:
            continue  # its process lives
    return claimed


def mend(run: RunFolder) -> list[Upload]:
    """What is to be uploaded from a claimed folder, every torn file made whole before. Raises `OSError`."""
    torn = [path for path in _files(run.path) if path.name.endswith(SEGMENT + PART)]
    played = {path.with_name(path.name.removesuffix(PART)): _mend_segment(path) for path in torn}
    for path in _files(run.path):
        if path.suffix == SIDECAR:
            _mend_sidecar(path, {p.name: seconds for p, seconds in played.items() if p.parent == path.parent})
    return [
        Upload(path, path.relative_to(run.path).as_posix())
        for path in _files(run.path)
        if path.suffix in (SEGMENT, SIDECAR) and not path.name.startswith(".")
    ]


def _mend_segment(part: Path) -> float:
    """Seconds it plays."""
    try:
        data, samples = mended(part.read_bytes())
    except OggError as error:
        log.warning("recording: %s is left out: %s", part, error)
        data, samples = b"", 0
    if data:
        # In place: a copy would need room on a disk that may be full. The last page is the only one that changes.
        with part.open("r+b") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        part.rename(part.with_name(part.name.removesuffix(PART)))
    else:
        part.unlink()
    return samples / RATE


def _mend_sidecar(path: Path, played: dict[str, float]) -> None:
    try:
        sidecar = read(path.read_bytes())
    except msgspec.DecodeError as error:
        log.warning("recording: %s is uploaded as it is: %s", path, error)
        return
    if sidecar.ended_at is not None:
        return
    sidecar.interrupted = True
    known = {entry.file: entry for entry in sidecar.segments}
    for name, seconds in sorted(played.items()):
        if not name.startswith(f"{sidecar.participant}-"):
            continue
        if name not in known:
            known[name] = _missing_entry(name, sidecar)
            sidecar.segments.append(known[name])
        known[name].seconds = round(seconds, 4)
    save(path, sidecar)


def _missing_entry(name: str, sidecar: Sidecar) -> SegmentEntry:
    """Of a file that was begun after the sidecar was last written: it begins where the one before it ends."""
    before = sidecar.segments[-1] if sidecar.segments else None
    start = before.start + before.seconds if before is not None else 0.0
    number = name.removesuffix(SEGMENT).rpartition("-")[2]
    return SegmentEntry(int(number), name, round(start, 4))


def save(path: Path, sidecar: Sidecar) -> None:
    """Write it whole or leave what was there. Raises `OSError`."""
    draft = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("wb") as file:
        file.write(sidecar.encoded())
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / LOCK)
