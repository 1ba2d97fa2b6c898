"""Type a recorded session into a live room: `python -m loadtests.replay TRACE --room URL --speed N`.

As many real Yjs clients as the session has people, each on its own connection, each sending a transaction only once
it has received from the server what its author had seen. A watcher checks the text they end with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import uvloop
from pycrdt import Doc, Text

from loadtests import trace as traces
from loadtests.client import Disconnected, SyncClient
from loadtests.keystrokes import Script, clocks, scripts

ROOT = "content"
"""The root text's name; the browser page shows the same one."""
DEFAULT_RATE = 95.0
"""Messages per second of one member, a little under what a server allows by default (100)."""
BURST = 1_900
"""Messages at once, a little under the default allowance (2,000)."""
SEEN_SECONDS = 60.0
"""How long one author may wait for another's edits before the replay counts as failed."""
SETTLE_SECONDS = 60.0
"""How long the last edits may take to reach the watcher."""
YIELD_EVERY = 32
"""Sends between two looks at the sockets when there is no pause to wait for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay came to. `final_equal`: the watcher, every author and a client that joined afterwards all hold
    the session's own final text."""

    trace: str
    agents: int
    transactions: int
    seconds: float
    transactions_per_second: float
    watcher_equal: bool
    authors_equal: bool
    joiner_equal: bool

    @property
    def final_equal(self) -> bool:
        return self.watcher_equal and self.authors_equal and self.joiner_equal


class TokenBucket:
    """Keeps one member's messages under the server's limit: `rate` per second, `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._left = float(burst)
        self._at = time.monotonic()

    async def take(self) -> None:
        """Wait until one more message may be sent."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        self._left -= 1
        if self._left < 0:
            await asyncio.sleep(-self._left / self._rate)


async def replay(
    path: Path, url: str, *, speed: float = 0.0, rate: float = DEFAULT_RATE, settle: float = SETTLE_SECONDS
) -> Outcome:
    """Type the trace at `path` into the room at `url` (ws://, token included), `speed` times as fast as it was
    recorded, 0 for as fast as `rate` messages per second and member allow. The last edits may take `settle` seconds.

    Raises `Disconnected` if the server closes a connection, `TimeoutError` if edits do not arrive.
    """
    trace = traces.load(path)
    # Below 2**31, so that ids stay short, and random, so that two replays into one room do not collide.
    written = scripts(trace, ROOT, random.randrange(1, 2**31))
    watcher = await SyncClient.open(url)
    if watcher.text(ROOT):
        raise ValueError("the room is not empty; a replay needs a fresh one")
    authors = [await SyncClient.open(url, Doc(client_id=script.client_id)) for script in written]
    begun = time.monotonic()
    typing = [
        asyncio.create_task(_type(client, script, speed, TokenBucket(rate, BURST)))
        for client, script in zip(authors, written, strict=True)
    ]
    try:
        await asyncio.gather(*typing)
    finally:
        for task in typing:
            task.cancel()
    equal = [await _ends_with(client, trace.end_content, settle) for client in (watcher, *authors)]
    seconds = time.monotonic() - begun
    joiner = await SyncClient.open(url)
    equal.append(joiner.text(ROOT) == trace.end_content)
    for client in (watcher, *authors, joiner):
        await client.close()
    count = len(trace.transactions)
    return Outcome(
        path.name, trace.agents, count, round(seconds, 3), round(count / seconds, 1),
        equal[0], all(equal[1:-1]), equal[-1],
    )  # fmt: skip


async def _type(client: SyncClient, script: Script, speed: float, bucket: TokenBucket) -> None:
    due = time.monotonic()
    received: dict[int, int] = {}

    def has_seen(needs: tuple[tuple[int, int], ...]) -> bool:
        received.update(clocks(client.doc.get_state()))
        return all(received.get(other, 0) >= clock for other, clock in needs)

    for number, keystroke in enumerate(script.keystrokes):
        needs = keystroke.needs
        if any(received.get(other, 0) < clock for other, clock in needs):
            await client.wait_until(partial(has_seen, needs), SEEN_SECONDS, f"the edits before number {number}")
        if speed:
            due = max(due + keystroke.pause / speed, time.monotonic() - traces.LONGEST_PAUSE)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
        if not keystroke.update:
            continue
        await bucket.take()
        client.type(keystroke.update)
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)
            await client.writable()


async def _ends_with(client: SyncClient, expected: str, seconds: float) -> bool:
    text = client.doc.get(ROOT, type=Text)

    def arrived() -> bool:
        # Comparing lengths first keeps the wait cheap while edits pour in; pycrdt's length counts UTF-8 bytes.
        return len(text) == len(expected.encode()) and str(text) == expected

    try:
        await client.wait_until(arrived, seconds, "the final text")
    except TimeoutError:
        return False
    return True


def with_token(url: str, token: str | None) -> str:
    """`url` with the token in its query."""
    if token is None:
        return url
    return f"{url}{'&' if '?' in url else '?'}token={quote(token)}"


def trace_path(name: str) -> Path:
    """A path as it is, or the name of a trace that comes with the package (`friendsforever`)."""
    path = Path(name)
    return path if path.exists() else traces.TRACES / f"{name.removesuffix('.json.gz')}.json.gz"


def main() -> int:
    """Exit code 0 if every text is right, 1 if not or if the replay could not be finished."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.replay", description="Type a recorded session.")
    parser.add_argument("trace", help="path of a .json.gz trace, or sveltecomponent, or friendsforever")
    parser.add_argument("--room", required=True, help="ws://HOST/api/v1/rooms/ROOM/sync of an empty room")
    parser.add_argument("--token", help="a token that opens the room for writing")
    parser.add_argument("--speed", type=float, default=1.0, help="times as fast as recorded; 0: as fast as --rate")
    parser.add_argument("--rate", type=float, default=DEFAULT_RATE, help="messages per second of one member, at most")
    arguments = parser.parse_args()
    path = trace_path(arguments.trace)
    url = with_token(arguments.room, arguments.token)
    try:
        outcome = uvloop.run(replay(path, url, speed=arguments.speed, rate=arguments.rate))
    except (Disconnected, TimeoutError, OSError, ValueError) as error:
        # The message never holds the URL: the token is in it.
        print(json.dumps({"trace": path.name, "final_equal": False, "error": str(error)}))
        return 1
    print(json.dumps(asdict(outcome) | {"final_equal": outcome.final_equal}))
    return 0 if outcome.final_equal else 1


if __name__ == "__main__":
    sys.exit(main())
