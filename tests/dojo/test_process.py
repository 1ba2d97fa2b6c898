"""A child process: ready or failed, told its settings, stopped with rising force, never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from dojo.process import Child, ChildFailed, Program
from dojo.settings import Settings

SETTINGS = msgspec.structs.replace(Settings(), live=msgspec.structs.replace(Settings().live, port=0))
DEADLINE_SECONDS = 30.0


def program(mode: str, *arguments: str, ready_seconds: float = 20, stop_seconds: float = 15) -> Program:
    command = (sys.executable, "-m", "tests.dojo.stand_in", mode, *arguments)
    return Program("stand-in", command, ready_seconds=ready_seconds, stop_seconds=stop_seconds)


def notes(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the state of other processes
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_child_tells_where_it_serves_and_stops_on_sigterm() -> None:
    child = await Child.start(program("serve"), SETTINGS)
    port = int(child.addresses["live"].rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await child.stop()
    assert await child.wait() == "exit code 0"
    await child.stop()


async def test_a_child_gets_the_settings_and_no_other_variable_of_dojo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOJO_HTTP__PORT", "1")
    monkeypatch.setenv("DOJO_SETTINGS", "stale")
    child = await Child.start(program("serve", str(tmp_path / "notes")), SETTINGS)
    [note] = notes(tmp_path / "notes")
    assert note["dojo_variables"] == ["DOJO_SETTINGS"]
    assert msgspec.convert(note["settings"]["limits"], type(SETTINGS.limits)) == SETTINGS.limits
    assert note["group"] == note["pid"] == child.pid
    await child.stop()


async def test_a_child_inherits_the_descriptors_it_is_given_and_no_others(tmp_path: Path) -> None:
    given = os.open(tmp_path / "given", os.O_CREAT | os.O_RDWR)
    kept = os.open(tmp_path / "kept", os.O_CREAT | os.O_RDWR)
    child = await Child.start(program("serve"), SETTINGS, pass_fds=(given,))
    open_files = {file.path for file in psutil.Process(child.pid).open_files()}
    assert str(tmp_path / "given") in open_files
    assert str(tmp_path / "kept") not in open_files
    await child.stop()
    os.close(given)
    os.close(kept)


@pytest.mark.parametrize(
    ("mode", "said"),
    [("exit", r"stand-in did not start \(exit code 3\)"), ("mute", "not ready within 2 s"), ("babble", "said b'hello")],
)
async def test_a_child_that_does_not_get_ready_is_an_error_and_is_ended(mode: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=said):
        await Child.start(program(mode, str(tmp_path / "notes"), ready_seconds=2), SETTINGS)
    assert gone(notes(tmp_path / "notes")[0]["pid"])


async def test_a_command_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ChildFailed, match="cannot start the ghost"):
        await Child.start(Program("ghost", ("/no/such/program",)), SETTINGS)


async def test_a_child_that_ignores_sigterm_is_killed_after_its_time() -> None:
    child = await Child.start(program("deaf", stop_seconds=0.3), SETTINGS)
    started = time.monotonic()
    await child.stop()
    assert await child.wait() == "killed by SIGKILL"
    assert 0.3 <= time.monotonic() - started < DEADLINE_SECONDS


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    for end in (Child.stop, Child.kill):
        child = await Child.start(program("parent", str(tmp_path / "notes")), SETTINGS)
        grandchild = notes(tmp_path / "notes")[-1]["grandchild"]
        assert not gone(grandchild)
        await end(child)
        await until(lambda pid=grandchild: gone(pid))  # type: ignore[misc]


async def test_cancelling_a_start_ends_the_child(tmp_path: Path) -> None:
    starting = asyncio.create_task(Child.start(program("mute", str(tmp_path / "notes")), SETTINGS))
    await until(lambda: (tmp_path / "notes").exists() and bool(notes(tmp_path / "notes")))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert gone(notes(tmp_path / "notes")[0]["pid"])


async def test_a_child_dies_when_its_starter_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio; from tests.dojo.test_process import SETTINGS, program; from dojo.process import Child\n"
        "async def main():\n"
        f"    await Child.start(program('deaf', {str(tmp_path / 'notes')!r}), SETTINGS)\n"
        "    print('up', flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert starter.stdout is not None
    assert await asyncio.wait_for(starter.stdout.readline(), DEADLINE_SECONDS) == b"up\n"
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    pid = notes(tmp_path / "notes")[0]["pid"]
    await until(lambda: gone(pid))
