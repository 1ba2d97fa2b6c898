"""Engine faults: bounded per user and per room, and forgotten after a while."""

from __future__ import annotations

from uuid import UUID

from collab_core.faults import WINDOW_SECONDS, Faults

ANN, BEN, CAY = UUID(int=1), UUID(int=2), UUID(int=3)


def test_a_user_is_banned_at_the_bound_and_nobody_else() -> None:
    faults = Faults(per_user=3, per_room=20)
    for _ in range(2):
        faults.record(ANN, 0.0)
        faults.record(BEN, 0.0)
    assert not faults.banned(ANN, 0.0)
    faults.record(ANN, 1.0)
    assert faults.banned(ANN, 1.0)
    assert not faults.banned(BEN, 1.0)
    assert not faults.banned(CAY, 1.0)


def test_a_ban_ends_when_the_oldest_fault_is_forgotten() -> None:
    faults = Faults(per_user=2, per_room=20)
    faults.record(ANN, 0.0)
    faults.record(ANN, 100.0)
    assert faults.banned(ANN, WINDOW_SECONDS)
    assert not faults.banned(ANN, WINDOW_SECONDS + 0.001)
    faults.record(ANN, WINDOW_SECONDS + 1)
    assert faults.banned(ANN, WINDOW_SECONDS + 1)


def test_a_room_is_exhausted_by_all_together() -> None:
    faults = Faults(per_user=3, per_room=4)
    for user in (ANN, BEN, CAY):
        faults.record(user, 0.0)
    assert not faults.exhausted(0.0)
    faults.record(ANN, 5.0)
    assert faults.exhausted(5.0)
    assert faults.exhausted(WINDOW_SECONDS)
    assert not faults.exhausted(WINDOW_SECONDS + 0.001)


def test_a_quiet_room_is_well() -> None:
    faults = Faults(per_user=1, per_room=1)
    assert not faults.exhausted(0.0)
    assert not faults.banned(ANN, 0.0)


def test_faults_kept_have_a_bound_and_the_newest_count() -> None:
    faults = Faults(per_user=2, per_room=3)
    for _ in range(10_000):
        faults.record(ANN, 0.0)
    for _ in range(2):
        faults.record(BEN, 1.0)
    assert faults.banned(ANN, 1.0)
    assert faults.banned(BEN, 1.0)
    assert len(faults._recent) == 12
