"""All that can be asked about what was written and said in dojos, put together."""

from __future__ import annotations

from typing import Any

from edge.dojos.bell import Bell
from edge.dojos.chat_history import ChatHistory
from edge.dojos.code import Code
from edge.dojos.replay.stream import Replay
from edge.dojos.snapshots import Snapshots
from edge.dojos.summary import Summaries
from kernel.buckets import Buckets
from kernel.http.operation import Operation


class LookingBack:
    """Files, snapshots, chat, replay and summary. `pool` has connections of the services' role."""

    def __init__(self, pool: Any, *, bell: Bell, buckets: Buckets) -> None:
        self._parts = (Code(), Snapshots(bell), ChatHistory(bell, buckets), Replay(pool), Summaries())

    def operations(self) -> tuple[Operation, ...]:
        return tuple(operation for part in self._parts for operation in part.operations())
