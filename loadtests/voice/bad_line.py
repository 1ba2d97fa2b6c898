"""A line that loses and delays packets, as a bad mobile network does: when each of them arrives, if it does."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conditions:
    """`loss`: the share that never arrives, each packet for itself. The others take `delay` seconds, give or take up
    to `jitter`, each for itself. `in_order`: none overtakes another, as in a queue, which is where most jitter comes
    from; otherwise the order changes between packets that follow within twice the jitter."""

    loss: float
    delay: float
    jitter: float
    in_order: bool = True


class BadLine:
    """One direction. The same `seed` loses the same packets, counted from the first."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self._conditions = conditions
        self._random = random.Random(seed)
        self.carried = 0
        self.lost = 0
        self._last = 0.0

    def carry(self, now: float) -> float | None:
        """When a packet sent at `now` arrives; None if it does not."""
        # Both dice for every packet, lost or not: so one condition can be changed and the other stays as it was.
        lost = self._random.random() < self._conditions.loss
        late = self._random.uniform(-self._conditions.jitter, self._conditions.jitter)
        if lost:
            self.lost += 1
            return None
        self.carried += 1
        arrival = now + max(0.0, self._conditions.delay + late)
        if self._conditions.in_order:
            arrival = self._last = max(self._last, arrival)
        return arrival
