"""Keeps services running: starts them in order, restarts one that dies, stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)


class Running(Protocol):
    """A service that was started."""

    @property
    def pid(self) -> int | None: ...

    async def wait(self) -> object:
        """Returns once it has ended by itself; the result says how."""
        ...

    async def stop(self) -> None:
        """End it cleanly, with rising force. Does nothing if it has ended."""
        ...

    async def kill(self) -> None:
        """End it at once."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing pauses between restarts, with full jitter: services that died together do not come back together."""

    first_seconds: float = 0.2
    most_seconds: float = 10.0
    healthy_seconds: float = 60.0
    """A service that ran for this long starts over with `first_seconds`."""

    def pause(self, failures: int) -> float:
        """Seconds before the restart after `failures` (1 or more) failures in a row."""
        ceiling = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 32))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, hides nothing


class Service:
    """One service under supervision. `start_once` starts it and returns when it is ready, or raises."""

    def __init__(self, name: str, start_once: Callable[[], Awaitable[Running]], backoff: Backoff | None = None) -> None:
        self.name = name
        self.restarts = 0
        self._start_once = start_once
        self._backoff = backoff or Backoff()
        self._running: Running | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running service; None between its end and its restart."""
        return self._running.pid if self._running is not None else None

    async def start(self) -> None:
        """Start it; a first start that fails raises, later ones are tried again."""
        self._running = await self._start_once()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self) -> None:
        """Stop it cleanly and restart it no more."""
        await self._end_keeper()
        if self._running is not None:
            await self._running.stop()
            self._running = None

    async def kill(self) -> None:
        """End it at once and restart it no more."""
        await self._end_keeper()
        if self._running is not None:
            await self._running.kill()
            self._running = None

    async def _end_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    async def _keep(self) -> None:
        failures = 0
        while True:
            if self._running is not None:
                started = time.monotonic()
                ending = await self._running.wait()
                self._running = None
                if time.monotonic() - started >= self._backoff.healthy_seconds:
                    failures = 0
                log.error("%s ended unexpectedly (%s)", self.name, ending)
            failures += 1
            pause = self._backoff.pause(failures)
            log.warning("restarting %s in %.1f s", self.name, pause)
            await asyncio.sleep(pause)
            try:
                self._running = await self._start_once()
            except Exception as error:
                log.error("%s did not start: %s", self.name, error)
            else:
                self.restarts += 1
                log.info("%s is back as process %s", self.name, self._running.pid)


class Supervisor:
    """Services started in stages, each stage needing those before it; those of one stage start together."""

    def __init__(
        self, stages: Sequence[Sequence[Service]], stop_order: Sequence[Sequence[Service]] | None = None
    ) -> None:
        """`stop_order` names all services, those together that are stopped together; default: one after the other, in
        the reverse order of the start."""
        self._stages = stages
        services = [service for stage in stages for service in stage]
        self._stop_order = stop_order if stop_order is not None else tuple([service] for service in reversed(services))

    async def start(self) -> None:
        """Start all. If one fails, those already started are stopped, and the failure is raised."""
        try:
            for stage in self._stages:
                await self._start(stage)
        except BaseException:
            await self.stop()
            raise

    @staticmethod
    async def _start(stage: Sequence[Service]) -> None:
        starts = [asyncio.create_task(service.start(), name=f"start {service.name}") for service in stage]
        try:
            # The first failure is the one to tell; the others are waited for, so that nothing is left half started.
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise
        for service in stage:
            log.info("%s runs as process %s", service.name, service.pid)

    async def stop(self) -> None:
        """Stop all in order; one that fails to stop does not keep the others from it."""
        for stage in self._stop_order:
            await asyncio.gather(*(self._stop(service) for service in stage))

    @staticmethod
    async def _stop(service: Service) -> None:
        try:
            await service.stop()
        except Exception:
            log.exception("%s did not stop cleanly", service.name)

    async def kill(self) -> None:
        """End all at once."""
        await asyncio.gather(
            *(service.kill() for stage in self._stop_order for service in stage), return_exceptions=True
        )
