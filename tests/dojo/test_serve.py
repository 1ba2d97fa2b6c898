"""`dojo serve` from outside: its ready line, its restarts, its ends. Real Postgres, real API, a stand-in live node."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import msgspec
import psutil
import pytest

from dojo.serve import ECHO_SECONDS
from kernel.redis import create_client
from tests.dojo.serving import READY_SECONDS, Serving
from tests.dojo.test_process import gone, notes, until


async def status(address: str) -> int:
    async with aiohttp.ClientSession() as client, client.get(address) as answer:
        return answer.status


def open_files(pid: int) -> set[str]:
    return {os.path.realpath(descriptor) for descriptor in Path(f"/proc/{pid}/fd").iterdir()}


def port(address: str) -> str:
    return address.rpartition(":")[2]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_one_line_serves_and_stops_cleanly_in_order(tmp_path: Path, how: signal.Signals) -> None:
    async with Serving(tmp_path) as dojo:
        assert set(dojo.addresses) == {"http", "live", "voice"}
        assert await status(f"{dojo.addresses['http']}/health/ready") == 200
        _, writer = await asyncio.open_connection("127.0.0.1", int(port(dojo.addresses["live"])))
        writer.close()
        family = dojo.family()
        assert await dojo.stop(how) == 0
        assert all(gone(process.pid) for process in family)
    http, live, voice = (dojo.addresses[name] for name in ("http", "live", "voice"))
    assert dojo.output.decode() == f'ready {{"http": "{http}", "live": "{live}", "voice": "{voice}"}}\n'
    assert "a child's standard output" in dojo.log()
    assert dojo.messages()[-2:] == ["stopping", "stopped"]


async def test_children_get_what_they_need_and_no_more(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        [note] = notes(dojo.notes)
        settings = note["settings"]
        assert settings["data_dir"] == str(dojo.data_dir)
        assert settings["database"]["owner"] is None
        assert "dojo_journal@" in settings["database"]["journal"]
        assert settings["http"]["port"] == int(port(dojo.addresses["http"]))
        [key] = settings["trusted_keys"]
        assert set(key) == {"kid", "x", "kty", "crv"}
        assert "d" not in key
        lock = str(dojo.data_dir / "lock")
        for child in dojo.family():
            assert lock in open_files(child.pid), child.cmdline()
        assert await dojo.stop() == 0


async def test_after_kill_9_nothing_is_left_and_it_starts_again_at_once(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        addresses, family = dojo.addresses, dojo.family()
        dojo.process.kill()
        await dojo.ended()
        await dojo.start("--port", port(addresses["http"]), "--live-port", port(addresses["live"]))
        again = await dojo.ready()
        assert [again[name] for name in ("http", "live")] == [addresses[name] for name in ("http", "live")]
        assert all(gone(process.pid) for process in family)
        assert await dojo.stop() == 0


async def test_a_live_node_that_dies_comes_back_at_its_address(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        dojo.child("tests.dojo.stand_in").kill()
        await until(lambda: len(notes(dojo.notes)) == 2)
        assert notes(dojo.notes)[1]["settings"]["live"]["port"] == int(port(dojo.addresses["live"]))
        await until(lambda: any("live node is back" in message for message in dojo.messages()))
        assert await dojo.stop() == 0
    assert "live node ended unexpectedly (killed by SIGKILL)" in dojo.messages()


async def test_while_the_api_is_restarted_no_one_is_turned_away(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        dojo.child("dojo.api").kill()
        await until(lambda: "api ended unexpectedly (killed by SIGKILL)" in dojo.messages())
        assert await status(f"{dojo.addresses['http']}/health/live") == 200
        assert await dojo.stop() == 0


async def test_a_postgres_that_dies_comes_back_at_its_address(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        dojo.child("postgres").kill()
        await until(lambda: any("postgres is back" in message for message in dojo.messages()))
        assert len(notes(dojo.notes)) == 1
        assert await dojo.stop() == 0


async def test_a_redis_that_dies_comes_back_at_its_address(tmp_path: Path) -> None:
    async with Serving(tmp_path) as dojo:
        [note] = notes(dojo.notes)
        client = create_client(note["settings"]["redis"]["url"])
        await client.set("live", "state")
        dojo.child("redis-server").kill()
        await until(lambda: any("redis is back" in message for message in dojo.messages()))
        assert await client.get("live") is None
        assert len(notes(dojo.notes)) == 1
        await client.aclose()
        assert await dojo.stop() == 0
    assert "redis ended unexpectedly (killed by SIGKILL)" in dojo.messages()


async def test_with_a_redis_given_it_starts_none(tmp_path: Path, redis_url: str) -> None:
    config = tmp_path / "dojo.toml"
    config.write_text(f"[redis]\nurl = {msgspec.json.encode(redis_url).decode()}\n")
    dojo = Serving(tmp_path)
    await dojo.start("--port", "0", "--config", str(config))
    await dojo.ready()
    [note] = notes(dojo.notes)
    family = [child.name() for child in dojo.family()]
    assert await dojo.stop() == 0
    assert note["settings"]["redis"]["url"] == redis_url
    assert "postgres" in family
    assert "redis-server" not in family
    assert not (dojo.data_dir / "redis").exists()


async def test_a_signal_during_the_start_stops_it_cleanly(tmp_path: Path) -> None:
    dojo = Serving(tmp_path, "mute")
    await dojo.start()
    await until(dojo.notes.exists)
    family = dojo.family()
    assert await dojo.stop() == 0
    assert all(gone(process.pid) for process in family)
    assert dojo.output == b""


async def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    async with Serving(tmp_path, "deaf") as dojo:
        family = dojo.family()
        dojo.process.send_signal(signal.SIGTERM)
        await until(lambda: "stopping" in dojo.messages())
        dojo.process.send_signal(signal.SIGTERM)  # an echo, which counts for nothing
        await asyncio.sleep(ECHO_SECONDS)
        # Only the services: a backend of Postgres comes and goes with its connection.
        services = psutil.Process(dojo.process.pid).children()
        assert len(services) >= 4
        assert all(process.is_running() for process in services)
        assert await dojo.stop() == 130
        _, left = await asyncio.to_thread(psutil.wait_procs, family, 10)
        assert left == []


async def test_a_child_that_does_not_start_is_a_clear_end(tmp_path: Path) -> None:
    dojo = Serving(tmp_path, "exit")
    await dojo.start()
    assert await dojo.ended() == 1
    assert dojo.output == b""
    assert "dojo: the live node did not start (exit code 3); its own log says why\n" in dojo.log()


@pytest.mark.parametrize("option", ["--port", "--live-port"])
async def test_a_taken_port_is_a_clear_end_before_anything_starts(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        dojo = Serving(tmp_path)
        await dojo.start(*(("--port", "0") if option == "--live-port" else ()), option, number)
        assert await dojo.ended() == 1
    assert f"dojo: port {number} on 127.0.0.1 is in use by another program; choose another with {option}" in dojo.log()
    assert not dojo.notes.exists()


async def test_the_ready_line_is_not_said_before_the_page_answers(tmp_path: Path) -> None:
    dojo = Serving(tmp_path)
    await dojo.start("--port", "0", "--live-port", "0")
    addresses = await asyncio.wait_for(dojo.ready(), READY_SECONDS)
    async with aiohttp.ClientSession() as client, client.get(f"{addresses['http']}/api/v1/config") as answer:
        assert msgspec.json.decode(await answer.read()) == {"liveUrl": addresses["live"], "guests": True}
    assert await dojo.stop() == 0
