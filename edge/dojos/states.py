"""What a dojo's status may become. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    SCHEDULED = "SCHEDULED"
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def over(self) -> bool:
        """Whether it stays as it is for good."""
        return self not in OPEN


OPEN: Final = frozenset({Status.SCHEDULED, Status.ACTIVE})

_NEXT: Final = {
    Status.SCHEDULED: frozenset({Status.ACTIVE, Status.CANCELLED}),
    Status.ACTIVE: frozenset({Status.COMPLETED, Status.FAILED}),
}


class NotPossible(Exception):
    """A dojo cannot go from `now` to `wanted`."""

    def __init__(self, now: Status, wanted: Status) -> None:
        super().__init__(f"a dojo that is {now.value} cannot become {wanted.value}")
        self.now = now
        self.wanted = wanted


def step(now: Status, wanted: Status) -> bool:
    """Whether going from `now` to `wanted` changes anything: asking for what is so already is no error.

    Raises `NotPossible`.
    """
    if now is wanted:
        return False
    if wanted not in _NEXT.get(now, frozenset()):
        raise NotPossible(now, wanted)
    return True


def lapsed(now: Status) -> Status:
    """What becomes of an open dojo that nobody looks after: one whose host never came has failed; one that everybody
    has left is over."""
    return {Status.SCHEDULED: Status.FAILED, Status.ACTIVE: Status.COMPLETED}[now]
