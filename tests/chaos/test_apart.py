"""A network that drops packets silently between a node and Redis, and a disk without a free byte under Postgres."""

from __future__ import annotations

import subprocess

import pytest

from tests.chaos.namespaces import command

SECONDS = 60.0


@pytest.mark.parametrize("scenario", ["partition", "disk"])
def test_apart(scenario: str) -> None:
    done = subprocess.run(
        command("tests.chaos.apart", scenario), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-6000:]
