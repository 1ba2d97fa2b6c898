"""What was said in a dojo, page by page in both directions, and saying something without a socket."""

from __future__ import annotations

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from edge.dojos import access
from edge.dojos.bell import Bell
from edge.dojos.chat_text import NotSaid, chat_text
from edge.dojos.past import seat_of
from edge.dojos.states import Status
from kernel.buckets import Bucket, Buckets, Draw
from kernel.http.fields import Instant, Text
from kernel.http.operation import SIGNED_IN, Call, Operation
from kernel.http.problem import Problem, not_found, too_many

PER_PERSON: Final = Bucket(capacity=10, per_second=1)
"""Messages of one person: a conversation, not a flood."""

_CURSOR: Final = struct.Struct(">q16s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Cursor = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_-]*$")]


class ChatQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The last messages; those before, or after, a cursor that an answer gave. Of one room, or of the whole dojo."""

    room_id: UUID | None = None
    before: Cursor | None = None
    after: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Said(msgspec.Struct, frozen=True, rename="camel"):
    """One message."""

    message_id: UUID
    room_id: UUID
    user_id: UUID
    user_name: str
    content: str
    timestamp: Instant


class ChatPage(msgspec.Struct, frozen=True):
    """Messages, oldest first. `before` leads to older ones, null if there are none; `after` leads to what is said
    next."""

    items: list[Said]
    before: str | None
    after: str | None


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Something to say in a room."""

    room_id: UUID
    content: Text


_COLUMNS: Final = "message_id, room_id, user_id, user_name, message, timestamp"
_PAGE: Final = f"SELECT {_COLUMNS} FROM dojo_chat_messages WHERE tenant_id = $1 AND "  # noqa: S608 - a constant
_BOUND: Final = " AND (timestamp, message_id) "


class ChatHistory:
    """The routes of chat."""

    def __init__(self, bell: Bell, buckets: Buckets) -> None:
        self._bell = bell
        self._buckets = buckets

    def operations(self) -> tuple[Operation, ...]:
        path = "/api/v1/dojos/{dojoId}/chat"
        return (
            Operation("GET", path, self.list_chat, access=SIGNED_IN, tag="dojos", problems={"invalid_query": 400}),
            Operation(
                "POST",
                path,
                self.say,
                access=SIGNED_IN,
                tag="dojos",
                status=201,
                idempotent=True,
                problems={
                    "empty_message": 400,
                    "message_too_long": 400,
                    "not_participant": 403,
                    "dojo_over": 409,
                    "too_many_requests": 429,
                },
            ),
        )

    async def list_chat(self, call: Call[None, ChatQuery]) -> ChatPage:
        """What was said, ordered by time."""
        dojo = await access.seen(call)
        return await page_of_chat(call.db, call.caller.tenant, dojo["dojo_id"], call.query)

    async def say(self, call: Call[NewMessage, None]) -> Said:
        """Say something in a room, without a socket. Who is there sees it at once."""
        dojo = await access.seen(call)
        seat = await seat_of(call, dojo["dojo_id"])
        said = call.body
        try:
            content = chat_text(said.content)
        except NotSaid as refused:
            raise Problem(400, refused.code, refused.message) from None
        room = await _check_room(call.db, call.caller.tenant, dojo["dojo_id"], said.room_id)
        if Status(dojo["status"]).over or room["status"] != "ACTIVE":
            raise Problem(409, "dojo_over", "this room has ended")
        wait = await self._buckets.take(Draw("dojo.chat", str(call.caller.user), PER_PERSON))
        if wait > 0:
            raise too_many(wait)
        row = await call.db.fetchrow(
            "INSERT INTO dojo_chat_messages (tenant_id, dojo_id, room_id, user_id, user_name, message)"  # noqa: S608
            f" VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}",
            call.caller.tenant,
            dojo["dojo_id"],
            said.room_id,
            call.caller.user,
            seat["shown_name"],
            content,
        )
        call.after_commit(partial(self._bell.ring, call.caller.tenant, [said.room_id]))
        return Said(*row)


async def page_of_chat(db: Any, tenant: UUID, dojo: UUID, query: ChatQuery) -> ChatPage:
    """What `query` asks for. Raises `Problem`."""
    if query.before is not None and query.after is not None:
        raise Problem(400, "invalid_query", "give before or after, not both")
    where = "room_id" if query.room_id is not None else "dojo_id"
    given: list[Any] = [tenant, query.room_id or dojo, query.limit + 1]
    bound = ""
    if query.before is not None or query.after is not None:
        bound = f"{_BOUND}{'<' if query.before is not None else '>'} ($4, $5)"
        given += _read(query.before if query.before is not None else query.after or "")
    if query.room_id is not None:
        await _check_room(db, tenant, dojo, query.room_id)
    order = "ASC" if query.after is not None else "DESC"
    rows = await db.fetch(
        f"{_PAGE}{where} = $2{bound} ORDER BY timestamp {order}, message_id {order} LIMIT $3",  # all written above
        *given,
    )
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    if query.after is None:
        rows.reverse()
    items = [Said(*row) for row in rows]
    return ChatPage(
        items,
        before=_cursor(items[0]) if items and (more or query.after is not None) else None,
        after=_cursor(items[-1]) if items else query.after,
    )


async def _check_room(db: Any, tenant: UUID, dojo: UUID, room: UUID) -> Any:
    row = await db.fetchrow(
        "SELECT status FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND room_id = $3",
        tenant,
        dojo,
        room,
    )
    if row is None:
        raise not_found()
    return row


def _cursor(said: Said) -> str:
    microseconds = (said.timestamp - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_CURSOR.pack(microseconds, said.message_id.bytes)).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, UUID]:
    try:
        microseconds, message = _CURSOR.unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=message)
    except (binascii.Error, struct.error, OverflowError):
        raise Problem(400, "invalid_query", "this is no cursor that an answer gave") from None
