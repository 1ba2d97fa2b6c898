"""The rules of roles and turns: a state and a command give the state after it, or why not."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from edge.dojos.turns import commands as c
from edge.dojos.turns import pauses, seating, turning
from edge.dojos.turns import timer as timers
from edge.dojos.turns.commands import Applied, Command, Refused, Who
from edge.dojos.turns.state import (
    MOST_WRITERS,
    Format,
    Mode,
    TurnState,
    candidates,
    connected,
    due_at,
    seated,
)
from edge.dojos.turns.turning import Step

_LEAD: Final = (c.Start, c.Stop, c.Pause, c.Resume, c.Extend, c.Break, c.SetRoles, c.SetFormat, c.Allow)
_LEAD_OR_PILOT: Final = (c.Skip, c.HandOver)
_WHILE_ENDING: Final = (c.Pause, c.Resume, c.Extend, c.Break, c.Skip, c.HandOver)


def apply(state: TurnState, command: Command, now: datetime, who: Who) -> Applied | Refused:
    """`state` after `command` of `who` at `now`, by the database's clock. Whatever is due by then happens first; that
    `Applied` holds the very `state` it was given says that nothing has changed."""
    step = _step(state, c.Expire(), now, who)
    assert not isinstance(step, Refused)
    current, before = step
    if not isinstance(command, c.Expire):
        refused = _not_now(current, command, who)
        answer = refused if refused is not None else _step(current, command, now, who)
        if isinstance(answer, Refused):
            return answer
        current, events = answer
        before += events
    current, events = turning.settled(current, now)
    current = pauses.noted(state, current, now)
    current = replace(current, due_at=due_at(current))
    return Applied(state) if current == state else Applied(current, before + events)


def leads(state: TurnState, who: Who) -> bool:
    """Whether `who` may do what hosts may."""
    return who.leads or (who.user is not None and who.user == state.sensei)


def stamped(before: TurnState, after: TurnState, version: int) -> TurnState:
    """`after`, as it is stored with `version`."""
    return after if _shown(before) == _shown(after) else replace(after, changed_in=version)


def _shown(state: TurnState) -> tuple[object, ...]:
    timer, pair = state.timer, (state.pilot, state.copilot, state.sensei)
    return state.mode, state.format, state.rotation, timer, pair, state.writers, state.turn_number, state.handover


def _not_now(state: TurnState, command: Command, who: Who) -> Refused | None:
    if isinstance(command, _LEAD) and not leads(state, who):
        return c.NOT_HOST
    if isinstance(command, _LEAD_OR_PILOT) and not leads(state, who) and (who.user is None or who.user != state.pilot):
        return c.NOT_PILOT
    if isinstance(command, _WHILE_ENDING):
        if state.mode is Mode.FREE or state.pilot is None:
            return c.NOT_RUNNING
        if state.handover is not None:
            return c.TURN_ENDING
    return None


def _step(state: TurnState, command: Command, now: datetime, who: Who) -> Step | Refused:
    match command:
        case c.Start(seconds):
            return _started(state, seconds, now)
        case c.Stop():
            if state.mode is Mode.FREE:
                return c.NOT_RUNNING if state.handover is None else (replace(state, handover=None), ())
            return turning.vacated(replace(state, mode=Mode.FREE), now)
        case c.Pause():
            if state.timer.paused:
                return c.NOT_RUNNING
            return replace(state, timer=timers.paused(state.timer, now)), ()
        case c.Resume():
            if not state.timer.stopped:
                return c.NOT_RUNNING
            return replace(state, timer=timers.resumed(state.timer, now)), ()
        case c.Extend(seconds):
            if seconds == 0 or not timers.valid_duration(seconds):
                return c.BAD_DURATION
            return replace(state, timer=timers.extended(state.timer, seconds, now)), ()
        case c.Break(seconds):
            if seconds == 0 or not timers.valid_duration(seconds):
                return c.BAD_DURATION
            return replace(state, timer=timers.on_break(state.timer, seconds, now)), ()
        case c.Skip():
            return turning.end_turn(state, now)
        case c.HandOver(to):
            if not connected(state, to):
                return c.NOT_IN_ROOM
            return (state, ()) if to == state.pilot else turning.end_turn(state, now, to)
        case c.SetRoles():
            return _with_roles(state, command, now)
        case c.SetFormat():
            return _with_format(state, command)
        case c.Allow(user, may):
            writers = (*(writer for writer in state.writers if writer != user), *([user] if may else []))
            return c.TOO_MANY if len(writers) > MOST_WRITERS else (replace(state, writers=writers), ())
        case c.Take(copilot):
            return _taken(state, copilot, now, who)
        case c.Hand(raised, user):
            return _with_hand(state, raised, user if user is not None else who.user, who)
        case c.Opened(node):
            return seating.emptied(state, node, now), ()
        case c.Joined(user, node, able):
            return seating.joined(state, user, node, able, now), ()
        case c.Dropped(user, node):
            return seating.dropped(state, user, node, now), ()
        case c.Gone(user):
            return seating.gone(state, user), ()
        case c.Confirm(user, turn_number):
            genuine = user == state.pilot and turn_number == state.turn_number
            return (replace(state, confirm_by=None) if genuine else state), ()
        case c.Flushed(node, turn_number):
            return _flushed(state, node, turn_number), ()
        case c.Expire():
            return _expired(state, now)


def _started(state: TurnState, seconds: int | None, now: datetime) -> Step | Refused:
    if state.mode is Mode.TURN or state.handover is not None:
        return c.ALREADY_RUNNING
    if seconds is not None and not timers.valid_duration(seconds):
        return c.BAD_DURATION
    if not candidates(state):
        return c.NOBODY_HERE
    timer = state.timer if seconds is None else timers.lasting(state.timer, seconds)
    return turning.start(replace(state, timer=timers.cleared(timer)), now)


def _with_roles(state: TurnState, wanted: c.SetRoles, now: datetime) -> Step | Refused:
    for user in (wanted.pilot, wanted.copilot):
        if user is not UNSET and user is not None and not connected(state, user):
            return c.NOT_IN_ROOM
    if wanted.pilot is not UNSET and wanted.pilot is not None and wanted.pilot == wanted.copilot:
        return c.BAD_ROLES
    if wanted.sensei is not UNSET:
        state = replace(state, sensei=wanted.sensei)
    pilot = state.pilot if wanted.pilot is UNSET else wanted.pilot
    copilot = state.copilot if wanted.copilot is UNSET else wanted.copilot
    if wanted.copilot is UNSET and copilot == pilot:
        copilot = None
    if copilot is not None and copilot == pilot:
        return c.BAD_ROLES
    if pilot == state.pilot:
        return replace(state, copilot=copilot), ()
    if state.handover is not None:
        return c.TURN_ENDING
    if state.mode is Mode.FREE:
        return replace(state, pilot=pilot, copilot=copilot), ()
    return turning.end_turn(state, now, pilot, copilot if wanted.copilot is not UNSET else None)


def _with_format(state: TurnState, wanted: c.SetFormat) -> Step | Refused:
    if wanted.seconds is not None:
        if not timers.valid_duration(wanted.seconds):
            return c.BAD_DURATION
        state = replace(state, timer=timers.lasting(state.timer, wanted.seconds))
    if wanted.order is not None:
        named = set(wanted.order)
        if len(named) != len(wanted.order) or not all(seated(state, user) for user in wanted.order):
            return c.BAD_ORDER
        state = replace(state, order=(*wanted.order, *(user for user in state.order if user not in named)))
    if wanted.writers is not None:
        if len(wanted.writers) > MOST_WRITERS:
            return c.TOO_MANY
        state = replace(state, writers=tuple(dict.fromkeys(wanted.writers)))
    return replace(state, format=wanted.format or state.format, rotation=wanted.rotation or state.rotation), ()


def _taken(state: TurnState, copilot: bool, now: datetime, who: Who) -> Step | Refused:
    user = who.user
    if user is None or not connected(state, user):
        return c.NOT_IN_ROOM
    if copilot:
        if state.copilot not in (None, user):
            return c.TURN_TAKEN
        return c.BAD_ROLES if state.pilot == user else (replace(state, copilot=user), ())
    if state.pilot == user:
        return state, ()
    if state.pilot is None and state.mode is Mode.FREE:
        if state.handover is not None:
            return c.TURN_ENDING
        return replace(state, pilot=user, copilot=None if state.copilot == user else state.copilot), ()
    # Also while the pilot is away for a moment: their place is kept.
    if state.mode is Mode.FREE or not leads(state, who):
        return c.TURN_TAKEN
    return c.TURN_ENDING if state.handover is not None else turning.end_turn(state, now, user)


def _with_hand(state: TurnState, raised: bool, user: UUID | None, who: Who) -> Step | Refused:
    if user != who.user and (raised or not leads(state, who)):
        return c.NOT_HOST
    if user is None or user not in state.seats:
        return c.NOT_IN_ROOM
    if raised:
        return (state if user in state.hands else replace(state, hands=(*state.hands, user))), ()
    return replace(state, hands=tuple(other for other in state.hands if other != user)), ()


def _flushed(state: TurnState, node: str, turn_number: int) -> TurnState:
    handover = state.handover
    if handover is None or turn_number != state.turn_number:
        return state
    return replace(state, handover=replace(handover, waiting=tuple(each for each in handover.waiting if each != node)))


def _expired(state: TurnState, now: datetime) -> Step:
    if state.due_at is None or now < state.due_at:
        return state, ()
    state = seating.given_up(state, now)
    if state.confirm_by is not None and state.confirm_by <= now and state.pilot is not None:
        # Nobody answers for them: what their node last said was said by one that died.
        state = replace(seating.gone(state, state.pilot), confirm_by=None, writers=state.writers)
    state, events = turning.settled(state, now)
    if state.handover is not None:
        if state.handover.cut_at <= now:
            state, more = turning.change_over(state, now)
            events += more
    elif state.timer.due_at is not None and state.timer.due_at <= now:
        if state.timer.break_ends_at is not None:
            state = replace(state, timer=timers.resumed(state.timer, now))
        elif state.format is Format.PREPARED:
            state = replace(state, timer=timers.rested(state.timer))
        else:
            state, more = turning.end_turn(state, now)
            events += more
    return state, events
