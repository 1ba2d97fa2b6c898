"""A process of its own that brings many members to a server at once: `python -m loadtests.bench.newcomers`.

It reads one line of JSON, `{"within": seconds, "who": [[room, address], ...]}`, and answers with one when all are in:
`{"seconds": [...], "tries": [...]}`, or `{"failed": "why"}`. They stay until its input ends. It is apart from whoever
measures because opening thousands of sockets keeps an event loop busy for half a second.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvloop

from loadtests.bench.member import FrameTable, LoadFailed, Member, close_all
from loadtests.dialect import PlainDialect

AGAIN_SECONDS: Final = (0.5, 2.0)
"""Before somebody who was turned away tries again, as stock clients do at first."""
BETWEEN_SECONDS: Final = 0.0002
"""Between two newcomers: 2,000 come within half a second."""
LINE_BYTES: Final = 16 * 1024 * 1024
"""Two thousand addresses with tokens are about 1 MiB."""
_FIRST_CLIENT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrived:
    """When each was in, in seconds since the first set out, and after how many tries."""

    seconds: list[float]
    tries: list[int]


@asynccontextmanager
async def newcomers(who: Sequence[tuple[str, str]], *, within: float) -> AsyncIterator[asyncio.Task[Arrived]]:
    """Bring a member to each room and address. They leave at the end. Awaiting the task raises `LoadFailed` if one
    could not get in `within` seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtests.bench.newcomers",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    # Its first line says that everything is imported: the storm begins when it is told to whom.
    await process.stdout.readline()

    async def arrive(reader: asyncio.StreamReader) -> Arrived:
        answer = json.loads(await reader.readline() or b'{"failed": "the process of the newcomers ended"}')
        if "failed" in answer:
            raise LoadFailed(answer["failed"])
        return Arrived(**answer)

    process.stdin.write(json.dumps({"within": within, "who": who}).encode() + b"\n")
    arriving = asyncio.create_task(arrive(process.stdout))
    try:
        yield arriving
    finally:
        arriving.cancel()
        await asyncio.gather(arriving, return_exceptions=True)
        process.stdin.close()
        await process.wait()


async def _bring(who: Sequence[tuple[str, str]], within: float) -> tuple[list[Member], dict[str, Any]]:
    table = FrameTable(PlainDialect())
    begun = time.perf_counter()

    async def one(number: int, room: str, url: str) -> tuple[Member, float, int]:
        tries = 0
        await asyncio.sleep(number * BETWEEN_SECONDS)
        while True:
            tries += 1
            member = Member(room, _FIRST_CLIENT + number, table, PlainDialect(), types=False)
            try:
                await member.open(url)
            except LoadFailed:
                if time.perf_counter() - begun > within:
                    raise
                await asyncio.sleep(random.uniform(*AGAIN_SECONDS))
            else:
                return member, time.perf_counter() - begun, tries

    try:
        found = await asyncio.gather(*(one(number, room, url) for number, (room, url) in enumerate(who)))
    except LoadFailed as failed:
        return [], {"failed": str(failed)}
    members = [member for member, _, _ in found]
    return members, {"seconds": [seconds for _, seconds, _ in found], "tries": [tries for _, _, tries in found]}


async def _main() -> None:
    loop = asyncio.get_running_loop()
    print("{}", flush=True)
    asked = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    members, answer = await _bring([(room, url) for room, url in asked["who"]], asked["within"])
    print(json.dumps(answer), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    await close_all(members)


if __name__ == "__main__":
    uvloop.run(_main())
