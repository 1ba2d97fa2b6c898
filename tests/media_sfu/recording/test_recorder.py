from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from kernel.blobs.folder import FolderBlobs
from kernel.blobs.port import BlobError, BlobKeyRefused, BlobMissing
from media_sfu.frame import Frame
from media_sfu.recording.opus_track import HOLD_SECONDS
from media_sfu.recording.recorder import SEGMENT_SECONDS, STORE_AWAY, Recorder
from media_sfu.recording.sidecar import Sidecar, read
from media_sfu.recording.writer import FLUSH_SECONDS, POLL_SECONDS
from tests.media_sfu.recording.sound import PACKET, RATE, bursts, decode, tone

ROOM = UUID(int=1)
PREFIX = "tenant/dojo/room/1"
STARTED = 1_700_000_000.0
DEADLINE_SECONDS = 20.0


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


class Stubborn(FolderBlobs):
    """A store that is away for some time."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.away = False
        self.tries = 0

    async def put(self, key: str, content: bytes | Path) -> None:
        self.tries += 1
        if self.away:
            raise BlobError("the store is away")
        await super().put(key, content)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def blobs(tmp_path: Path) -> Stubborn:
    return Stubborn(tmp_path / "blobs")


@pytest.fixture
async def recorder(tmp_path: Path, blobs: Stubborn, clock: Clock) -> AsyncIterator[Recorder]:
    made = Recorder(tmp_path / "recordings", blobs, clock=clock, wall=lambda: STARTED)
    await made.start()
    yield made
    await made.close()


def say(
    recorder: Recorder, clock: Clock, packets: tuple[bytes, ...], *, number: int = 7, first: int = 0, at: float = 0.0
) -> int:
    """The packets, every 20 ms from now on; `at` is the speaker's own time. The next number."""
    for index, opus in enumerate(packets):
        frame = Frame(first + index, round(at * RATE) + index * PACKET, False, opus)
        recorder.frame(ROOM, number, frame, clock.now)
        clock.now += 0.02
    return first + len(packets)


async def sidecar(blobs: FolderBlobs, number: int = 7, prefix: str = PREFIX) -> Sidecar:
    return read(await blobs.get(f"{prefix}/{number}.json"))


async def stored(recorder: Recorder, blobs: FolderBlobs, *, number: int = 7, ended: bool = True) -> None:
    """Wait until all of a recording that has ended is in the store, or (`ended` false) what is finished of it."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            with contextlib.suppress(BlobMissing):
                told = await sidecar(blobs, number)
                there = {key.rpartition("/")[2] async for key in blobs.list(PREFIX)}
                done = bool(told.segments) and {entry.file for entry in told.segments} <= there
                if done and (told.ended_at is not None) == ended and not recorder.pending:
                    return
            await asyncio.sleep(0.01)


async def sound(blobs: FolderBlobs, number: int = 7) -> list[array[int]]:
    keys = [key async for key in blobs.list(PREFIX) if key.startswith(f"{PREFIX}/{number}-")]
    return [decode(await blobs.get(key)) for key in keys]


async def test_segments_play_alone_and_joined_they_keep_the_time(
    recorder: Recorder, blobs: Stubborn, clock: Clock
) -> None:
    recorder.begin(ROOM, PREFIX)
    assert recorder.recording(ROOM)
    recorder.joined(ROOM, 7, UUID(int=9), clock.now)
    recorder.source(ROOM, 7, 0xABCD, clock.now)
    clock.now += 2.0
    following = say(recorder, clock, tone(1.0), at=2.0)
    clock.now += 600.0  # ten minutes of nothing
    say(recorder, clock, tone(1.0), first=following, at=603.0)
    recorder.end(ROOM)
    assert not recorder.recording(ROOM)
    await stored(recorder, blobs)

    segments = await sound(blobs)
    assert [len(part) / RATE for part in segments[:-1]] == [SEGMENT_SECONDS] * 10
    joined = array("h")
    for part in segments:
        joined.extend(part)
    first, second = bursts(joined)
    assert abs(first[0] - 2.0) < 0.02
    assert abs(second[0] - 603.0) < 0.02

    told = await sidecar(blobs)
    assert (told.room, told.participant, told.user) == (ROOM, 7, UUID(int=9))
    assert told.started_at.timestamp() == STARTED
    assert told.ended_at is not None
    assert round(told.ended_at.timestamp() - STARTED) == 604
    assert [entry.ssrc for entry in told.sources] == [0xABCD]
    assert [(entry.segment, entry.start, entry.complete) for entry in told.segments] == [
        (index, SEGMENT_SECONDS * index, True) for index in range(11)
    ]
    assert [entry.file for entry in told.segments][:2] == ["7-00000.opus", "7-00001.opus"]
    assert [(entry.at, entry.seconds) for entry in told.gaps][1][1] == pytest.approx(600.0, abs=0.02)
    assert told.counts["packets"] == 100


async def test_a_tone_over_a_seam_sounds_as_if_there_were_none(
    recorder: Recorder, blobs: Stubborn, clock: Clock
) -> None:
    recorder.begin(ROOM, PREFIX)
    before = SEGMENT_SECONDS - 0.995
    clock.now += before
    say(recorder, clock, tone(2.0), at=before)
    recorder.end(ROOM)
    await stored(recorder, blobs)
    first, second = await sound(blobs)
    assert SEGMENT_SECONDS <= len(first) / RATE < SEGMENT_SECONDS + 0.02
    told = await sidecar(blobs)
    assert told.segments[1].start == pytest.approx(len(first) / RATE, abs=1e-3)
    # 440 Hz: what the second file begins with goes on where the first one ends.
    joined = first[-4_800:] + second[:4_800]
    steps = [abs(b - a) for a, b in pairwise(joined)]
    assert max(steps[4_700:4_900]) < 1.3 * max(steps[:4_000])
    assert max(abs(value) for value in second[:480]) > 0.4 * 32_768


async def test_several_speakers_have_a_track_each(recorder: Recorder, blobs: Stubborn, clock: Clock) -> None:
    recorder.begin(ROOM, PREFIX)
    for index, (low, high) in enumerate(zip(tone(1.0, 300.0), tone(1.0, 900.0), strict=True)):
        recorder.frame(ROOM, 1, Frame(index, index * PACKET, False, low), clock.now)
        recorder.frame(ROOM, 2**32 - 1, Frame(index, index * PACKET, False, high), clock.now)
        recorder.frame(UUID(int=2), 3, Frame(index, index * PACKET, False, high), clock.now)
        clock.now += 0.02
    recorder.end(ROOM)
    for number in (1, 2**32 - 1):
        await stored(recorder, blobs, number=number)
    keys = [key async for key in blobs.list("")]
    assert keys == [
        f"{PREFIX}/{name}" for name in ("1-00000.opus", "1.json", "4294967295-00000.opus", "4294967295.json")
    ]
    for number, pitch in ((1, 300), (2**32 - 1, 900)):
        (heard,) = await sound(blobs, number)
        rising = sum(a < 0 <= b for a, b in pairwise(heard))
        assert abs(rising - pitch) < pitch * 0.1


async def test_nothing_is_kept_of_who_is_muted(recorder: Recorder, blobs: Stubborn, clock: Clock) -> None:
    recorder.begin(ROOM, PREFIX)
    following = say(recorder, clock, tone(1.0))
    recorder.muted(ROOM, 7, True, clock.now)
    recorder.muted(ROOM, 7, True, clock.now)
    following = say(recorder, clock, tone(1.0), first=following, at=1.0)
    recorder.muted(ROOM, 7, False, clock.now)
    say(recorder, clock, tone(1.0), first=following, at=2.0)
    recorder.muted(ROOM, 7, True, clock.now)
    recorder.end(ROOM)
    await stored(recorder, blobs)
    (heard,) = await sound(blobs)
    first, second = bursts(heard)
    assert abs(first[1] - 1.0) < 0.1
    assert abs(second[0] - 2.0) < 0.02
    mutes = (await sidecar(blobs)).mutes
    assert [(round(entry.at, 3), round(entry.until or 0.0, 3)) for entry in mutes] == [(1.0, 2.0), (3.0, 3.0)]


async def test_a_finished_segment_is_uploaded_while_the_room_goes_on(
    recorder: Recorder, blobs: Stubborn, clock: Clock
) -> None:
    recorder.begin(ROOM, PREFIX)
    say(recorder, clock, tone(1.0))
    clock.now += SEGMENT_SECONDS + 0.5  # beyond the end of the segment, and of the time a stalled line has
    await stored(recorder, blobs, ended=False)
    (heard,) = await sound(blobs)
    assert len(heard) == SEGMENT_SECONDS * RATE
    told = await sidecar(blobs)
    assert told.ended_at is None
    assert [entry.complete for entry in told.segments] == [True]


async def test_a_store_that_is_away_gets_everything_later(
    recorder: Recorder, blobs: Stubborn, clock: Clock, tmp_path: Path
) -> None:
    blobs.away = True
    recorder.begin(ROOM, PREFIX)
    say(recorder, clock, tone(0.5))
    recorder.end(ROOM)
    await until(lambda: blobs.tries >= 4)
    assert recorder.trouble(ROOM) == STORE_AWAY
    assert recorder.trouble(UUID(int=99)) is None, "the trouble of others is theirs"
    blobs.away = False
    await until(lambda: not recorder.pending)
    assert recorder.trouble(ROOM) is None
    assert len(await sound(blobs)) == 1
    await until(lambda: [path for path in (tmp_path / "recordings").rglob("*.*") if path.is_file()] == [])


async def test_a_killed_process_loses_at_most_a_second(tmp_path: Path) -> None:
    folder, store = tmp_path / "recordings", FolderBlobs(tmp_path / "blobs")
    command = [sys.executable, "-m", "tests.media_sfu.recording.killed", str(folder), str(tmp_path / "blobs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - killed below
        assert process.stdout is not None
        handed = 0
        while handed < 125:
            line = await asyncio.to_thread(process.stdout.readline)
            handed = int(line)
        living = Recorder(folder, store)  # the other's folder is its own as long as it lives
        await living.start()
        await living.close()
        assert [key async for key in store.list("")] == []
        os.kill(process.pid, signal.SIGKILL)
        rest = await asyncio.to_thread(process.stdout.read)
        handed = int(rest.split()[-1]) if rest else handed

    recorder = Recorder(folder, store)
    await recorder.start()
    await until(lambda: not recorder.pending)
    await recorder.close()
    heard = decode(await store.get("t/d/r/1/7-00000.opus"))
    assert bursts(heard)[0][0] < 0.2
    assert len(heard) / RATE >= handed * 0.02 - 1.0
    told = await sidecar(store, prefix="t/d/r/1")
    assert told.interrupted
    assert told.segments[0].seconds == pytest.approx(len(heard) / RATE, abs=1e-3)
    assert list(folder.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost_when_it_can(
    recorder: Recorder, blobs: Stubborn, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "recordings").write_text("a file where the folder should be")
    recorder.begin(ROOM, PREFIX)
    following = say(recorder, clock, tone(1.0))
    await until(lambda: recorder.trouble(ROOM))
    assert recorder.trouble(ROOM) == "cannot write the recording: Not a directory"
    (tmp_path / "recordings").unlink()
    clock.now += 2.0
    say(recorder, clock, tone(1.0), first=following, at=3.0)
    clock.now += 1.0
    await until(lambda: recorder.trouble(ROOM) is None)
    recorder.end(ROOM)
    await stored(recorder, blobs)
    (heard,) = await sound(blobs)
    assert [round(begin) for begin, _ in bursts(heard)] == [0, 3]
    assert [entry.text for entry in (await sidecar(blobs)).trouble] == ["cannot write the recording: Not a directory"]


async def test_more_than_the_queue_takes_is_dropped_and_told(tmp_path: Path, blobs: Stubborn, clock: Clock) -> None:
    recorder = Recorder(tmp_path / "recordings", blobs, clock=clock, wall=lambda: STARTED, most_queued=40)
    recorder.begin(ROOM, PREFIX)
    say(recorder, clock, tone(1.0))  # before there is a thread to take it
    recorder.muted(ROOM, 7, True, clock.now)
    await recorder.start()
    await until(lambda: blobs.tries or not recorder.queued)
    recorder.end(ROOM)
    await recorder.close()
    told = await sidecar(blobs)
    assert (told.counts["dropped"], told.counts["packets"]) == (10, 40)
    assert [entry.packets for entry in told.drops] == [10]
    assert len(told.mutes) == 1


async def test_a_frame_costs_the_loop_next_to_nothing(recorder: Recorder, clock: Clock) -> None:
    recorder.begin(ROOM, PREFIX)
    frame = Frame(1, PACKET, False, tone(0.1)[0])
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(1_000):
            recorder.frame(ROOM, 7, frame, clock.now)
        best = min(best, (time.perf_counter() - begin) / 1_000)
    assert best < 3e-6


def test_the_thread_leaves_a_kill_less_than_a_second() -> None:
    assert POLL_SECONDS * 2 + FLUSH_SECONDS + HOLD_SECONDS < 1.0


async def test_a_prefix_is_a_key(recorder: Recorder) -> None:
    with pytest.raises(BlobKeyRefused):
        recorder.begin(ROOM, "../elsewhere")
    assert not recorder.recording(ROOM)
