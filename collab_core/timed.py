"""What a coroutine costs: the time that its own steps take, not that in which it waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, cast


class Timed(Coroutine[Any, Any, None]):
    """Runs `work` as it is, and tells `spend` the CPU seconds of each step."""

    __slots__ = ("_spend", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], spend: Callable[[float], None]) -> None:
        self._work = work
        self._spend = spend

    def send(self, value: Any, /) -> Any:
        begun = time.thread_time()
        try:
            return self._work.send(value)
        finally:
            self._spend(time.thread_time() - begun)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
        /,
    ) -> Any:
        begun = time.thread_time()
        try:
            return self._work.throw(cast(BaseException, kind if value is None else value))
        finally:
            self._spend(time.thread_time() - begun)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._work.__await__()
