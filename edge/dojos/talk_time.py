"""How long everybody has talked, kept with the room.

An SFU tells how many seconds somebody has talked since they connected, every live node with the room open hears it, and
each writes it down now and then. What was written is the growth since what was told last, and only of a word that is
newer: so each second counts once, whoever writes it, in whatever order. A number that fell is of a new connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

# Locked in one order, since another node may do the same.
_ADD: Final = """
INSERT INTO dojo_voice_talk AS t (tenant_id, room_id, user_id, seconds, told, told_at)
SELECT $1, $2, s.user_id, s.told, s.told, $5 FROM unnest($3::uuid[], $4::float8[]) AS s (user_id, told)
ORDER BY s.user_id
ON CONFLICT (tenant_id, room_id, user_id) DO UPDATE SET
    seconds = t.seconds + CASE WHEN excluded.told >= t.told THEN excluded.told - t.told ELSE excluded.told END,
    told = excluded.told, told_at = excluded.told_at
WHERE t.told_at < excluded.told_at
"""
_OF_DOJO: Final = (
    "SELECT t.user_id, sum(t.seconds) AS seconds FROM dojo_voice_talk t JOIN dojo_rooms r USING (tenant_id, room_id)"
    " WHERE t.tenant_id = $1 AND r.dojo_id = $2 GROUP BY t.user_id"
)


async def add(db: Any, tenant: UUID, room: UUID, spoken: Mapping[UUID, float], at: float) -> None:
    """`spoken`: seconds since they connected, by user, as told at `at` (Unix seconds, the SFU's clock)."""
    if spoken:
        await db.execute(_ADD, tenant, room, list(spoken), list(spoken.values()), at)


async def of_dojo(db: Any, tenant: UUID, dojo: UUID) -> Mapping[UUID, float]:
    """Seconds in all rooms of a dojo, by user."""
    return {row["user_id"]: row["seconds"] for row in await db.fetch(_OF_DOJO, tenant, dojo)}
