from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from dojo.embedded import postgres as module
from dojo.embedded.postgres import EmbeddedPostgres
from dojo.embedded.server_process import EmbeddedServerError
from tests.dojo.embedded.parent import gone, lives, start_parent


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def query(server: EmbeddedPostgres, *statements: str) -> object:
    connection = await asyncpg.connect(server.dsn("dojo_owner"))
    try:
        answer = None
        for statement in statements:
            answer = await connection.fetchval(statement)
        return answer
    finally:
        await connection.close()


async def test_what_was_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    await server.start()
    before = server.dsn("dojo_owner")
    await query(server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    pid = server.pid
    assert pid is not None
    await server.stop()
    assert server.pid is None
    assert not psutil.pid_exists(pid)
    await server.stop()
    await server.start()
    assert server.dsn("dojo_owner") == before
    assert await query(server, "SELECT n FROM kept") == 7
    await server.stop()
    assert "database system is shut down" in server.log_tail()


async def test_it_is_durable_private_and_without_a_network_port(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await query(server, f"SHOW {name}") == "on"
        assert await query(server, "SHOW listen_addresses") == ""
        loose = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        assert await query(server, loose) is False
        assert server.pid is not None
        assert psutil.Process(server.pid).net_connections("inet") == []
        assert oct((tmp_path / "data" / "run").stat().st_mode & 0o777) == "0o700"


async def test_a_killed_postmaster_is_survived(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    await server.start()
    await query(server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(server.wait(), 20) == -signal.SIGKILL
    assert server.pid is None
    await server.start()
    assert await query(server, "SELECT n FROM kept") == 7
    await server.stop()


async def test_it_dies_with_its_parent_and_the_next_start_waits_for_that(tmp_path: Path) -> None:
    data = tmp_path / "data"
    parent, pid = await start_parent("postgres", data)
    assert psutil.pid_exists(pid)
    parent.kill()
    async with running(data) as server:
        assert not lives(pid)
        assert server.pid != pid
    await parent.wait()
    log = (data / "postgres.log").read_text()
    assert "received fast shutdown request" in log  # by SIGINT: a clean end, nothing to recover
    assert "not properly shut down" not in log


async def test_it_ends_when_its_parent_is_killed_and_nobody_comes_back(tmp_path: Path) -> None:
    parent, pid = await start_parent("postgres", tmp_path / "data")
    parent.kill()
    await gone(pid)
    await parent.wait()
    assert not lives(pid)


async def test_a_process_id_that_now_belongs_to_somebody_else_is_no_obstacle(tmp_path: Path) -> None:
    async with running(tmp_path / "data"):
        pass
    stale = f"{os.getpid()}\n{tmp_path / 'data' / 'cluster'}\n1\n5432\n{tmp_path / 'data' / 'run'}\n\n"
    (tmp_path / "data" / "cluster" / "postmaster.pid").write_text(stale)
    (tmp_path / "data" / "run" / ".s.PGSQL.5432.lock").write_text(stale)
    (tmp_path / "data" / "run" / ".s.PGSQL.5432").touch()
    async with running(tmp_path / "data") as server:
        assert await query(server, "SELECT 1") == 1


async def test_two_at_once_on_one_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFTOVER_SECONDS", 0.2)
    async with running(tmp_path / "data") as server:
        with pytest.raises(EmbeddedServerError, match=f"another Postgres still runs .*process {server.pid}"):
            await EmbeddedPostgres(tmp_path / "data").start()
        with pytest.raises(EmbeddedServerError, match="already runs"):
            await server.start()
        assert await query(server, "SELECT 1") == 1


async def test_a_data_directory_with_a_long_name(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 25) / "data"
    server = EmbeddedPostgres(data)
    await server.start()
    assert server.dsn("dojo_owner") == EmbeddedPostgres(data).dsn("dojo_owner")
    assert await query(server, "SELECT 1") == 1
    folder = server.dsn("x").split("host=")[1]
    assert oct(os.stat(folder).st_mode & 0o777) == "0o700"
    await server.stop()
    with pytest.raises(FileNotFoundError):
        os.stat(folder)


async def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "data" / "cluster.new" / "base").mkdir(parents=True)
    (tmp_path / "data" / "cluster.new" / "PG_VERSION").write_text("18\n")
    async with running(tmp_path / "data") as server:
        assert await query(server, "SELECT 1") == 1
    assert not (tmp_path / "data" / "cluster.new").exists()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    async with running(tmp_path / "data"):
        pass
    (tmp_path / "data" / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        await EmbeddedPostgres(tmp_path / "data").start()
    shutil.rmtree(tmp_path / "data" / "cluster" / "global")
    with pytest.raises(EmbeddedServerError, match="ended with code"):
        await EmbeddedPostgres(tmp_path / "data").start()
