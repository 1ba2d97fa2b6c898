"""The log file of an embedded server: appended to by the server, shown in our messages."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import IO, Final

_LOG_BYTES: Final = 8 * 1024 * 1024
"""A log longer than this is set aside (one generation) at the next start."""
_TAIL_BYTES: Final = 16 * 1024


class ServerLog:
    """One log file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> IO[bytes]:
        """For the server's output."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > _LOG_BYTES:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
        return self.path.open("ab")

    def tail(self, lines: int = 15) -> str:
        """The end of it, for messages."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - _TAIL_BYTES))
                return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"
