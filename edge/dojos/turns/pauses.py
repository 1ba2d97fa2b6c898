"""How much of a turn was pauses and breaks: the pilot keeps the keyboard in them, but nobody pilots."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from edge.dojos.turns.state import TurnState

_MILLISECOND: Final = timedelta(milliseconds=1)


def noted(before: TurnState, after: TurnState, now: datetime) -> TurnState:
    """`after`, which a command has made of `before` at `now`, with what stood still until now."""
    if after.started_at is None:
        return replace(after, paused_ms=0, paused_since=None)
    if (after.turn_number, after.started_at) != (before.turn_number, before.started_at):
        return replace(after, paused_ms=0, paused_since=now if _still(after) else None)
    if _still(after) == (after.paused_since is not None):
        return after
    if after.paused_since is None:
        return replace(after, paused_since=now)
    return replace(after, paused_ms=paused(after, now) // _MILLISECOND, paused_since=None)


def paused(state: TurnState, now: datetime) -> timedelta:
    """How much of the turn under way stood still, up to `now`."""
    if state.started_at is None:
        return timedelta()
    standing = timedelta() if state.paused_since is None else max(timedelta(), now - state.paused_since)
    return min(state.paused_ms * _MILLISECOND + standing, max(timedelta(), now - state.started_at))


def _still(state: TurnState) -> bool:
    """Somebody has stopped it. A time that is over, with nobody to go on to, stops only the timer."""
    timer = state.timer
    return timer.stopped and not (timer.paused and timer.paused_remaining_ms == 0)
