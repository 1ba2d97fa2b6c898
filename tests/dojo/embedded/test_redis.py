from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from dojo.embedded import redis as module
from dojo.embedded.redis import EmbeddedRedis
from dojo.embedded.server_process import EmbeddedServerError
from kernel.redis import check, create_client
from tests.dojo.embedded.parent import gone, lives, start_parent


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[EmbeddedRedis]:
    server = EmbeddedRedis(data_dir)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def connected(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = create_client(server.url())
    try:
        yield client
    finally:
        await client.aclose()


async def test_it_starts_again_empty_at_the_same_address(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "data")
    await server.start()
    before, pid = server.url(), server.pid
    assert pid is not None
    async with connected(server) as client:
        await client.set("live", "state")
        await server.stop()
        assert server.pid is None
        assert not psutil.pid_exists(pid)
        await server.stop()
        await server.start()
        assert server.url() == before
        assert await client.get("live") is None
    await server.stop()


async def test_it_is_private_bounded_without_a_network_port_and_writes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as server, connected(server) as client:
        assert server.pid is not None
        assert psutil.Process(server.pid).net_connections("inet") == []
        assert oct((tmp_path / "data" / "run").stat().st_mode & 0o777) == "0o700"
        assert oct((tmp_path / "data" / "run" / "redis.sock").stat().st_mode & 0o777) == "0o700"
        settings = await client.config_get("*")
        assert settings["maxmemory"] == str(128 * 1024 * 1024)
        assert settings["maxmemory-policy"] == "noeviction"
        assert (settings["save"], settings["appendonly"]) == ("", "no")
        assert "pubsub 33554432 8388608 60" in str(settings["client-output-buffer-limit"])
        for number in range(120):
            await client.set(str(number), b"x" * 1024 * 1024)
        with pytest.raises(OutOfMemoryError):
            await asyncio.gather(*(client.set(f"more {number}", b"x" * 1024 * 1024) for number in range(8)))
        assert await client.get("0") == b"x" * 1024 * 1024
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["redis.log", "run"]
    assert list((tmp_path / "data" / "run").iterdir()) == []


async def test_one_that_was_killed_says_so_and_starts_again(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "data")
    await server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await asyncio.wait_for(server.wait(), 20) == "killed by SIGKILL"
    await server.start()
    async with connected(server) as client:
        await check(client)
    await server.kill()
    assert server.pid is None


async def test_it_dies_with_its_parent_and_leaves_no_obstacle(tmp_path: Path) -> None:
    data = tmp_path / "data"
    parent, pid = await start_parent("redis", data)
    parent.kill()
    async with running(data) as server:  # at once, while the former may still be ending
        assert server.pid != pid
        await gone(pid)
        async with connected(server) as client:
            await check(client)
    await parent.wait()
    assert not lives(pid)


async def test_two_at_once_on_one_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFTOVER_SECONDS", 0.2)
    async with running(tmp_path / "data") as server:
        with pytest.raises(EmbeddedServerError, match="another Redis still runs"):
            await EmbeddedRedis(tmp_path / "data").start()
        with pytest.raises(EmbeddedServerError, match="already runs"):
            await server.start()
        async with connected(server) as client:
            await check(client)


async def test_a_data_directory_with_a_long_and_odd_name(tmp_path: Path) -> None:
    for name in ("long" * 25, "ä b?c#d%e'f\"g"):
        data = tmp_path / name / "data"
        async with running(data) as server, connected(server) as client:
            assert server.url() == EmbeddedRedis(data).url()
            await check(client)
            folder = Path(str((await client.config_get("unixsocket"))["unixsocket"])).parent
            assert (folder == data / "run") is (len(name) < 100)
            assert oct(folder.stat().st_mode & 0o777) == "0o700"
        assert folder.exists() is (folder == data / "run")


async def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module._SETTINGS, "maxmemory-policy", "no-such-policy")
    server = EmbeddedRedis(tmp_path / "data", tmp_path / "elsewhere.log")
    with pytest.raises(EmbeddedServerError, match=r"(?s)ended with code 1 .*elsewhere.log.*no-such-policy"):
        await server.start()
    assert server.pid is None


def test_where_there_is_no_binary_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = EmbeddedRedis(tmp_path)._binary
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match=r"PATH, or name a Redis in the setting redis\.url"):
        EmbeddedRedis(tmp_path)
    (tmp_path / "redis-server").symlink_to(own)
    assert EmbeddedRedis(tmp_path)._binary == tmp_path / "redis-server"
