"""How the engine paces itself. Unlike limits, nothing here is refused: it trades latency against work."""

from __future__ import annotations

from typing import Annotated

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults come from measurements on two cores (docs/benchmarks.md)."""

    flush_pause_per_cost: float = 0.6
    """A room waits this many times what flushes cost lately before the next: 0.6 bounds them to 5/8 of a core."""
    flush_ceiling_seconds: float = 0.020
    """Longest wait between two flushes of a busy room."""
    presence_pause_per_cost: float = 12.0
    """The same for presence: cursors may be later than text, and are many more."""
    presence_floor_seconds: float = 0.030
    presence_ceiling_seconds: float = 0.110
    heartbeat_seconds: float = 10.0
    """Every member hears something at least this often. Stock clients give up after 30 s without a message and drop
    presence not renewed for 30 s; they renew theirs every 15-18 s, so a renewal may be passed on at most 12 s late."""
    admission_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    """Part of the time that may be spent on letting connections in while members are in, 2 ms in one go. Letting one in
    costs 1 to 2 ms of a core, so after another node's end 2,000 are in within some five seconds."""
    evict_after_seconds: float = 30.0
    """How long an empty room stays open: a reload or a short loss of network should find it warm."""
    fold_pieces: int = 512
    fold_bytes: int = 256 * KIB
    """The tail of a room in memory is folded into its base past either bound. A member that lags behind the fold
    is caught up with everything instead of a piece."""
    compact_rows: int = 2_000
    """Unfolded journal rows of one room after which they are folded into its base while it is open."""
    healing_seconds: float = 60.0
    """After a crash, what was shown to everyone and not committed comes back with anyone who has it, whoever wrote it:
    so long after a process opens a room that it did not put to sleep itself. Clients come back within seconds."""
    open_seconds: float = 10.0
    """How long a room's load may take before those who wait are closed with 4503."""
    commit_interval_seconds: float = 0.016
    """Shortest time between two group commits. Commits cost, rows hardly do."""
    unsaved_after_seconds: float = 2.0
    """How long a commit may go unanswered before members see `unsaved`."""
    digest_seconds: float = 2.0
    """How often nodes tell each other what they have of a room that somebody types in: so long may a lost last message
    stay unnoticed."""
    idle_digest_seconds: float = 10.0
    """The same for a quiet room, and for one that is open on one node only. 5,000 of them cost about 3 % of a core."""
    active_seconds: float = 10.0
    """How long after its last edit a room counts as one that somebody types in."""
    audit_seconds: float = 60.0
    """How often a room that somebody types in is compared with the journal, in case the bus is up and carries nothing.
    A thousand such rooms make 17 short reads a second."""
    silent_node_seconds: float = 5.0
    """A node that owes a commit and says nothing for so long is taken for gone; others commit for it."""
    uncommitted_bytes: int = 4 * MIB
    """Edits of other nodes kept in one room because they are not committed yet; past it they are committed here."""
