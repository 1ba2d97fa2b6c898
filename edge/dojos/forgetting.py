"""What dojos know of a person who leaves the company: their id stays, their name and address go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from edge.identity.erasure import REMOVED_EMAIL, REMOVED_NAME


async def forget_person(db: Any, tenant: UUID, user: UUID, email: str | None) -> None:
    """Take the person behind `user` out of all dojos, in the transaction of `db`, which speaks for `tenant`."""
    await db.execute(
        "UPDATE dojo_participants SET shown_name = $3, name_key = '',"
        " status = CASE WHEN status IN ('WAITING', 'ADMITTED') AND role <> 'HOST' THEN 'REMOVED' ELSE status END,"
        " leave_time = coalesce(leave_time, now()) WHERE tenant_id = $1 AND user_id = $2",
        tenant,
        user,
        REMOVED_NAME,
    )
    await db.execute(
        "UPDATE dojo_room_participants SET left_at = now() WHERE tenant_id = $1 AND user_id = $2 AND left_at IS NULL",
        tenant,
        user,
    )
    await db.execute(
        "UPDATE dojo_chat_messages SET user_name = $3 WHERE tenant_id = $1 AND user_id = $2",
        tenant,
        user,
        REMOVED_NAME,
    )
    if email is not None:
        await db.execute(
            "UPDATE dojo_invitations SET email = $3,"
            " revoked_at = CASE WHEN accepted_at IS NULL THEN coalesce(revoked_at, now()) ELSE revoked_at END"
            " WHERE tenant_id = $1 AND email = $2",
            tenant,
            email,
            REMOVED_EMAIL,
        )
