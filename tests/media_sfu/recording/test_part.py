"""Names of the parts of a recording."""

from __future__ import annotations

from kernel.blobs.port import checked_key
from media_sfu.recording.part import part_of


def test_a_part_is_named_by_its_beginning_and_never_as_another() -> None:
    names = [
        part_of("t/d/r/1", began) for began in (1_800_000_000.0, 1_800_000_000.9, 1_800_000_001.0, 1_800_086_400.0)
    ]
    assert [name[:-9] for name in names] == [
        "t/d/r/1/20270115T080000Z", "t/d/r/1/20270115T080000Z", "t/d/r/1/20270115T080001Z", "t/d/r/1/20270116T080000Z",
    ]  # fmt: skip
    assert len(set(names)) == 4
    assert [checked_key(name) for name in names] == names
