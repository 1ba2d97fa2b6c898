"""What ends by itself in dojos: months of chat, and invitations that have served their time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kernel.months import Turned


async def turn_chat(worker: Any, cutoff: datetime) -> Turned:
    """Make the coming months' partitions of chat and drop those that lie wholly before `cutoff`. `worker` is a
    connection of the worker's role. Raises what asyncpg raises."""
    return Turned(*await worker.fetchrow("SELECT made, dropped FROM dojo_chat_turn($1)", cutoff))


async def prune_invitations(worker: Any) -> int:
    """Delete invitations that were used, revoked or too old 90 days ago; how many went. Raises what asyncpg raises."""
    return int(await worker.fetchval("SELECT prune_dojo_invitations()"))
