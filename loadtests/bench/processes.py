"""What a tree of processes costs: CPU time and memory, as the kernel counts them. Linux only."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


class ProcessGone(Exception):
    """A process that was to be measured is not there any more."""


def tree(root: int) -> list[int]:
    """`root` and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except ProcessGone:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def command(pid: int) -> str:
    """The command line, arguments separated by blanks."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError as error:
        raise ProcessGone(f"process {pid} has ended") from error


def memory_kib(pid: int) -> int:
    """Proportional set size: private pages and its share of shared ones."""
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError as error:
        raise ProcessGone(f"process {pid} has ended") from error
    raise ProcessGone(f"process {pid} has no memory map")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name: state, parent, ..."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError as error:
        raise ProcessGone(f"process {pid} has ended") from error


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children that have ended and been waited for."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) * _TICK


@dataclass(frozen=True, slots=True)
class CpuShare:
    """Shares of one core over an interval, 0 to 1: of the whole tree, and by program."""

    total: float
    by_program: dict[str, float]


class CpuMeter:
    """Measures a process tree between its making and `read`."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._begun = time.perf_counter()
        self._before = {pid: _cpu_seconds(pid) for pid in tree(root)}

    def read(self) -> CpuShare:
        """What the tree used since. Raises `ProcessGone` if its root has ended."""
        seconds = time.perf_counter() - self._begun
        by_program: dict[str, float] = {}
        for pid in tree(self._root):
            try:
                used = _cpu_seconds(pid) - self._before.get(pid, 0.0)
                program = _program(command(pid))
            except ProcessGone:
                continue  # its time is in its parent's, once that has waited for it
            by_program[program] = by_program.get(program, 0.0) + used / seconds
        if not by_program:
            raise ProcessGone(f"process {self._root} has ended")
        return CpuShare(sum(by_program.values()), {name: share for name, share in by_program.items() if share > 0})


def _program(command_line: str) -> str:
    """A short name: the Python module or script, or the executable."""
    if "redis-server" in command_line.split(" ", maxsplit=1)[0]:
        return "redis-server"
    if command_line.startswith("postgres:") or "/postgres" in command_line.split(" ", maxsplit=1)[0]:
        return "postgres"
    words = command_line.split(" ")
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    scripts = [word for word in words[:3] if "/" in word or word.endswith((".mjs", ".py"))]
    return Path(scripts[-1] if scripts else words[0]).name or "?"
