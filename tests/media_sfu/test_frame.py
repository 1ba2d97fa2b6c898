"""A frame is a value: it is shared by all listeners and by the history."""

from __future__ import annotations

import gc

import pytest

from media_sfu.frame import Frame


def test_brings_nothing_earlier_unless_told() -> None:
    frame = Frame(7, 960, False, b"sound")
    assert (frame.red, frame.reach) == (None, 0)
    assert frame == Frame(number=7, timestamp=960, marker=False, opus=b"sound", red=None, reach=0)


def test_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Frame(7, 960, False, b"sound").number = 8  # type: ignore[misc]


def test_is_no_work_for_the_garbage_collector() -> None:
    assert not gc.is_tracked(Frame(7, 960, False, b"sound", b"red", 1))
