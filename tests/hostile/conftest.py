"""A server to attack, and the room each attack happens in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.convergence.judge import YjsJudge
from tests.hostile.scene import Scene
from tests.peers import NodePeers
from tests.running import RunningDojo


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log with a failure."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            if isinstance(value, RunningDojo):
                report.sections.append(("server log", value.log()))
    return report


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    """One server for all attacks: none may leave it worse than it was. It must end cleanly, without an error logged."""
    running = RunningDojo(tmp_path_factory.mktemp("attacked"))
    running.start_blocking()
    try:
        yield running
    finally:
        running.stop_blocking()
    assert [line for line in running.log_lines() if line["level"] in {"error", "critical"}] == []


@pytest.fixture
async def own_dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    """A server of this test's own, to be stopped or cut off from its database."""
    async with RunningDojo(tmp_path / "dojo") as running:
        yield running


@pytest.fixture
async def peers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NodePeers]:
    # Yjs logs to standard output when somebody else writes under its client id; the answers are there.
    monkeypatch.setenv("NODE_OPTIONS", "--import=data:text/javascript,console.log=console.error")
    async with NodePeers() as running:
        yield running


@pytest.fixture
async def judge() -> AsyncIterator[YjsJudge]:
    async with YjsJudge() as running:
        yield running


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room name of this test's own; parameters may hold anything, so they are numbered away."""
    return f"{request.node.originalname}-{crc32(request.node.name.encode()):08x}"


@pytest.fixture
async def scene(attacked: RunningDojo, peers: NodePeers, judge: YjsJudge, room: str) -> Scene:
    """The room, open, with its honest member."""
    return await Scene.set(attacked, peers, judge, room)
