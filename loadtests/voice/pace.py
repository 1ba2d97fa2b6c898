"""When what is to be sent: absolute times, so that a late packet makes no later one late."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import struct
import time
from collections.abc import Callable
from typing import Any, Final

from cffi import FFI  # type: ignore[import-untyped]

_BILLION: Final = 1_000_000_000
_ffi: Final = FFI()
_ffi.cdef("""
    int timerfd_create(int clock, int flags);
    int timerfd_settime(int fd, int flags, const void *new_value, void *old_value);
""")
_libc: Final[Any] = _ffi.dlopen(None)
_MONOTONIC: Final = 1
_NONBLOCK: Final = 0o4000
_CLOSE_ON_EXEC: Final = 0o2000000
_ABSOLUTE: Final = 1
_SETTING: Final = struct.Struct("=qqqq")


class Schedule:
    """Things that recur, each with its own period and phase. Times are nanoseconds of one monotonic clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.latest = 0
        """How late the latest was, in nanoseconds."""

    def add(self, first: int, period: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (first, next(self._order), period, what))

    def remove(self, what: Callable[[], None]) -> None:
        self._heap = [entry for entry in self._heap if entry[3] != what]
        heapq.heapify(self._heap)

    @property
    def next(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def take(self, now: int) -> Callable[[], None] | None:
        """The most overdue thing, put in again one period after it was due; None if nothing is due."""
        if not self._heap or self._heap[0][0] > now:
            return None
        due, order, period, what = self._heap[0]
        heapq.heapreplace(self._heap, (due + period, order, period, what))
        self.latest = max(self.latest, now - due)
        return what


class Pacer:
    """A schedule driven by the kernel's timer: an event loop's own has milliseconds only, and would bunch what is to be
    evenly spread."""

    MOST_AT_ONCE: Final = 16
    """Things in a row before the sockets are looked at again."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self._fd = _libc.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOSE_ON_EXEC)
        if self._fd < 0:
            raise OSError("the kernel gave no timer")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._due)

    def add(self, delay: float, period: float, what: Callable[[], None]) -> None:
        """Do `what` in `delay` seconds and every `period` seconds after that."""
        self.schedule.add(time.monotonic_ns() + int(delay * _BILLION), int(period * _BILLION), what)
        self._arm()

    def remove(self, what: Callable[[], None]) -> None:
        self.schedule.remove(what)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _due(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # armed anew since it went off
            return
        for _ in range(self.MOST_AT_ONCE):
            what = self.schedule.take(time.monotonic_ns())
            if what is None:
                break
            what()
        self._arm()

    def _arm(self) -> None:
        due = self.schedule.next
        if due is not None:
            setting = _SETTING.pack(0, 0, due // _BILLION, due % _BILLION)
            _libc.timerfd_settime(self._fd, _ABSOLUTE, setting, _ffi.NULL)
