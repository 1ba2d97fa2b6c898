"""The listening end: what a connection may take of memory and time before anybody has asked for anything.

aiohttp waits for a request's head, and for a client to read its answer, for as long as the client likes; and it
answers what is no HTTP in a form of its own. Its protocol class is extended here for that; nothing of it is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

from aiohttp import web

from kernel.http.answering import SECURITY_HEADERS
from kernel.http.problem import Problem, busy

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
"""Connections that the kernel holds until they are accepted."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection, and all of them, may take. Times in seconds."""

    head_seconds: float = 10.0
    """From the connection, or from the first byte of a later request, to the end of the request's head."""
    read_seconds: float = 30.0
    """How long a piece of an answer (256 KiB of a file, a whole JSON document) may stay unread."""
    idle_seconds: float = 75.0
    """Between requests; longer than the 60 s of common load balancers, which would else send into a closed socket."""
    linger_seconds: float = 2.0
    """How long the rest of a body is read that was refused, so that the client gets to read why."""
    line_bytes: int = 8190
    field_bytes: int = 8190
    fields: int = 64
    head_bytes: int = 32 * 1024
    """The head as a whole."""
    connections: int = 4096
    """At once in this process, with up to 64 KiB of buffers each. Past it: 503."""
    stop_seconds: float = 5.0
    """How long requests under way may take to end once a stop was asked for."""


class HttpServer:
    """Serves an application on a listening socket."""

    def __init__(self, app: web.Application, limits: ConnectionLimits | None = None) -> None:
        self._limits = limits or ConnectionLimits()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=self._limits.stop_seconds)
        self._listening: asyncio.Server | None = None
        self._census = _Census()

    @property
    def connections(self) -> int:
        """Open now."""
        return self._census.open

    async def start(self, listener: socket.socket) -> None:
        """Run the application's start-up and accept connections."""
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        self._listening = await asyncio.get_running_loop().create_server(
            lambda: _Connection(server, self._limits, self._census), sock=listener, backlog=BACKLOG
        )

    async def stop(self) -> None:
        """Accept nothing more, let requests under way end, run the application's clean-up. May be called twice."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._runner.cleanup()


@dataclass(slots=True)
class _Census:
    open: int = 0


class _Connection(web.RequestHandler):
    """One connection, with deadlines.

    It waits for a head exactly while aiohttp's loop waits for a message (`_waiter`), whatever parser is at work.
    """

    __slots__ = ("_census", "_counted", "_head_bytes", "_head_timer", "_limits", "_read_timer", "_wire")

    def __init__(self, server: web.Server, limits: ConnectionLimits, census: _Census) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.fields,
            # Compressed bodies are refused; unpacked they would be only to be thrown away.
            auto_decompress=False,
        )
        self._limits = limits
        self._census = census
        self._counted = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass
        self._wire = transport
        if self._census.open >= self._limits.connections:
            transport.write(_raw(busy("too_many_connections", "too many connections; try again", 5)))
            transport.close()
            self._force_close = True
            return
        self._census.open += 1
        self._counted = True
        # Any byte that the client leaves unread is noticed, not only those above aiohttp's 64 KiB.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self._head_timer = self._later(self._limits.head_seconds, self._head_is_late)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted:
            self._counted = False
            self._census.open -= 1
        self._head_came()
        self._was_read()
        self._wire = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._waiter is None or self._waiter.done():
            # A head is complete, or what came belongs to a body.
            self._head_came()
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > self._limits.head_bytes:
            self._give_up(Problem(431, "head_too_large", f"a head has at most {self._limits.head_bytes} bytes"))
        elif self._head_timer is None and data:
            self._head_timer = self._later(self._limits.head_seconds, self._head_is_late)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self._later(self._limits.read_seconds, self._unread)

    def resume_writing(self) -> None:
        self._was_read()
        super().resume_writing()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem for what is no HTTP. The parser's words are not repeated, least of all in the log: they quote
        the request, and its address may hold a token."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if status >= 500:
            log.error("a request failed outside its handler: %s", type(exc).__name__)
            problem = Problem(500, "internal_error", "something went wrong here; it has been logged")
        else:
            problem = Problem(status, "bad_request", "this is not an HTTP request that can be read")
        response = problem.response()
        response.headers.update(SECURITY_HEADERS)
        response.force_close()
        return response

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _was_read(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        late = Problem(408, "request_timeout", f"no whole request head within {self._limits.head_seconds:g} s")
        # A browser that connected ahead of need has asked for nothing and expects no answer.
        self._give_up(late if self._head_bytes else None)

    def _give_up(self, problem: Problem | None) -> None:
        self._head_came()
        if self.transport is not None and problem is not None:
            self.transport.write(_raw(problem))
        self.force_close()

    def _unread(self) -> None:
        self._read_timer = None
        # aiohttp may have let go of a transport that it closed: that one still waits for its last bytes to be read.
        if self._wire is not None:
            self._wire.abort()

    def _later(self, seconds: float, then: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, then)


def _raw(problem: Problem) -> bytes:
    """A problem as bytes, for a connection on which there is no request to answer."""
    response = problem.response()
    body = response.body
    assert isinstance(body, bytes)
    headers = {**response.headers, **SECURITY_HEADERS, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
