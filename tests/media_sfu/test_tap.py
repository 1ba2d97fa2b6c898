from __future__ import annotations

from media_sfu.limits import VoiceLimits
from media_sfu.tap import Tap

LIMITS = VoiceLimits(
    packets_per_second=50, packets_burst=10, bytes_per_second=5_000, bytes_burst=2_000, packet_bytes=1_000
)


def test_packets() -> None:
    tap = Tap(LIMITS, 0.0)
    assert [tap.takes(10, 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert tap.refused == 2
    assert [tap.takes(10, 0.02), tap.takes(10, 0.02)] == [True, False]
    assert [tap.takes(10, 100.0) for _ in range(11)] == [True] * 10 + [False]


def test_bytes() -> None:
    tap = Tap(LIMITS, 0.0)
    assert [tap.takes(900, 0.0) for _ in range(3)] == [True, True, False]
    assert tap.takes(200, 0.0)
    assert not tap.takes(101, 0.02)
    assert tap.takes(100, 0.02)


def test_oversize_costs_nothing_of_the_rest() -> None:
    tap = Tap(LIMITS, 0.0)
    assert not tap.takes(1_001, 0.0)
    assert tap.takes(1_000, 0.0)
    assert tap.takes(1_000, 0.0)


def test_what_was_not_the_peers_is_given_back() -> None:
    tap = Tap(LIMITS, 0.0)
    for _ in range(100):
        assert tap.takes(500, 0.0)
        tap.give_back(500)
    assert [tap.takes(10, 0.0) for _ in range(11)] == [True] * 10 + [False]
