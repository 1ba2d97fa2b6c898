"""The port through which the engine asks who may enter. Identity lives above and plugs in here."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID

from collab_core.closes import CloseCode
from collab_core.identity import RoomKey


class Dialect(Enum):
    """What a connection speaks."""

    YJS = "yjs"
    """The plain y-websocket protocol: binary frames only."""
    DOJO_V1 = "dojo.v1"
    """The same binary frames, and JSON text frames besides."""
    JSON = "dojo.json.v1"
    """JSON text frames only, for clients without a document of their own."""

    @property
    def has_document(self) -> bool:
        """Whether Yjs messages flow."""
        return self is not Dialect.JSON


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """An HTTP upgrade as the shell read it. `path` has no query; header names are lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    subprotocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admission:
    """What an admitted connection may do. `expires_at` is in Unix seconds.

    `session`, `version` and `issued_at` mean nothing to the engine: they say what was shown to get in, for whoever
    decides whether it still holds.
    """

    key: RoomKey
    user: UUID
    name: str
    can_write: bool
    expires_at: float
    session: UUID | None = None
    version: int | None = None
    issued_at: float = 0.0


class Refused(Exception):
    """The connection may not enter. It is accepted and then closed with `code`, so that clients can read why."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Authoriser(Protocol):
    """Decides over upgrades, over tokens renewed on an open `dojo.v1` connection, and over those that are open."""

    def whose(self, request: UpgradeRequest) -> Hashable:
        """In whose line this request waits when many want to come in at once: its company's, as it says itself. Nothing
        was checked yet, and this must cost next to nothing; who lies has gained a place in another line."""
        ...

    async def admit(self, request: UpgradeRequest) -> Admission:
        """Return what the caller may do, or raise `Refused`."""
        ...

    async def renew(self, token: str, current: Admission) -> Admission:
        """Return `current` with the new token's expiry and rights; `Refused` if it is for another user or room."""
        ...

    def review(self, admission: Admission) -> None:
        """Raise `Refused` if what was admitted has been revoked since. Asked again at the moment of entering, because a
        room may take seconds to load."""
        ...
