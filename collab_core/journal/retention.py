"""How long the journal's history is kept: whole months are dropped, nothing is deleted row by row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kernel.months import Turned


async def turn_history(worker: Any, cutoff: datetime) -> Turned:
    """Make the coming months' partitions and drop those that lie wholly before `cutoff`.

    `worker` is a connection of the worker's role. Safe to call from several processes at once; once a day is plenty.
    Raises what asyncpg raises, for a cutoff in the future too.
    """
    return Turned(*await worker.fetchrow("SELECT made, dropped FROM collab_history_turn($1)", cutoff))
