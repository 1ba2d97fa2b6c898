"""Latencies, counted in buckets of at most 0.05% width, so that millions of them cost no memory and no sorting."""

from __future__ import annotations

_EXACT_BITS = 12
"""Microseconds up to 2**12 are kept exactly; above, twelve leading bits are, an error of at most 1/2048."""


class Histogram:
    """Durations in seconds go in, percentiles in milliseconds come out."""

    __slots__ = ("_counts", "count", "largest")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.largest = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Count a duration (>= 0) `times` times."""
        micros = int(seconds * 1e6)
        shift = micros.bit_length() - _EXACT_BITS
        if shift > 0:
            micros = (micros >> shift) << shift
        self._counts[micros] = self._counts.get(micros, 0) + times
        self.count += times
        self.largest = max(self.largest, seconds)

    def percentile(self, share: float) -> float:
        """The duration in milliseconds that `share` (0 to 1) of all are not longer than; NaN if there are none."""
        if self.count == 0:
            return float("nan")
        wanted = share * self.count
        passed = 0
        for micros in sorted(self._counts):
            passed += self._counts[micros]
            if passed >= wanted:
                return micros / 1000
        return self.largest * 1000

    @property
    def max_ms(self) -> float:
        """The longest duration in milliseconds; NaN if there are none."""
        return self.largest * 1000 if self.count else float("nan")
