from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from media_sfu.recording.ogg import LAST, packets_of, whole_pages
from media_sfu.recording.opus_track import Piece
from media_sfu.recording.segment import MOST_WAITING_BYTES, SegmentFile
from tests.media_sfu.recording.sound import PACKET, decode, tone


@contextmanager
def a_disk_of(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size` bytes: writes come short and then fail, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def pieces(packets: tuple[bytes, ...], first: int = 0) -> list[Piece]:
    return [Piece(first + index * PACKET, opus, PACKET) for index, opus in enumerate(packets)]


def segment(path: Path, preroll: tuple[bytes, ...] = ()) -> SegmentFile:
    before = pieces(preroll, -len(preroll) * PACKET)
    return SegmentFile(path, index=0, start=0, channels=1, serial=1, preroll=before)


def test_what_is_flushed_is_there_and_the_end_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "1-00000.opus"
    made = segment(path)
    for piece in pieces(tone(0.5)):
        made.add(piece)
    made.flush()
    part = path.with_name("1-00000.opus.part").read_bytes()
    assert packets_of(part)[2:] == list(tone(0.5))
    made.finish()
    assert [found.flags for found in whole_pages(path.read_bytes())] == [2, 0, LAST]
    assert list(path.parent.iterdir()) == [path]


def test_the_preroll_is_heard_by_the_decoder_alone(tmp_path: Path) -> None:
    made = segment(tmp_path / "1.opus", preroll=tone(1.0)[:16])
    for piece in pieces(tone(1.0)[16:]):
        made.add(piece)
    made.finish()
    assert made.samples == 34 * PACKET
    heard, whole = decode(tmp_path / "1.opus"), segment(tmp_path / "2.opus")
    for piece in pieces(tone(1.0)):
        whole.add(piece)
    whole.finish()
    wanted = decode(tmp_path / "2.opus")[16 * PACKET :]
    assert len(heard) == len(wanted)
    assert max(abs(a - b) for a, b in zip(heard, wanted, strict=True)) <= 4


def test_a_full_disk_tears_no_page_and_loses_nothing_if_it_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "1.opus"
    part = tmp_path / "1.opus.part"
    made = segment(path)
    sound = pieces(tone(1.0))
    for piece in sound[:25]:
        made.add(piece)
    made.flush()
    whole = part.read_bytes()
    with a_disk_of(len(whole) + 500):
        for piece in sound[25:40]:
            made.add(piece)
        with pytest.raises(OSError, match="too large"):
            made.flush()
        assert part.read_bytes() == whole
        made.add(sound[40])
        with pytest.raises(OSError, match="too large"):
            made.flush()
    for piece in sound[41:]:
        made.add(piece)
    made.finish()
    assert packets_of(path.read_bytes())[2:] == list(tone(1.0))
    assert len(decode(path)) == 50 * PACKET


def test_memory_for_a_disk_that_stays_full_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    made = segment(tmp_path / "file" / "1.opus")
    for _ in range(30):
        for piece in pieces(tone(10.0)[:400]):
            made.add(piece)
        with pytest.raises(FileExistsError):
            made.flush()
    kept = made.samples // PACKET
    assert kept + made.refused == 30 * 400
    assert kept * 70 < 2 * MOST_WAITING_BYTES
    assert made.refused > 0
