"""Whether the other side still moves. Pure."""

from __future__ import annotations

from typing import Final

SILENT_LOOKS: Final = 2


class Stall:
    """Looked at in even times. Looks are counted and not seconds: after this process itself was held up, what the other
    side has sent meanwhile is read before the next look."""

    def __init__(self) -> None:
        self._progress = 0
        self._looks = 0

    def look(self, progress: int, *, owed: bool) -> bool:
        """Whether it was due to move and did not, all the time since `SILENT_LOOKS` looks. `progress` counts what came
        from it, `owed`: it has something to answer."""
        if not owed or progress != self._progress:
            self._progress = progress
            self._looks = 0
        else:
            self._looks += 1
        return self._looks >= SILENT_LOOKS
