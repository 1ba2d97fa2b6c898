"""How much one peer may send: packets and bytes, each a token bucket."""

from __future__ import annotations

from media_sfu.limits import VoiceLimits


class Tap:
    """Asked for each packet of media, before anything is spent on it."""

    __slots__ = ("_at", "_bytes", "_limits", "_packets", "refused")

    def __init__(self, limits: VoiceLimits, now: float) -> None:
        self._limits = limits
        self._at = now
        self._packets = limits.packets_burst
        self._bytes = limits.bytes_burst
        self.refused = 0

    def takes(self, size: int, now: float) -> bool:
        """Whether a packet of `size` bytes may come in."""
        limits = self._limits
        passed, self._at = now - self._at, now
        self._packets = packets = min(limits.packets_burst, self._packets + passed * limits.packets_per_second)
        self._bytes = left = min(limits.bytes_burst, self._bytes + passed * limits.bytes_per_second)
        if packets < 1 or left < size or size > limits.packet_bytes:
            self.refused += 1
            return False
        self._packets = packets - 1
        self._bytes = left - size
        return True

    def give_back(self, size: int) -> None:
        """The packet was not the peer's: whoever sends with its address does not use up what it may send."""
        self._packets += 1
        self._bytes += size
