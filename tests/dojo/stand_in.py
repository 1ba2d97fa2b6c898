"""A small program that keeps the supervisor's contract with its children, and breaks it when told to.

    python -m tests.dojo.stand_in MODE [NOTES] --ready-fd N

NOTES is a file that gets one JSON line per start. Modes: `serve` listens on `live.port` and tells so; `deaf` does too
but ignores SIGTERM; `mute` never gets ready; `exit` ends with code 3; `babble` says something else; `parent` starts a
child of its own, then serves.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from dojo.child import ChildStart

MODES = ("serve", "deaf", "mute", "exit", "babble", "parent")


async def run(mode: str, notes: Path | None, start: ChildStart) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None if mode == "deaf" else stop.set())
    grandchild = subprocess.Popen(["sleep", "600"]).pid if mode == "parent" else None  # noqa: ASYNC220
    if notes is not None:
        note = {
            "pid": os.getpid(),
            "grandchild": grandchild,
            "settings": msgspec.json.decode(os.environ["DOJO_SETTINGS"]),
            "dojo_variables": sorted(name for name in os.environ if name.startswith("DOJO_")),
            "group": os.getpgrp(),
        }
        with notes.open("ab") as file:
            file.write(msgspec.json.encode(note) + b"\n")
    sys.stdout.write("a child's standard output\n")
    sys.stdout.flush()
    if mode == "exit":
        return 3
    if mode == "babble":
        assert start.ready_fd is not None
        os.write(start.ready_fd, b"hello\n")
    elif mode != "mute":
        live = start.settings.live
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), live.host, live.port)
        start.ready({"live": f"ws://{live.host}:{server.sockets[0].getsockname()[1]}"})
    await stop.wait()
    return 0


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    assert mode in MODES
    notes = Path(rest.pop(0)) if not rest[0].startswith("--") else None
    sys.exit(asyncio.run(run(mode, notes, ChildStart.from_process(rest))))
