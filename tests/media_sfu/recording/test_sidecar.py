from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from media_sfu.recording import sidecar as module
from media_sfu.recording.opus_track import Gap
from media_sfu.recording.sidecar import SegmentEntry, Sidecar, read, wall_clock


def made() -> Sidecar:
    return Sidecar(room=UUID(int=1), participant=7, started_at=wall_clock(1_700_000_000.25))


def test_it_is_json_with_names_of_the_outer_world() -> None:
    told = made()
    told.user = UUID(int=2)
    told.segments.append(SegmentEntry(0, "7-00000.opus", 0.0, 60.0, True))
    told.note_source(0.1, 99)
    told.note_muted(1.0, True)
    told.note_drop(2.0, 3)
    told.note_trouble(3.0, "full")
    told.note_trouble(4.0, "full")
    data = msgspec.json.decode(told.encoded())
    assert data["startedAt"] == "2023-11-14T22:13:20.250000Z"
    assert (data["endedAt"], data["interrupted"], data["leftOut"]) == (None, False, 0)
    assert data["user"] == "00000000-0000-0000-0000-000000000002"
    assert data["segments"] == [{"segment": 0, "file": "7-00000.opus", "start": 0.0, "seconds": 60.0, "complete": True}]
    assert data["sources"] == [{"at": 0.1, "ssrc": 99}]
    assert data["mutes"] == [{"at": 1.0, "until": None}]
    assert data["drops"] == [{"at": 2.0, "packets": 3}]
    assert data["trouble"] == [{"at": 3.0, "text": "full"}]
    assert read(told.encoded()) == told


def test_a_gap_that_goes_on_is_one_gap() -> None:
    told = made()
    told.note_gap(Gap(48_000, 96_000))
    told.note_gap(Gap(144_000, 48_000))
    told.note_gap(Gap(480_000, 48_000))
    assert [(gap.at, gap.seconds) for gap in told.gaps] == [(1.0, 3.0), (10.0, 1.0)]


def test_what_is_so_already_is_no_event() -> None:
    told = made()
    told.note_muted(1.0, False)
    told.note_muted(2.0, True)
    told.note_muted(3.0, True)
    told.note_muted(4.0, False)
    told.note_muted(5.0, False)
    assert [(mute.at, mute.until) for mute in told.mutes] == [(2.0, 4.0)]


def test_the_lists_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 5)
    told = made()
    for ssrc in range(8):
        told.note_source(0.0, ssrc)
    assert len(told.sources) == 5
    assert told.left_out == 3


def test_two_sidecars_share_nothing() -> None:
    first, second = made(), made()
    first.note_source(0.0, 1)
    assert second.sources == []


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b"[]", b'{"room": 1}', b"\xff"])
def test_other_bytes_are_none(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read(data)
