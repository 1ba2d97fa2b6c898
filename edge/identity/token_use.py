"""An outside token is exchanged once.

Its issuer lets it live for minutes or an hour, and whoever sees it on its way could use it for as long. So the first
exchange takes it, in the transaction that opens the session: one that fails takes nothing. For a moment it may be sent
again, since the answer may have been lost on the way to a phone.

An exchange is a POST that may be repeated, with the token as its key. So it is kept where those are: in Postgres, which
forgets nothing when it restarts. Only a hash is kept, and no answer.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

ROUTE: Final = "POST /api/v1/auth/oidc/exchange"
AGAIN: Final = timedelta(seconds=30)
"""From the first exchange. Kept are the keys for a day (`kernel.http.idempotency`), which is longer than any outside
token is taken (`edge.identity.oidc.verify`)."""
NOBODY: Final = UUID(int=0)
"""In the place of the user: who it is shall not matter, so that no token outlives the person it was first used for."""


async def take(db: Any, tenant: UUID, token: str) -> bool:
    """Whether a genuine token is good for an exchange, in a transaction that speaks for `tenant`. The same token in
    another transaction waits for this one's end."""
    # Without its signature, which can be spelled in several ways that are all good. What is signed can not.
    digest = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
    done = await db.execute(
        "INSERT INTO idempotency_keys (tenant_id, user_id, route, key, body_hash, status, answer)"
        " VALUES ($1, $2, $3, $4, $5, 200, '') ON CONFLICT DO NOTHING",
        tenant,
        NOBODY,
        ROUTE,
        digest.hex(),
        digest,
    )
    if done == "INSERT 0 1":
        return True
    soon = await db.fetchval(
        "SELECT clock_timestamp() - created_at < $5::interval FROM idempotency_keys"
        " WHERE tenant_id = $1 AND user_id = $2 AND route = $3 AND key = $4",
        tenant,
        NOBODY,
        ROUTE,
        digest.hex(),
        AGAIN,
    )
    return soon is True
