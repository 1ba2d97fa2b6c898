"""Looking back: a recorded session is typed into a dojo, and its replay opened at any point."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import aiohttp
from pycrdt import Doc

from edge.dojos.replay.rows import SETTLED_SECONDS
from loadtests import keystrokes, trace
from loadtests.bench.fanout import Measured
from loadtests.bench.gathering import Gathering, gathering
from loadtests.bench.histogram import Histogram
from loadtests.bench.member import LoadFailed
from loadtests.bench.servers import DojoServer
from loadtests.client import SyncClient

SESSION = "sveltecomponent.json.gz"
ROOT = "file/main.py"
CLIENT_ID = 1000
OPENINGS = 30
PAUSE_SECONDS = 1.0
"""Between two of them: replays are dear, and the API's limits stay in force."""
SAVED_SECONDS = 120.0
TYPED_PER_SECOND = 2_000.0
"""Fast, but slow enough for the journal to get some thousand rows of a few edits each, as from a real session."""
ONE_OPENING_SECONDS = 30.0


async def measure(server: DojoServer, recorded: trace.Trace | None = None) -> Measured:
    """Figures: `open_p50_ms`, `open_p95_ms`, from asking for the replay from some moment to its first keyframe;
    `text_p95_ms`, of one file at some moment; `first_ms`, of the very first opening. `recorded` has one
    agent. Raises `LoadFailed`."""
    recorded = recorded or trace.load(trace.TRACES / SESSION)
    opened, text = Histogram(), Histogram()
    async with gathering(server, "bench-replay", 1) as gathered:
        begun, ended = await _type(gathered, recorded)
        # Hours of typing were pressed into seconds: in a real session all but the last half minute has settled.
        await asyncio.sleep(SETTLED_SECONDS + 1.0)
        first = await _open(gathered, (begun + ended) / 2)
        for _ in range(OPENINGS):
            moment = begun + random.uniform(0.01, 1.0) * (ended - begun)
            opened.add(await _open(gathered, moment))
            text.add(await _text(gathered, moment))
            await asyncio.sleep(PAUSE_SECONDS)
        final = await gathered.ask("GET", "/text?" + urlencode({"file": "main.py"}), 200)
    result = Measured(
        {
            "open_p50_ms": opened.percentile(0.5),
            "open_p95_ms": opened.percentile(0.95),
            "open_max_ms": opened.max_ms,
            "text_p95_ms": text.percentile(0.95),
            "first_ms": first * 1000,
        }
    )
    if final["text"] != recorded.end_content:
        result.problems.append("the file is not what was typed")
    return result


async def _type(gathered: Gathering, recorded: trace.Trace) -> tuple[float, float]:
    """From when to when it was typed, in Unix seconds."""
    (script,) = keystrokes.scripts(recorded, ROOT, CLIENT_ID)
    author = await SyncClient.open(gathered.url(gathered.host.token), Doc(), subprotocol="dojo.v1")
    begun = time.time()
    for number, keystroke in enumerate(script.keystrokes):
        if (wait := begun + number / TYPED_PER_SECOND - time.time()) > 0:
            await author.writable()
            await asyncio.sleep(wait)
        author.type(keystroke.update)
    expected = sum(1 for keystroke in script.keystrokes if keystroke.update)

    def saved() -> bool:
        told = [int(str(event["upTo"])) for event in author.events if event.get("type") == "saved"]
        return max(told, default=0) >= expected

    await author.wait_until(saved, SAVED_SECONDS, "the whole session to be saved")
    await author.close()
    return begun, time.time()


def _at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


async def _open(gathered: Gathering, moment: float) -> float:
    """Seconds until a player that starts at `moment` has something to show."""
    url = f"{gathered.http}/api/v1/dojos/{gathered.dojo}/rooms/{gathered.room}/replay"
    headers = gathered.host.headers()
    begun = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=ONE_OPENING_SECONDS)
    async with gathered.asked.session.get(url, params={"from": _at(moment)}, headers=headers, timeout=timeout) as got:
        if got.status != 200:
            raise LoadFailed(f"a replay was refused: {got.status} {(await got.read())[:200]!r}")
        async for line in got.content:
            if line.startswith(b'{"type":"keyframe"'):
                took = time.perf_counter() - begun
                got.close()
                return took
    raise LoadFailed("a replay had no keyframe")


async def _text(gathered: Gathering, moment: float) -> float:
    begun = time.perf_counter()
    await gathered.ask("GET", "/text?" + urlencode({"file": "main.py", "at": _at(moment)}), 200)
    return time.perf_counter() - begun
