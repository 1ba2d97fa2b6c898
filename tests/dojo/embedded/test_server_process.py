"""What holds of every embedded server."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dojo.embedded.postgres import EmbeddedPostgres
from dojo.embedded.redis import EmbeddedRedis
from dojo.embedded.server_process import EmbeddedServerError

Server = EmbeddedPostgres | EmbeddedRedis
every = pytest.mark.parametrize("server", [EmbeddedPostgres, EmbeddedRedis])


@every
async def test_descriptors_are_passed_on(tmp_path: Path, server: Callable[..., Server]) -> None:
    """The supervisor's lock stays taken as long as the server lives."""
    path = tmp_path / "supervisor.lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    started = server(tmp_path / "data", pass_fds=[lock])
    await started.start()
    os.close(lock)
    again = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    await started.stop()
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)


@every
async def test_a_socket_folder_that_others_can_enter_is_refused(tmp_path: Path, server: Callable[..., Server]) -> None:
    (tmp_path / "data" / "run").mkdir(parents=True)
    (tmp_path / "data" / "run").chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="0700"):
        await server(tmp_path / "data").start()


@every
def test_only_the_main_thread_may_start_it(tmp_path: Path, server: Callable[..., Server]) -> None:
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(server(tmp_path / "data").start())
        except EmbeddedServerError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


@every
async def test_before_its_start_there_is_nothing_to_wait_for(tmp_path: Path, server: Callable[..., Server]) -> None:
    with pytest.raises(EmbeddedServerError, match="was not started"):
        await server(tmp_path / "data").wait()
