"""What ends by itself: rows that have served their time, and companies that asked to be erased."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from kernel.blobs.port import BlobError

log = logging.getLogger(__name__)


async def prune(db: Any, *, keep_audit: timedelta) -> int:
    """Delete expired tokens, sessions, keys and the like, of everybody, and audit entries older than `keep_audit`; how
    many rows went. `db` is a connection of the worker's role. Raises what asyncpg raises."""
    return int(await db.fetchval("SELECT prune_expired($1)", keep_audit))


async def erase_tenants(db: Any, first: Callable[[UUID], Awaitable[None]] | None = None) -> int:
    """Erase every company that asked for it; how many were erased. One that fails does not keep the others from it.

    `first` deletes what a company has outside the database; if it raises `BlobError`, the rows stay, too: without them
    nobody would know that there is still something to delete. Repeated for a day after it was asked for: a process that
    had something of it in memory may have written it down once more. Raises what asyncpg raises when the companies
    cannot be listed.
    """
    erased = 0
    for tenant in [row[0] for row in await db.fetch("SELECT tenants_to_erase()")]:
        try:
            if first is not None:
                await first(tenant)
            await db.execute("SELECT tenant_erase($1)", tenant)
            erased += 1
        except asyncpg.PostgresError as error:
            log.error("tenant %s was not erased, next try in a minute: %s", tenant, type(error).__name__)
        except BlobError as error:
            log.error("tenant %s was not erased, next try in a minute: %s", tenant, error)
    return erased
