"""Peers and servers for the conformance tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.peers import NodePeers
from tests.running import RunningDojo


@pytest.fixture
async def peers() -> AsyncIterator[NodePeers]:
    """A Node process for this test's clients. Nothing a server sends may make a stock provider throw."""
    async with NodePeers() as running:
        yield running
        assert await running.faults() == []


@pytest.fixture(scope="session")
def dojo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDojo]:
    """One server for all tests that leave it as it was. Take a room of your own: `room`."""
    with RunningDojo(tmp_path_factory.mktemp("dojo")) as running:
        yield running
    assert [line for line in running.log_lines() if line["level"] == "error"] == []


@pytest.fixture
async def fresh_dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    """A server of this test's own, to be killed and restarted."""
    async with RunningDojo(tmp_path / "dojo") as running:
        yield running


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room name of this test's own."""
    return str(request.node.name)
