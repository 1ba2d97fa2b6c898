"""A box in the network between a page and the voice server: it forwards datagrams, and can change its outer port."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

SECOND_OF_PACKETS: Final = 50

Address = tuple[str, int]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, took: Any) -> None:
        self._took = took

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._took(data, address[:2])


class Relay:
    """`port` is what the page is told instead of the server's."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._client: Address | None = None
        self._inner: Any = None
        self._outer: Any = None
        self.settled = asyncio.Event()
        """The server has sent a second of packets to the outer port of now."""
        self._came_down = 0

    @property
    def port(self) -> int:
        return int(self._inner.get_extra_info("sockname")[1])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._inner, _ = await loop.create_datagram_endpoint(lambda: _Side(self._up), local_addr=("127.0.0.1", 0))
        await self.rebind()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inner.close()
        self._outer.close()

    async def rebind(self) -> None:
        """Another outer port from now on; what comes to the old one is lost, as it is behind a router that forgot."""
        loop = asyncio.get_running_loop()
        before, self._came_down = self._outer, 0
        self.settled.clear()
        self._outer, _ = await loop.create_datagram_endpoint(lambda: _Side(self._down), remote_addr=self._server)
        if before is not None:
            before.close()

    def through(self, answer: str) -> str:
        """The answer, with this box in the place of the server, and without TCP."""
        lines = [line for line in answer.splitlines() if not (line.startswith("a=candidate:") and " tcp " in line)]
        return "\r\n".join(line.replace(f" {self._server[1]} ", f" {self.port} ") for line in lines) + "\r\n"

    def _up(self, data: bytes, client: Address) -> None:
        self._client = client
        self._outer.sendto(data)

    def _down(self, data: bytes, _server: Address) -> None:
        self._came_down += 1
        if self._came_down == SECOND_OF_PACKETS:
            self.settled.set()
        if self._client is not None:
            self._inner.sendto(data, self._client)
