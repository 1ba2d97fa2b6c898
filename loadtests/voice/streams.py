"""What a listener can tell of an RTP stream from its headers alone: gaps, repetitions, timestamps going back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

_BACK: Final = 0x8000
_TIME_BACK: Final = 0x8000_0000
_REMEMBERED: Final = 256
"""Missing numbers a stream keeps in mind, and how far back a late packet is still told from a stream gone mad."""

LATE: Final = 0
"""The time of arrival that a retransmission is given: its delay says nothing of the way it took."""

Watch: TypeAlias = Callable[["Stream", bytes, int], None]
"""Is given a whole packet and when it arrived (nanoseconds since 1970, or `LATE`)."""


class Stream:
    """One SSRC at one listener. The reading loop itself counts what is in order, through the public attributes."""

    __slots__ = (
        "expected", "injected", "lost", "missing", "octets", "packets", "recovered", "repeated", "ssrc",
        "thrown", "time_back", "timestamp", "watch",
    )  # fmt: skip

    def __init__(self, ssrc: int, sequence: int, timestamp: int, watch: Watch | None = None) -> None:
        self.ssrc = ssrc
        self.expected = sequence
        """The sequence number that comes next if nothing is lost."""
        self.timestamp = (timestamp - 1) & 0xFFFFFFFF
        self.packets = 0
        self.octets = 0
        self.lost = 0
        """Numbers that were missing when a later one came, and that nobody threw away on purpose."""
        self.recovered = 0
        self.repeated = 0
        self.thrown = 0
        """Packets thrown away here."""
        self.time_back = 0
        self.missing: set[int] = set()
        self.injected: set[int] = set()
        """Numbers thrown away here, to see what becomes of them."""
        self.watch = watch

    def skip(self, sequence: int) -> None:
        """Throw a packet away as if the network had."""
        self.thrown += 1
        if len(self.injected) < _REMEMBERED and sequence not in self.missing:
            self.injected.add(sequence)

    def unexpected(self, sequence: int) -> list[int] | None:
        """A number other than `expected`: the numbers found missing by it, none if it was missing itself; None if it
        had come before. Its packet has been counted already."""
        ahead = (sequence - self.expected) & 0xFFFF
        if ahead & _BACK:
            if sequence in self.missing:
                self.missing.discard(sequence)
                self.injected.discard(sequence)
                self.recovered += 1
                return []
            self.repeated += 1
            return None
        gap = [(self.expected + step) & 0xFFFF for step in range(ahead)]
        self.expected = (sequence + 1) & 0xFFFF
        self.lost += sum(1 for number in gap if number not in self.injected)
        if len(self.missing) + len(gap) > _REMEMBERED:
            self.missing.clear()
            self.injected.clear()
        self.missing.update(gap[-_REMEMBERED:])
        return gap[-_REMEMBERED:]

    def moved(self, timestamp: int) -> None:
        """The timestamp of a packet that was in order; its clock must have gone forward."""
        if (timestamp - self.timestamp - 1) & _TIME_BACK:
            self.time_back += 1
        self.timestamp = timestamp
