"""A socket of the dialect `dojo.json.v1`, for tests of the mock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from dojo.mock import world

WAIT_SECONDS = 10.0


class JsonSocket:
    """What came is kept in `got`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.got: list[dict[str, Any]] = []

    async def send(self, **message: object) -> None:
        await self._socket.send_str(json.dumps(message))

    async def raw(self, text: str) -> None:
        await self._socket.send_str(text)

    async def until(self, type_: str, fits: Callable[[dict[str, Any]], bool] = lambda _message: True) -> dict[str, Any]:
        """The next message of a type that fits."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                came = await self._socket.receive()
                assert came.type is aiohttp.WSMsgType.TEXT, f"{came.type} {came.data} after {self.got}"
                message: dict[str, Any] = json.loads(came.data)
                self.got.append(message)
                if message["type"] == type_ and fits(message):
                    return message

    async def closed(self) -> int | None:
        """The close code; 1006 if the connection just broke."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not self._socket.closed:
                came = await self._socket.receive()
                if came.type is aiohttp.WSMsgType.TEXT:
                    self.got.append(json.loads(came.data))
        return self._socket.close_code


@asynccontextmanager
async def json_socket(
    live: str, token: str, *, dojo: object = world.DOJO, query: str = "", protocol: str = "dojo.json.v1"
) -> AsyncIterator[JsonSocket]:
    """Open a socket. A refusal shows in `closed`."""
    url = f"{live}/api/v1/dojos/{dojo}/live?token={token}{query}"
    protocols = [protocol] if protocol else []
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=protocols) as socket:
        yield JsonSocket(socket)
