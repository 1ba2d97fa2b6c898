"""One child process: started with its settings, waited for until it is ready, stopped with rising force."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from dojo.embedded.parent_death import die_with_parent
from dojo.settings import CHILD_VARIABLE, Settings
from kernel import settings as loader

READY_LINE_BYTES = 4096
EXIT_SECONDS = 2.0
"""From the end of the ready pipe to the end of a process that failed to start: its exit code is worth waiting for."""
STANDARD_ERROR = 2


class ChildFailed(Exception):
    """A child process did not start, or did not get ready in time. The text says which and how it ended."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. `--ready-fd N` is appended to `command`."""

    name: str
    command: Sequence[str]
    ready_seconds: float = 20.0
    """From start to the ready line; a cold file cache on a busy machine is the slow case."""
    stop_seconds: float = 15.0
    """From SIGTERM to SIGKILL: a live node spreads its closes over time and writes what its journal holds."""


class Child:
    """A running child that has said it is ready; `addresses` is what it said."""

    def __init__(self, program: Program, process: Process, addresses: Mapping[str, str]) -> None:
        self.name = program.name
        self.addresses = addresses
        self._program = program
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(
        cls, program: Program, settings: Settings, arguments: Sequence[str] = (), pass_fds: Sequence[int] = ()
    ) -> Child:
        """Start `program` and return once it is ready. Raises `ChildFailed`; then nothing of it is left running.

        It leads a process group of its own (Ctrl-C in a terminal must reach the supervisor alone, which stops things
        in order), dies by SIGKILL when the supervisor dies, and writes to the supervisor's standard error only.
        """
        ours, theirs = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                *arguments,
                "--ready-fd",
                str(theirs),
                stdin=DEVNULL,
                stdout=STANDARD_ERROR,
                env=_environment(settings),
                pass_fds=(theirs, *pass_fds),
                process_group=0,
                preexec_fn=die_with_parent(signal.SIGKILL, os.getpid()),
            )
        except OSError as error:
            os.close(ours)
            raise ChildFailed(f"cannot start the {program.name}: {error}") from error
        finally:
            os.close(theirs)
        try:
            line = await _first_line(ours, program)
            if not line:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), EXIT_SECONDS)
            addresses = msgspec.json.decode(line, type=dict[str, str])
        except BaseException as error:
            _kill_group(process.pid)
            ending = _ending(await process.wait())
            if isinstance(error, msgspec.DecodeError):
                said = f"said {line!r} instead of where it serves" if line else "did not start"
                raise ChildFailed(f"the {program.name} {said} ({ending}); its own log says why") from None
            raise
        return cls(program, process, addresses)

    async def wait(self) -> str:
        """How it ended, in words, once it has."""
        ending = _ending(await self._process.wait())
        _kill_group(self.pid)  # whatever it had started itself
        return ending

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL to its whole group after `stop_seconds`. Does nothing if it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), self._program.stop_seconds)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL to its whole group."""
        _kill_group(self.pid)
        await self._process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, with all of Dojo's variables replaced by the one that holds the settings in force."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOJO_")}
    return {**inherited, CHILD_VARIABLE: loader.to_json(settings).decode()}


async def _first_line(descriptor: int, program: Program) -> bytes:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READY_LINE_BYTES)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        return await asyncio.wait_for(reader.readline(), program.ready_seconds)
    except (TimeoutError, ValueError):
        raise ChildFailed(f"the {program.name} was not ready within {program.ready_seconds:g} s") from None
    finally:
        transport.close()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
