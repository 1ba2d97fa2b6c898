"""Which node a room prefers: weighted rendezvous hashing.

Every node draws a number for every key, from a hash of both; the smallest wins (D. Thaler, C. Ravishankar, "Using
name-based mappings to increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998). Drawn from an exponential
distribution whose rate is the node's weight, it wins in proportion to that (C. Schindelhauer, G. Schomaker, "Weighted
distributed hash tables", SPAA 2005: the logarithmic method). So whoever knows the same nodes names the same one, nobody
has to agree on anything, and a node that comes or goes moves only its own share of the keys.

A preference is no condition: a client that lands elsewhere is served there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

_Share = Annotated[float, Meta(ge=0)]
_Count = Annotated[int, Meta(ge=0)]

_HASH_BYTES: Final = 8
_SPAN: Final = 1 << (8 * _HASH_BYTES)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A live node, as it says itself."""

    epoch: UUID
    """Another one each time the process starts."""
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    """The same again after a restart, and with it the rooms that prefer this node."""
    url: str | None = None
    """Where its sockets are, without a path. None: it can only be reached through what stands in front of all nodes."""
    weight: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    draining: bool = False
    """It is going away."""
    overloaded: bool = False
    members: _Count = 0
    rooms: _Count = 0
    busy: _Share = 0.0
    """Part of a core that its process used lately."""

    @property
    def takes_rooms(self) -> bool:
        """Whether rooms that are new to it should go there."""
        return not (self.draining or self.overloaded)


def preferred(key: str, nodes: Iterable[Node]) -> Node | None:
    """The node that the room called `key` prefers; None if there are no nodes.

    Nodes that go away or have too much to do are named only when there is no other: an overloaded one before one that
    goes away.
    """
    known = list(nodes)
    candidates = [node for node in known if node.takes_rooms] or [node for node in known if not node.draining] or known
    # Equal numbers do not happen; two nodes of one name do, while the lease of an earlier process ends.
    return min(candidates, key=lambda node: (_drawn(key, node), node.epoch), default=None)


def _drawn(key: str, node: Node) -> float:
    # The length in front keeps ("ab", "c") apart from ("a", "bc").
    name = node.name.encode()
    hashed = hashlib.blake2b(len(name).to_bytes(2, "big") + name + key.encode(), digest_size=_HASH_BYTES).digest()
    uniform = (int.from_bytes(hashed, "big") + 0.5) / _SPAN
    return -math.log(uniform) / node.weight
