"""Kill -9 the server while people type, and look at what is there when it is back.

`python -m tests.durability.kill --rounds 50` does it on a data directory of its own and prints a line per round.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.durability.writer import Writer
from tests.running import RunningDojo

Victim = Literal["server", "live node"]

WRITERS: Final = 10
BACK_SECONDS: Final = 10.0
"""From the kill to the first client let in again: about 1 s, and several times that on a busy machine."""
TYPING_SECONDS: Final = (0.15, 0.8)
"""How long the writers type before the kill, drawn anew each round."""
PAUSE_SECONDS: Final = 0.02
"""Between two edits of one writer: 50 a second, all ten together 500."""
_ALPHABET: Final = 0x3400
"""Each edit inserts a character of its own, from here on: 6,582 of CJK extension A, then 20,000 more."""
_RETRY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did and found. `lost` is what was acknowledged and not there."""

    victim: Victim
    typed: int
    acknowledged: int
    unacknowledged_survived: int
    back_seconds: float


class Lost(AssertionError):
    """Something that must be there is not."""


class KillRun:
    """Ten writers in one room of one server, killed again and again; their documents live on."""

    def __init__(self, dojo: RunningDojo, seed: int) -> None:
        self._dojo = dojo
        self._random = Random(seed)
        self._next = _ALPHABET
        self._writers = [Writer() for _ in range(WRITERS)]
        self._tokens: list[str] = []
        self._typed: list[str] = []

    async def round(self, victim: Victim) -> Round:
        """Type, kill, restart, look, reconnect, look again. Raises `Lost`."""
        if not self._tokens:
            self._tokens = [await self._dojo.token(user=f"writer{n}") for n in range(WRITERS)]
        await self._connect_all()
        await self._type_and_kill(victim)
        acknowledged = {mark for writer in self._writers for mark in writer.saved_marks}
        killed_at = time.monotonic()
        # Sockets are let in before the rest of the server is ready.
        starting = asyncio.create_task(self._dojo.start()) if victim == "server" else None
        try:
            found = await self._read_alone()
            back_seconds = time.monotonic() - killed_at
        finally:
            if starting is not None:
                await starting
        if missing := acknowledged - set(found):
            raise Lost(
                f"{len(missing)} of {len(acknowledged)} acknowledged edits are gone: {sorted(map(str, missing))[:20]}"
            )
        if back_seconds > BACK_SECONDS:
            raise Lost(f"the server was back only after {back_seconds:.1f} s")
        await self._connect_all()
        await asyncio.gather(*(writer.all_saved() for writer in self._writers))
        await self._all_equal()
        for writer in self._writers:
            await writer.disconnect()
        return Round(
            victim, len(self._typed), len(acknowledged), len(set(found) - acknowledged), round(back_seconds, 2)
        )

    async def _connect_all(self) -> None:
        await asyncio.gather(
            *(
                writer.connect(self._dojo.live, "kill", token)
                for writer, token in zip(self._writers, self._tokens, strict=True)
            )
        )

    async def _type_and_kill(self, victim: Victim) -> None:
        typing = [asyncio.create_task(self._type(writer)) for writer in self._writers]
        try:
            # Killing a server that has acknowledged nothing would prove nothing.
            await asyncio.gather(*map(_more_saved, self._writers))
            await asyncio.sleep(self._random.uniform(*TYPING_SECONDS))
            if victim == "server":
                await self._dojo.kill9()
            else:
                os.kill(self._dojo.live_node_pid, signal.SIGKILL)
            for writer in self._writers:
                await writer.ended()
        finally:
            for task in typing:
                task.cancel()
            await asyncio.wait(typing)
        for task in typing:
            if not task.cancelled():
                task.result()  # it types until it is stopped: whatever ended it before is an error

    async def _type(self, writer: Writer) -> None:
        random = Random(self._random.random())
        while True:
            character = chr(self._next)
            self._next += 1
            self._typed.append(character)
            writer.insert(random.randrange(len(writer.content()) + 1), character)
            await writer.flush()
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_SECONDS))

    async def _read_alone(self) -> str:
        """The room as a reader finds it that brings nothing, before any writer is back."""
        reader = Writer()
        token = await self._dojo.token(user="reader", read_only=True)
        deadline = time.monotonic() + 2 * BACK_SECONDS
        while True:
            try:
                await reader.connect(self._dojo.live, "kill", token)
            except (OSError, ConnectionClosed, InvalidHandshake):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        content = reader.content()
        await reader.disconnect()
        return content

    async def _all_equal(self) -> None:
        """Every writer, and the room, has everything that anyone ever typed."""
        typed = set(self._typed)
        for writer in self._writers:
            await _has_all(writer, typed)
        found = await self._read_alone()
        if set(found) != typed or len(found) != len(typed):
            raise Lost(f"{len(typed - set(found))} of {len(typed)} edits are gone though their writers are back")
        for writer in self._writers:
            await writer.has_text(found)


async def _more_saved(writer: Writer) -> None:
    before = len(writer.saved_marks)
    await writer.until(lambda: len(writer.saved_marks) > before)


async def _has_all(writer: Writer, characters: set[str]) -> None:
    await writer.until(lambda: set(writer.content()) == characters)


async def run(rounds: int, seed: int) -> None:
    """`rounds` rounds on a fresh data directory; every fifth kills the live node alone."""
    with tempfile.TemporaryDirectory(prefix="dojo-kill-") as folder:
        async with RunningDojo(Path(folder) / "data") as dojo:
            kills = KillRun(dojo, seed)
            for number in range(1, rounds + 1):
                done = await kills.round("live node" if number % 5 == 0 else "server")
                print(f"round {number}/{rounds}: {done}", flush=True)  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.rounds, arguments.seed))
