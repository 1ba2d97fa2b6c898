"""Who has a place in a room, over all nodes and lost connections."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from edge.dojos.turns.state import GRACE, Mode, Seat, TurnState


def joined(state: TurnState, user: UUID, node: str, able: bool, now: datetime) -> TurnState:
    """With `user` connected to `node`."""
    seat = state.seats.get(user, Seat())
    state = _with(state, user, _seat(seat, {**seat.nodes, node: able}, now))
    handover = state.handover
    piloting = state.mode is Mode.TURN and user == state.pilot
    if able and handover is not None and piloting and node not in handover.waiting:
        state = replace(state, handover=replace(handover, waiting=(*handover.waiting, node)))
    return state


def dropped(state: TurnState, user: UUID, node: str, now: datetime) -> TurnState:
    """With `user` no longer connected to `node`."""
    seat = state.seats.get(user)
    if seat is None or node not in seat.nodes:
        return state
    nodes = {name: able for name, able in seat.nodes.items() if name != node}
    return _with(state, user, _seat(seat, nodes, now))


def emptied(state: TurnState, node: str, now: datetime) -> TurnState:
    """With nobody connected to `node`."""
    for user in [user for user, seat in state.seats.items() if node in seat.nodes]:
        state = dropped(state, user, node, now)
    return state


def gone(state: TurnState, user: UUID) -> TurnState:
    """Without `user`."""
    seats = {other: seat for other, seat in state.seats.items() if other != user}
    return replace(state, seats=seats, writers=tuple(other for other in state.writers if other != user))


def given_up(state: TurnState, now: datetime) -> TurnState:
    """Without the places of those who have been away for longer than the grace."""
    seats = {}
    for user, seat in state.seats.items():
        if seat.away_since is None or now < seat.away_since + GRACE:
            seats[user] = seat
        elif seat.nodes:
            # Still watching, by a client that cannot take a turn.
            seats[user] = Seat(seat.nodes)
    return state if len(seats) == len(state.seats) and seats == state.seats else replace(state, seats=seats)


def _seat(seat: Seat, nodes: dict[str, bool], now: datetime) -> Seat:
    if any(nodes.values()):
        return Seat(nodes, able=True)
    if nodes and not seat.able:
        return Seat(nodes)
    # The grace counts from the first moment without.
    return Seat(nodes, able=seat.able, away_since=seat.away_since or now)


def _with(state: TurnState, user: UUID, seat: Seat) -> TurnState:
    return replace(state, seats={**state.seats, user: seat})
