"""The contract between the supervisor and its children: settings in one variable, readiness on one descriptor.

start = ChildStart.from_process()
... listen ...
start.ready({"http": "http://127.0.0.1:8080"})
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from dojo.settings import CHILD_VARIABLE, Settings
from kernel import settings as loader


@dataclass(frozen=True, slots=True)
class ChildStart:
    """What a child process was started with."""

    settings: Settings
    ready_fd: int | None
    listen_fd: int | None = None
    """A socket that listens already, for a child that serves one of the supervisor's."""

    @classmethod
    def from_process(cls, arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> ChildStart:
        """Read the arguments and DOJO_SETTINGS. Raises `kernel.settings.SettingsError`; exits on other arguments."""
        parser = argparse.ArgumentParser(description="Started by `dojo serve`.")
        parser.add_argument("--ready-fd", type=int, default=None, help="descriptor to tell readiness on")
        parser.add_argument("--listen-fd", type=int, default=None, help="a socket that listens already")
        given = parser.parse_args(arguments)
        document = env.get(CHILD_VARIABLE)
        if document is None:
            raise loader.SettingsError(f"{CHILD_VARIABLE} is not set: this process is started by `dojo serve`")
        return cls(loader.from_json(Settings, document), given.ready_fd, given.listen_fd)

    def ready(self, addresses: Mapping[str, str]) -> None:
        """Tell the supervisor that this process serves now, and where. Once; the descriptor is closed after."""
        if self.ready_fd is None:
            return
        with os.fdopen(self.ready_fd, "wb") as pipe:
            pipe.write(msgspec.json.encode(addresses) + b"\n")
