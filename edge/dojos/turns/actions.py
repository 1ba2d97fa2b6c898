"""What people do about a turn, in the words of the API: the same over HTTP and on the live socket."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

from msgspec import Meta

from edge.dojos.turns import commands as c
from edge.dojos.turns.commands import Command
from edge.dojos.turns.timer import LONGEST_SECONDS

Action: TypeAlias = Literal[
    "start", "pause", "resume", "skip", "extend", "break", "stop", "hand_over", "take", "allow", "disallow"
]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=LONGEST_SECONDS)]
Version: TypeAlias = Annotated[int, Meta(ge=1)]

_PLAIN: Final[dict[Action, Command]] = {
    "pause": c.Pause(),
    "resume": c.Resume(),
    "skip": c.Skip(),
    "stop": c.Stop(),
    "take": c.Take(),
}


class MissingField(Exception):
    """An action lacks a field that it needs."""

    def __init__(self, action: Action, field: str) -> None:
        super().__init__(f"{action} needs the field {field}")


def command(action: Action, *, seconds: int | None, to: UUID | None, user: UUID | None) -> Command:
    """`seconds` is the duration of turns for `start` (0: no end), and how long for `extend` and `break`; `to` is who is
    next for `hand_over`, `user` who may write, or no longer, for `allow` and `disallow`. Raises `MissingField`."""
    if action == "start":
        return c.Start(seconds)
    if action == "extend":
        return c.Extend(_given(seconds, action, "seconds"))
    if action == "break":
        return c.Break(_given(seconds, action, "seconds"))
    if action == "hand_over":
        return c.HandOver(_given(to, action, "to"))
    if action in ("allow", "disallow"):
        return c.Allow(_given(user, action, "userId"), action == "allow")
    return _PLAIN[action]


Given = TypeVar("Given", int, UUID)


def _given(value: Given | None, action: Action, field: str) -> Given:
    if value is None:
        raise MissingField(action, field)
    return value
