"""Who may write, run and move the shared view."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from edge.dojos.turns.state import Mode, TurnState, loses


def may_write(state: TurnState, user: UUID, *, able: bool, now: datetime) -> bool:
    """Whether what `user` sends by a connection counts. `able`: its client can take a turn, and it does not observe.

    In free mode observers are for the caller to refuse. Whoever loses the keyboard loses the right at the cut by the
    clock, whether or not this node has heard of the change.
    """
    if state.mode is Mode.FREE:
        return state.handover is None or now < state.handover.cut_at or not loses(state, user)
    if not able:
        return False
    if user in state.writers:
        return True
    return user == state.pilot and (state.handover is None or now < state.handover.cut_at)
