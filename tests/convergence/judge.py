"""What real Yjs makes of bytes: a Node process that applies updates to fresh documents, thousands at a time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.node import NodeProcess

ANSWER_SECONDS = 60.0
"""For one batch, on a busy machine."""
BATCH_BYTES = 8 * 1024 * 1024
"""Updates per request: more would only make both sides hold more."""


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """One document after its updates. `text`, `map` and `array` are the roots of those names, the latter as JSON."""

    text: str
    map: str
    array: str
    state_vector: list[tuple[int, int]]
    deletes: list[tuple[int, list[tuple[int, int]]]]
    pending: bool
    """Whether structs or deletions are held back for something missing."""
    errors: list[tuple[int, str]]
    """(which update, what it threw): an honest client would have lost it."""


class YjsJudge:
    """The Node process; a context manager."""

    def __init__(self) -> None:
        self._node = NodeProcess("judge.mjs")

    async def __aenter__(self) -> Self:
        await self._node.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._node.end()

    async def judge(self, cases: Sequence[Sequence[bytes]]) -> list[Verdict]:
        """One verdict per case; a case is the updates of one document, in order."""
        verdicts: list[Verdict] = []
        batch: list[list[str]] = []
        size = 0
        for case in cases:
            batch.append([base64.b64encode(update).decode() for update in case])
            size += sum(map(len, case))
            if size > BATCH_BYTES:
                verdicts += await self._ask(batch)
                batch, size = [], 0
        return verdicts + (await self._ask(batch) if batch else [])

    async def _ask(self, cases: list[list[str]]) -> list[Verdict]:
        self._node.stdin.write(json.dumps({"id": 0, "cases": cases}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._node.stdin.drain()
            line = await self._node.stdout.readline()
        if not line:
            raise RuntimeError("the judge has ended")
        # Not msgspec's parser: it refuses half a surrogate pair, which JavaScript writes and reads.
        answer: dict[str, Any] = json.loads(line)
        return msgspec.convert(answer["verdicts"], list[Verdict])
