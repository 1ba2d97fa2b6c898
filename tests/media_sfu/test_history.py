"""What the history still has, and what not."""

from __future__ import annotations

from media_sfu.frame import Frame
from media_sfu.history import FRAMES, SECONDS, History


def frame(number: int) -> Frame:
    return Frame(number, number * 960, False, b"%d" % number)


def test_gives_a_frame_for_a_second() -> None:
    history = History()
    history.add(frame(3), 10.0)
    assert history.get(3, 10.0 + SECONDS) == frame(3)
    assert history.get(3, 10.001 + SECONDS) is None
    assert history.get(2, 10.0) is None
    assert history.get(3 + FRAMES, 10.0) is None
    assert history.get(3 - FRAMES, 10.0) is None


def test_has_the_last_64_numbers() -> None:
    history = History()
    for number in range(200):
        history.add(frame(number), 10.0)
    assert [number for number in range(-5, 300) if history.get(number, 10.0)] == list(range(200 - FRAMES, 200))


def test_the_length_is_the_callers_choice() -> None:
    history = History(0.1)
    history.add(frame(0), 10.0)
    assert history.get(0, 10.05)
    assert history.get(0, 10.2) is None


def test_takes_a_late_frame_but_not_for_a_later_one() -> None:
    history = History()
    history.add(frame(70), 10.0)
    history.add(frame(68), 10.1)
    history.add(frame(70 - FRAMES), 10.1)
    assert history.get(68, 10.2) == frame(68)
    assert history.get(70, 10.2) == frame(70)
    assert history.get(70 - FRAMES, 10.2) is None
