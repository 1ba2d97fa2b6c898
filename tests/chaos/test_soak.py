"""What counts as a leak: memory that grows all the time, not steps."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.soak import NODES, Sample, growth, leaks

KIB = 1024
MIB = 1024 * KIB


def line(resident: Callable[[float], float]) -> list[Sample]:
    """Half an hour, a sample every 14 s."""
    return [Sample(at, (int(resident(at)),) * NODES) for at in (14.0 * number for number in range(1, 129))]


def test_steps_and_a_moments_need_are_no_leak() -> None:
    def resident(at: float) -> float:
        return 85 * MIB + (at > 1_100) * MIB + (at > 1_300) * 1.4 * MIB + (1_000 < at < 1_020) * 9 * MIB

    assert not leaks(growth(line(resident), 0))


def test_what_grows_slowly_all_the_time_is_one() -> None:
    def resident(at: float) -> float:
        return 85 * MIB + at / 60 * 40 * KIB

    parts = growth(line(resident), 0)
    assert leaks(parts)
    assert sum(parts) > 400 * KIB


def test_the_warm_up_is_not_looked_at() -> None:
    assert growth(line(lambda at: min(at, 800.0) * 100 * KIB), 0) == [0, 0, 0]
