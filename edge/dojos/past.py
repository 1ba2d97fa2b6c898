"""The room that a request about the past names, and moments of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from edge.dojos import access
from edge.dojos.replay.keyframes import NotReplayable
from kernel.http.operation import Call
from kernel.http.problem import Problem, not_found

HISTORY_DROPPED: Final = {"history_dropped": 410}
"""The problem of `gone`, for an operation's list."""

_ROOM: Final = "SELECT * FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND room_id = $3"


async def seen_room(call: Call[Any, Any]) -> tuple[Any, Any]:
    """The rows of the dojo and of its room that the path names. Raises `Problem` 404, also for a dojo that the caller
    may not know of."""
    dojo = await access.seen(call)
    room = await call.db.fetchrow(_ROOM, call.caller.tenant, dojo["dojo_id"], call.ids["roomId"])
    if room is None:
        raise not_found()
    return dojo, room


async def seat_of(call: Call[Any, Any], dojo: UUID) -> Any:
    """The caller's row among the participants, while they have a seat. Raises `Problem` 403."""
    row = await call.db.fetchrow(
        "SELECT shown_name, role FROM dojo_participants WHERE tenant_id = $1 AND dojo_id = $2 AND user_id = $3"
        " AND status = 'ADMITTED'",
        call.caller.tenant,
        dojo,
        call.caller.user,
    )
    if row is None:
        raise Problem(403, "not_participant", "only who takes part in the dojo may do this; join it first")
    return row


def milliseconds(at: datetime) -> int:
    """As Unix time. Raises `Problem` 400 for hours that no clock can show."""
    try:
        return int(at.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError):
        raise Problem(400, "invalid_query", "this point in time is out of range") from None


def moment(at_ms: int) -> datetime:
    """From Unix time in milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def gone(error: NotReplayable) -> Problem:
    """410, with `replayableFrom` if there is a moment from which on it can be had."""
    since = None if error.since_ms is None else moment(error.since_ms).isoformat()
    return Problem(410, "history_dropped", str(error), replayableFrom=since)
