"""Tables that are partitioned by month and end by month; `schema/0002_months.sql` turns them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple


class Turned(NamedTuple):
    """What one turn did, in months: partitions made and dropped."""

    made: int
    dropped: int


async def cutoff(db: Any, keep: timedelta) -> datetime:
    """The start of the month that `keep` reaches back to, by the database's clock: what lies before it may go."""
    start: datetime = await db.fetchval("SELECT date_trunc('month', now() - $1::interval, 'UTC')", keep)
    return start
