"""Nothing that was acknowledged is missing after a crash, and nothing at all once its writers are back.

`DOJO_KILL_ROUNDS=50` makes it as many rounds; `python -m tests.durability.kill` is the same outside the suite.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.durability.kill import KillRun
from tests.running import RunningDojo

ROUNDS: Final = int(os.environ.get("DOJO_KILL_ROUNDS", "5"))
LIVE_NODE_ROUNDS: Final = max(2, ROUNDS // 5)
ROUND_SECONDS: Final = 20


@pytest.fixture
async def dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    async with RunningDojo(tmp_path / "dojo") as running:
        yield running


@pytest.mark.timeout(60 + ROUNDS * ROUND_SECONDS)
async def test_a_killed_server_has_kept_what_it_acknowledged(dojo: RunningDojo) -> None:
    kills = KillRun(dojo, seed=11)
    for _ in range(ROUNDS):
        done = await kills.round("server")
        assert done.acknowledged > 0


@pytest.mark.timeout(60 + LIVE_NODE_ROUNDS * ROUND_SECONDS)
async def test_a_killed_live_node_has_kept_what_it_acknowledged(dojo: RunningDojo) -> None:
    kills = KillRun(dojo, seed=12)
    for _ in range(LIVE_NODE_ROUNDS):
        done = await kills.round("live node")
        assert done.acknowledged > 0
