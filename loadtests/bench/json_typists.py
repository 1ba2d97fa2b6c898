"""People typing in one file over JSON alone: how long until all the others have it, and what it costs the server."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from loadtests.bench.fanout import BUSY_GENERATOR, GRACE_SECONDS, Measured
from loadtests.bench.gathering import Listener, enter_all, gathering, leave_all
from loadtests.bench.histogram import Histogram
from loadtests.bench.member import LoadFailed, until
from loadtests.bench.processes import CpuMeter
from loadtests.bench.servers import DojoServer

TYPISTS = 100
PER_SECOND = 1.0
"""Edits of each typist."""
CODE = "def f():\n    pass\n" * 550
"""Some 10 KB."""
WARM_UP_SECONDS = 2.0
FIRST_MARK = 0xE000
MARKS = 6400
"""Each edit inserts one character of its own, of those that mean nothing to anybody (Unicode's private use area)."""


@dataclass(frozen=True, slots=True)
class Told:
    """One CODE_UPDATE, read once for all who get the same bytes."""

    version: str
    marks: tuple[int, ...]
    content: str | None
    edits: tuple[tuple[int, int, str], ...]
    base: str | None
    ack: int | None


class Shared:
    """What the typists know together: every frame read once, every version's text worked out once."""

    def __init__(self) -> None:
        self._told: dict[bytes, Told | None] = {}
        self.texts: dict[str, str] = {}

    def read(self, payload: bytes) -> Told | None:
        """The frame's meaning, None if it is no CODE_UPDATE. Raises `LoadFailed` for one that does not fit."""
        if payload in self._told:
            return self._told[payload]
        told = None
        if payload.startswith(b'{"type":"CODE_UPDATE"'):
            message = msgspec.json.decode(payload, type=dict[str, Any])
            edits = tuple((edit["from"], edit["to"], edit["insert"]) for edit in message.get("edits", ()))
            # A content holds everything there ever was; what of it is new is counted by who first sees it.
            new = "".join(edit[2] for edit in edits) if message.get("content") is None else message["content"]
            marks = tuple(ord(letter) - FIRST_MARK for letter in new if "\ue000" <= letter <= "\uf8ff")
            told = Told(
                message["version"], marks, message.get("content"), edits, message.get("baseVersion"),
                message.get("ackSeq"),
            )  # fmt: skip
            self._learn(told)
        self._told[payload] = told
        return told

    def _learn(self, told: Told) -> None:
        if told.version in self.texts:
            return
        if told.content is not None:
            self.texts[told.version] = told.content
            return
        assert told.base is not None
        text = self.texts[told.base]  # plain ASCII and private use: a UTF-16 unit is a code point
        for start, end, insert in reversed(told.edits):
            text = text[:start] + insert + text[end:]
        self.texts[told.version] = text


class Typist(Listener):
    """Keeps to the rules: one edit in flight, made to the version it was told last."""

    def __init__(self, table: dict[bytes, bytes], shared: Shared) -> None:
        super().__init__(table)
        self._shared = shared
        self.version = ""
        self.seq = 0
        self.flying: int | None = None
        self.seen: dict[int, float] = {}
        """Mark -> when it came."""

    def heard(self, payload: bytes, now: float) -> None:
        if b'"type":"ERROR"' in payload:
            self.failure = f"an edit was refused: {payload[:80]!r}"
            return
        told = self._shared.read(payload)
        if told is None:
            return
        self.version = told.version
        for mark in told.marks:
            self.seen.setdefault(mark, now)
        if told.ack is not None and told.ack == self.flying:
            self.flying = None

    def press(self, mark: int) -> None:
        """Insert one character somewhere."""
        self.seq += 1
        self.flying = self.seq
        at = random.randint(0, len(self._shared.texts[self.version]))
        edit = {"from": at, "to": at, "insert": chr(FIRST_MARK + mark)}
        message = {"type": "CODE_UPDATE", "file": "main.py", "baseVersion": self.version, "seq": self.seq}
        self.send(msgspec.json.encode({**message, "edits": [edit], "position": None}))


async def measure(server: DojoServer, seconds: float) -> Measured:
    """Figures: `p50_ms`, `p99_ms` from sending an edit to each other typist's having it; `server_cpu`,
    `generator_cpu` as shares of a core. Raises `LoadFailed`."""
    result = Measured()
    seconds = min(seconds, MARKS / TYPISTS / PER_SECOND - WARM_UP_SECONDS - 1)
    async with gathering(server, "bench-json", TYPISTS, CODE) as gathered:
        shared, table = Shared(), dict[bytes, bytes]()
        typists = [Typist(table, shared) for _ in range(TYPISTS)]
        urls = [gathered.url(guest.token) for guest in gathered.guests]
        await enter_all(typists, urls, subprotocol="dojo.json.v1", until=b'"CODE_UPDATE"')
        sent: dict[int, tuple[Typist, float]] = {}
        await _type(typists, sent, WARM_UP_SECONDS)
        warm = len(sent)
        meter, own, begun = CpuMeter(server.pid), time.process_time(), time.perf_counter()
        late = await _type(typists, sent, seconds)
        spent = meter.read()
        busy = (time.process_time() - own) / (time.perf_counter() - begun)
        deadline = time.perf_counter() + GRACE_SECONDS
        await until(lambda: all(len(typist.seen) == len(sent) for typist in typists), deadline)
        for typist in typists:
            typist.check()
        taken = _work_out(typists, sent, warm, result)
        versions = {typist.version for typist in typists}
        if len(versions) != 1 or sorted(shared.texts[versions.pop()]) != sorted(CODE + "".join(map(_letter, sent))):
            result.problems.append("the typists do not have one text with every edit in it once")
        await leave_all(typists)
    if busy > BUSY_GENERATOR:
        result.warnings.append(f"the generator itself used {busy:.0%} of its core")
    if late:
        result.warnings.append(f"{late} edits had to wait for the acknowledgement before")
    result.server_by_program = spent.by_program
    result.figures = {
        "p50_ms": taken.percentile(0.5),
        "p99_ms": taken.percentile(0.99),
        "max_ms": taken.max_ms,
        "server_cpu": spent.total,
        "generator_cpu": busy,
    }
    return result


def _letter(mark: int) -> str:
    return chr(FIRST_MARK + mark)


async def _type(typists: Sequence[Typist], sent: dict[int, tuple[Typist, float]], seconds: float) -> int:
    """Everybody types at a steady rate, each at a phase of their own; how many edits had to be put off."""
    order = random.sample(list(typists), len(typists))
    gap = 1 / (PER_SECOND * len(order))
    begun = time.perf_counter()
    late = 0
    for number in range(int(seconds / gap)):
        wait = begun + number * gap - time.perf_counter()
        await asyncio.sleep(max(0.0, wait))
        typist = order[number % len(order)]
        typist.check()
        if typist.flying is not None:
            late += 1
            continue
        mark = len(sent)
        if mark >= MARKS:
            raise LoadFailed("there are no more characters to know an edit by")
        sent[mark] = (typist, time.perf_counter())
        typist.press(mark)
    return late


def _work_out(
    typists: Sequence[Typist], sent: dict[int, tuple[Typist, float]], warm: int, result: Measured
) -> Histogram:
    """Every delivery's latency; an edit counts at each typist but its author."""
    taken = Histogram()
    missing = 0
    for mark, (author, at) in sent.items():
        for typist in typists:
            if typist is author:
                continue
            seen = typist.seen.get(mark)
            if seen is None:
                missing += 1
            elif mark >= warm:
                taken.add(seen - at)
    if missing:
        result.problems.append(f"{missing} deliveries never came")
    return taken
