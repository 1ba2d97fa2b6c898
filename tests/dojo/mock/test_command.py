"""The command `dojo mock`, as an app's CI runs it; and the scenario that its manual shows."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import msgspec
import pytest

from dojo.cli import main
from dojo.mock.scenario import load

MANUAL = Path(__file__).parents[3] / "docs" / "mock.md"
READY_SECONDS = 30.0


async def test_it_says_where_it_listens_and_ends_when_told() -> None:
    command = [str(Path(sys.executable).with_name("dojo")), "mock"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env={"PATH": os.environ["PATH"]})
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        at = msgspec.json.decode(line.removeprefix(b"ready "), type=dict[str, str])
        async with aiohttp.ClientSession() as session, session.get(f"{at['http']}/api/v1/config") as answer:
            assert (await answer.json())["liveUrl"] == at["live"]
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), READY_SECONDS)
    assert code == 0


def test_a_scenario_that_makes_no_sense_is_one_line_and_an_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text("[[http]]\noperation = 'nothingLikeIt'\n")
    assert main(["mock", "--scenario", str(file)]) == 1
    assert "no operation 'nothingLikeIt'" in capfd.readouterr().err
    assert main(["mock", "--scenario", str(tmp_path / "none.toml")]) == 1
    assert "No such file" in capfd.readouterr().err


def test_the_manuals_scenario_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    file = tmp_path / "scenario.toml"
    file.write_text(shown)
    scenario = load(file)
    assert (len(scenario.http), len(scenario.live), len(scenario.steps)) == (2, 1, 3)
