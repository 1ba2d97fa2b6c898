"""Ground of its own for a node or a disk: Linux namespaces, which also an ordinary user may have.

`command` runs a Python module as root of private mount and network namespaces. In there `Ground` gives a node a
network of its own, with one link to its clients and one to Redis that can be cut, and `small_disk` mounts a disk that
can be filled. All of it is gone when the process ends.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

CLIENTS: Final = "192.0.2"
REDIS: Final = "198.51.100"
"""Networks for documentation (RFC 5737), which exist nowhere."""
COMMAND_SECONDS: Final = 10.0
PIECE_BYTES: Final = 4096


def command(module: str, *arguments: str) -> list[str]:
    """What runs `python -m module arguments` in namespaces of its own."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, "--mount", "--net", "--kill-child", "--", sys.executable, "-m", module, *arguments]


def settle_in() -> None:
    """Once, inside: a loopback, and a place for `ip netns` to keep names in."""
    _run("ip", "link", "set", "lo", "up")
    _run("mount", "-t", "tmpfs", "none", "/run")


def small_disk(folder: Path, mebibytes: int) -> None:
    """Mount an empty disk of this size at `folder`."""
    folder.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "none", str(folder))


def take_away(folder: Path) -> None:
    """Unmount it."""
    _run("umount", str(folder))


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as output, contextlib.suppress(OSError):  # full
        while output.write(bytes(PIECE_BYTES)):
            pass


class Ground:
    """A network namespace for one node."""

    def __init__(self, number: int) -> None:
        """Make it. `number` is below 60."""
        self._name = f"node{number}"
        self._cable = f"redis{number}"
        first = 4 * number
        self.host = f"{CLIENTS}.{first + 2}"
        """Where the node listens."""
        self.redis_host = f"{REDIS}.{first + 1}"
        """Where it finds Redis."""
        _run("ip", "netns", "add", self._name)
        _run("ip", "-n", self._name, "link", "set", "lo", "up")
        for cable, network in ((f"people{number}", CLIENTS), (self._cable, REDIS)):
            _run("ip", "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", self._name)
            _run("ip", "address", "add", f"{network}.{first + 1}/30", "dev", cable)
            _run("ip", "-n", self._name, "address", "add", f"{network}.{first + 2}/30", "dev", cable)
            _run("ip", "link", "set", cable, "up")
            _run("ip", "-n", self._name, "link", "set", cable, "up")

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command in there begins with."""
        return ("ip", "netns", "exec", self._name)

    def cut(self) -> None:
        """Packets to and from Redis vanish; neither end is told."""
        _run("ip", "link", "set", self._cable, "down")

    def mend(self) -> None:
        """They get through again."""
        _run("ip", "link", "set", self._cable, "up")


def _run(*what: str) -> None:
    subprocess.run(what, check=True, timeout=COMMAND_SECONDS)
