"""How one turn becomes the next: the end that leaves the pilot a moment, the change itself, and what puts the state
right whenever somebody comes or goes."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from msgspec.structs import replace

from edge.dojos.turns import pauses
from edge.dojos.turns import timer as timers
from edge.dojos.turns.commands import Event, TurnEnded, TurnEnding, TurnStarted
from edge.dojos.turns.rotation import Pair, rotated, swapped
from edge.dojos.turns.state import (
    CONFIRM,
    CUT,
    Format,
    Handover,
    Mode,
    TurnState,
    candidates,
    connected,
    heard_out_by,
    seated,
)

Step: TypeAlias = tuple[TurnState, tuple[Event, ...]]


def start(state: TurnState, now: datetime) -> Step:
    """Turns begin, when those who write freely have been heard out: what they typed and is on its way counts."""
    state = replace(state, handover=Handover(cut_at=now + CUT, waiting=(), pilot=_first(state)))
    waiting = heard_out_by(state)
    if not waiting:
        return change_over(state, now)
    assert state.handover is not None
    return replace(state, handover=replace(state.handover, waiting=waiting)), ()


def begin(state: TurnState, pair: Pair, now: datetime) -> Step:
    """The turn of `pair`, whose pilot is somebody; the one under way, if any, is over."""
    assert pair.pilot is not None
    over = ended(state, now)
    state = replace(
        state,
        pilot=pair.pilot,
        copilot=pair.copilot,
        order=pair.order,
        turn_number=state.turn_number + 1,
        started_at=now,
        handover=None,
        timer=timers.renewed(state.timer, now),
        confirm_by=now + CONFIRM,
        hands=tuple(user for user in state.hands if user != pair.pilot),
    )
    return state, (*over, TurnStarted(state.turn_number, pair.pilot, pair.copilot))


def ended(state: TurnState, now: datetime) -> tuple[Event, ...]:
    """That the turn under way is over, if there is one."""
    if state.pilot is None or state.started_at is None:
        return ()
    # After a failover the database's clock may be a little behind where it was.
    over_at = max(now, state.started_at)
    paused = pauses.paused(state, over_at)
    return (TurnEnded(state.turn_number, state.pilot, state.copilot, state.started_at, over_at, paused),)


def end_turn(state: TurnState, now: datetime, to: UUID | None = None, copilot: UUID | None = None) -> Step:
    """Let the turn end: a pilot who is connected and loses the keyboard gets until `CUT` to be heard out."""
    handover = Handover(cut_at=now + CUT, waiting=(), pilot=to, copilot=copilot)
    if not connected(state, state.pilot) or _next(state, handover).pilot == state.pilot:
        return change_over(replace(state, handover=handover), now)
    assert state.pilot is not None
    waiting = tuple(sorted(state.seats[state.pilot].writing_nodes))
    event = TurnEnding(state.turn_number, state.pilot, handover.cut_at)
    return replace(state, handover=replace(handover, waiting=waiting)), (event,)


def change_over(state: TurnState, now: datetime) -> Step:
    """Carry out the handover that is under way."""
    handover = state.handover
    assert handover is not None
    if state.mode is Mode.FREE:
        first = handover.pilot if connected(state, handover.pilot) else _first(state)
        state = replace(state, mode=Mode.TURN)
        pair = chosen(state, first) if first is not None else Pair(None, None, state.order)
    else:
        pair = _next(state, handover)
    if pair.pilot is None:
        return vacated(state, now)
    return begin(state, pair, now)


def vacated(state: TurnState, now: datetime) -> Step:
    """Nobody is pilot."""
    over = ended(state, now)
    state = replace(
        state,
        pilot=None,
        copilot=None,
        started_at=None,
        handover=None,
        confirm_by=None,
        timer=timers.cleared(state.timer),
    )
    return state, over


def chosen(state: TurnState, pilot: UUID, copilot: UUID | None = None) -> Pair:
    """`pilot`, who is connected, with `copilot` beside them, or who sits there now, or the first of the queue."""
    order = state.order
    if state.pilot is not None and state.pilot in order and state.pilot != pilot:
        order = (*(user for user in order if user != state.pilot), state.pilot)
    here = [user for user in order if connected(state, user) and user != pilot]
    wanted = [user for user in (copilot, state.copilot) if user in here]
    if not wanted and state.format is not Format.PREPARED:
        wanted = here
    return Pair(pilot, wanted[0] if wanted else None, order)


def settled(state: TurnState, now: datetime) -> Step:
    """`state` after seats have changed: the queue holds those who have one, and so do pilot and copilot."""
    events: tuple[Event, ...] = ()
    order = tuple(user for user in state.order if seated(state, user))
    queued = set(order)
    newcomers = sorted(user for user in state.seats if user not in queued and seated(state, user))
    state = replace(state, order=order + tuple(newcomers), hands=tuple(u for u in state.hands if u in state.seats))
    if not seated(state, state.copilot):
        state = replace(state, copilot=None)
    if state.mode is Mode.FREE and not seated(state, state.pilot):
        state = replace(state, pilot=None)
    if state.mode is Mode.TURN and not seated(state, state.pilot):
        state, events = _gone_on(state, now)
    elif state.handover is not None:
        # To a node they are no longer connected to nothing more can be sent.
        nodes = heard_out_by(state)
        waiting = tuple(node for node in state.handover.waiting if node in nodes)
        state = replace(state, handover=replace(state.handover, waiting=waiting))
        if not waiting:
            state, events = change_over(state, now)
    if state.mode is Mode.FREE:
        return state, events
    if state.copilot is None and state.pilot is not None and state.format is not Format.PREPARED:
        beside = next((user for user in candidates(state) if user != state.pilot), None)
        state = replace(state, copilot=beside)
    if state.confirm_by is not None and not connected(state, state.pilot):
        # Their place is known to be one that waits for them: the grace counts, which is longer.
        state = replace(state, confirm_by=None)
    return state, events


def _first(state: TurnState) -> UUID | None:
    """Whose turn is the first: whoever has taken the keyboard already, a prepared kata's sensei, or the queue's first
    who is not to sit beside them."""
    here = candidates(state)
    if state.pilot in here:
        return state.pilot
    if state.format is Format.PREPARED and state.sensei in here:
        return state.sensei
    return next((user for user in here if user != state.copilot), here[0] if here else None)


def _gone_on(state: TurnState, now: datetime) -> Step:
    """The pilot is gone for good, or there was none: the copilot goes on, or whoever is next."""
    if state.handover is not None and connected(state, state.handover.pilot):
        return change_over(state, now)
    here = candidates(state)
    if not here:
        return (state, ()) if state.pilot is None and state.started_at is None else vacated(state, now)
    goes_on = state.copilot if state.copilot in here else here[0]
    assert goes_on is not None
    return begin(state, chosen(state, goes_on), now)


def _next(state: TurnState, handover: Handover) -> Pair:
    """Who is next if the handover took place now."""
    if handover.pilot is not None and connected(state, handover.pilot):
        return chosen(state, handover.pilot, handover.copilot)
    here = candidates(state)
    if state.format is Format.PAIRS:
        return swapped(state.order, here, state.pilot, state.copilot)
    return rotated(state.rotation, state.order, here, state.pilot, state.copilot, turn_number=state.turn_number)
