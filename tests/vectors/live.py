"""Writes `docs/vectors`: `python -m tests.vectors.live FOLDER`. Twice gives the same files, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.node import PEERS_FOLDER, node_executable
from tests.vectors import live_code, live_messages, live_refusals

FOLDER: Final = Path(__file__).parents[2] / "docs" / "vectors"
OF_YJS: Final = ("documents.json", "binary.json")
"""Made by real Yjs."""
OWN: Final = {
    "messages.json": live_messages.rows,
    "refused.json": live_refusals.rows,
    "code-updates.json": live_code.rows,
}
NODE_SECONDS: Final = 60.0


def write(folder: Path) -> None:
    """All files."""
    node("make", folder)
    for name, rows in OWN.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows())
        # Half of a surrogate pair is in one of them, escaped within a text: no file holds one itself.
        (folder / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(name: str) -> list[dict[str, Any]]:
    """The rows of one committed file."""
    rows: list[dict[str, Any]] = json.loads((FOLDER / name).read_bytes())
    return rows


def node(command: str, folder: Path) -> str:
    """`tests/peers/vectors-live.mjs` with a command; what it printed."""
    script = [node_executable(), str(PEERS_FOLDER / "vectors-live.mjs"), command, str(folder)]
    return subprocess.run(script, check=True, timeout=NODE_SECONDS, capture_output=True, text=True).stdout


if __name__ == "__main__":
    write(Path(sys.argv[1]))
