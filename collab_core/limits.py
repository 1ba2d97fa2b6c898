"""What one member, room and tenant may use. Each has a close code (`collab_core.closes`) and a metric."""

from __future__ import annotations

from typing import Annotated

import msgspec

KIB = 1024
MIB = 1024 * KIB

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults suit a room of up to some hundred people. Every value can be set in the settings file."""

    # One member
    message_bytes: int = 1 * MIB
    """Largest message once a member is synced; a larger one closes with 4413."""
    first_sync_bytes: int = 16 * MIB
    """Largest message while a member answers the server's first SyncStep1 (it may bring a whole document)."""
    message_parts: int = 100_000
    """Structs and deleted ranges in one update, whatever its bytes; more closes with 4413. A document of 100,000
    keystrokes has about 28,000. Each takes some 10 us of the node, and counts as a fiftieth of a message."""
    updates_per_second: float = 100.0
    """Sustained rate of messages of one member; over it, once `updates_burst` is used up, 4429."""
    updates_burst: int = 2_000
    """Messages a member may send at once: a scripted paste or a long undo is a burst, not a flood."""
    presence_state_bytes: int = 8 * KIB
    """Largest presence state (JSON) of one client id; a larger one is ignored."""
    presence_ids_per_member: int = 8
    """Client ids one connection may carry (its own, and other tabs' over BroadcastChannel)."""
    held_bytes_per_member: int = 1 * MIB
    """Updates waiting for a dependency; past it the member closes with 4509."""
    held_seconds: float = 20.0
    """How long a gap may stay open before 4509."""
    outbox_bytes: int = 256 * KIB
    """Unsent bytes past which a member is behind: skipped, and caught up by one merged piece when it drains."""
    drain_bytes_per_second: int = 4 * KIB
    """A member that is behind and drains slower than this over `stuck_seconds` closes with 4508."""
    stuck_seconds: float = 30.0
    silent_seconds: float = 90.0
    """Nothing heard for this long, not even a pong: 4510."""
    panics_per_user: int = 3
    """Engine panics one user may cause in one room within ten minutes before every connection of theirs is refused."""

    # One room
    members_per_room: int = 1_000
    document_bytes: int = 32 * MIB
    """Encoded document size over which edits that grow it are refused with 4413."""
    panics_per_room: int = 20
    """Engine panics within ten minutes after which the room is read-only until they have passed."""

    # One tenant on this node
    rooms_per_tenant: int = 5_000
    members_per_tenant: int = 20_000

    # The node
    backlog_bytes: int = 64 * MIB
    """Updates accepted and not yet committed, over all rooms; past it rooms turn read-only."""
    backlog_bytes_per_room: int = 16 * MIB
    connections: int = 50_000
    """Sockets on this node, in a room or not; one more is closed with 4529."""
    waiting_connections: int = 4_096
    """Connections that wait until there is time to let them in; one more, of the company that has most of them, is
    answered 503 with Retry-After."""
    waiting_seconds: float = 8.0
    """How long they wait at most, before the same answer. The page gives up by itself after 10 s."""
    closes_share: Share = 0.02
    """Part of its members, but at least one, that a leaving node closes per 100 ms: stock clients ignore retry hints,
    so it is the server that spreads their return."""
