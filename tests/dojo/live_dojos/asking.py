"""What several of these tests ask and do."""

from __future__ import annotations

from tests.collab_core.client import Client
from tests.edge.dojos.hosting import Someone
from tests.edge.live.people import Class, Message, told

WITHIN_SECONDS = 2.5
"""What HTTP changes reaches sockets within a second, with Redis there; a machine on which others are at work gets more.
Without Redis it takes up to 5 s."""
NOT_FOUND, FULL, FORBIDDEN, UNAUTHENTICATED = (4404, 4002), (4409, 4003), (4403, 4004), (4401, 4001)


async def journaled(kata: Class, who: Someone) -> int:
    return int(
        await kata.api.everything.fetchval("SELECT count(*) FROM collab_journal WHERE tenant_id = $1", who.tenant)
    )


async def start_turns(host: Client) -> Message:
    await host.tell({"type": "TURN_REQUEST", "action": "start", "seconds": 300})
    return await told(host, "TURN", lambda message: message["state"] == "RUNNING")
