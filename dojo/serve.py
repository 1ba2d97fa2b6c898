"""`dojo serve`: from the lock to the ready line to the clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

from dojo.data_directory import DataDirectory
from dojo.services import Programs, Services
from dojo.settings import Settings

CUT_SHORT_EXIT = 130
"""Exit code when a second signal cut the clean end short."""

ECHO_SECONDS = 0.5
"""A signal this soon after the first is its echo: `timeout` and service managers signal the process and its group."""

log = logging.getLogger(__name__)

T = TypeVar("T")


async def serve(
    settings: Settings, announce: Callable[[Mapping[str, str]], None], programs: Programs | None = None
) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code. Call it on the main thread.

    `announce` is called once, with the addresses, when everything serves. The first signal stops everything in order,
    a second one at once. Raises `DataDirectoryError`, `PortTaken`, `ChildFailed`, and what Postgres and the migrations
    raise, when it does not come up.
    """
    signals = Signals()
    with signals.caught():
        lock = None
        services = None
        try:
            lock = await signals.unless_stopped(DataDirectory(settings.data_dir).lock())
            services = Services(settings, lock, programs or Programs.own())
            await signals.unless_stopped(services.start())
            announce(services.addresses)
            await signals.stop.wait()
        except Stopped:
            log.info("stopped before everything was up")
        finally:
            code = await _end(services, signals) if services is not None else 0
            if lock is not None:
                lock.close()
    return code


async def _end(services: Services, signals: Signals) -> int:
    """Stop in order; a second signal ends it at once."""
    log.info("stopping")
    stopping = asyncio.create_task(services.stop(), name="stop services")
    at_once = asyncio.create_task(signals.at_once.wait(), name="second signal")
    await asyncio.wait({stopping, at_once}, return_when=asyncio.FIRST_COMPLETED)
    at_once.cancel()
    if stopping.done():
        await stopping
        log.info("stopped")
        return 0
    log.warning("second signal: ending everything at once")
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stopping
    await services.kill()
    return CUT_SHORT_EXIT


class Stopped(Exception):
    """A signal came before everything was up."""


class Signals:
    """SIGINT and SIGTERM as two events: `stop` with the first, `at_once` with a second one that was meant."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.at_once = asyncio.Event()
        self._first_at = 0.0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Signals set the events while inside."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._came)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; when a signal comes first, `work` is cancelled and `Stopped` raised."""
        working = asyncio.create_task(work)
        stop = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
        if working.cancelled():
            raise Stopped
        return working.result()

    def _came(self) -> None:
        now = time.monotonic()
        if not self.stop.is_set():
            self._first_at = now
            self.stop.set()
        elif now - self._first_at >= ECHO_SECONDS:
            self.at_once.set()
