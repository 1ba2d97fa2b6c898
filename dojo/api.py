"""The API process: HTTP in front of identity, the room page, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiohttp import web

from dojo import ports
from dojo.api_services import CONNECTIONS, STATEMENT_SECONDS, ApiServices
from dojo.child import ChildStart
from dojo.contract import Reference
from dojo.data_directory import DataDirectory
from dojo.guest_tickets import is_loopback
from dojo.master_keys import master_keys
from dojo.page import DIST, Page
from dojo.settings import Settings
from kernel.database import close_pool, create_pool
from kernel.http.answering import answering, answering_https
from kernel.http.body import json_response
from kernel.http.cors import Cors
from kernel.http.metrics import HttpMetrics
from kernel.http.problem import Problem
from kernel.http.server import HttpServer
from kernel.redis import create_client
from kernel.secrets import MasterKeyError
from kernel.settings import SettingsError
from kernel.telemetry import METRICS_CONTENT_TYPE, Distribution, Readings, Sample, exposition, log_to
from kernel.tokens import KeyFileError, SigningKey
from kernel.tokens.authority import AuthorityAway
from kernel.tokens.keyring import NoSigningKey

log = logging.getLogger(__name__)


def make_app(settings: Settings, services: ApiServices, dist: Path = DIST) -> web.Application:
    """All routes. `/metrics` is there only on a loopback address: elsewhere a port of its own is for the network's
    operator to open."""
    measured = HttpMetrics()
    behind_https = settings.public_url.startswith("https://")
    app = web.Application(middlewares=[measured.middleware(), answering_https if behind_https else answering])
    Cors(settings.origins).add_to(app)
    started = time.time()

    async def live(_request: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        if not services.ready:
            raise Problem(503, "not_ready", "the database has not answered for a while")
        return json_response({"status": "ok"})

    def samples() -> Iterator[Sample | Distribution]:
        yield from measured.samples()
        yield from services.authority.samples()
        yield Sample("dojo_http_start_time_seconds", "Unix time at which this process started", started)

    async def metrics(_request: web.Request) -> web.Response:
        body = exposition(Readings(samples))
        return web.Response(body=body, headers={"Content-Type": METRICS_CONTENT_TYPE, "Cache-Control": "no-store"})

    app.router.add_get("/health/live", live)
    app.router.add_get("/health/ready", ready)
    if is_loopback(settings.http.host):
        app.router.add_get("/metrics", metrics)
    operations = services.operations()
    services.router.add(operations, app.router)
    Reference(operations, settings.live_url, dist).add_to(app.router)
    Page(settings.live_url, dist, settings.live.every_node_url).add_to(app.router)
    return app


async def run(start: ChildStart) -> None:
    """Serve until SIGTERM."""
    settings = start.settings
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    room_key = SigningKey.load_or_create(DataDirectory(settings.data_dir).signing_key)
    async with _pool(settings) as pool, _redis(settings) as redis:
        services = ApiServices(settings, pool=pool, redis=redis, master=master_keys(settings), room_key=room_key)
        server = HttpServer(make_app(settings, services))
        try:
            await services.start()
            listener = (
                socket.socket(fileno=start.listen_fd)
                if start.listen_fd is not None
                else ports.listen(settings.http.host, settings.http.port, asked_by="setting http.port")
            )
            await server.start(listener)
            start.ready({"http": ports.url("http", settings.http.host, int(listener.getsockname()[1]))})
            await stop.wait()
        finally:
            await server.stop()
            await services.close()


@contextlib.asynccontextmanager
async def _pool(settings: Settings) -> AsyncIterator[Any]:
    if settings.database.service is None:
        raise SettingsError("database.service is not set: there is nowhere to keep accounts")
    pool = await create_pool(
        settings.database.service, name="dojo-api", statement_seconds=STATEMENT_SECONDS, max_size=CONNECTIONS
    )
    try:
        yield pool
    finally:
        await close_pool(pool)


@contextlib.asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[Any]:
    if settings.redis.url is None:
        yield None
        return
    client = create_client(settings.redis.url, name="dojo-api")
    try:
        yield client
    finally:
        await client.aclose()


def main() -> int:
    """The process; returns its exit code."""
    try:
        start = ChildStart.from_process()
        log_to(None, service="api", level=start.settings.log_level)
        uvloop.run(run(start))
    except (
        SettingsError,
        KeyFileError,
        MasterKeyError,
        NoSigningKey,
        AuthorityAway,
        ports.PortTaken,
        OSError,
        asyncpg.PostgresError,
    ) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
