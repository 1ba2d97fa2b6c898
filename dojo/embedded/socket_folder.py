"""Where an embedded server puts its Unix socket: a folder only this user can enter, at the same path every time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

_SOCKET_PATH_BYTES: Final = 107
"""`sun_path` of Linux, without the terminating zero."""


class SocketFolderError(Exception):
    """Somebody else could enter the folder, or it is none."""


class SocketFolder:
    """`run` beside a server's data, or, where that path is too long for a socket, a folder named after it."""

    def __init__(self, data_dir: Path, socket_name: str) -> None:
        """`data_dir` is absolute; `socket_name` is what the server calls its socket."""
        self._data_dir = data_dir
        self.path = data_dir / "run"
        if len(os.fsencode(self.path / socket_name)) > _SOCKET_PATH_BYTES:
            # Derived from the path, not random: restarts find it again, and the clients' addresses stay what they were.
            name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
            self.path = Path(tempfile.gettempdir()) / f"dojo-{os.geteuid()}-{name}"
        self.socket = self.path / socket_name

    def create(self) -> None:
        """Make it if it is not there. Raises `SocketFolderError`."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
            raise SocketFolderError(
                f"{self.path} must be a folder of this user's with mode 0700, for a server's socket"
            )

    def remove_elsewhere(self) -> None:
        """Once the server has ended: leave nothing outside the data folder."""
        if self.path.parent != self._data_dir:
            with contextlib.suppress(OSError):  # after SIGKILL the socket is still in there
                self.path.rmdir()
