"""Keeps the journal's history within its retention: soon after the start, and then daily."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta

from collab_core.journal.retention import Turned, turn_history
from kernel.database import connect

DAY_SECONDS = 24 * 3600.0
FIRST_SECONDS = 60.0
"""Not at the start itself: there is enough to do then, and partitions are made months ahead."""
STATEMENT_SECONDS = 60.0
"""Dropping a month takes no time; clearing what lies in the default partition may."""

log = logging.getLogger(__name__)


async def turn_once(owner_dsn: str, keep: timedelta) -> Turned:
    """Make the coming months' partitions and drop what is older than `keep`. Raises asyncpg's errors and `OSError`."""
    owner = await connect(owner_dsn, name="dojo-history", statement_seconds=STATEMENT_SECONDS)
    try:
        return await turn_history(owner, keep=keep)
    finally:
        owner.terminate()  # nothing is under way any more, and a server that has died answers no farewell


async def turn_daily(owner_dsn: str, keep: timedelta, *, first_seconds: float = FIRST_SECONDS) -> None:
    """Runs until it is cancelled. A day that fails is logged and made up for on the next."""
    await asyncio.sleep(first_seconds)
    while True:
        try:
            turned = await turn_once(owner_dsn, keep)
            log.info("history: %d partitions made, %d dropped", turned.made, turned.dropped)
        except Exception as error:  # whatever it is: housekeeping must not end the supervisor
            log.error("history was not turned, next try in a day: %s: %s", type(error).__name__, error)
        await asyncio.sleep(DAY_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, hides nothing
