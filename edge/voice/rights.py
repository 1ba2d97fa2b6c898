"""What somebody may do in a room's voice. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from edge.dojos.turns.state import TurnState


@dataclass(frozen=True, slots=True)
class Rights:
    """As the SFU is told them."""

    may_speak: bool
    muted: bool
    preferred: bool


def rights_of(
    user: UUID, *, observes: bool, muted: bool, turn: TurnState, green_only: bool, green: bool | None
) -> Rights:
    """`turn` is the room's. Observers listen. Where talking is for green only, those at the keyboard and the sensei
    talk also while it is red; as long as nothing has told the colour everybody may.

    Pilot and sensei are preferred among the equally loud.
    """
    at_work = user in (turn.pilot, turn.copilot, turn.sensei)
    may_speak = not observes and (at_work or not green_only or green is not False)
    return Rights(may_speak, muted, user in (turn.pilot, turn.sensei))
