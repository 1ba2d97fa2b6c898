"""Roles and turn as clients are told of them. Moments are in milliseconds since 1970, by the database's clock, and come
with that clock: a client shows `endsAt - serverTime` of its own receiving, whatever its own clock says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from edge.dojos.turns.state import Format, Mode, Rotation, TurnState
from edge.dojos.turns.timer import remaining_ms

Phase: TypeAlias = Literal["FREE", "WAITING", "RUNNING", "PAUSED", "BREAK", "ENDING"]


class RolesView(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Who has which role in a room."""

    sensei: UUID | None
    pilot: UUID | None
    copilot: UUID | None
    writers: tuple[UUID, ...]
    """Whom the host lets write besides the pilot."""
    version: int


class TurnView(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The turn under way. FREE: everybody writes. WAITING: there is nobody who could pilot. ENDING: the pilot is being
    heard out or, before the first turn, everybody is. `endsAt` while the time runs, or while a break does."""

    state: Phase
    format: Format
    rotation: Rotation
    pilot: UUID | None
    copilot: UUID | None
    number: int
    ends_at: int | None
    remaining_ms: int | None
    duration_ms: int
    server_time: int
    order: tuple[UUID, ...]
    """The queue of those who can take turns."""
    hands: tuple[UUID, ...]
    """Raised hands, first come first."""
    version: int


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def phase(state: TurnState) -> Phase:
    """What `state` is in."""
    if state.mode is Mode.FREE:
        return "FREE" if state.handover is None else "ENDING"
    if state.pilot is None:
        return "WAITING"
    if state.handover is not None:
        return "ENDING"
    if state.timer.break_ends_at is not None:
        return "BREAK"
    return "PAUSED" if state.timer.paused else "RUNNING"


def roles_view(state: TurnState, version: int) -> RolesView:
    return RolesView(
        sensei=state.sensei, pilot=state.pilot, copilot=state.copilot, writers=state.writers, version=version
    )


def turn_view(state: TurnState, version: int, now: datetime) -> TurnView:
    timer = state.timer
    return TurnView(
        state=phase(state),
        format=state.format,
        rotation=state.rotation,
        pilot=state.pilot,
        copilot=state.copilot,
        number=state.turn_number,
        ends_at=None if timer.due_at is None else milliseconds(timer.due_at),
        remaining_ms=remaining_ms(timer, now),
        duration_ms=timer.duration_ms,
        server_time=milliseconds(now),
        order=state.order,
        hands=state.hands,
        version=version,
    )


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
