"""Who typed how much in rooms that have ended: counted once, and kept when the journal it was counted from is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from edge.dojos.activity import Typed


async def keep(db: Any, tenant: UUID, room: UUID, typed: Typed) -> None:
    """Write down what was counted, in the transaction of `db`, which speaks for `tenant`."""
    await db.execute("DELETE FROM dojo_typed WHERE tenant_id = $1 AND room_id = $2", tenant, room)
    await db.executemany(
        "INSERT INTO dojo_typed (tenant_id, room_id, user_id, typed, deleted) VALUES ($1, $2, $3, $4, $5)",
        [
            (tenant, room, user, typed.typed[user], typed.deleted[user])
            for user in sorted(typed.typed.keys() | typed.deleted.keys())
        ],
    )
    await db.execute(
        "UPDATE dojo_rooms SET typed_complete = $3 WHERE tenant_id = $1 AND room_id = $2", tenant, room, typed.complete
    )


async def kept(db: Any, tenant: UUID, rooms: Sequence[UUID]) -> dict[UUID, Typed]:
    """What was counted of those of `rooms` that were counted."""
    counted = await db.fetch(
        "SELECT room_id, typed_complete FROM dojo_rooms"
        " WHERE tenant_id = $1 AND room_id = ANY($2) AND typed_complete IS NOT NULL",
        tenant,
        rooms,
    )
    totals = {row["room_id"]: Typed(complete=row["typed_complete"]) for row in counted}
    for row in await db.fetch(
        "SELECT room_id, user_id, typed, deleted FROM dojo_typed WHERE tenant_id = $1 AND room_id = ANY($2)",
        tenant,
        list(totals),
    ):
        typed = totals[row["room_id"]]
        typed.typed[row["user_id"]] = row["typed"]
        typed.deleted[row["user_id"]] = row["deleted"]
    return totals
