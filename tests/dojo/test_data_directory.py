"""The data directory's lock: one server at a time, leftovers waited for, holders named."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dojo.data_directory import DataDirectory, DataDirectoryError


async def test_the_folder_is_made_private(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "a" / "b")
    lock = await directory.lock()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    lock.close()
    lock.close()


async def test_a_second_server_is_told_who_holds_it(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    started = time.monotonic()
    with pytest.raises(DataDirectoryError, match=rf"process {holder.pid} \(python"):
        await DataDirectory(tmp_path).lock(seconds=0.2)
    assert time.monotonic() - started < 5
    end(holder)


async def test_a_start_waits_for_leftovers_and_goes_on_at_once_when_they_end(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    waiting = asyncio.create_task(DataDirectory(tmp_path).lock())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.3)
    end(holder)
    lock = await asyncio.wait_for(waiting, 5)
    lock.close()


async def test_a_child_that_inherited_the_lock_holds_it_after_its_parents_death(tmp_path: Path) -> None:
    lock = await DataDirectory(tmp_path).lock()
    child = start_heir(lock.descriptor)
    lock.close()  # as the end of this process would
    with pytest.raises(DataDirectoryError, match=str(child.pid)):
        await DataDirectory(tmp_path).lock(seconds=0.1)
    end(child)
    (await DataDirectory(tmp_path).lock(seconds=5)).close()


async def test_giving_up_leaves_nothing_open(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(DataDirectoryError):
        await DataDirectory(tmp_path).lock(seconds=0)
    assert set(os.listdir("/proc/self/fd")) == before
    end(holder)


def start_holder(path: Path) -> subprocess.Popen[bytes]:
    program = (
        "import asyncio, sys; from pathlib import Path; from dojo.data_directory import DataDirectory;"
        "lock = asyncio.run(DataDirectory(Path(sys.argv[1])).lock()); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def start_heir(descriptor: int) -> subprocess.Popen[bytes]:
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    return subprocess.Popen(waits, stdin=subprocess.PIPE, pass_fds=(descriptor,))


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate(timeout=10)
