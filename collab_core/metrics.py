"""What the engine counts. Plain integers: adding one costs nothing on the way of an edit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class EngineMetrics:
    """Counters since the node started, and gauges of this moment. Seconds and bytes, never milliseconds."""

    rooms: int = 0
    members: int = 0
    rooms_opened: int = 0
    rooms_failed: int = 0
    rooms_evicted: int = 0
    messages: int = 0
    updates: int = 0
    """Accepted: relayed and journaled."""
    updates_known: int = 0
    """Dropped silently: they brought nothing new."""
    updates_held: int = 0
    """Kept outside the log for a missing dependency."""
    updates_refused: int = 0
    flushes: int = 0
    flush_seconds: float = 0.0
    frames_out: int = 0
    bytes_out: int = 0
    presence_broadcasts: int = 0
    sync_replies: int = 0
    sync_replies_encoded: int = 0
    """Replies that were not in the cache of their version."""
    members_behind: int = 0
    engine_faults: int = 0
    closes: Counter[str] = field(default_factory=Counter)
    """By close code's label."""
