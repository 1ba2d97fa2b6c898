"""`dojo serve` as a child process, with the real API and Postgres and a stand-in for the live node.

    python -m tests.dojo.serving MODE NOTES serve --port 0 --data-dir D

MODE and NOTES are those of `tests.dojo.stand_in`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psutil

from dojo.cli import main
from dojo.process import Program
from dojo.services import Programs

READY_SECONDS = 30.0
STOP_SECONDS = 30.0


class Serving:
    """One supervisor. A context manager that leaves nothing running."""

    def __init__(self, folder: Path, mode: str = "serve") -> None:
        self.data_dir = folder / "data"
        self.notes = folder / "notes"
        self.addresses: dict[str, str] = {}
        self.output = b""
        self._mode = mode
        self._log = folder / "log"
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        self.addresses = await self.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            family = self.family()
            self._process.kill()
            await self.ended()
            psutil.wait_procs(family, timeout=STOP_SECONDS)

    async def start(self, *arguments: str) -> None:
        """Start it; `arguments` replace `--port 0`."""
        command = [sys.executable, "-m", "tests.dojo.serving", self._mode, str(self.notes), "serve"]
        env = {name: value for name, value in os.environ.items() if not name.startswith("DOJO_")}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *(arguments or ("--port", "0")),
                "--data-dir",
                str(self.data_dir),
                stdout=PIPE,
                stderr=log,
                env=env,
                start_new_session=True,
            )

    async def ready(self) -> dict[str, str]:
        """The ready line's addresses."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), READY_SECONDS)
        self.output += line
        assert line.startswith(b"ready "), (line, self.log())
        return msgspec.json.decode(line.removeprefix(b"ready "), type=dict[str, str])

    async def ended(self) -> int:
        """The exit code, once it has ended; `output` is all it wrote on standard output then."""
        assert self.process.stdout is not None
        async with asyncio.timeout(STOP_SECONDS):
            self.output += await self.process.stdout.read()
            return await self.process.wait()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return await self.ended()

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def family(self) -> list[psutil.Process]:
        """Everything it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process:
        """The first child whose program, or an argument of it, is `word`. Not a part of one: paths hold all kinds of
        words."""
        return next(c for c in self.family() if any(Path(part.split(" ")[0]).name == word for part in c.cmdline()))

    def log(self) -> str:
        return self._log.read_text()

    def messages(self) -> list[str]:
        """What the log says, in order."""
        lines = [line for line in self.log().splitlines() if line.startswith("{")]
        return [msgspec.json.decode(line, type=dict[str, Any])["message"] for line in lines]


if __name__ == "__main__":
    mode, notes, *arguments = sys.argv[1:]
    live_node = Program("live node", (sys.executable, "-m", "tests.dojo.stand_in", mode, notes), stop_seconds=60)
    own = Programs.own()
    sys.exit(main(arguments, Programs(live_node=live_node, voice=own.voice, api=own.api, worker=own.worker)))
