"""What the API has done, per route: how many answers of which status, how long they took, how many are under way."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from kernel.telemetry import Distribution, Sample

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. Fine around the 15 ms that reads and writes are to stay under, coarse where passwords are hashed."""
UNKNOWN: Final = "unknown"
"""The one label of all paths and methods that no route has: what clients make up must not make time series."""
GONE: Final = 499
"""The status under which a request is counted whose client went away, as proxies log it."""


@dataclass(slots=True)
class _Durations:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds


class HttpMetrics:
    """Counts of one process. `middleware` goes outside everything else; `samples` is what `Readings` takes."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` in seconds."""
        self._clock = clock
        self._answers: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], _Durations] = {}
        self._under_way = 0

    def middleware(self) -> Middleware:
        """To be put first in an application's list."""

        @web.middleware
        async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
            method, route = _labels(request)
            status = GONE
            started = self._clock()
            self._under_way += 1
            try:
                response = await handler(request)
                status = response.status
                return response
            except web.HTTPException as error:
                status = error.status
                raise
            except Exception:
                status = 500
                raise
            finally:
                self._under_way -= 1
                key = (method, route, status)
                self._answers[key] = self._answers.get(key, 0) + 1
                self._durations.setdefault((method, route), _Durations()).add(self._clock() - started)

        return measured

    def samples(self) -> Iterator[Sample | Distribution]:
        """Everything counted so far."""
        for (method, route, status), number in sorted(self._answers.items()):
            labels = {"method": method, "route": route, "status": str(status)}
            yield Sample("dojo_http_responses_total", "Answers given", number, kind="counter", labels=labels)
        for (method, route), durations in sorted(self._durations.items()):
            yield Distribution(
                "dojo_http_request_duration_seconds",
                "From a request's head to its answer",
                BOUNDS,
                durations.counts,
                durations.sum,
                {"method": method, "route": route},
            )
        yield Sample("dojo_http_requests_in_progress", "Requests under way", self._under_way)


def _labels(request: web.Request) -> tuple[str, str]:
    resource = request.match_info.route.resource
    method = request.method if request.method in hdrs.METH_ALL else UNKNOWN
    return method, UNKNOWN if resource is None else resource.canonical
