"""What clients of a dojo are told in JSON. Sans-I/O: values in, messages out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from edge.live.attendance import Person
from edge.live.dojo_shown import DojoShown
from edge.live.incoming import Complaint, CursorPosition, Selection
from edge.live.json.positions import Position
from edge.live.place import SeatedAdmission, Standing

Message = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond, so that it sorts and compares as the database's own."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unix_timestamp(seconds: float) -> str:
    """The same from Unix seconds."""
    return timestamp(datetime.fromtimestamp(seconds, UTC))


def connected(admission: SeatedAdmission, dojo: DojoShown, *, can_write: bool, now: float) -> Message:
    """The first word to a newcomer: who and where it is. `now` is Unix seconds."""
    place = admission.place
    return {
        "type": "CONNECTION_STATUS",
        "status": "CONNECTED",
        "dojoId": str(place.dojo),
        "dojoName": dojo.name,
        "dojoStatus": dojo.status.value,
        "roomId": str(place.room),
        "userId": str(admission.user),
        "userName": admission.name,
        "role": place.standing.value,
        "canWrite": can_write,
        "expiresAt": int(admission.expires_at * 1000),
        "serverTime": int(now * 1000),
    }


def disconnected(reason: str) -> Message:
    """The last word, before the close frame."""
    return {"type": "CONNECTION_STATUS", "status": "DISCONNECTED", "reason": reason}


def error(complaint: Complaint, ref: str | None = None) -> Message:
    """Something was not done; the connection goes on."""
    message = {"type": "ERROR", "code": complaint.code, "message": complaint.message}
    return message if ref is None else {**message, "ref": ref}


def participant_list(
    people: Iterable[Person],
    roles: Mapping[UUID, str],
    cursors: Mapping[UUID, CursorPosition],
    wall: float,
    now: float,
) -> Message:
    """Everyone, whether connected or lately so. `roles`: who is pilot, co-pilot or sensei. `wall` is Unix seconds and
    `now` the same moment of the people's clock."""
    return {
        "type": "PARTICIPANT_LIST",
        "participants": [
            {
                "userId": str(person.user),
                "userName": person.name,
                "role": roles.get(person.user, person.standing.value),
                "isHost": person.standing is Standing.HOST,
                "isGuest": person.guest,
                "cursorPosition": position(cursors[person.user].position) if person.user in cursors else None,
                "connected": person.connected,
                "lastActive": unix_timestamp(wall - (now - person.active_at)),
            }
            for person in people
        ],
    }


def cursors(moved: Mapping[UUID, CursorPosition]) -> Message:
    """Cursors that moved since the last such message."""
    return {
        "type": "CURSORS",
        "cursors": [
            {
                "userId": str(user),
                "file": cursor.file,
                "position": position(cursor.position),
                "selection": None if cursor.selection is None else selection(cursor.selection),
            }
            for user, cursor in moved.items()
        ],
    }


def position(place: Position) -> Message:
    return {"line": place.line, "column": place.column}


def selection(places: Selection) -> Message:
    return {"start": position(places.start), "end": position(places.end)}


def not_run(ref: str | None) -> Message:
    """The answer to `RUN_CODE` where nothing runs code."""
    message = {
        "type": "CODE_EXECUTION_RESULT",
        "status": "ERROR",
        "output": "",
        "executionTime": 0,
        "memory": 0,
        "error": "not available",
    }
    return message if ref is None else {**message, "ref": ref}
