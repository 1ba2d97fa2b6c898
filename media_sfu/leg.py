"""How packets leave for one peer: the keys of its session, and where it is now."""

from __future__ import annotations

from typing import Any

from media_sfu.srtp import Outbound


class Leg:
    """Read by the forwarding loop for every packet, so it is nothing but attributes."""

    __slots__ = ("outbound", "path")

    def __init__(self, outbound: Outbound, path: Any) -> None:
        """`path` as `udp.UdpPath` or `tcp.TcpPath`; it changes when the peer's address does."""
        # Not its session: the loop has to see at once when the keys are torn down.
        self.outbound = outbound
        self.path = path
