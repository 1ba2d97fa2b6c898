from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from media_sfu.recording.leftovers import LOCK, RunFolder, Upload, claim, mend, save
from media_sfu.recording.ogg import OpusPages
from media_sfu.recording.sidecar import SegmentEntry, Sidecar, read, wall_clock
from tests.media_sfu.recording.sound import PACKET, decode, tone


def torn(packets: int) -> bytes:
    pages = OpusPages(1, channels=1, pre_skip=0)
    made = pages.headers() + b"".join(pages.pages((opus, PACKET) for opus in tone(1.0)[:packets]))
    return made + b"".join(pages.pages([(tone(1.0)[-1], PACKET)]))[:-5]


def left(folder: Path) -> RunFolder:
    """The folder of a process that is gone."""
    run = RunFolder.new(folder)
    run.hold()
    room = run.path / "t" / "r"
    room.mkdir(parents=True)
    told = Sidecar(room=UUID(int=1), participant=7, started_at=wall_clock(0.0))
    told.segments.append(SegmentEntry(3, "7-00003.opus", 180.0, 60.0, True))
    save(room / "7.json", told)
    (room / "7-00003.opus").write_bytes(b"whole")
    (room / "7-00004.opus.part").write_bytes(torn(25))
    (room / "17-00004.opus.part").write_bytes(torn(0))
    (room / "8-00000.opus.part").write_bytes(b"OggS, but no more")
    (room / "8.json").write_bytes(b"{torn")
    (room / ".9.json").write_bytes(b"a draft")
    return run


def test_a_torn_segment_becomes_a_whole_one_and_its_sidecar_knows_it(tmp_path: Path) -> None:
    run = left(tmp_path)
    uploads = mend(run)
    room = run.path / "t" / "r"
    names = ["7-00003.opus", "7-00004.opus", "7.json", "8.json"]
    assert uploads == [Upload(room / name, f"t/r/{name}") for name in names]
    assert len(decode(room / "7-00004.opus")) == 25 * PACKET
    told = read((room / "7.json").read_bytes())
    assert told.interrupted
    assert [(entry.segment, entry.start, entry.seconds, entry.complete) for entry in told.segments] == [
        (3, 180.0, 60.0, True),
        (4, 240.0, 0.5, False),
    ]
    assert mend(run) == uploads  # a process may be killed here, too
    assert read((room / "7.json").read_bytes()) == told


def test_nobody_takes_what_a_living_process_holds(tmp_path: Path) -> None:
    run = left(tmp_path)
    assert claim(tmp_path) == []
    with pytest.raises(BlockingIOError):
        RunFolder(run.path).hold()
    for upload in mend(run):
        upload.path.unlink()
    run.discard()
    (next_one,) = claim(tmp_path)  # a draft was still in it
    assert next_one.path == run.path
    assert claim(tmp_path) == []
    next_one.discard()


def test_an_empty_folder_goes_and_foreign_ones_stay(tmp_path: Path) -> None:
    run = RunFolder.new(tmp_path / "recordings")
    run.discard()
    assert claim(tmp_path / "recordings") == []
    run.hold()
    run.hold()
    (run.path / "a" / "b").mkdir(parents=True)
    run.discard()
    (tmp_path / "recordings" / "other").mkdir()
    assert claim(tmp_path / "recordings") == []
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["other"]
    assert not (tmp_path / "recordings" / "other" / LOCK).exists()
