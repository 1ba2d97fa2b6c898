"""The API process: the room page, health, configuration and, on one's own machine, guest tickets."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import uvloop
from aiohttp import web

from dojo import ports
from dojo.child import ChildStart
from dojo.data_directory import DataDirectory
from dojo.guest_tickets import GuestTickets, is_loopback
from dojo.page import DIST, Page
from dojo.settings import Settings
from kernel.http.answering import answering
from kernel.http.body import json_response
from kernel.settings import SettingsError
from kernel.telemetry import METRICS_CONTENT_TYPE, Readings, Sample, exposition, log_to
from kernel.tokens import KeyFileError, SigningKey

BODY_BYTES = 16 * 1024
"""Largest request body; the page sends a name."""
KEEPALIVE_SECONDS = 75.0
STOP_SECONDS = 5.0
"""How long requests in flight may take to end once a stop was asked for."""

log = logging.getLogger(__name__)


def make_app(settings: Settings, key: SigningKey, dist: Path = DIST) -> web.Application:
    """The routes. Guest tickets exist only in an embedded Dojo bound to loopback."""
    app = web.Application(middlewares=[answering], client_max_size=BODY_BYTES)
    requests = _Requests()
    app.on_response_prepare.append(requests.count)

    async def live(_request: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        return json_response({"status": "ready"})

    async def config(_request: web.Request) -> web.Response:
        return json_response({"liveUrl": settings.live_url})

    async def metrics(_request: web.Request) -> web.Response:
        body = exposition(Readings(requests.samples))
        return web.Response(body=body, headers={"Content-Type": METRICS_CONTENT_TYPE, "Cache-Control": "no-store"})

    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)
    app.router.add_get("/api/v1/config", config)
    if is_loopback(settings.http.host):
        app.router.add_get("/metrics", metrics)
        if settings.guests:
            GuestTickets(
                key,
                live_url=settings.live_url,
                seconds=settings.ticket_hours * 3600,
                allowed_origins=settings.origins,
            ).add_to(app.router)
    Page(settings.live_url, dist).add_to(app.router)
    return app


class _Requests:
    """Answers given, by status."""

    def __init__(self) -> None:
        self._answers: dict[int, int] = {}
        self._started = time.time()

    async def count(self, _request: web.Request, response: web.StreamResponse) -> None:
        self._answers[response.status] = self._answers.get(response.status, 0) + 1

    def samples(self) -> Iterable[Sample]:
        for status, number in sorted(self._answers.items()):
            labels = {"status": str(status)}
            yield Sample("dojo_http_responses_total", "Answers given", number, kind="counter", labels=labels)
        yield Sample("dojo_http_start_time_seconds", "Unix time at which this process started", self._started)


async def run(start: ChildStart) -> None:
    """Serve until SIGTERM."""
    settings = start.settings
    key = SigningKey.load_or_create(DataDirectory(settings.data_dir).signing_key)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        make_app(settings, key),
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=STOP_SECONDS,
    )
    await runner.setup()
    try:
        listener = (
            socket.socket(fileno=start.listen_fd)
            if start.listen_fd is not None
            else ports.listen(settings.http.host, settings.http.port, asked_by="setting http.port")
        )
        await web.SockSite(runner, listener).start()
        start.ready({"http": ports.url("http", settings.http.host, int(listener.getsockname()[1]))})
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """The process; returns its exit code."""
    try:
        start = ChildStart.from_process()
        log_to(None, service="api", level=start.settings.log_level)
        uvloop.run(run(start))
    except (SettingsError, KeyFileError, ports.PortTaken) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
