"""Where clients are sent with their live socket: to the node that their dojo prefers, if that has an address."""

from __future__ import annotations

from uuid import UUID

from collab_core.nodes import Nodes


class LiveAddresses:
    """The addresses, without a path. They are advice: any node serves any room."""

    def __init__(self, nodes: Nodes, otherwise: str) -> None:
        """`otherwise` is told while nobody can tell which nodes are alive, and if they have no addresses of their
        own: what stands in front of all of them."""
        self._nodes = nodes
        self._otherwise = otherwise

    def anywhere(self) -> str:
        """For those who have not said where they want to go."""
        return self._otherwise

    def of_dojo(self, dojo: UUID) -> str:
        """The same for all rooms of a dojo: people change between them, and whoever is in two of them is on one node.
        An ingress that hashes on the path of the live socket sends them together, too."""
        return self._nodes.url_for(f"dojo {dojo}") or self._otherwise

    def of_room(self, tenant: UUID, room: str) -> str:
        """For a room of its own."""
        return self._nodes.url_for(f"room {tenant} {room}") or self._otherwise
