"""What waits to be written to Redis: bounded in number and in bytes. Pure."""

from __future__ import annotations

from collections import deque


class Outgoing:
    """Commands in order, ready to be written."""

    def __init__(self, most_commands: int, most_bytes: int) -> None:
        self._most_commands = most_commands
        self._most_bytes = most_bytes
        self._commands: deque[bytes] = deque()
        self.size = 0
        """Bytes that wait."""

    def __len__(self) -> int:
        return len(self._commands)

    def offer(self, command: bytes) -> bool:
        """Let it wait, unless that is too much. One alone always may, however large it is."""
        size = self.size + len(command)
        if self._commands and (size > self._most_bytes or len(self._commands) >= self._most_commands):
            return False
        self._commands.append(command)
        self.size = size
        return True

    def take(self, most_bytes: int) -> list[bytes]:
        """The first ones, as many as go into `most_bytes`, and at least one if there is one."""
        taken: list[bytes] = []
        commands = self._commands
        while commands and (not taken or len(commands[0]) <= most_bytes):
            command = commands.popleft()
            most_bytes -= len(command)
            self.size -= len(command)
            taken.append(command)
        return taken

    def clear(self) -> int:
        """Drop everything. Returns how much it was."""
        dropped = len(self._commands)
        self._commands.clear()
        self.size = 0
        return dropped
