"""A room's chat: stored first, then shown, in the order in which the database has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from collab_core.member import json_frame
from edge.live.outgoing import Message, timestamp

REMEMBERED: Final = 200
"""Messages a room has at hand for those who come back; older ones are read over HTTP."""
SHOWN_TO_NEWCOMERS: Final = 50
PER_SECOND: Final = 1.0
BURST: Final = 10.0
"""Messages of one person: a conversation, not a flood."""
QUEUED: Final = 100
"""Messages of a room that wait to be stored."""
LOOK_BACK_SECONDS: Final = 30.0
"""Rows become visible out of order, when their transactions commit: each look reads this much once more."""

_INSERT: Final = (
    "INSERT INTO dojo_chat_messages (tenant_id, dojo_id, room_id, user_id, user_name, message)"
    " VALUES ($1, $2, $3, $4, $5, $6) RETURNING message_id, room_id, user_id, user_name, message, timestamp"
)
_RECENT: Final = (
    "SELECT message_id, room_id, user_id, user_name, message, timestamp FROM dojo_chat_messages"
    " WHERE tenant_id = $1 AND room_id = $2 ORDER BY timestamp DESC, message_id DESC LIMIT $3"
)
_NEW: Final = (
    "SELECT message_id, room_id, user_id, user_name, message, timestamp FROM dojo_chat_messages"
    " WHERE tenant_id = $1 AND room_id = ANY($2::uuid[])"
    " AND timestamp > clock_timestamp() - make_interval(secs => $3) ORDER BY timestamp, message_id"
)


@dataclass(frozen=True, slots=True)
class Said:
    """One stored message."""

    id: UUID
    room: UUID
    user: UUID
    name: str
    text: str
    at: datetime

    @classmethod
    def of(cls, row: Any) -> Said:
        """From a row of the table."""
        return cls(
            row["message_id"], row["room_id"], row["user_id"], row["user_name"], row["message"], row["timestamp"]
        )

    def message(self, ref: str | None = None) -> Message:
        """As clients are told; `ref` for its author alone."""
        told = {
            "type": "CHAT_MESSAGE",
            "messageId": str(self.id),
            "userId": str(self.user),
            "userName": self.name,
            "content": self.text,
            "timestamp": timestamp(self.at),
        }
        return told if ref is None else {**told, "ref": ref}


@dataclass(frozen=True, slots=True)
class ToSay:
    """A message that is not stored yet. `member` is the connection it came over."""

    member: int
    user: UUID
    name: str
    text: str
    ref: str | None


async def store(connection: Any, tenant: UUID, dojo: UUID, room: UUID, messages: Sequence[ToSay]) -> list[Said]:
    """In one transaction, in this order; the database says when each was."""
    return [
        Said.of(await connection.fetchrow(_INSERT, tenant, dojo, room, said.user, said.name, said.text))
        for said in messages
    ]


async def recent(connection: Any, tenant: UUID, room: UUID) -> list[Said]:
    """The last messages of a room, oldest first."""
    rows = await connection.fetch(_RECENT, tenant, room, REMEMBERED)
    return [Said.of(row) for row in reversed(rows)]


async def news(connection: Any, tenant: UUID, rooms: Sequence[UUID], seconds: float) -> list[Said]:
    """What was said in `rooms` lately, by whomever and over whichever way."""
    return [Said.of(row) for row in await connection.fetch(_NEW, tenant, list(rooms), seconds)]


class Conversation:
    """The last messages of one room, and the frames that show them. A message's number counts up from 1."""

    def __init__(self, said: Iterable[Said]) -> None:
        self._said: deque[tuple[UUID, bytes]] = deque(maxlen=REMEMBERED)
        self._known: dict[UUID, None] = {}
        self.end = 0
        """The last message's number."""
        for one in said:
            self.add(one)

    def add(self, said: Said) -> bytes | None:
        """The frame that shows it; None if it was shown before."""
        if said.id in self._known:
            return None
        self._known[said.id] = None
        while len(self._known) > 4 * REMEMBERED:  # a look reads some once more, never as many as this
            del self._known[next(iter(self._known))]
        frame = json_frame(said.message())
        self._said.append((said.id, frame))
        self.end += 1
        return frame

    def after(self, number: int) -> list[bytes]:
        """What came after message `number`, as far as it is remembered."""
        missed = min(self.end - number, len(self._said))
        return [frame for _, frame in list(self._said)[len(self._said) - missed :]] if missed > 0 else []

    def since(self, last: str) -> list[bytes]:
        """What a client lacks whose last message has the id `last`: all that is remembered if it is longer ago; the
        last few if it says none."""
        if not last:
            return [frame for _, frame in list(self._said)[-SHOWN_TO_NEWCOMERS:]]
        for back, (id_, _) in enumerate(reversed(self._said)):
            if str(id_) == last:
                return self.after(self.end - back)
        return [frame for _, frame in self._said]
