"""One JSON client: what it was told, and what it is owed."""

from __future__ import annotations

from asyncio import TimerHandle
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from collab_core.member import Member
from edge.live.json.messages import CodeUpdate
from edge.live.json.open_files import ListedFile


class Refused(Exception):
    """An edit that was not applied. With `path` its author is told what this file says instead."""

    def __init__(self, code: str, text: str, path: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.path = path


@dataclass(frozen=True, slots=True)
class Flying:
    """An edit that was taken and is not acknowledged yet."""

    file: str
    seq: int | None


@dataclass(slots=True)
class Reader:
    """Moved by `JsonCode`."""

    member: Member
    takes_edits: bool = False
    """Whether it named a version: from then on it gets edits. Others know nothing but whole content."""
    listed: Sequence[ListedFile] = ()
    """The files it was told there are."""
    told: dict[str, str] = field(default_factory=dict)
    """File -> the version it was told last."""
    shown: dict[str, str] = field(default_factory=dict)
    """File -> the content it was told last, while it names no versions."""
    sent: dict[str, str] = field(default_factory=dict)
    """File -> the content it sent last without naming a version."""
    own: dict[str, int] = field(default_factory=dict)
    """File -> the place behind its last edit: a later one must start from a version that knows it."""
    flying: Flying | None = None
    ready_at: float = 0.0
    """By the event loop's clock: from when on its edits are taken at once."""
    held: TimerHandle | None = None
    """Takes the edit that came before that."""
    owed: tuple[Refused, CodeUpdate] | None = None
    """The last refusal, if its socket was full when it was due."""
    unsaved: deque[tuple[int, int]] = field(default_factory=deque)
    """(journal position, seq) of edits that are not committed. Bounded by the journal's backlog: a full one refuses."""
    saved: int | None = None
    """The last seq that is committed."""
    saved_told: int | None = None

    def tell_saved(self) -> None:
        """SAVED, if there is news and room for it."""
        if self.saved is not None and self.saved != self.saved_told and not self.member.paused:
            self.saved_told = self.saved
            self.member.say({"type": "SAVED", "seq": self.saved})
