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
    bus_in: int = 0
    """Messages of other nodes."""
    bus_out: int = 0
    bus_refused: int = 0
    """Messages of other nodes that could not be taken."""
    bus_gaps: int = 0
    """Times a message of another node was missing."""
    bus_heals: int = 0
    """Answers and readings of the journal that brought what was missing."""
    bus_nodes_lost: int = 0
    """Times another node that had a room open was not heard any more."""
    bus_rows_adopted: int = 0
    """Rows committed here for another node."""
    admissions_waiting: int = 0
    """Connections that wait until there is time to let them in."""
    admissions_refused: int = 0
    """Connections turned away because too many waited, or for too long."""
    admission_seconds: float = 0.0
    """Spent on letting connections in."""
    closes: Counter[str] = field(default_factory=Counter)
    """By close code's label."""
