"""A turn's timer as data: when it ends by the database's clock, or what was left when it was stopped."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

SHORTEST_SECONDS: Final = 10
LONGEST_SECONDS: Final = 4 * 3600
"""Also of what is left after having been extended."""
DEFAULT_MS: Final = 5 * 60 * 1000
"""Randoris change half of the pair every five to ten minutes."""

_MILLISECOND: Final = timedelta(milliseconds=1)


class Timer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`ends_at` while it runs; `paused_remaining_ms` while it is stopped, by hand or for a break. Neither: there is no
    turn, or turns have no end (`duration_ms` 0)."""

    duration_ms: int = DEFAULT_MS
    ends_at: datetime | None = None
    paused_remaining_ms: int | None = None
    paused: bool = False
    break_ends_at: datetime | None = None

    @property
    def stopped(self) -> bool:
        return self.paused or self.break_ends_at is not None

    @property
    def due_at(self) -> datetime | None:
        """When time alone changes something."""
        return self.break_ends_at if self.break_ends_at is not None else self.ends_at


def remaining_ms(timer: Timer, now: datetime) -> int | None:
    """What is left of the turn, never below zero; None if there is no end to it."""
    if timer.ends_at is None:
        return timer.paused_remaining_ms
    # Rounded up: zero means over.
    return max(0, -((now - timer.ends_at) // _MILLISECOND))


def cleared(timer: Timer) -> Timer:
    """No turn under way."""
    return Timer(duration_ms=timer.duration_ms)


def renewed(timer: Timer, now: datetime) -> Timer:
    """A new turn's whole time. One that was stopped stays so: whoever stopped it lets it run again."""
    return _with_remaining(timer, timer.duration_ms or None, now)


def paused(timer: Timer, now: datetime) -> Timer:
    """Stopped until `resumed`. A break ends with it."""
    return msgspec.structs.replace(
        timer, paused=True, break_ends_at=None, ends_at=None, paused_remaining_ms=remaining_ms(timer, now)
    )


def resumed(timer: Timer, now: datetime) -> Timer:
    """Running again with what was left; with a turn's whole time if nothing was."""
    left = remaining_ms(timer, now) or timer.duration_ms or None
    return _with_remaining(msgspec.structs.replace(timer, paused=False, break_ends_at=None), left, now)


def extended(timer: Timer, seconds: int, now: datetime) -> Timer:
    """With `seconds` more. Turns without an end stay without."""
    left = remaining_ms(timer, now)
    if left is None:
        return timer
    return _with_remaining(timer, min(left + seconds * 1000, LONGEST_SECONDS * 1000), now)


def on_break(timer: Timer, seconds: int, now: datetime) -> Timer:
    """Stopped for `seconds`, after which it runs again by itself."""
    left = remaining_ms(timer, now)
    return msgspec.structs.replace(
        timer, paused=False, ends_at=None, paused_remaining_ms=left, break_ends_at=now + timedelta(seconds=seconds)
    )


def rested(timer: Timer) -> Timer:
    """Over, with nobody to go on to: stopped at zero."""
    return msgspec.structs.replace(timer, paused=True, break_ends_at=None, ends_at=None, paused_remaining_ms=0)


def lasting(timer: Timer, seconds: int) -> Timer:
    """With another duration from the next turn on. 0: turns end by hand only."""
    return msgspec.structs.replace(timer, duration_ms=seconds * 1000)


def valid_duration(seconds: int) -> bool:
    return seconds == 0 or SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS


def _with_remaining(timer: Timer, left: int | None, now: datetime) -> Timer:
    if timer.stopped:
        return msgspec.structs.replace(timer, ends_at=None, paused_remaining_ms=left)
    ends_at = None if left is None else now + timedelta(milliseconds=left)
    return msgspec.structs.replace(timer, ends_at=ends_at, paused_remaining_ms=None)
