"""Counting requests."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from kernel.http.metrics import BOUNDS, HttpMetrics
from kernel.telemetry import Readings, exposition


def text(metrics: HttpMetrics) -> str:
    return exposition(Readings(metrics.samples)).decode()


async def answered(metrics: HttpMetrics, handler: object, method: str = "GET") -> None:
    request = make_mocked_request(method, "/made/up")
    request._match_info = await web.UrlDispatcher().resolve(request)
    await metrics.middleware()(request, handler)  # type: ignore[arg-type]


async def test_durations_are_a_histogram_prometheus_reads() -> None:
    ticks = count(0, 1)
    metrics = HttpMetrics(clock=lambda: next(ticks) * 0.02)

    async def ok(_request: web.Request) -> web.Response:
        return web.Response()

    for _ in range(3):
        await answered(metrics, ok)
    shown = text(metrics)
    assert 'dojo_http_responses_total{method="GET",route="unknown",status="200"} 3.0' in shown
    assert 'dojo_http_request_duration_seconds_bucket{le="0.015",method="GET",route="unknown"} 0.0' in shown
    assert 'dojo_http_request_duration_seconds_bucket{le="0.025",method="GET",route="unknown"} 3.0' in shown
    assert 'dojo_http_request_duration_seconds_bucket{le="+Inf",method="GET",route="unknown"} 3.0' in shown
    assert 'dojo_http_request_duration_seconds_count{method="GET",route="unknown"} 3.0' in shown
    assert "dojo_http_requests_in_progress 0.0" in shown
    assert list(BOUNDS) == sorted(BOUNDS)


async def test_failures_and_clients_that_go_away_are_counted_too() -> None:
    metrics = HttpMetrics()

    async def fails(_request: web.Request) -> web.Response:
        raise RuntimeError("bang")

    async def redirects(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/")

    async def is_cancelled(_request: web.Request) -> web.Response:
        raise asyncio.CancelledError

    for handler, error in ((fails, RuntimeError), (redirects, web.HTTPFound), (is_cancelled, asyncio.CancelledError)):
        with pytest.raises(error):
            await answered(metrics, handler)
    shown = text(metrics)
    for status in (500, 302, 499):
        assert f'dojo_http_responses_total{{method="GET",route="unknown",status="{status}"}} 1.0' in shown
    assert "dojo_http_requests_in_progress 0.0" in shown


async def test_what_is_under_way_is_shown_and_made_up_methods_are_one() -> None:
    metrics = HttpMetrics()

    async def looks(_request: web.Request) -> web.Response:
        assert "dojo_http_requests_in_progress 1.0" in text(metrics)
        return web.Response()

    for method in ("BREW", "WHISK"):
        await answered(metrics, looks, method)
    assert 'dojo_http_responses_total{method="unknown",route="unknown",status="200"} 2.0' in text(metrics)
