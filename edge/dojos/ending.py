"""The end of a dojo, and everything in it that ends with it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from edge.dojos.snapshots import take_all
from edge.dojos.states import Status
from edge.dojos.turns.store import end_turns


async def end(db: Any, tenant: UUID, dojo: UUID, now: Status, wanted: Status) -> None:
    """From `now` to `wanted`, which is over, in the transaction of `db`, which speaks for `tenant` and holds the lock
    of the dojo's row. The turns under way end too; of an active dojo the code of every room is kept as a snapshot.
    Raises `Contended`."""
    await db.execute(
        "UPDATE dojos SET status = $3, updated_at = now(), ended_at = now(), join_code_hash = NULL"
        " WHERE tenant_id = $1 AND dojo_id = $2",
        tenant,
        dojo,
        wanted.value,
    )
    rooms = await db.fetch(
        "SELECT room_id FROM dojo_rooms WHERE tenant_id = $1 AND dojo_id = $2 AND status = 'ACTIVE'"
        " ORDER BY room_id FOR NO KEY UPDATE",
        tenant,
        dojo,
    )
    for row in rooms:
        await end_turns(db, tenant, row["room_id"])
    if now is Status.ACTIVE:
        await take_all(db, tenant, dojo)
    await db.execute(
        "UPDATE dojo_rooms SET status = $3, ended_at = now()"
        " WHERE tenant_id = $1 AND dojo_id = $2 AND status = 'ACTIVE'",
        tenant,
        dojo,
        "FINISHED" if wanted is Status.COMPLETED else "FAILED",
    )
    await db.execute(
        "UPDATE dojo_room_participants s SET left_at = now() FROM dojo_rooms r WHERE s.tenant_id = $1"
        " AND r.tenant_id = $1 AND r.room_id = s.room_id AND r.dojo_id = $2 AND s.left_at IS NULL",
        tenant,
        dojo,
    )
    await db.execute(
        "UPDATE dojo_invitations SET revoked_at = now() WHERE tenant_id = $1 AND dojo_id = $2"
        " AND accepted_at IS NULL AND revoked_at IS NULL",
        tenant,
        dojo,
    )
