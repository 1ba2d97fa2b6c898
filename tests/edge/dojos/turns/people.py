"""Rooms with people in them, in memory: what tests of the rules begin with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from edge.dojos.turns.commands import SYSTEM, Applied, Command, Event, Flushed, Joined, Refused, Start, Who
from edge.dojos.turns.rules import apply
from edge.dojos.turns.state import Format, Mode, TurnState, candidates, due_at, heard_out_by, seated
from edge.dojos.turns.timer import remaining_ms

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANA, BIA, CAIO, DORA, EVA = (UUID(int=number) for number in range(1, 6))
HOST = Who(UUID(int=100), leads=True)
NODE = "n1"


class Table:
    """One room, driven by commands; each change is checked against what always holds."""

    def __init__(self, *people: UUID, state: TurnState | None = None) -> None:
        self.state = state if state is not None else TurnState()
        self.now = NOW
        self.events: list[Event] = []
        for user in people:
            self.join(user)

    def do(self, command: Command, who: Who = SYSTEM) -> Applied | Refused:
        answer = apply(self.state, command, self.now, who)
        if isinstance(answer, Applied):
            check(answer.state, self.now)
            self.state = answer.state
            self.events += answer.events
        return answer

    def done(self, command: Command, who: Who = HOST) -> TurnState:
        """Carried out; of a start, also heard out by every node at once."""
        answer = self.do(command, who)
        assert isinstance(answer, Applied), answer
        if isinstance(command, Start):
            self.heard_out()
        return self.state

    def heard_out(self) -> TurnState:
        """Every node that is waited for says that all is in."""
        handover = self.state.handover
        for node in handover.waiting if handover is not None else ():
            self.do(Flushed(node, self.state.turn_number))
        return self.state

    def refused(self, command: Command, who: Who = HOST) -> str:
        answer = self.do(command, who)
        assert isinstance(answer, Refused), answer
        return answer.code

    def join(self, user: UUID, node: str = NODE, able: bool = True) -> TurnState:
        return self.done(Joined(user, node, able), SYSTEM)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def pair(self) -> tuple[UUID | None, UUID | None]:
        return self.state.pilot, self.state.copilot


def check(state: TurnState, now: datetime) -> None:
    """What holds of every state."""
    if state.mode is Mode.TURN:
        assert state.pilot is not None or not candidates(state), "somebody could pilot"
        assert (state.pilot is None) == (state.started_at is None)
        if state.copilot is None and state.format is not Format.PREPARED and state.pilot is not None:
            assert not [user for user in candidates(state) if user != state.pilot], "somebody could sit beside them"
    else:
        assert state.timer.ends_at is None
    assert state.pilot is None or seated(state, state.pilot), "an absent pilot"
    assert state.copilot is None or seated(state, state.copilot), "an absent copilot"
    assert state.pilot is None or state.pilot != state.copilot
    assert len(set(state.order)) == len(state.order)
    assert set(state.order) == {user for user in state.seats if seated(state, user)}
    assert (remaining_ms(state.timer, now) or 0) >= 0
    assert state.due_at == due_at(state)
    assert set(state.hands) <= set(state.seats)
    if state.handover is not None:
        assert state.handover.waiting, "nobody is there to be heard out"
        assert set(state.handover.waiting) <= set(heard_out_by(state))
