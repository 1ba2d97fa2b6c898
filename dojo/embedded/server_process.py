"""A server as a child of this process: a Unix socket only this user can reach, a log of its own, and an end with its
parent, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from dojo.embedded.exit_of import exit_of
from dojo.embedded.parent_death import die_with_parent
from dojo.embedded.server_log import ServerLog
from dojo.embedded.socket_folder import SocketFolder, SocketFolderError


class EmbeddedServerError(Exception):
    """An embedded server could not be set up, started or stopped. The message carries the end of its log where it has
    one."""


class ServerProcess:
    """One server on one data directory; `run` may be called again once it has ended.

    `name` is for people. `data_dir` gets the folder `run` for the socket and, unless `log_path` says otherwise, the
    log. `dies_by` is the signal it gets when this process dies. `pass_fds` are descriptors it inherits.
    """

    def __init__(
        self,
        name: str,
        data_dir: Path,
        log_path: Path | None,
        *,
        socket_name: str,
        dies_by: signal.Signals,
        pass_fds: Sequence[int],
    ) -> None:
        self._name = name
        self._dies_by = dies_by
        self._pass_fds = tuple(pass_fds)
        self.data_dir = data_dir.absolute()
        self.log = ServerLog((log_path or self.data_dir / f"{name.lower()}.log").absolute())
        self.sockets = SocketFolder(self.data_dir, socket_name)
        self.process: subprocess.Popen[bytes] | None = None
        """From `run` to `forget`, whether it still runs or not."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def prepare(self) -> None:
        """Make the data directory. Raises `EmbeddedServerError` if the server cannot be started from here and now:
        the kernel watches the *thread* that forks it, so that has to be the main one."""
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedServerError(f"start {self._name} from the main thread: it dies with its starter")
        if self.pid is not None:
            raise EmbeddedServerError(f"{self._name} already runs as process {self.pid}")
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make_socket_folder(self) -> None:
        """Raises `EmbeddedServerError` if others could enter it."""
        try:
            self.sockets.create()
        except SocketFolderError as error:
            raise EmbeddedServerError(str(error)) from error

    def run(self, command: Sequence[str], *more_fds: int) -> None:
        """Start the server. Raises `EmbeddedServerError`."""
        self.process = self.spawn(command, *more_fds)

    def spawn(self, command: Sequence[str], *more_fds: int) -> subprocess.Popen[bytes]:
        """Start something that belongs to the server, in the same manner. Raises `EmbeddedServerError`."""
        with self.log.open() as output:
            try:
                return subprocess.Popen(  # noqa: S603 - fixed binaries, no shell
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.data_dir,
                    pass_fds=(*self._pass_fds, *more_fds),
                    # Its own session: Ctrl-C in the terminal is for the supervisor, which stops the clients first.
                    start_new_session=True,
                    preexec_fn=die_with_parent(self._dies_by, os.getpid()),  # noqa: PLW1509 - takes no locks
                )
            except OSError as error:
                raise EmbeddedServerError(f"cannot run {command[0]}: {error}") from error

    async def wait(self) -> int:
        """Its exit code (negative: the signal that ended it) once it has ended."""
        if self.process is None:
            raise EmbeddedServerError(f"{self._name} was not started")
        return await exit_of(self.process)

    def forget(self) -> None:
        """It has ended: leave nothing of it outside the data directory."""
        self.process = None
        self.sockets.remove_elsewhere()

    def failure(self, what: str) -> EmbeddedServerError:
        """What happened to the server, with the end of its log."""
        return EmbeddedServerError(f"{self._name} {what}; the end of {self.log.path}:\n{self.log.tail()}")
