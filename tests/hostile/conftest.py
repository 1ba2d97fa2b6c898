"""A server to attack, and the room each attack happens in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.convergence.judge import YjsJudge
from tests.hostile.scene import Scene
from tests.peers import NodePeers
from tests.running import RunningDojo


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    """One server for all attacks: none may leave it worse than it was. It must end cleanly, without an error logged."""
    with RunningDojo(tmp_path_factory.mktemp("attacked")) as running:
        yield running
    assert [line for line in running.log_lines() if line["level"] in {"error", "critical"}] == []


@pytest.fixture
async def own_dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    """A server of this test's own, to be stopped or cut off from its database."""
    async with RunningDojo(tmp_path / "dojo") as running:
        yield running


@pytest.fixture
async def peers() -> AsyncIterator[NodePeers]:
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
