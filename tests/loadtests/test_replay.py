"""Recorded sessions typed into the real server, as `python -m loadtests.replay` does it."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtests.replay import replay, with_token
from tests.running import RunningDojo

UNLIMITED = 1e9
REPLAY_SECONDS = 60.0
LIMITS_LIFTED = {
    "DOJO_LIMITS__UPDATES_PER_SECOND": str(UNLIMITED),
    "DOJO_LIMITS__UPDATES_BURST": str(int(UNLIMITED)),
}


@pytest.fixture
async def unlimited_dojo(tmp_path: Path) -> AsyncIterator[RunningDojo]:
    """A server on which a member may type as fast as it can."""
    async with RunningDojo(tmp_path / "dojo", LIMITS_LIFTED) as running:
        yield running


async def _replay(*arguments: str) -> tuple[int | None, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtests.replay", *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(REPLAY_SECONDS):
        output, _ = await process.communicate()
    return process.returncode, json.loads(output)


async def test_both_sessions_end_with_their_own_text(unlimited_dojo: RunningDojo) -> None:
    token = await unlimited_dojo.token()
    for name, agents, transactions in (("sveltecomponent", 1, 18_335), ("friendsforever", 2, 26_078)):
        room = f"{unlimited_dojo.live}/api/v1/rooms/{name}/sync"
        code, summary = await _replay(name, "--room", room, "--token", token, "--speed", "0", "--rate", str(UNLIMITED))
        assert summary["final_equal"], summary
        assert (code, summary["agents"], summary["transactions"]) == (0, agents, transactions)

        again, refused = await _replay(name, "--room", room, "--token", token, "--speed", "0")
        assert again == 1
        assert "not empty" in str(refused["error"])
        assert token not in json.dumps(refused)


async def test_a_wrong_text_is_noticed(unlimited_dojo: RunningDojo, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json.gz"
    transaction = {"time": "2026-01-01T00:00:00Z", "patches": [[0, 0, "right"]]}
    path.write_bytes(gzip.compress(json.dumps({"endContent": "wrong", "txns": [transaction]}).encode()))
    url = with_token(f"{unlimited_dojo.live}/api/v1/rooms/wrong/sync", await unlimited_dojo.token())

    outcome = await replay(path, url, settle=1.0)

    assert not outcome.final_equal
    assert (outcome.watcher_equal, outcome.authors_equal, outcome.joiner_equal) == (False, False, False)


async def test_a_pause_is_shortened_by_the_speed(unlimited_dojo: RunningDojo, tmp_path: Path) -> None:
    path = tmp_path / "slow.json.gz"
    patches = [[[0, 0, "a"]], [[1, 0, "b"]], [[2, 0, "c"]]]
    transactions = [{"time": f"2026-01-01T00:00:0{n}Z", "patches": each} for n, each in enumerate(patches)]
    path.write_bytes(gzip.compress(json.dumps({"endContent": "abc", "txns": transactions}).encode()))
    url = with_token(f"{unlimited_dojo.live}/api/v1/rooms/slow/sync", await unlimited_dojo.token())

    outcome = await replay(path, url, speed=4.0)

    assert outcome.final_equal
    assert 0.5 <= outcome.seconds < 2.0


async def test_a_room_that_the_token_does_not_open_is_an_error(unlimited_dojo: RunningDojo) -> None:
    token = await unlimited_dojo.token(rooms="another")
    code, summary = await _replay(
        "sveltecomponent", "--room", f"{unlimited_dojo.live}/api/v1/rooms/mine/sync", "--token", token
    )
    assert code == 1
    assert "4403" in str(summary["error"])
