"""The mock as a server: HTTP on one port, sockets on another, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dojo import contract, ports
from dojo.mock.api import MockApi
from dojo.mock.live import MockLive
from dojo.mock.scenario import Scenario
from dojo.mock.world import Tokens
from kernel.http.server import HttpServer

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where it listens, without paths."""

    http: str
    live: str


@asynccontextmanager
async def mock(scenario: Scenario, port: int = 0, live_port: int = 0) -> AsyncIterator[Addresses]:
    """A mock that serves inside the context; port 0 is any free one. Raises
    `ports.PortTaken`, `ScenarioError`, `OSError`."""
    tokens = Tokens(scenario.access_requests)
    live = MockLive(scenario, tokens)
    api = MockApi(contract.operations(), scenario, tokens, lambda: live.url)
    server = HttpServer(api.app())
    listener = ports.listen(HOST, port, asked_by="--port")
    try:
        live.url = ports.url("ws", HOST, await live.start(HOST, live_port))
        await server.start(listener)
        yield Addresses(ports.url("http", HOST, int(listener.getsockname()[1])), live.url)
    finally:
        await server.stop()
        await live.stop()


async def serve(scenario: Scenario, port: int, live_port: int, announce: Callable[[Addresses], None]) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with mock(scenario, port, live_port) as addresses:
        announce(addresses)
        await stop.wait()
