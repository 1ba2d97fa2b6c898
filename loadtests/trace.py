"""A recorded editing session: who changed what, and which changes they had seen when they did."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

TRACES = Path(__file__).parent / "traces"
LONGEST_PAUSE = 2.0
"""Seconds. People go for lunch; a replay does not."""
KEYSTROKE_PAUSE = 0.2
"""Seconds between the transactions of one agent where the recording has no times: five keystrokes a second."""


class Patch(NamedTuple):
    """At `position`, delete `deleted` characters and insert `inserted`. Counted in Unicode code points."""

    position: int
    deleted: int
    inserted: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one agent did at once. `parents` are indexes of earlier transactions; `pause` is the time in seconds
    since the same agent's transaction before."""

    agent: int
    parents: tuple[int, ...]
    pause: float
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A whole session, in an order in which parents come before their children."""

    agents: int
    transactions: tuple[Transaction, ...]
    end_content: str


class _Recorded(msgspec.Struct):
    patches: list[Patch]
    time: datetime
    parents: list[int] | None = None
    agent: int = 0


class _File(msgspec.Struct, rename="camel"):
    end_content: str
    txns: list[_Recorded]
    start_content: str = ""
    num_agents: int = 1


def load(path: Path) -> Trace:
    """Read a `.json.gz` trace. Raises `OSError`, or `ValueError` if it is none."""
    recorded = msgspec.json.decode(gzip.decompress(path.read_bytes()), type=_File)
    if recorded.start_content:
        raise ValueError(f"{path.name} starts with content; only traces that start empty can be typed into a new room")
    last: dict[int, datetime] = {}
    timed = recorded.txns[0].time != recorded.txns[-1].time
    transactions = []
    for index, txn in enumerate(recorded.txns):
        parents = txn.parents if txn.parents is not None else ([index - 1] if index else [])
        if any(parent >= index for parent in parents):
            raise ValueError(f"transaction {index} comes before one of its parents")
        since = (txn.time - last[txn.agent]).total_seconds() if txn.agent in last else 0.0
        last[txn.agent] = txn.time
        pause = min(max(since, 0.0), LONGEST_PAUSE) if timed else KEYSTROKE_PAUSE
        transactions.append(Transaction(txn.agent, tuple(parents), pause, tuple(txn.patches)))
    return Trace(recorded.num_agents, tuple(transactions), recorded.end_content)
