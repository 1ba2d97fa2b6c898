"""What a receiver knows of one incoming stream, for its reports (RFC 3550, 6.4 and A.1, A.3, A.8)."""

from __future__ import annotations

from typing import Final

from media_sfu.frame import CLOCK
from media_sfu.rtcp import MOST_LOST, ReportBlock, compact

MOST_DROPOUT: Final = 3_000
"""A jump ahead up to this is loss: RFC 3550's value, 60 s of speech."""
MOST_MISORDER: Final = 100
"""A packet this much older is late, not the start of a new count: RFC 3550's value."""
MOST_TRANSIT_STEP: Final = 10 * CLOCK
"""A change of transit time beyond 10 s is a new timestamp base, not jitter."""


class Reception:
    """Give it every RTP packet of `ssrc` as it comes, also those that are not used; ask it for a report.

    The RFC's probation of two packets is left out: what comes here has been authenticated.
    """

    __slots__ = (
        "_base",
        "_expected_before",
        "_highest",
        "_jitter",
        "_received",
        "_received_before",
        "_report_at",
        "_report_ntp",
        "_restart",
        "_transit",
        "ssrc",
    )

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self._base: int | None = None
        self._highest = 0  # extended by the wraps
        self._restart: int | None = None
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self._transit: int | None = None
        self._jitter = 0.0
        self._report_ntp = 0
        self._report_at = 0.0

    def receive(self, sequence: int, timestamp: int, now: float) -> None:
        """A packet with its 16-bit sequence number and 32-bit timestamp came at `now`."""
        if self._base is None:
            self._begin(sequence)
        else:
            ahead = (sequence - self._highest) & 0xFFFF
            if ahead < MOST_DROPOUT:
                self._highest += ahead
            elif ahead <= 0x10000 - MOST_MISORDER:
                # Only the second of two in a row starts the count anew; the first is not counted at all.
                if sequence != self._restart:
                    self._restart = (sequence + 1) & 0xFFFF
                    return
                self._begin(sequence)
        self._restart = None
        self._received += 1
        transit = (round(now * CLOCK) - timestamp) & 0xFFFFFFFF
        if self._transit is not None:
            step = (transit - self._transit) & 0xFFFFFFFF
            step = min(step, 0x100000000 - step)
            if step <= MOST_TRANSIT_STEP:
                self._jitter += (step - self._jitter) / 16
        self._transit = transit

    def sender_report(self, ntp: int, timestamp: int, now: float) -> None:
        """The sender said at `ntp` (64 bits) that its clock stood at `timestamp`."""
        del timestamp  # it aligns streams with each other, which nobody does here
        self._report_ntp = compact(ntp)
        self._report_at = now

    @property
    def lost(self) -> int:
        """Packets expected and not come, so far. Negative after duplicates."""
        return 0 if self._base is None else self._highest - self._base + 1 - self._received

    @property
    def jitter(self) -> float:
        """Seconds."""
        return self._jitter / CLOCK

    def report(self, now: float) -> ReportBlock | None:
        """The block to send now; the fraction lost is that since the last one. None if nothing has come yet."""
        if self._base is None:
            return None
        expected = self._highest - self._base + 1
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        fraction = 0 if expected_now <= 0 or lost_now <= 0 else min(255, (lost_now << 8) // expected_now)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction=fraction,
            lost=max(-MOST_LOST - 1, min(MOST_LOST, expected - self._received)),
            highest=self._highest & 0xFFFFFFFF,
            jitter=min(int(self._jitter), 0xFFFFFFFF),
            last_report=self._report_ntp,
            delay=min(round((now - self._report_at) * 65536), 0xFFFFFFFF) if self._report_ntp else 0,
        )

    def _begin(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._received = self._expected_before = self._received_before = 0
        self._transit = None
