"""The benchmark's servers and adapters: every server must really do what is measured of it."""

from __future__ import annotations

import pytest
from pycrdt import Doc, Text

from loadtests.bench import cursors, fanout, servers
from loadtests.bench.fanout import Shape
from loadtests.bench.processes import CpuMeter, ProcessGone, command, memory_kib, tree
from loadtests.client import SyncClient

ROOT = "content"
DEADLINE_SECONDS = 10.0


@pytest.mark.parametrize("name", servers.NAMES)
async def test_documents_are_exchanged_both_ways(name: str) -> None:
    async with servers.make(name) as server:
        room = "exchange"
        first = await SyncClient.open(server.url(room, 0), room=room, dialect=server.dialect)
        source: Doc[Text] = Doc()
        source.get(ROOT, type=Text).insert(0, "written while connected")
        first.type(source.get_update())
        kept: Doc[Text] = Doc()
        kept.get("other", type=Text).insert(0, "written before")
        second = await SyncClient.open(server.url(room, 1), kept, room=room, dialect=server.dialect)
        for client in (first, second):
            await client.wait_until(
                lambda client=client: (
                    (client.text(ROOT), client.text("other"))  # type: ignore[misc]
                    == ("written while connected", "written before")
                ),
                DEADLINE_SECONDS,
                "both texts",
            )
        assert first.text("other") == "written before"
        assert second.text(ROOT) == "written while connected"
        await first.close()
        await second.close()


@pytest.mark.parametrize("name", servers.NAMES)
async def test_a_short_load_is_delivered_exactly(name: str) -> None:
    async with servers.make(name) as server:
        measured = await fanout.measure(server, Shape(rooms=2, members=6, writers=3, rate=20), 1.0, label="load")

    assert measured.problems == []
    assert measured.figures["updates_per_second"] == pytest.approx(120, rel=0.1)
    assert measured.figures["deliveries"] == pytest.approx(120 * 5, rel=0.1)
    assert 0 < measured.figures["p50_ms"] <= measured.figures["p99_ms"] <= measured.figures["max_ms"]
    assert measured.figures["server_cpu"] > 0


async def test_saved_is_measured() -> None:
    async with servers.make("dojo") as server:
        measured = await fanout.measure(server, Shape(1, 4, 2, 20), 1.0, label="saved", saved=True)

    assert measured.problems == []
    assert 0 < measured.figures["saved_p50_ms"] <= measured.figures["saved_p99_ms"]


async def test_cursors_are_seen_and_echoed() -> None:
    async with servers.make("dojo") as server:
        measured = await cursors.measure(server, 10, 2.0)

    assert measured.problems == []
    assert measured.figures["moves_seen"] > 0.9
    assert measured.figures["echoes_per_second"] > 10


async def test_the_whole_process_tree_is_measured() -> None:
    async with servers.make("dojo") as server:
        commands = [command(pid) for pid in tree(server.pid)]
        assert any("dojo.live_node" in each for each in commands)
        assert any("postgres" in each for each in commands)
        assert "dojo.live_node" in command(server.live_pid)
        assert memory_kib(server.live_pid) > 10_000
        assert CpuMeter(server.pid).read().total >= 0
        pid = server.pid
    with pytest.raises(ProcessGone):
        command(pid)
