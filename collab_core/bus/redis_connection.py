"""A connection to Redis that calls back with each reply, as soon as its bytes are there.

The client library makes it: it reads addresses, speaks TLS and authenticates. Then this takes its transport over, since
a task that is woken per message would cost half as much again as the message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import hiredis
from redis.asyncio import Redis

BREATH_REPLIES: Final = 64
"""Taken in one go, at some 30 us each. Then whatever else the event loop has to do gets its turn."""


class RedisRefused(Exception):
    """Redis answered with an error."""


class _Made(Protocol):
    """What is used of `redis.asyncio.Connection`, which has no types."""

    _writer: asyncio.StreamWriter

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool) -> None: ...


class RedisConnection(asyncio.Protocol):
    """One connection, made once. `on_reply` is called with each answer and message; what it raises ends the
    connection, as does an answer that is an error. `on_end` is called with why it ended, unless it was closed."""

    def __init__(self, redis: Redis, on_reply: Callable[[Any], None], on_end: Callable[[Exception], None]) -> None:
        """To where, and as whom, this client connects. Its pool is not used."""
        pool = redis.connection_pool
        settings = pool.connection_kwargs | {
            "client_name": f"{pool.connection_kwargs.get('client_name') or 'dojo'}-bus",
            # The protocol of old, in which a message is a list like any other answer.
            "protocol": 2,
            # With one, a cancellation may be lost on Python 3.11. Whoever connects has a time limit of their own.
            "socket_timeout": None,
        }
        self._made = cast(_Made, pool.connection_class(**settings))
        self._reader = hiredis.Reader()
        self._on_reply = on_reply
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._paused = False

    async def connect(self) -> None:
        """Connect, authenticate, say its name. Raises `redis.exceptions.RedisError` and `OSError`."""
        await self._made.connect()
        self._transport = cast(asyncio.Transport, self._made._writer.transport)
        self._transport.set_protocol(self)

    def write(self, commands: bytes) -> None:
        """Never waits: whoever writes bounds what is not answered yet."""
        if self._transport is not None:
            self._transport.write(commands)

    async def close(self) -> None:
        """At once, with what is not yet written."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        await self._made.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._reader.feed(data)
        if not self._paused:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end(exc or ConnectionError("Redis ended the connection"))

    def _take(self) -> None:
        if self._transport is None:
            return
        try:
            for _ in range(BREATH_REPLIES):
                reply = self._reader.gets()
                if reply is False:
                    if self._paused:
                        self._paused = False
                        self._transport.resume_reading()
                    return
                if isinstance(reply, hiredis.ReplyError):
                    raise RedisRefused(str(reply))
                self._on_reply(reply)
        except Exception as error:  # half read, it is of no use any more
            self._end(error)
            return
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._take)

    def _end(self, error: Exception) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            self._on_end(error)


def command(*parts: bytes) -> bytes:
    """A command as Redis reads it (RESP, https://redis.io/docs/latest/develop/reference/protocol-spec/)."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def publish(channel: bytes, message: bytes) -> bytes:
    """The `command` that is needed thousands of times a second."""
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(channel), channel, len(message), message)
