"""Something that is done at once, but not again before some time has passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Paced:
    """Calls `action` for `want`: at once if it was not called within the last `pause` seconds, else when they are
    over, once for all that wanted it meanwhile."""

    def __init__(self, pause: float, action: Callable[[], None]) -> None:
        self._pause = pause
        self._action = action
        self._at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def want(self) -> None:
        """Have it done."""
        if self._timer is None:
            wait = max(0.0, self._at + self._pause - time.monotonic())
            # Not inside the caller's own work, even if at once: what it changes next is in it too.
            self._timer = asyncio.get_running_loop().call_later(wait, self._run)

    def stop(self) -> None:
        """Forget what is wanted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        self._timer = None
        self._at = time.monotonic()
        self._action()
