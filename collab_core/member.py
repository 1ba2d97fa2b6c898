"""One connection in a room: what it may do, how far it has read, what it is owed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from collab_core.admission import Admission, Dialect
from collab_core.closes import CloseCode
from collab_core.gaps import Gaps
from collab_core.limits import Limits
from collab_core.rate import TokenBucket
from collab_core.saved import SavedLedger
from collab_core.wire import frames


class Connection(Protocol):
    """The socket under a member, as the shell provides it. Writing never blocks and never raises."""

    def write(self, frame: bytes) -> None:
        """Send one ready-made WebSocket frame. What the socket does not take at once calls `Room.blocked`."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Send a close frame and end the connection; later writes are dropped."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes written that the socket has not taken yet."""
        ...


class Member:
    """State of one connection. The room moves it; the shell calls `Room.drained` when its socket does."""

    __slots__ = (
        "_connection",
        "_drain_unsent",
        "admission",
        "asked",
        "asking",
        "bucket",
        "cursor",
        "dialect",
        "drain_since",
        "ended",
        "gaps",
        "heard",
        "number",
        "paused",
        "reset",
        "saved",
        "synced",
    )

    def __init__(
        self, number: int, admission: Admission, dialect: Dialect, connection: Connection, *, limits: Limits, now: float
    ) -> None:
        self.number = number
        """Rises with each connection on this node: a higher one is newer."""
        self.admission = admission
        self.dialect = dialect
        self._connection = connection
        self.bucket = TokenBucket(limits.updates_per_second, limits.updates_burst, now)
        self.gaps = Gaps(limits.held_bytes_per_member, limits.held_seconds)
        self.saved = SavedLedger()
        self.synced = False
        """Whether it sent a SyncStep1: from then on it gets every flush."""
        self.asked = dialect.has_document
        """Whether a SyncStep1 of ours is unanswered: the answer may be as large as a document."""
        self.asking: dict[int, int] | None = None
        """The state vector of a SyncStep1 that came while it was paused, to be answered when it drains."""
        self.cursor = 0
        """Where it stopped reading, while it is paused."""
        self.paused = False
        """Whether its socket has not taken all that was written."""
        self.reset: str | None = None
        """Why its document has diverged and must start over; its edits mean nothing until it has."""
        self.ended = False
        self.heard = now
        self.drain_since = 0.0
        self._drain_unsent = 0

    @property
    def speaks_dojo(self) -> bool:
        """Whether it is told what the engine has to say in JSON: `joined`, `saved`, `reset`."""
        return self.dialect is Dialect.DOJO_V1

    @property
    def speaks_json(self) -> bool:
        """Whether JSON text frames may be sent to it."""
        return self.dialect is not Dialect.YJS

    def write(self, frame: bytes) -> None:
        """Send a ready-made frame. A paused member gets none: what it missed it gets as one piece when it drains."""
        if not self.paused:
            self._connection.write(frame)

    @property
    def writer(self) -> Callable[[bytes], None]:
        """The connection's own `write`, for a fan-out that leaves paused members out itself. A busy node calls it
        100,000 times a second, so every layer counts."""
        return self._connection.write

    def tell(self, message: dict[str, object]) -> None:
        """Send a message of the engine's own, to a member that knows them."""
        if self.speaks_dojo:
            self.say(message)

    def say(self, message: object) -> None:
        """Send a JSON message, to a member that reads any."""
        if self.speaks_json:
            self.write(json_frame(message))

    def end(self, code: CloseCode, reason: str) -> None:
        """Close the connection. The shell then tells the room that it left."""
        self.ended = True
        self._connection.close(code, reason)

    def pause(self, cursor: int, now: float) -> None:
        """The socket is full: remember where the member is, and how much it has to drain."""
        self.paused = True
        self.cursor = cursor
        self.drain_since = now
        self._drain_unsent = self._connection.unsent

    def stuck(self, limits: Limits, now: float) -> bool:
        """Whether a paused member has drained less than it must over the last `stuck_seconds`."""
        if not self.paused or now - self.drain_since < limits.stuck_seconds:
            return False
        unsent = self._connection.unsent
        if self._drain_unsent - unsent < limits.drain_bytes_per_second * (now - self.drain_since):
            return True
        self.drain_since = now
        self._drain_unsent = unsent
        return False


def json_frame(message: object) -> bytes:
    """A ready-made text frame, to be written to any number of members."""
    return frames.encode(frames.TEXT, msgspec.json.encode(message))
